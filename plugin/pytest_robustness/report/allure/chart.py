"""One small bar chart: accuracy before and after of the classes that fell most, drawn with Pillow."""

from __future__ import annotations

import functools
import io
from functools import singledispatch
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from pytest_robustness.analysis.findings import ClassTest, GateTest, ImageTest, ModelTest, worst_first
from pytest_robustness.report.number_text import condition_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.findings import ClassFinding, Finding
    from pytest_robustness.analysis.test_result import TestResult

    Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

_MOST_CLASSES = 10
_ALL = "all classes"
_UNKNOWN = chr(0x10FFFF)  # no character, and never one
_WIDTH, _LEFT, _RIGHT = 1200, 380, 170
_TITLE, _ROW, _FOOT = 84, 50, 46
_PAPER, _INK, _FAINT, _GRID = "#ffffff", "#1f2328", "#57606a", "#d8dee4"
_CONTROL, _TREATED = "#8c959f", "#c4432b"


class Row(NamedTuple):
    """A class, or all of them, with its two accuracies in percent."""

    name: str
    control: float
    treated: float


class Bars(NamedTuple):
    """What a chart shows: a title and its rows."""

    title: str
    rows: Sequence[Row]
    words: tuple[str, str] = ("control", "transformed")


@singledispatch
def bars_of(finding: Finding) -> Bars:
    """Return what to draw of ``finding``: the classes that fell most, ten at most; of a model, all classes first."""
    raise TypeError(f"{finding!r} is not a finding")


@bars_of.register(ModelTest)
def _(finding: ModelTest) -> Bars:
    rows = [Row(_class_name(change.index, change.name), change.control, change.treated) for change in finding.worst]
    return Bars(_model_title(finding), [_all_classes(finding.result), *rows])


@bars_of.register(ImageTest)
def _(finding: ImageTest) -> Bars:
    return Bars(_model_title(finding), [_all_classes(finding.result)])


@bars_of.register(ClassTest)
def _(finding: ClassTest) -> Bars:
    title = f"{condition_text(finding.condition)}: {len(finding.sensitive)} of {len(finding.classes)} classes sensitive"
    return Bars(title, _rows(worst_first(finding.sensitive)))


@bars_of.register(GateTest)
def _(finding: GateTest) -> Bars:
    change = f"{finding.result.difference:+.2f} points"
    title = f"{finding.model} against {finding.counterpart} under {condition_text(finding.condition)}: {change}"
    return Bars(title, [_all_classes(finding.result), *_rows(finding.fallen)], ("baseline", "candidate"))


def _model_title(finding: ModelTest | ImageTest) -> str:
    under = condition_text(finding.condition)
    return f"{finding.model} under {under}: {finding.result.difference:+.1f} points"


def _all_classes(result: TestResult) -> Row:
    return Row(_ALL, result.control, result.treated)


def _rows(classes: Sequence[ClassFinding]) -> list[Row]:
    return [Row(_class_name(c.index, c.name), c.result.control, c.result.treated) for c in classes[:_MOST_CLASSES]]


def png(bars: Bars) -> bytes:
    """Return the chart as a PNG of 16 colours, twice as wide as shown, so that it is sharp on any screen."""
    rows = bars.rows
    height = _TITLE + _ROW * max(1, len(rows)) + _FOOT
    image = Image.new("RGB", (_WIDTH, height), _PAPER)
    draw = ImageDraw.Draw(image)
    large, small = ImageFont.load_default(28), ImageFont.load_default(22)
    draw.text((24, 24), _fit(draw, bars.title, large, _WIDTH - 48), _INK, large)
    _grid(draw, height, small)
    for number, row in enumerate(rows):
        _bar(draw, _TITLE + number * _ROW, row, small)
    _legend(draw, height - _FOOT + 8, bars.words, small)
    if not rows:
        draw.text((24, _TITLE + 8), "no class is sensitive", _FAINT, small)
    file = io.BytesIO()
    image.quantize(16, Image.Quantize.FASTOCTREE).save(file, "png", optimize=True)
    return file.getvalue()


def _grid(draw: ImageDraw.ImageDraw, height: int, font: Font) -> None:
    for percent in (0, 25, 50, 75, 100):
        x = _x(percent)
        draw.line((x, _TITLE - 6, x, height - _FOOT), _GRID, 2)
        draw.text((x, height - _FOOT + 8), f"{percent} %", _FAINT, font, anchor="ma")


def _legend(draw: ImageDraw.ImageDraw, top: int, words: tuple[str, str], font: Font) -> None:
    for left, color, word in zip((24, 160), (_CONTROL, _TREATED), words, strict=True):
        draw.rectangle((left, top + 2, left + 16, top + 18), color)
        draw.text((left + 26, top), word, _FAINT, font)


def _bar(draw: ImageDraw.ImageDraw, top: int, row: Row, font: Font) -> None:
    middle = top + _ROW // 2 - 3
    draw.text((_LEFT - 16, middle), _fit(draw, row.name, font, _LEFT - 40), _INK, font, anchor="rm")
    draw.rectangle((_x(0), top + 2, _x(row.control), top + 20), _CONTROL)
    draw.rectangle((_x(0), top + 22, _x(row.treated), top + 40), _TREATED)
    draw.text((_x(100) + 16, middle), f"{row.control:.0f} > {row.treated:.0f} %", _INK, font, anchor="lm")


def _x(percent: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(max(percent, 0.0), 100.0) / 100


def _class_name(index: int, name: str) -> str:
    """Return the name, or the class's index where the font cannot draw it: the table beside the chart has both."""
    return name if all(map(_drawable, "".join(name.split()))) else f"class {index}"


@functools.cache
def _drawable(sign: str) -> bool:
    """Whether Pillow's own font has ``sign``; what it has not, Greek or accents among them, it draws as one box."""
    font = ImageFont.load_default(22)
    drawn, box = font.getmask(sign), font.getmask(_UNKNOWN)
    return (drawn.size, bytes(drawn)) != (box.size, bytes(box))


def _fit(draw: ImageDraw.ImageDraw, text: str, font: Font, width: float) -> str:
    """Return ``text`` on one line, cut so that it is no wider than ``width`` pixels; ``?`` for what cannot be drawn."""
    line = "".join(sign if _drawable(sign) else "?" for sign in " ".join(text.split()))
    if draw.textlength(line, font) <= width:
        return line
    while line and draw.textlength(line + "…", font) > width:
        line = line[:-1]
    return line + "…"
