"""Draw the bar chart of a finding: accuracy before and after, of the classes that fell most."""

from __future__ import annotations

import functools
import re
from functools import singledispatch
from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.analysis.findings import ClassTest, GateTest, ImageTest, ModelTest
from pytest_robustness.analysis.study_finding import StudyFinding
from pytest_robustness.core.naming import condition_text
from pytest_robustness.core.text import counted
from pytest_robustness.report.markup import environment
from pytest_robustness.report.number_text import cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Template

    from pytest_robustness.analysis.findings import ClassFinding, Finding
    from pytest_robustness.analysis.test_result import TestResult


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


@singledispatch
def bars_of(finding: Finding) -> Bars | None:
    """Return what to draw of ``finding``: the classes that fell most, ten at most; of a model, all classes first.

    A study compares no accuracies; ``None`` then.
    """
    raise TypeError(f"{finding!r} is not a finding")


@bars_of.register(ModelTest)
def _(finding: ModelTest) -> Bars:
    rows = [Row(change.name, change.control, change.treated) for change in finding.worst]
    return Bars(_model_title(finding), [_all_classes(finding.result), *rows])


@bars_of.register(ImageTest)
def _(finding: ImageTest) -> Bars:
    return Bars(_model_title(finding), [_all_classes(finding.result)])


@bars_of.register(ClassTest)
def _(finding: ClassTest) -> Bars:
    sensitive = f"{len(finding.sensitive):,} of {counted(len(finding.classes), 'class', 'classes')} sensitive"
    title = f"{condition_text(finding.condition)}: {sensitive}, {len(finding.beyond_anywhere):,} beyond the margin"
    return Bars(title, _rows(finding.failing))


@bars_of.register(GateTest)
def _(finding: GateTest) -> Bars:
    change = f"{finding.result.difference:+.2f} points"
    title = f"{finding.model} against {finding.counterpart} under {condition_text(finding.condition)}: {change}"
    return Bars(title, [_all_classes(finding.result), *_rows(finding.fallen)], ("baseline", "candidate"))


@bars_of.register(StudyFinding)
def _(_: StudyFinding) -> None:
    return None


def _model_title(finding: ModelTest | ImageTest) -> str:
    under = condition_text(finding.condition)
    return f"{finding.model} under {under}: {finding.result.difference:+.1f} points"


def _all_classes(result: TestResult) -> Row:
    return Row(_ALL, result.control, result.treated)


def _rows(classes: Sequence[ClassFinding]) -> list[Row]:
    return [Row(c.name, c.result.control, c.result.treated) for c in classes[:_MOST_CLASSES]]


def svg(bars: Bars) -> str:
    """Return the chart as SVG; names too long for their column are cut, and shown whole on hovering."""
    rows = [row._replace(name=_drawable(row.name)) for row in bars.rows]
    return _template().render(bars=bars._replace(title=_drawable(bars.title), rows=rows))


@functools.cache
def _template() -> Template:
    templates = environment("allure/templates")
    templates.filters["cut"] = cut
    return templates.get_template("chart.svg")


def _drawable(text: str) -> str:
    """Return ``text`` with the characters that XML does not allow replaced."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
