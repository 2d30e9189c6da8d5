"""What is found out about models and classes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pytest_robustness.analysis.test_result import Outcome

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.analysis.test_result import Equivalence, TestResult, Verdict
    from pytest_robustness.core.conditions import Condition


@dataclasses.dataclass(frozen=True)
class ClassFinding:
    """The test of one class: over the models of a class test, or over one model's images."""

    index: int
    name: str
    result: TestResult


@dataclasses.dataclass(frozen=True)
class ModelTest:
    """Whether one model is impacted by one condition: its per-class accuracies, control against condition.

    ``found`` is what the test itself says; ``verdict`` is another where findings known from a baseline are expected.
    ``worst`` holds the classes that fell most, ten at most. ``equivalence`` decides where a margin is asked for.
    """

    __test__: ClassVar[bool] = False

    model: str
    condition: Condition
    result: TestResult
    found: Outcome
    verdict: Verdict
    accuracy: ImageAccuracy
    worst: tuple[ClassChange, ...]
    equivalence: Equivalence | None = None

    @property
    def impacted(self) -> bool:
        """Whether the model was found to be impacted, known or not."""
        return self.found is Outcome.FAIL

    @property
    def known(self) -> bool:
        """Whether the model is impacted and passes, because it was in the baseline and is not shown to be worse."""
        return self.impacted and self.verdict.outcome is Outcome.PASS


@dataclasses.dataclass(frozen=True)
class ClassTest:
    """Which classes are sensitive to one condition.

    With two models or more each class is tested over the models' accuracies on it; with one model, over the images of
    the class (McNemar). ``allowed`` is how many sensitive classes the verdict tolerates, ``untested`` names the classes
    without images, ``left_out`` the models that could not be run.
    """

    condition: Condition
    models: tuple[str, ...]
    classes: tuple[ClassFinding, ...]
    sensitive: tuple[ClassFinding, ...]
    allowed: int
    untested: tuple[str, ...]
    left_out: tuple[str, ...]
    alpha: float
    verdict: Verdict

    @property
    def tested(self) -> int:
        """How many classes had observations enough to be tested."""
        return sum(finding.result.conclusive for finding in self.classes)


@dataclasses.dataclass(frozen=True)
class ImageTest:
    """Whether one model answers differently under a condition on the same images: McNemar's exact test."""

    __test__: ClassVar[bool] = False

    model: str
    condition: Condition
    result: TestResult
    verdict: Verdict
    classes: tuple[ClassFinding, ...]


class ImageAccuracy(NamedTuple):
    """Top-1 accuracy over images, in percent: what a published figure means by accuracy."""

    control: float
    treated: float


@dataclasses.dataclass(frozen=True)
class ClassChange:
    """One class's accuracy in control and under a condition, in percent."""

    index: int
    name: str
    control: float
    treated: float


class Counts(NamedTuple):
    """Images seen and classified correctly, by class: int64 [C] each."""

    n: NDArray[np.int64]
    correct: NDArray[np.int64]


Finding = ModelTest | ClassTest | ImageTest
