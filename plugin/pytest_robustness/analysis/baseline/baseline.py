"""A baseline: the answers of models in an earlier run."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.analysis.baseline.protocol import RunProtocol
    from pytest_robustness.analysis.test_result import Outcome
    from pytest_robustness.core import Condition


@dataclasses.dataclass(frozen=True, eq=False)
class BaselineModel:
    """One model of a baseline.

    ``answers`` says which images it got right (bool [N] by condition, control included), ``outcomes`` what its model
    tests resulted in, ``fingerprint`` identifies its weights.
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
