"""Read the answers of models: from the store here, from a baseline in `baseline.comparison`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np

from pytest_robustness.analysis.recent import Recent
from pytest_robustness.core import CONTROL, Cell, ClassLabel
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.text import printable
from pytest_robustness.inference.store.cells import StoredCells
from pytest_robustness.inference.store.distinct_images import first_of_copies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from pytest_robustness.core import Condition, EngineUsed
    from pytest_robustness.inference.run_log import RunLog
    from pytest_robustness.inference.store.store import Store, StoredSelection


# What may be kept of cells that were read: of 120 cells of ImageNet's training set the answers of all, in 16 bits each,
# and all columns of a few.
_PREDICTED_BYTES: Final = 384 * 2**20
_SCORED_BYTES: Final = 128 * 2**20
# Top-5 is no figure of a model that has no more outputs.
_FIVE: Final = 5


class Answers(NamedTuple):
    """Which images a model could read and which it classified correctly: bool [N] each."""

    readable: NDArray[np.bool_]
    correct: NDArray[np.bool_]


class Counts(NamedTuple):
    """Images seen and classified correctly, by class: int64 [C] each."""

    n: NDArray[np.int64]
    correct: NDArray[np.int64]

    @property
    def top1(self) -> float:
        """Top-1 accuracy over all images, in percent; 0 without images."""
        return float(100 * self.correct.sum() / max(1, self.n.sum()))


class Outputs(NamedTuple):
    """A cell's predicted outputs (int32 [N], -1 where skipped), and the output of each class (int64 [C], -1: none)."""

    predicted: NDArray[np.int32]
    targets: NDArray[np.int64]

    @property
    def classes(self) -> NDArray[np.int64]:
        """The class of the data that each answer names, -1 where it names none or was skipped: int64 [N]."""
        has = self.targets >= 0
        # The last entry is that of a skipped image.
        size = int(max(self.targets.max(initial=-1), self.predicted.max(initial=-1))) + 2
        named = np.full(size, -1, np.int64)
        named[self.targets[has]] = np.flatnonzero(has)
        return named[self.predicted]


class ScoredOutputs(NamedTuple):
    """A cell's outputs, the probability of each answer, of the true class, and of the output that comes second.

    Probabilities are float32 [N], NaN where the image was skipped, and of the true class where it has no label.
    ``rank`` counts the outputs before the true class: int32 [N], -1 where there is none.
    """

    outputs: Outputs
    probability: NDArray[np.float32]
    true_probability: NDArray[np.float32]
    runner_up: NDArray[np.float32]
    rank: NDArray[np.int32]


class AnswerSource(Protocol):
    """Answers of models to the same images under several conditions."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes: C of them."""

    @property
    def distinct(self) -> NDArray[np.bool_]:
        """Which images tests take for a sample: of the copies of one in a class the first, bool [N]."""

    def labels_of(self, model: str) -> NDArray[np.int64]:
        """Return the class of each image by which a model is counted: int64 [N]."""

    def answers(self, cell: Cell) -> Answers:
        """Return the answers of one model under one condition."""

    def counts(self, cell: Cell) -> Counts:
        """Return the same, counted by class."""


def counts_of(answers: Answers, labels: NDArray[np.int64], classes: int) -> Counts:
    """Count answers by class; ``labels`` (int64 [N]) are the classes of the images."""
    wrong, right = np.bincount(2 * labels + answers.correct, minlength=2 * classes).reshape(classes, 2).T
    if answers.readable.all():
        return Counts(wrong + right, right)
    return Counts(np.bincount(labels[answers.readable], minlength=classes), right)


def pair(model: str, condition: Condition) -> tuple[Cell, Cell]:
    """Return the two cells that a test compares: control and the condition."""
    return Cell(model, CONTROL), Cell(model, condition)


