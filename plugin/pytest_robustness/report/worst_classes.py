"""Name the classes that fell most under a condition, in one line of a terminal: as many as fit."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.measure import Measurement
from rich.text import Text

from pytest_robustness.core.text import abridged
from pytest_robustness.report.finding_text import expected_text
from pytest_robustness.report.number_text import cut, points_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions

    from pytest_robustness.analysis.findings import ClassFinding, ClassTest

_NARROWEST_LIST = 16
_LONGEST_NAME = 24
_MOST_NAMES = 3


@dataclasses.dataclass(frozen=True)
class WorstClasses:
    """The failing classes that fell most: as many as fit, at most three, and the number of the others.

    Where not even one fits whole, it has no interval.
    """

    test: ClassTest

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(_NARROWEST_LIST, max(_NARROWEST_LIST, cell_len(self._text(_MOST_NAMES))))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        texts = [*map(self._text, range(_MOST_NAMES, 0, -1)), self._text(1, interval=False)]
        fits = next((text for text in texts if cell_len(text) <= options.max_width), None)
        beside_name = cell_len(self._text(1, longest=1, interval=False)) - 1
        longest = max(1, options.max_width - beside_name)
        yield Text(fits or self._text(1, longest=longest, interval=False), no_wrap=True)

    def _text(self, most: int, longest: int = _LONGEST_NAME, interval: bool = True) -> str:
        return abridged(self.test.failing, most, lambda finding: _class_text(finding, longest, interval))


def _class_text(finding: ClassFinding, longest: int, interval: bool) -> str:
    between = f" ({expected_text(finding)}), measured {points_text(finding.measured_change)}" if interval else ""
    return f"{cut(finding.name, longest)} {points_text(finding.expected_change)}{between}"
