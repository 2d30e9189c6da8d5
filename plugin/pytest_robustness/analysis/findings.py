"""Findings: what the tests of one run say about models and classes."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from pytest_robustness.analysis.study_finding import StudyFinding
from pytest_robustness.analysis.test_result import Estimate, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_robustness.analysis.answers.churn import AnswerChurn
    from pytest_robustness.analysis.baseline.apart import FallenApart
    from pytest_robustness.analysis.baseline.known_findings import Expected
    from pytest_robustness.analysis.test_result import (
        AnyTestResult,
        ClassImages,
        ImageChange,
        McNemarResult,
        ModelFall,
        TTestResult,
        Verdict,
    )
    from pytest_robustness.core import Condition


@dataclasses.dataclass(frozen=True)
class ClassFinding:
    """The test of one class: over the models of a class test, or over one model's images.

    ``images`` is what the images show over all models of a class test; the comparison with a baseline has none.
    """

    index: int
    name: str
    result: AnyTestResult
    images: ClassImages | None = None

    @property
    def measured_change(self) -> float:
        """The change in points on the images of the run: as the images show it, where the class test has that."""
        return self.result.difference if self.images is None else self.images.difference

    @property
    def expected_change(self) -> float:
        """The change in points to expect on other images: partially pooled, where the class test has that."""
        return self.result.difference if self.images is None else self.images.pooled.value


@dataclasses.dataclass(frozen=True)
class ModelTest:
    """What one condition does to one model: its per-class accuracies, control against condition, and its images.

    ``change`` is what the images show, all classes counting equally. ``found`` is the outcome of the test itself;
    ``verdict`` differs from it where ``--robustness-expect=baseline`` compares it with the baseline's outcome, and
    ``expected`` then says how the two compare. ``worst`` holds the classes with the largest drops, ten at most.
    """

    __test__: ClassVar[bool] = False
    against: ClassVar[Literal["control"]] = "control"

    model: str
    condition: Condition
    result: TTestResult
    change: ImageChange
    found: Outcome
    verdict: Verdict
    accuracy: ImageAccuracy
    worst: tuple[ClassChange, ...]
    expected: Expected | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The model, as the other kinds of finding give theirs."""
        return (self.model,)

    @property
    def impacted(self) -> bool:
        """Whether the t-test over the classes rejects, whatever the verdict goes by."""
        return self.result.rejects(self.change.alpha)

    @property
    def failed(self) -> bool:
        """Whether the test itself fails, known from the baseline or not."""
        return self.found is Outcome.FAIL

    @property
    def known(self) -> bool:
        """Whether the test fails and passes, because the baseline's does and this is not shown to be worse."""
        return self.failed and self.verdict.outcome is Outcome.PASS


@dataclasses.dataclass(frozen=True)
class ClassTest:
    """Which classes are sensitive to one condition.

    A class is ``sensitive`` where a t-test over the models' accuracies on it rejects; with one model, McNemar's test
    over the images of the class. ``beyond`` are the classes that the images show to have changed, and that measure
    more than the margin. ``unshown`` are those that fell by more than the margin while no test shows it, most often on
    too few images. ``alone`` are such falls of single models that the images show, of classes that are not beyond the
    margin over all of them, and ``unshown_alone`` those that no test shows; with one model there are none.
    ``allowed`` is how many sensitive classes the verdict tolerates, ``untested`` names the classes without
    images, ``left_out`` the models that could not be judged. ``expected`` is as in `ModelTest`; ``found`` is the
    outcome of the test itself, where ``verdict`` is that of a comparison with the baseline's.
    """

    against: ClassVar[Literal["control"]] = "control"

    condition: Condition
    models: tuple[str, ...]
    classes: tuple[ClassFinding, ...]
    sensitive: tuple[ClassFinding, ...]
    beyond: tuple[ClassFinding, ...]
    allowed: int
    untested: tuple[str, ...]
    left_out: tuple[str, ...]
    alpha: float
    verdict: Verdict
    expected: Expected | None = None
    found: Outcome | None = None
    unshown: tuple[ClassFinding, ...] = ()
    alone: tuple[ModelFall, ...] = ()
    unshown_alone: tuple[ModelFall, ...] = ()

    @property
    def known(self) -> bool:
        """Whether the test fails and passes, because the baseline's does and this is not shown to be worse."""
        return self.found is Outcome.FAIL and self.verdict.outcome is Outcome.PASS

    @property
    def tested(self) -> int:
        """How many classes had enough observations to be tested."""
        return sum(finding.result.conclusive for finding in self.classes)

    @property
    def blind(self) -> int:
        """How many classes have too few images right in control to show a loss, or no image."""
        return len(self.untested) + sum(finding.images is not None and finding.images.blind for finding in self.classes)

    @property
    def beyond_anywhere(self) -> tuple[ClassFinding, ...]:
        """The classes that are beyond the margin, over all models or in one alone: what reports count and mark."""
        found = {finding.index for finding in self.beyond} | {fall.index for fall in self.alone}
        return tuple(finding for finding in self.classes if finding.index in found)

    @property
    def failing(self) -> tuple[ClassFinding, ...]:
        """The classes that are sensitive, or beyond the margin, over all models or in one alone: the worst first."""
        found = {finding.index: finding for finding in (*self.sensitive, *self.beyond_anywhere)}
        return tuple(worst_first(found.values()))

    @property
    def worst(self) -> tuple[ClassFinding, ...]:
        """The classes to name, the worst first: those that fail, and those whose fall no test shows."""
        return tuple(worst_first((*self.failing, *self.unshown)))

    @property
    def one_model(self) -> bool:
        """Whether the classes are tested over the images of one model."""
        return len(self.models) == 1


