"""A figure, the mark beside it and the legend speak of one thing, where classes differ in size too."""

from __future__ import annotations

import html
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.report import markdown, number_text, summary, terminal
from pytest_robustness.report.page import heat, render

simulated_report = runpy.run_path(str(Path(__file__).parents[1] / "simulated.py"))["simulated_report"]


def words(page):
    """Return what a page shows, on one line."""
    shown = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", shown)).split())


@pytest.fixture(scope="module")
def uneven_view():
    """A common class that falls by itself, and rare ones: the mean over classes and top-1 accuracy change unlike."""
    classes = ["common", *(f"rare {i}" for i in range(9))]
    return simulated_report(
        models=["a", "b", "c"],
        classes=classes,
        transforms=["brightness", "zoom", "hflip", "vflip"],
        images=[3000, *[150] * 9],
    )


def test_a_mark_speaks_of_the_figure_beside_it_where_classes_differ_in_size(uneven_view):
    tests = {(test.model, test.condition): test for test in uneven_view.model_tests}
    kinds, apart = set(), 0
    for row in heat.rows(uneven_view):
        for cell, condition in zip(row.cells, summary.shown(uneven_view), strict=True):
            before, after = (uneven_view.counts[Cell(row.model, c)] for c in (CONTROL, condition))
            by_class = [100 * (a - b) / n for b, a, n in zip(before.correct, after.correct, before.n, strict=True)]
            assert cell.change == pytest.approx(np.mean(by_class))
            assert cell.top1 == pytest.approx(100 * (after.correct.sum() - before.correct.sum()) / before.n.sum())
            images = tests[row.model, condition].change
            if "!" in cell.mark.sign:
                assert abs(cell.change) > uneven_view.policy.margin
            elif not cell.mark.sign:
                assert images.low < cell.change < images.high
                assert abs(cell.change) < uneven_view.policy.margin
            kinds.add(cell.mark.sign[-1:])
            apart += abs(cell.change - cell.top1) > 1
        assert row.average == pytest.approx(np.mean([cell.change for cell in row.cells]))
    assert "!" in kinds
    assert len(kinds) > 1
    assert apart
    for condition, average in uneven_view.changes.items():
        judged = [test.change.difference for test in uneven_view.model_tests if test.condition == condition]
        assert average.value == pytest.approx(np.mean(judged))


def test_where_classes_differ_in_size_every_table_says_that_its_change_is_a_mean_over_them(uneven_view):
    whole, summarized = render.render(uneven_view), markdown.render(uneven_view)
    page, printed = words(whole), " ".join(terminal.render(uneven_view, 200, False).split())
    assert "Change of accuracy, the mean over classes, in points" in page
    assert "Control: top-1 accuracy over all images, before the changes. The classes differ in size" in page
    assert printed.startswith(
        "Change of accuracy, the mean over classes, in points; control: top-1 accuracy in percent; *"
    )
    assert "average change of accuracy (mean over classes)" in summarized
    assert "Accuracy, the mean over classes, falls most under" in summarized
    for cell in (cell for row in heat.rows(uneven_view) for cell in row.cells):
        assert f'title="top-1 accuracy over all images: {number_text.points(cell.top1)} points"' in whole
    for test in uneven_view.model_tests:
        assert number_text.points_text(test.change.difference) in printed


def test_where_classes_are_of_one_size_the_change_is_that_of_top_1_accuracy():
    even = simulated_report(models=["a", "b"], classes=["x", "y", "z"], transforms=["zoom", "vflip"], images=40)
    for cell in even.counts:
        assert even.change(cell) == pytest.approx(even.top1_change(cell))
    whole, printed = render.render(even), terminal.render(even, 200, False)
    assert "Change of top-1 accuracy, in points" in words(whole)
    assert printed.startswith("Change of top-1 accuracy in points, control in percent; *")
    assert "average change of top-1 |" in markdown.render(even)
    assert not re.search("differ in size|over all images: ", words(whole) + "".join(re.findall("title=.*?>", whole)))
