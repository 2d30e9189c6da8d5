"""What the comparison of two runs says: figures by model and condition, over all images and by class."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.answers.churn import AnswerChurn
from pytest_robustness.analysis.statistics.correction import correct
from pytest_robustness.analysis.statistics.two_samples import fisher

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_robustness.analysis.comparing.circumstances import Difference
    from pytest_robustness.analysis.comparing.recorded_run import RecordedRun
    from pytest_robustness.analysis.findings import SharedImages
    from pytest_robustness.core import Condition

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]


class Figures(NamedTuple):
    """Images and right answers before and now, and what their difference says: k entries each.

    ``low`` and ``high`` are the ends of its 95 % interval in points; ``p_adjusted`` is corrected by Holm's method over
    all comparisons of its kind. ``churn`` are images by what became of the answer: int64 [4, k] in the order of
    `AnswerChurn`, ``None`` where pairs are missing.
    """

    n_before: Ints
    n_now: Ints
    right_before: Ints
    right_now: Ints
    low: Floats
    high: Floats
    p_value: Floats
    p_adjusted: Floats
    churn: Ints | None

    @property
    def difference(self) -> Floats:
        """The change of accuracy in points; NaN without images."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return 100 * (self.right_now / self.n_now - self.right_before / self.n_before)

    def least_p(self, index: int) -> float:
        """Return the p of one entry, before correction, if all images were right before and none is now."""
        n_before, n_now = self.n_before[index : index + 1], self.n_now[index : index + 1]
        if self.churn is None:
            return float(fisher(n_before, n_before, np.zeros_like(n_now), n_now)[0])
        return min(2 * 0.5 ** int(n_now[0]), 1.0)

    def worse(self, alpha: float) -> NDArray[np.bool_]:
        """Return which accuracies fell significantly."""
        return (self.p_adjusted < alpha) & (self.difference < 0)

    def better(self, alpha: float) -> NDArray[np.bool_]:
        """Return which accuracies rose significantly."""
        return (self.p_adjusted < alpha) & (self.difference > 0)


@dataclasses.dataclass(frozen=True, eq=False)
class CellComparison:
    """One model under one condition in both runs.

    ``before`` is the model's name in the first run. ``overall`` has one entry, ``classes`` one for each class of the
    second run; it is ``None`` where images are not known by class. Where it does not ``decide``, the figures before and
    now are not about the same right answers, and nothing is better or worse.
    """

    before: str
    model: str
    condition: Condition
    overall: Figures
    classes: Figures | None
    alpha: float
    decides: bool = True

    @property
    def paired(self) -> bool:
        """Whether the answers to the same images are compared."""
        return self.overall.churn is not None

    @property
    def churn(self) -> AnswerChurn | None:
        """Which answers changed; ``None`` where pairs are missing."""
        return None if self.overall.churn is None else AnswerChurn(*self.overall.churn[:, 0].tolist())

    @property
    def accuracies(self) -> tuple[float, float]:
        """The accuracy before and now, in percent; NaN without images."""
        found = self.overall
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(100 * found.right_before[0] / found.n_before[0]), float(
                100 * found.right_now[0] / found.n_now[0]
            )

    @property
    def difference(self) -> float:
        """The change of accuracy in points."""
        return float(self.overall.difference[0])

    @property
    def p_adjusted(self) -> float:
        """The p-value, corrected over all comparisons."""
        return float(self.overall.p_adjusted[0])

    @property
    def worse(self) -> bool:
        """Whether accuracy fell significantly."""
        return self.decides and bool(self.overall.worse(self.alpha)[0])

    @property
    def better(self) -> bool:
        """Whether accuracy rose significantly."""
        return self.decides and bool(self.overall.better(self.alpha)[0])

    @property
    def worse_classes(self) -> list[int]:
        """The classes of which the accuracy fell significantly, the largest fall first."""
        if self.classes is None or not self.decides:
            return []
        found = np.flatnonzero(self.classes.worse(self.alpha))
        return [int(i) for i in found[np.argsort(self.classes.difference[found], kind="stable")]]


@dataclasses.dataclass(frozen=True, eq=False)
class RunComparison:
    """Two runs, compared.

    ``classes`` are those of the second run. ``shared`` counts the images that both have, ``None`` where pairs are
    missing. ``left_out`` says what is not compared, ``notes`` what else to know, ``differences`` in which
    circumstances the runs differ.
    """

    before: RecordedRun
    now: RecordedRun
    models: tuple[tuple[str, str], ...]
    conditions: tuple[Condition, ...]
    classes: tuple[str, ...]
    cells: tuple[CellComparison, ...]
    shared: SharedImages | None
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    alpha: float
    differences: tuple[Difference, ...] = ()

    @property
    def worse(self) -> bool:
        """Whether anything got significantly worse: a model under a condition, or a class of one."""
        return any(cell.worse or cell.worse_classes for cell in self.cells)

    @property
    def too_few(self) -> int:
        """How many comparisons have so few images that not even the loss of all would be significant, beside others."""
        p_values = np.array([cell.overall.p_value[0] for cell in self.cells])
        places = np.arange(len(p_values))
        lost = (np.where(places == i, cell.overall.least_p(0), p_values) for i, cell in enumerate(self.cells))
        return sum(not correct(family, "holm")[i] < self.alpha for i, family in enumerate(lost))

    @property
    def apart(self) -> int:
        """How many models under some condition are not compared: one run lacks them, or has another transform."""
        first_names = {new: old for old, new in self.models}
        compared = {(cell.before, cell.condition) for cell in self.cells}
        there = {(cell.model, cell.condition) for cell in self.before.counts}
        # A model that the first run lacks is none of its own that has the same name.
        here = {(first_names.get(cell.model, (cell.model,)), cell.condition) for cell in self.now.counts}
        return len((there | here) - compared)
