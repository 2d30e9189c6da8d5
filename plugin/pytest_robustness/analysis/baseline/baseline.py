"""A baseline: the answers of models in an earlier run."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis.answers import RecordedAnswers, RecordedModel
from pytest_robustness.core.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_robustness.analysis.test_result import Outcome
    from pytest_robustness.core import Condition


@dataclasses.dataclass(frozen=True, eq=False)
class BaselineModel(RecordedModel):
    """One model of a baseline.

    Parameters
    ----------
    outcomes
        What its model tests resulted in.
    """

    outcomes: Mapping[Condition, Outcome]


@dataclasses.dataclass(frozen=True, eq=False)
class Baseline(RecordedAnswers):
    """The answers of one model or more to the same images, each under the same conditions."""

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
            raise BaselineError(
                f"{name!r} is not a model of the baseline. Known: {known}. Name the one to compare with by "
                "--robustness-baseline-model, with --robustness-candidate; or write the baseline anew, with all models "
                "(--robustness-update-baseline)."
            )
        return self.models[name]
