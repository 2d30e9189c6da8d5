"""The terminal, the page and the files of a comparison hold its figures, stay small, and show hostile names as text."""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import json
import re

import numpy as np
import pytest
from rich.cells import cell_len

from pytest_robustness.analysis.comparing import compare_runs
from pytest_robustness.analysis.comparing.reading import counts_of
from pytest_robustness.analysis.comparing.recorded_run import RecordedRun
from pytest_robustness.core import CONTROL, Condition
from pytest_robustness.core.text import printable
from pytest_robustness.report.comparison import page, tables, terminal, words
from tests.recorded import CONDITIONS, ZOOM, drawn, planted, recorded


def run(found, name, *, answers=True):
    """Return a run in memory, as `reading` would give it."""
    protocol = found.protocol
    return RecordedRun(
        name, protocol.data, "f", True, 0, 2, protocol.transforms, dict.fromkeys(found.models, "f"),
        tuple(printable(label.name) for label in found.images.classes), counts_of(found), found if answers else None,
    )  # fmt: skip


def compared(models=("net",), classes=("ant", "bee", "cat"), count=300, fall=0.5, answers=True):
    """Return a comparison in which zoom got worse."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(classes), count)
    before = {name: {c: drawn(rng, labels, len(classes), 0.9) for c in CONDITIONS} for name in models}

    def after(condition, given):
        if condition == ZOOM:
            return drawn(rng, labels, len(classes), fall)
        return planted(rng, given, labels, len(classes), 0.02)

    now = {name: {c: after(c, found) for c, found in given.items()} for name, given in before.items()}
    runs = [run(recorded(found, labels, classes), name, answers=answers)
            for found, name in ((before, "reports/a"), (now, "reports/b"))]  # fmt: skip
    return compare_runs(*runs)


@pytest.fixture(scope="module")
def found():
    return compared()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_no_line_of_the_terminal_is_wider_than_it(found, width):
    lines = terminal.render(found, width, color=False).splitlines()
    assert [line for line in lines if cell_len(line) > width] == []


def test_the_terminal_has_every_figure(found):
    text = terminal.render(found, 100, color=False)
    zoom = next(line for line in text.splitlines() if line.startswith("zoom"))
    (cell,) = [cell for cell in found.cells if cell.condition == ZOOM]
    before, now = cell.accuracies
    figures = [f"{before:.2f}", f"{now:.2f}", f"−{before - now:.2f}", *map(str, cell.churn[1:]), "worse"]
    assert [figure for figure in figures if figure not in zoom] == []
    assert "1 of 3 comparisons is significantly worse" in text
    # Two hundredths of 300 images under each of the two others.
    assert re.search(r"^control .* 0 +0 +6$", text, re.M)


def test_terminal_page_and_json_say_in_what_the_runs_differ(found):
    how = ({"precision": "fp32", "torch": "2.14.1"}, {"precision": "bf16", "torch": "<b>2.15"})
    runs = [dataclasses.replace(one, circumstances=how[i]) for i, one in enumerate((found.before, found.now))]
    other = compare_runs(*runs)
    said = "Computed otherwise: precision fp32 → bf16; torch 2.14.1 → <b>2.15."
    assert " ".join(terminal.render(other, 40, color=False).split()).startswith(
        f"reports/b compared with reports/a {said}"
    )
    header = page.render(other).partition("<header>")[2].partition("</header>")[0]
    assert said in html.unescape(header.replace("<wbr>", ""))
    assert "<b>2.15" not in header
    content = json.loads(tables.text(other))
    assert content["differences"][0] == {"name": "precision", "before": "fp32", "now": "bf16"}
    assert content["now"]["circumstances"] == how[1]
    assert "Computed otherwise" not in terminal.render(found, 80, color=False) + page.render(found)


LONG = ("production-with-a-long-name-of-its-own", "candidate-with-a-long-name")


@pytest.mark.parametrize("width", [30, 40, 60, 80, 81, 100])
@pytest.mark.parametrize("models", [("net",), LONG])
def test_no_figure_is_dropped_or_cut_however_narrow_the_terminal(models, width):
    found = compared(models=models, count=9000)
    text = terminal.render(found, width, color=False)
    shown = text.split()
    for cell in found.cells:
        figures = [
            words.fine_percent_or_dash(cell.accuracies[1]),
            words.fine_points_or_dash(cell.difference),
            words.p_value_or_dash(cell.p_adjusted),
        ]
        assert [figure for figure in (*figures, *map(str, cell.churn[1:])) if figure not in shown] == []
    for one in words.worse_classes(found):
        assert words.fine_points_or_dash(float(one.cell.classes.difference[one.place])) in shown
    assert re.search("bene-.*other.*\n.*harmful.*ficial.*wrong", text) or width < 60
    # At 80 columns a model has one table, and the classes another.
    assert width < 80 or text.count("condition ") == len(models) + 1


@pytest.mark.parametrize(("models", "heads"), [(("net",), "condition class"), (LONG, "condition model class")])
def test_the_condition_is_a_column_of_its_own_and_the_first(models, heads):
    text = terminal.render(compared(models=models), 80, color=False)
    lines = text.partition("Classes that fell")[2].splitlines()
    assert " ".join(lines[1].split()) == f"{heads} before now change p"
    assert all(line.startswith("zoom ") for line in lines[3:5])


def test_many_models_have_a_table_each():
    text = terminal.render(compared(models=("a", "b", "c")), 100, color=False)
    assert text.count("condition ") == 4


def test_the_files_hold_the_same(found, tmp_path):
    assert page.write(found, tmp_path) == tmp_path / "comparison.html"
    content = json.loads((tmp_path / "comparison.json").read_text())
    assert content["worse"] is True
    assert [row["other_wrong"] for row in content["comparisons"][:2]] == [6, 6]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "comparison-classes.csv").read_text())))
    assert len(rows) == 9
    for name in ("harmful", "beneficial", "other_wrong", "images"):
        by_class = sum(int(row[name]) for row in rows if row["transform"] == "zoom")
        assert by_class == next(row[name] for row in content["comparisons"] if row["transform"] == "zoom")
    assert {row["class_name"] for row in content["classes"]} == {"ant", "bee", "cat"}


def test_without_pairs_the_reports_say_so(tmp_path):
    found = compared(answers=False)
    for text in (terminal.render(found, 100, color=False), page.render(found)):
        assert "Pairs are missing" in " ".join(text.split())
    assert json.loads(tables.text(found))["comparisons"][0]["harmful"] is None
    assert "harmful" not in terminal.render(found, 100, color=False)


HOSTILE = ("<script>alert(1)</script>", "\x1b[31mred\x1b[0m", "::error::x", "a|b\nc", "{{ 7 * 7 }}", "ho\u202eno")


def test_hostile_names_are_text_in_terminal_and_page():
    classes = tuple(printable(name) for name in HOSTILE)
    found = compared(models=HOSTILE, classes=classes)
    shown = page.render(found)
    assert "<script>alert" not in shown
    assert "49" not in re.findall(r"<th scope=\"row\"[^>]*>([^<]*)", shown)
    for text in (shown, terminal.render(found, 100, color=False)):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert not re.search(r"^::", terminal.render(found, 100, color=False), re.M)
    assert words.verdict(found)


def test_the_page_asks_for_nothing_and_admits_its_own_script_alone(found):
    shown = page.render(found)
    assert not re.search(r"""(src|href)=["'](?!#|data:,)""", shown)
    assert "default-src &#39;none&#39;" in shown
    assert "unsafe" not in shown


@pytest.mark.slow
def test_a_thousand_classes_of_twelve_models_under_ten_conditions_take_three_megabytes():
    rng = np.random.default_rng(0)
    classes, conditions = 1000, [CONTROL, *(Condition(f"transform{i}", 3) for i in range(10))]
    labels = np.repeat(np.arange(classes), 50)
    shares = rng.uniform(0.3, 0.95, len(conditions))
    names = [f"model{i}" for i in range(12)]
    pairs = list(zip(conditions, shares, strict=True))

    def again(given):
        return np.where(rng.random(len(labels)) < 0.9, given, drawn(rng, labels, classes, 0.6)).astype(np.int32)

    before = {name: {c: drawn(rng, labels, classes, share) for c, share in pairs} for name in names}
    now = {name: {c: again(given) for c, given in found.items()} for name, found in before.items()}
    texts = tuple(f"a class with a name {i}" for i in range(classes))
    found = compare_runs(*(run(recorded(answers, labels, texts), "run") for answers in (before, now)))
    assert len(page.render(found)) < 3_000_000
    assert len(tables.text(found)) < 3_000_000
