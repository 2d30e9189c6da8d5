"""A baseline: the answers of models in an earlier run."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_robustness.analysis.baseline.images import ImageSet
    from pytest_robustness.analysis.baseline.protocol import RunProtocol
    from pytest_robustness.analysis.test_result import Outcome
    from pytest_robustness.core import Condition


@dataclasses.dataclass(frozen=True, eq=False)
class BaselineModel:
    """One model of a baseline.

    Parameters
    ----------
    fingerprint
        Identifies its weights.
    outputs
        The model output that stands for each class of the data: int64 [C].
    answers
        The output that it predicted for each image, -1 where that could not be read: int32 [N] by condition, control
        included.
    outcomes
        What its model tests resulted in.
    """

    fingerprint: str
    outputs: NDArray[np.int64]
    answers: Mapping[Condition, NDArray[np.int32]]
    outcomes: Mapping[Condition, Outcome]

    def right(self, condition: Condition, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which images of the baseline it got right: bool [N]; ``labels`` (int64 [N]) are their classes."""
        found: NDArray[np.bool_] = self.answers[condition] == self.outputs[labels]
        return found


@dataclasses.dataclass(frozen=True, eq=False)
class Baseline:
    """The answers of one model or more to the same images."""

    protocol: RunProtocol
    images: ImageSet
    models: Mapping[str, BaselineModel]

    @cached_property
    def readable(self) -> NDArray[np.bool_]:
        """The images that could be read in every cell: bool [N]."""
        found = np.ones(len(self.images.labels), np.bool_)
        for model in self.models.values():
            for answers in model.answers.values():
                found &= answers >= 0
        return found

    def model(self, name: str | None = None) -> BaselineModel:
        """Return the model called ``name``; without a name, the only one.

        Raises
        ------
        BaselineError
            When there is no such model, or several to choose from.
        """
        known = ", ".join(sorted(self.models))
        if name is None:
            if len(self.models) != 1:
                raise BaselineError(
                    f"The baseline holds {len(self.models)} models; name one of them with "
                    f"--robustness-baseline-model: {known}."
                )
            return next(iter(self.models.values()))
        if name not in self.models:
            raise BaselineError(f"{name!r} is not a model of the baseline. Known: {known}.")
        return self.models[name]
