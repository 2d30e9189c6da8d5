"""Draw the bar chart of a finding: accuracy before and after, of the classes that fell most."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from pytest_robustness.analysis.findings import ClassTest, Finding, ModelTest
from pytest_robustness.report.number_text import cut
from pytest_robustness.report.run_report import condition_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Template

    from pytest_robustness.analysis.baseline.gate import GateTest

_MOST_CLASSES = 10
_ALL = "all classes"
_NOT_IN_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


class Row(NamedTuple):
    """A class, or all classes together, with the accuracy before and after in percent."""

    name: str
    control: float
    treated: float


class Bars(NamedTuple):
    """What a chart shows: a title, its rows, and the names of the two bars of a row."""

    title: str
    rows: Sequence[Row]
    words: tuple[str, str] = ("control", "transformed")


def bars_of(finding: Finding | GateTest) -> Bars:
    """Return what to draw of ``finding``: the classes that fell most, ten at most; of a model, all together first."""
    under = condition_text(finding.condition)
    if not isinstance(finding, Finding):
        fallen = ((fall.name, fall.change) for fall in finding.fallen)
        changes = [(_ALL, finding.change), *fallen]
        rows = [Row(name, change.baseline, change.candidate) for name, change in changes]
        title = f"{finding.model} against {finding.counterpart} under {under}: {finding.change.difference:+.2f} points"
        return Bars(title, rows[: 1 + _MOST_CLASSES], ("baseline", "candidate"))
    if isinstance(finding, ClassTest):
        worst = sorted(finding.sensitive, key=lambda c: (c.result.difference, c.index))[:_MOST_CLASSES]
        title = f"{under}: {len(finding.sensitive)} of {len(finding.classes)} classes sensitive"
        return Bars(title, [Row(c.name, c.result.control, c.result.treated) for c in worst])
    result = finding.result
    fell = finding.worst if isinstance(finding, ModelTest) else ()
    title = f"{finding.model} under {under}: {result.difference:+.1f} points"
    rows = [Row(change.name, change.control, change.treated) for change in fell]
    return Bars(title, [Row(_ALL, result.control, result.treated), *rows])


def svg(bars: Bars) -> str:
    """Return the chart as SVG; names too long for their column are cut, and shown whole on hovering."""
    rows = [row._replace(name=_drawable(row.name)) for row in bars.rows]
    return _template().render(bars=bars._replace(title=_drawable(bars.title), rows=rows))


@functools.cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("pytest_robustness.report.allure"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cut"] = cut
    return environment.get_template("chart.svg")


def _drawable(text: str) -> str:
    """Return ``text`` with the characters that XML does not allow replaced."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
