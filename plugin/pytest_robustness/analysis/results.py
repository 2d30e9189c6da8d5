"""From finished cells to findings: read the store, run the statistics, judge."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_robustness.analysis import statistics, verdicts
from pytest_robustness.analysis.findings import (
    ClassChange,
    ClassFinding,
    ClassTest,
    Counts,
    ImageAccuracy,
    ImageTest,
    ModelTest,
)
from pytest_robustness.analysis.statistics.equivalence import equivalence
from pytest_robustness.analysis.test_result import Correction, Equivalence, MaxSensitive, Outcome, TestResult, Verdict
from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.errors import ModelError, RobustnessError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.inference.run_log import Ledger
    from pytest_robustness.inference.store import Store

_WORST = 10


@dataclasses.dataclass(frozen=True)
class TestPolicy:
    """How to test and when to fail."""

    __test__ = False

    test: Literal["independent", "welch", "paired"]
    alpha: float
    correction: Correction
    max_sensitive: MaxSensitive
    equivalence: float | None = None


class Results:
    """The finished cells of a ledger, and what they say.

    Parameters
    ----------
    store
        Where the cells are.
    ledger
        Which cells are finished, and what kept the others.
    policy
        How to test.
    """

    def __init__(self, store: Store, ledger: Ledger, policy: TestPolicy) -> None:
        self._store = store
        self._ledger = ledger
        self.policy = policy
        _, classes, self.labels = store.dataset(ledger.dataset)
        self.names = tuple(label.name for label in classes)
        self._counts: dict[Cell, Counts] = {}
        self._families: dict[tuple[Condition, frozenset[str]], dict[str, TestResult]] = {}

    def finished(self, *cells: Cell) -> bool:
        """Whether all ``cells`` were computed, and none is in error."""
        return self._ledger.finished(*cells)

    def require(self, *cells: Cell) -> None:
        """Raise what kept one of ``cells`` from being computed, if anything did."""
        for cell in cells:
            if cell in self._ledger.errors:
                raise ModelError(self._ledger.errors[cell])

    def chance_errors(self, models: Iterable[str]) -> dict[str, str]:
        """Return a message for each model that does no better than chance without any transform."""
        finished = [model for model in models if self._ledger.finished(Cell(model, CONTROL))]
        found = {model: self._chance_error(model) for model in finished}
        return {model: message for model, message in found.items() if message is not None}

    def counts(self, cell: Cell) -> Counts:
        """Return the images seen and classified correctly, by class (int64 [C] each)."""
        if cell not in self._counts:
            classes = len(self.names)
            by_class = (np.bincount(self.labels[which], minlength=classes) for which in self.answers(cell))
            self._counts[cell] = Counts(*by_class)
        return self._counts[cell]

    def skipped(self) -> NDArray[np.int64]:
        """Return the positions of the images that could not be read (int64 [n])."""
        finished = next((cell for cell in self._ledger.keys if self._ledger.finished(cell)), None)
        return np.empty(0, np.int64) if finished is None else np.flatnonzero(~self.answers(finished)[0])

    def model_test(self, model: str, condition: Condition, family: Sequence[str] = ()) -> ModelTest:
        """Test one model's per-class accuracies; ``family`` are the models to correct over."""
        cell = Cell(model, condition)
        self.require(*_pair(model, condition))
        together = {name for name in (model, *family) if self._ledger.finished(*_pair(name, condition))}
        result = self._family(condition, frozenset(together))[model]
        within = self._equivalence(result)
        found = verdicts.judge_model(result, self.policy.alpha) if within is None else within.verdict
        return ModelTest(
            model=model,
            condition=condition,
            result=result,
            found=found.outcome,
            verdict=found,
            accuracy=ImageAccuracy(self._top1(Cell(model, CONTROL)), self._top1(cell)),
            worst=self._worst(model, condition),
            equivalence=within,
        )

    def class_test(self, panel: Panel) -> ClassTest:
        """Test every class under a condition: over the models, or over its images where there is one model alone."""
        models = tuple(model for model in panel.models if self._ledger.finished(*_pair(model, panel.condition)))
        left_out = tuple(model for model in panel.models if model not in models)
        if not models:
            self.require(*_pair(left_out[0], panel.condition))
        if len(models) == 1:
            results = self._images_by_class(models[0], panel.condition)
        else:
            results = self._compare(self._accuracies(models, CONTROL).T, self._accuracies(models, panel.condition).T)
        seen = self.counts(Cell(models[0], CONTROL)).n > 0
        findings = [ClassFinding(i, self.names[i], result) for i, result in enumerate(results) if seen[i]]
        policy, tested = self.policy, sum(finding.result.conclusive for finding in findings)
        rule = policy.alpha, policy.max_sensitive, policy.correction
        judged = verdicts.judge_classes([finding.result for finding in findings], *rule)
        return ClassTest(
            condition=panel.condition,
            models=models,
            classes=tuple(findings),
            sensitive=tuple(finding for finding in findings if finding.result.rejects(policy.alpha)),
            allowed=verdicts.allowed_sensitive(tested, *rule),
            untested=tuple(name for name, some in zip(self.names, seen, strict=True) if not some),
            left_out=left_out,
            alpha=policy.alpha,
            verdict=_without(left_out, judged),
        )

    def image_test(self, model: str, condition: Condition) -> ImageTest:
        """Test whether one model's answers change on the same images: McNemar's exact test, overall and by class."""
        self.require(*_pair(model, condition))
        _, control, treated = self._paired_answers(model, condition)
        result = statistics.mcnemar(control, treated, alpha=self.policy.alpha)
        classes = enumerate(self._images_by_class(model, condition))
        return ImageTest(
            model=model,
            condition=condition,
            result=result,
            verdict=verdicts.judge_model(result, self.policy.alpha),
            classes=tuple(ClassFinding(i, self.names[i], found) for i, found in classes if found.n),
        )

    def answers(self, cell: Cell) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which images could be read and which were classified correctly: bool [N] each."""
        key = self._ledger.keys[cell]
        predictions = self._store.get(key, len(self.labels))
        if predictions is None:
            raise RobustnessError(f"{cell.model} under {cell.condition} is not finished; run again to go on.")
        targets = np.array(self._store.description(key)["outputs"], np.int64)[self.labels]
        return predictions.predicted >= 0, predictions.predicted == targets

    def _paired_answers(
        self, model: str, condition: Condition
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which images could be read under both, bool [N], and of these which were right: bool [n] each."""
        (readable, control), (readable_too, treated) = (self.answers(cell) for cell in _pair(model, condition))
        both = readable & readable_too
        return both, control[both], treated[both]

    def _images_by_class(self, model: str, condition: Condition) -> list[TestResult]:
        readable, control, treated = self._paired_answers(model, condition)
        labels, classes = self.labels[readable], len(self.names)
        results = statistics.mcnemar_by_class(control, treated, labels, classes, alpha=self.policy.alpha)
        return statistics.adjust(results, self.policy.correction)

    def _equivalence(self, result: TestResult) -> Equivalence | None:
        margin = self.policy.equivalence
        return None if margin is None else equivalence(result, margin, alpha=self.policy.alpha)

    def _family(self, condition: Condition, models: frozenset[str]) -> dict[str, TestResult]:
        """Return the test of each of ``models``, corrected over all of them: each asks for it, and it is made once."""
        if (condition, models) not in self._families:
            names = sorted(models)
            results = self._compare(self._accuracies(names, CONTROL), self._accuracies(names, condition))
            self._families[condition, models] = dict(zip(names, results, strict=True))
        return self._families[condition, models]

    def _compare(self, control: NDArray[np.float64], treated: NDArray[np.float64]) -> list[TestResult]:
        results = statistics.compare(control, treated, test=self.policy.test, alpha=self.policy.alpha)
        return statistics.adjust(results, self.policy.correction)

    def _accuracies(self, models: Sequence[str], condition: Condition) -> NDArray[np.float64]:
        """Return per-class accuracies in percent: float64 [models, C], NaN for a class without images."""
        counts = [self.counts(Cell(model, condition)) for model in models]
        return statistics.accuracies(np.stack([c.correct for c in counts]), np.stack([c.n for c in counts]))

    def _top1(self, cell: Cell) -> float:
        counts = self.counts(cell)
        return float(100 * counts.correct.sum() / max(1, counts.n.sum()))

    def _worst(self, model: str, condition: Condition) -> tuple[ClassChange, ...]:
        control, treated = (self._accuracies([model], cell.condition)[0] for cell in _pair(model, condition))
        drops = np.nan_to_num(control - treated)
        fallen = [int(i) for i in np.argsort(-drops, kind="stable")[:_WORST] if drops[i] > 0]
        return tuple(ClassChange(i, self.names[i], float(control[i]), float(treated[i])) for i in fallen)

    def _chance_error(self, model: str) -> str | None:
        n, correct = (int(count.sum()) for count in self.counts(Cell(model, CONTROL)))
        classes = len(self.names)
        if statistics.above_chance(correct, n, classes):
            return None
        return (
            f"{model} is right on {correct} of {n} images without any transform, no better than chance for {classes} "
            f"classes. Class order? Its outputs and the folders of the data may be in different orders: give the model "
            f"its class list."
        )


def _pair(model: str, condition: Condition) -> tuple[Cell, Cell]:
    return Cell(model, CONTROL), Cell(model, condition)


def _without(left_out: Sequence[str], judged: Verdict) -> Verdict:
    """Return ``judged``, but never a PASS of a class test that lost a model."""
    if not left_out or judged.outcome is not Outcome.PASS:
        return judged
    return Verdict(Outcome.INCONCLUSIVE, f"{judged.reason}; but {', '.join(left_out)} could not be run")