class StoredPredictions:
    """Reads the finished cells of a run from the store.

    Parameters
    ----------
    open_store
        Returns the store that holds the predictions; called when something is first read.
    run_log
        Says which cells are finished and under which keys they are stored.
    """

    def __init__(self, open_store: Callable[[], Store], run_log: RunLog) -> None:
        self._open_store = open_store
        self._run_log = run_log
        self._counts: dict[Cell, Counts] = {}
        self._top5: dict[str, NDArray[np.int64]] = {}
        self._engines: dict[str, tuple[EngineUsed, ...]] = {}
        self._scored: Recent[str, ScoredOutputs] = Recent(_SCORED_BYTES)
        self._predicted: Recent[str, NDArray[np.signedinteger[Any]]] = Recent(_PREDICTED_BYTES)
        self._own: dict[str, NDArray[np.int64]] = {}
        self._shown: tuple[tuple[ClassLabel, ...], tuple[str, ...]] | None = None

    @cached_property
    def _selection(self) -> StoredSelection:
        return self._open_store().selection(self._run_log.dataset)

    @cached_property
    def _cells(self) -> StoredCells:
        return StoredCells(self._open_store(), self._selection.images, self._selection.labels)

    @property
    def labelled(self) -> bool:
        """Whether the images have labels; without them a model's own answers to untouched images are the classes."""
        return bool(self._selection.classes)

    @property
    def classes(self) -> tuple[ClassLabel, ...]:
        """The classes of the data; without labels the outputs of the models, which all have the same."""
        if self.labelled:
            return self._selection.classes
        names = next((facts.classes for facts in self._run_log.models.values()), ())
        return tuple(ClassLabel(name, name) for name in names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, fit to be shown anywhere."""
        classes = self.classes
        if self._shown is None or self._shown[0] is not classes:
            self._shown = classes, tuple(printable(label.name) for label in classes)
        return self._shown[1]

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class of each image in the data: int64 [N], `UNLABELLED` without labels."""
        return self._selection.labels

    def labels_of(self, model: str) -> NDArray[np.int64]:
        """Return the class of each image by which a model is counted: int64 [N].

        Without labels it is what the model answers to the image in control; 0 where the image could not be read, which
        counts nowhere.
        """
        if self.labelled:
            return self.labels
        if model not in self._own:
            self._own[model] = np.maximum(self.outputs(Cell(model, CONTROL)).predicted, 0).astype(np.int64)
        return self._own[model]

    @cached_property
    def distinct(self) -> NDArray[np.bool_]:
        """Which images tests take for a sample: bool [N]. Those that could not be hashed are no copies."""
        return first_of_copies(self.identities, self.labels if self.labelled else None)

    @property
    def identities(self) -> NDArray[np.void]:
        """The hash of each image's content: V16 [N]."""
        return self._selection.images

    def finished(self, cells: Iterable[Cell]) -> bool:
        """Whether all ``cells`` were computed without an error."""
        return self._run_log.finished(*cells)

    def outputs(self, cell: Cell) -> Outputs:
        """Return the predictions of a cell; raise what `scored` raises."""
        predicted = self._predicted.get(self._run_log.keys[cell])
        if predicted is None:
            return self.scored(cell).outputs
        return Outputs(predicted.astype(np.int32), self._targets(cell))

    def scored(self, cell: Cell) -> ScoredOutputs:
        """Return the predictions of a cell with their probabilities; nobody may write into them.

        They are kept for the next call, as far as memory allows, the answers alone in the smallest type that holds
        them: a report looks at each cell about ten times.

        Raises
        ------
        RobustnessError
            When the store lacks images of it that can be read.
        """
        key = self._run_log.keys[cell]
        found = self._scored.get(key)
        if found is None:
            found = self._read(cell)
            columns = (found.outputs.predicted, *found[1:])
            for column in columns:
                column.setflags(write=False)
            self._scored.put(key, found, sum(column.nbytes for column in columns))
            small = found.outputs.predicted.astype(_smallest(found.outputs.predicted))
            self._predicted.put(key, small, small.nbytes)
        return found

    def _read(self, cell: Cell) -> ScoredOutputs:
        key, outputs = self._run_log.keys[cell], self._run_log.models[cell.model].outputs
        predictions, self._engines[key] = self._cells.answered(key, outputs)
        missing = predictions.predicted < 0
        missing[self._run_log.unreadable] = False
        if missing.any():
            raise RobustnessError(f"{cell.model} under {cell.condition} is not finished; run again to continue.")
        found = Outputs(predictions.predicted, self._targets(cell))
        self._top5[key] = self._first_five(predictions.rank)
        scores = (predictions.confidence, predictions.true_probability, predictions.runner_up, predictions.rank)
        return ScoredOutputs(found, *scores)

    def _first_five(self, rank: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the images whose true class is among the five highest outputs, by class: int64 [C]."""
        labels = self.labels[(rank >= 0) & (rank < _FIVE) & (self.labels >= 0)]
        return np.bincount(labels, minlength=len(self.classes))

    def _targets(self, cell: Cell) -> NDArray[np.int64]:
        return np.array(self._run_log.models[cell.model].outputs, np.int64)

    def answers(self, cell: Cell) -> Answers:
        """Return which images could be read and which were classified correctly."""
        predicted, targets = self.outputs(cell)
        return Answers(predicted >= 0, predicted == targets[self.labels_of(cell.model)])

    def counts(self, cell: Cell) -> Counts:
        """Return the same, counted by class; counted once."""
        if cell not in self._counts:
            self._counts[cell] = counts_of(self.answers(cell), self.labels_of(cell.model), len(self.classes))
        return self._counts[cell]

    def top5(self, cell: Cell) -> NDArray[np.int64] | None:
        """Return how many images have their true class among the five highest outputs, by class: int64 [C].

        ``None`` where answers are among no more than five outputs, or images have no labels.
        """
        key = self._run_log.keys[cell]
        if not self.labelled or self._run_log.models[cell.model].ranked <= _FIVE:
            return None
        if key not in self._top5:
            self.scored(cell)
        return self._top5[key]

    def engines(self, cell: Cell) -> tuple[EngineUsed, ...]:
        """Return what computed a cell: one engine, or several if runs with different ones shared the work."""
        key = self._run_log.keys[cell]
        if key not in self._engines:
            self._engines[key] = self._cells.engines(key, self._run_log.models[cell.model].outputs)
        return self._engines[key]


def _smallest(predicted: NDArray[np.int32]) -> type[np.signedinteger[Any]]:
    """Return the smallest type that holds the numbers of outputs."""
    return np.int16 if predicted.max(initial=0) <= np.iinfo(np.int16).max else np.int32