@dataclasses.dataclass(frozen=True)
class ImageTest:
    """Whether one model answers differently under a condition on the same images: McNemar's exact test."""

    __test__: ClassVar[bool] = False
    against: ClassVar[Literal["control"]] = "control"

    model: str
    condition: Condition
    result: McNemarResult
    change: ImageChange
    verdict: Verdict
    classes: tuple[ClassFinding, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """The model, as the other kinds of finding give theirs."""
        return (self.model,)


@dataclasses.dataclass(frozen=True)
class GateTest:
    """Whether one model is less robust than the baseline's model under one condition, or under control.

    In ``result`` the baseline's model is control and this run's model is treated. ``counterpart`` names the baseline's
    model. ``beyond_control`` is the change less that of control (``None`` for control itself): it separates a model
    that is weaker everywhere from one that is more sensitive. ``change`` is the change with the interval that decides,
    ``p_worse`` the p-value, corrected over the conditions, of the hypothesis that accuracy fell by no more than the
    tolerance, and ``p_kept`` that of the opposite one. ``fallen`` lists the classes that fell significantly and by more
    than the tolerance, worst first; ``broken`` those that fail the comparison by themselves. ``fell``: accuracy over
    all images is shown to have fallen by more than the tolerance.
    ``unshown`` lists the classes that fell by more than the class tolerance on too few images to show it, and ``blind``
    those with too few that the baseline gets right to show any fall. ``withheld`` says why no pass may rest on the
    comparison, where none may; and ``apart`` says what fell on images which the baseline lacks.
    ``undecided``: there were too few images to decide, and ``--robustness-inconclusive`` gives the verdict.
    ``lost_images`` holds up to a hundred images that only the baseline's model got right, of the most fallen class
    first. ``shared`` counts the images that both have, readable or not, and those that only one has; ``churn`` those by
    what became of the answer.
    """

    against: ClassVar[Literal["baseline"]] = "baseline"

    model: str
    counterpart: str
    condition: Condition
    result: McNemarResult
    change: ImageChange
    p_worse: float
    p_kept: float
    beyond_control: Estimate | None
    fallen: tuple[ClassFinding, ...]
    broken: tuple[ClassFinding, ...]
    improved: bool
    undecided: bool
    verdict: Verdict
    lost_images: tuple[LostImage, ...] = ()
    shared: SharedImages | None = None
    churn: AnswerChurn | None = None
    fell: bool = False
    unshown: tuple[ClassFinding, ...] = ()
    blind: tuple[ClassFinding, ...] = ()
    withheld: str = ""
    apart: FallenApart | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The model, as the other kinds of finding give theirs."""
        return (self.model,)


Finding = ModelTest | ClassTest | ImageTest | GateTest | StudyFinding
"""The kinds of finding: four about sensitivity, and that of the studies.

``against`` says what a finding compares with: the same model without the transform (``control``), a ``baseline``'s
model, or what its ``study`` says.
"""


class LostImage(NamedTuple):
    """An image that only the baseline's model got right: its class, and the candidate's answer with its probability.

    ``position`` is its place in the selection of images; ``file`` its path or other name, empty where the data is gone.
    """

    position: int
    file: str
    class_index: int
    class_name: str
    answer: str
    probability: float


class SharedImages(NamedTuple):
    """How many images both an earlier run, or a baseline, and a run have, and how many only one of them has."""

    both: int
    only_before: int
    only_now: int


class ImageAccuracy(NamedTuple):
    """Top-1 accuracy over images, in percent, as published tables give it."""

    control: float
    treated: float


@dataclasses.dataclass(frozen=True)
class ClassChange:
    """One class's accuracy in control and under a condition, in percent."""

    index: int
    name: str
    control: float
    treated: float


def worst_first(classes: Iterable[ClassFinding]) -> list[ClassFinding]:
    """Rank classes: the largest expected drop first, ties by the smaller p-value, then by index."""
    return sorted(classes, key=_rank)


def _rank(finding: ClassFinding) -> tuple[float, float, int]:
    p = finding.result.p_adjusted
    return finding.expected_change, 2.0 if math.isnan(p) else p, finding.index
