"""What a report shows beside the tests: images with every model's answers, and what fallen classes are mistaken for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis import statistics
from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.inference.class_matching import imagenet_classes
from pytest_robustness.report.confusions import FallenClass, fallen_classes
from pytest_robustness.report.gallery import Answer, Exhibit, shown_classes, shown_tests, typical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.findings import ClassFinding, ClassTest, Counts
    from pytest_robustness.analysis.test_result import TestResult
    from pytest_robustness.core import ClassLabel
    from pytest_robustness.inference.run_log import Ledger
    from pytest_robustness.inference.store import Store


class _Answers(NamedTuple):
    """A cell's predicted outputs (int32 [N], -1 where skipped) and the output of each class (int64 [C])."""

    predicted: NDArray[np.int32]
    targets: NDArray[np.int64]


class Evidence:
    """The predictions of finished cells, looked at image by image.

    Parameters
    ----------
    store
        Where the cells are.
    ledger
        Which cells are finished.
    names
        What reports call the classes.
    """

    def __init__(self, store: Store, ledger: Ledger, names: Sequence[str]) -> None:
        self._store = store
        self._ledger = ledger
        self._names = names
        _, self._classes, self._labels = store.dataset(ledger.dataset)

    def fallen(self) -> dict[Cell, tuple[FallenClass, ...]]:
        """Return, for each finished cell, the classes that fell most and what they were mistaken for."""
        found: dict[Cell, tuple[FallenClass, ...]] = {}
        finished = [cell for cell in self._ledger.keys if self._ledger.finished(cell, Cell(cell.model, CONTROL))]
        for model in dict.fromkeys(cell.model for cell in finished):
            control, targets = self._answers(Cell(model, CONTROL))
            naming = answer_naming(targets, self._classes, self._names)
            for cell in finished:
                if cell.model == model and cell.condition != CONTROL:
                    treated = self._answers(cell).predicted
                    found[cell] = fallen_classes(self._labels, control, treated, targets, self._names, naming)
        return found

    def exhibits(self, tests: Iterable[ClassTest]) -> tuple[Exhibit, ...]:
        """Return the images to show, without thumbnails; the choice depends on the results alone."""
        found = []
        control: dict[str, _Answers] = {}
        for test in shown_tests(tests):
            control |= {model: self._answers(Cell(model, CONTROL)) for model in test.models if model not in control}
            treated = {model: self._answers(Cell(model, test.condition)) for model in test.models}
            found += [
                self._exhibit(test.condition, finding, sensitive, control, treated)
                for finding, sensitive in shown_classes(test)
            ]
        return tuple(found)

    def _exhibit(
        self,
        condition: Condition,
        finding: ClassFinding,
        sensitive: bool,
        control: Mapping[str, _Answers],
        treated: Mapping[str, _Answers],
    ) -> Exhibit:
        readable = next(iter(treated.values())).predicted >= 0
        members = np.flatnonzero((self._labels == finding.index) & readable)

        def right(answers: _Answers) -> NDArray[np.bool_]:
            found: NDArray[np.bool_] = answers.predicted[members] == answers.targets[finding.index]
            return found

        position = int(members[typical([right(control[m]) for m in treated], [right(treated[m]) for m in treated])])
        answers = []
        for model, after in treated.items():
            naming = answer_naming(after.targets, self._classes, self._names)
            target = int(after.targets[finding.index])
            said, says = int(control[model].predicted[position]), int(after.predicted[position])
            answers.append(Answer(model, naming(said), naming(says), said == target, says == target))
        return Exhibit(condition, finding, sensitive, position, tuple(answers))

    def _answers(self, cell: Cell) -> _Answers:
        key = self._ledger.keys[cell]
        predictions = self._store.get(key, len(self._labels))
        if predictions is None:
            raise KeyError(cell)
        return _Answers(predictions.predicted, np.array(self._store.description(key)["outputs"], np.int64))


def answer_naming(
    targets: NDArray[np.int64], classes: Sequence[ClassLabel], names: Sequence[str]
) -> Callable[[int], str]:
    """Return what gives a model's outputs a name: that of the class of the data, else ImageNet's, else a number.

    Parameters
    ----------
    targets
        The output that stands for each class: int64 [C].
    classes, names
        The classes of the data, and what reports call them.
    """
    imagenet = imagenet_classes()
    known: dict[int, str] = {}
    places = {wnid: place for place, wnid in enumerate(imagenet)}
    offsets = {int(t) - places[c.key] if c.key in places else None for t, c in zip(targets, classes, strict=True)}
    offset = offsets.pop() if len(offsets) == 1 else None
    if offset is not None:
        # Every class sits where ImageNet's order has it, perhaps behind a background class: so do those without images.
        known = dict(enumerate(imagenet.values(), start=offset))
    known |= dict(zip(targets.tolist(), names, strict=True))
    return lambda output: known.get(output, f"output {output}")


def average_changes(counts: Mapping[Cell, Counts]) -> dict[Condition, TestResult]:
    """Return, for each condition, the change of top-1 accuracy averaged over its models: the models are the sample.

    The test is the paired one, whose interval is that of the mean change.
    """
    models: dict[Condition, list[str]] = {}
    for cell in counts:
        if cell.condition != CONTROL and Cell(cell.model, CONTROL) in counts:
            models.setdefault(cell.condition, []).append(cell.model)

    def top1(names: Sequence[str], condition: Condition) -> list[float]:
        found = [counts[Cell(name, condition)] for name in names]
        return [100 * int(count.correct.sum()) / max(1, int(count.n.sum())) for count in found]

    return {
        condition: statistics.compare([top1(names, CONTROL)], [top1(names, condition)], test="paired")[0]
        for condition, names in models.items()
    }
