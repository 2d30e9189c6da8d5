"""What a baseline is: answers of models, and what a run must share with them to be compared."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.analysis.test_result import Outcome
    from pytest_robustness.core import Condition


@dataclasses.dataclass(frozen=True)
class RunProtocol:
    """What two runs must share for their answers to be compared image by image.

    Parameters
    ----------
    data, dataset, images
        The data as the user named it, the fingerprint of the selection of images, and their number.
    classes
        The names of the classes, in the order of the labels.
    seed
        Of the transforms' random draws.
    pipeline
        The version of the way from canvas to prediction.
    transforms
        What each condition's images depend on (`records.Transform.key`), control included.
    tests
        The options of the model tests, which their stored verdicts depend on; the answers do not.
    """

    data: str
    dataset: str
    images: int
    classes: tuple[str, ...]
    seed: int
    pipeline: int
    transforms: Mapping[Condition, str]
    tests: Mapping[str, str | float]


@dataclasses.dataclass(frozen=True, eq=False)
class BaselineModel:
    """One model of a baseline.

    ``answers`` says which images it got right (bool [N] by condition, control included), ``outcomes`` what its model
    tests said, ``fingerprint`` which weights it had.
    """

    fingerprint: str
    answers: Mapping[Condition, NDArray[np.bool_]]
    outcomes: Mapping[Condition, Outcome]


@dataclasses.dataclass(frozen=True, eq=False)
class Baseline:
    """The answers of one model or more; ``readable`` says which images could be read (bool [N])."""

    protocol: RunProtocol
    readable: NDArray[np.bool_]
    models: Mapping[str, BaselineModel]

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
