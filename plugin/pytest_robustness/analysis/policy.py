"""How a run tests, and when a test fails."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pytest_robustness.analysis.statistics import GroupTest
    from pytest_robustness.analysis.test_result import Correction, MaxSensitive


@dataclasses.dataclass(frozen=True)
class TestPolicy:
    """How a run tests, and when a test fails.

    Parameters
    ----------
    test
        Which t-test compares accuracies.
    alpha
        The level of every test.
    correction
        Over the classes, or the models, of a condition.
    max_sensitive
        How many sensitive classes a class test allows: see `verdicts.allowed_sensitive`.
    equivalence
        The margin in points within which a model test must show that the model stays; ``None`` tests for a difference.
    """

    __test__: ClassVar[bool] = False

    test: GroupTest = "independent"
    alpha: float = 0.05
    correction: Correction = "none"
    max_sensitive: MaxSensitive = "chance"
    equivalence: float | None = None
