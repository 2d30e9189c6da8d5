"""Choose the images that a report shows: for each transform, of classes that fail under it and of others."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.inference.loading.class_matching import answer_naming

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.findings import ClassFinding, ClassTest, GateTest, LostImage
    from pytest_robustness.analysis.predictions import Outputs, StoredPredictions
    from pytest_robustness.core import Condition

_CLASSES_EACH = 2
_MOST_TRANSFORMS = 12
# Changes that differ by rounding are the same.
_DIGITS = 6
_LOST_EACH = 8
_MOST_COMPARISONS = 12


class Answer(NamedTuple):
    """One model's answers to an image, in control and under the condition, and whether they are right."""

    model: str
    control: str
    treated: str
    right_control: bool
    right_treated: bool


class Thumbnails(NamedTuple):
    """An image as a model sees it, in control and transformed: ``data:`` URIs of pictures of ``width`` pixels.

    ``treated`` is empty where the condition is control.
    """

    control: str
    treated: str
    width: int


@dataclasses.dataclass(frozen=True)
class Example:
    """One image of a class with every model's answers; ``position`` is its place in the selection of images.

    ``sensitive`` says whether the class's test rejects, ``beyond`` whether the images show that the class changed, by
    more than the class margin as measured. ``thumbnails`` is ``None`` where the image could not be shown; ``note`` then
    gives the reason.
    """

    condition: Condition
    finding: ClassFinding
    sensitive: bool
    beyond: bool
    position: int
    answers: tuple[Answer, ...]
    thumbnails: Thumbnails | None = None
    note: str = ""

    @property
    def failing(self) -> bool:
        """Whether the class is sensitive, or beyond the margin."""
        return self.sensitive or self.beyond


@dataclasses.dataclass(frozen=True)
class LostExample:
    """An image that a model lost against the baseline's under one condition.

    ``thumbnails`` and ``note`` are as in `Example`.
    """

    model: str
    condition: Condition
    image: LostImage
    thumbnails: Thumbnails | None = None
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Drawn:
    """An image that a study asks to be shown; ``thumbnails`` and ``note`` are as in `Example`."""

    model: str
    condition: Condition
    position: int
    thumbnails: Thumbnails | None = None
    note: str = ""


def choose_lost(tests: Iterable[GateTest]) -> tuple[LostExample, ...]:
    """Return the images to show of comparisons that failed, without thumbnails: eight each, of the twelve worst."""
    failed = [test for test in tests if test.verdict.outcome is Outcome.FAIL]
    worst = sorted(failed, key=lambda test: test.result.difference)[:_MOST_COMPARISONS]
    return tuple(
        LostExample(test.model, test.condition, image)
        for test in failed
        if test in worst
        for image in test.lost_images[:_LOST_EACH]
    )


def choose(predictions: StoredPredictions, tests: Iterable[ClassTest]) -> tuple[Example, ...]:
    """Return the images to show of ``tests``, without thumbnails; the choice depends on the predictions alone."""
    control: dict[str, Outputs] = {}
    chosen = []
    for test in shown_tests(tests):
        control |= {m: predictions.outputs(Cell(m, CONTROL)) for m in test.models if m not in control}
        treated = {model: predictions.outputs(Cell(model, test.condition)) for model in test.models}
        chosen += [_example(predictions, test, finding, control, treated) for finding in shown_classes(test)]
    return tuple(chosen)


def _example(
    predictions: StoredPredictions,
    test: ClassTest,
    finding: ClassFinding,
    control: Mapping[str, Outputs],
    treated: Mapping[str, Outputs],
) -> Example:
    readable = next(iter(treated.values())).predicted >= 0
    members = np.flatnonzero((predictions.labels_of(test.models[0]) == finding.index) & readable)

    def right(outputs: Outputs) -> NDArray[np.bool_]:
        correct: NDArray[np.bool_] = outputs.predicted[members] == outputs.targets[finding.index]
        return correct

    position = int(members[typical([right(control[m]) for m in treated], [right(treated[m]) for m in treated])])
    answers = []
    for model, after in treated.items():
        name = answer_naming(after.targets, predictions.classes, predictions.class_names)
        target = int(after.targets[finding.index])
        first, then = int(control[model].predicted[position]), int(after.predicted[position])
        answers.append(Answer(model, name(first), name(then), first == target, then == target))
    sensitive, beyond = (
        any(c.index == finding.index for c in found) for found in (test.sensitive, test.beyond_anywhere)
    )
    return Example(test.condition, finding, sensitive, beyond, position, tuple(answers))


def shown_tests(tests: Iterable[ClassTest]) -> list[ClassTest]:
    """Return the class tests to show: one for each transform, of its middle severity, twelve at most."""
    by_transform: dict[str, dict[Condition, ClassTest]] = {}
    for test in tests:
        by_transform.setdefault(test.condition.transform, {}).setdefault(test.condition, test)
    middle = [found[sorted(found, key=_severity)[len(found) // 2]] for found in by_transform.values()]
    return middle[:_MOST_TRANSFORMS]


def shown_classes(test: ClassTest) -> list[ClassFinding]:
    """Return the classes to show: two of those that fail, the worst first, and two others that changed least.

    Of others that changed as little, lots are drawn: the same in every run, and others under each condition.
    """
    failing = test.failing
    indices = {c.index for c in failing}
    others = [c for c in test.classes if c.index not in indices and _seen(c)]
    others.sort(key=lambda c: (round(abs(c.result.difference), _DIGITS), _lot(test.condition, c.index)))
    return [*failing[:_CLASSES_EACH], *others[:_CLASSES_EACH]]


def _lot(condition: Condition, index: int) -> bytes:
    return hashlib.sha256(f"{condition} {index}".encode()).digest()


def _seen(finding: ClassFinding) -> bool:
    """Whether a change of the class could have been seen, by its test or by its images."""
    return finding.result.conclusive or (finding.images is not None and not finding.images.blind)


def typical(right_control: Sequence[NDArray[np.bool_]], right_treated: Sequence[NDArray[np.bool_]]) -> int:
    """Return which image is most like its class: nearest to the mean count of models that are right, before and after.

    Parameters
    ----------
    right_control, right_treated
        For each model whether it is right on each image of the class: bool [n]. Ties go to the first image.
    """
    before, after = np.sum(right_control, axis=0), np.sum(right_treated, axis=0)
    return int(np.argmin(np.abs(before - before.mean()) + np.abs(after - after.mean())))


def _severity(condition: Condition) -> int:
    return condition.severity or 0
