"""Name the classes that fell most under a condition, in one line of a terminal: as many as fit."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.measure import Measurement
from rich.text import Text

from pytest_robustness.core.text import abridged
from pytest_robustness.report.finding_text import UNSHOWN, expected_text
from pytest_robustness.report.number_text import cut, points_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console, ConsoleOptions

    from pytest_robustness.analysis.findings import ClassFinding, ClassTest

_NARROWEST_LIST = 16
_LONGEST_NAME = 24
# A name is cut to this before its figures are left out.
_SHORT_NAME = 8
_MOST_NAMES = 3


class _Figures(NamedTuple):
    """Which figures stand beside the expected change."""

    interval: bool
    measured: bool


# As many as fit.
_FIGURES = (_Figures(True, True), _Figures(False, True), _Figures(False, False))


def worst_classes_heading(tests: Iterable[ClassTest]) -> str:
    """Return what stands above the worst classes of ``tests``: which figures they have, and what a mark says."""
    mark = f"; {UNSHOWN} no test shows the fall" * any(test.unshown for test in tests)
    return f"Worst classes: change to expect on other images (90 % interval), measured change{mark}"


@dataclasses.dataclass(frozen=True)
class WorstClasses:
    """The classes that fell most: as many as fit, at most three, and the number of the others.

    A class whose fall no test shows is marked. Where not even one fits whole, its name is cut, then the interval is
    left out, then the measured change.
    """

    test: ClassTest

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(_NARROWEST_LIST, max(_NARROWEST_LIST, cell_len(self._text(_MOST_NAMES))))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        width = options.max_width
        whole = (text for most in range(_MOST_NAMES, 0, -1) if cell_len(text := self._text(most)) <= width)
        cut_to_fit = (text for figures in _FIGURES if (text := self._cut(width, figures)))
        yield Text(next(itertools.chain(whole, cut_to_fit)), no_wrap=True)

    def _cut(self, width: int, figures: _Figures) -> str:
        """Return the worst class with its name cut to fit; nothing where too little of the name would be left."""
        longest = width - (cell_len(self._text(1, 1, figures)) - 1)
        if figures is _FIGURES[-1]:
            return self._text(1, max(1, longest), figures)
        return self._text(1, longest, figures) if longest >= _SHORT_NAME else ""

    def _text(self, most: int, longest: int = _LONGEST_NAME, figures: _Figures = _FIGURES[0]) -> str:
        unshown = {finding.index for finding in self.test.unshown}
        alone = {
            fall.index: f", {points_text(fall.difference)} in {fall.model} alone" for fall in reversed(self.test.alone)
        }

        def write(one: ClassFinding) -> str:
            text = _class_text(one, longest, UNSHOWN * (one.index in unshown), figures)
            return text + alone.get(one.index, "") * figures.measured

        return abridged(self.test.worst, most, write)


def _class_text(finding: ClassFinding, longest: int, mark: str, figures: _Figures) -> str:
    between = f" ({expected_text(finding)})" * figures.interval
    measured = f", measured {points_text(finding.measured_change)}" * figures.measured
    return f"{cut(finding.name, longest)} {points_text(finding.expected_change)}{mark}{between}{measured}"
