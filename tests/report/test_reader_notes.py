"""A terminal and a notebook tell a reader the same, whatever kind of sentence it is; what is cut is counted."""

from __future__ import annotations

import dataclasses
import html
import re

import pytest

from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.frontends.api import notebook
from pytest_robustness.report.reader_notes import all_notes
from pytest_robustness.report.terminal import render

# Each kind of sentence, by the field of the report that has it, and what views call it.
KINDS = {
    "warnings": (("slope: its set-up was assumed",), "warning: slope: its set-up was assumed"),
    "skipped": (
        ("a.png", "b.png", "c.png", "d.png"),
        "4 images could not be read and were skipped: a.png, b.png, c.png, ...",
    ),
    "labelled": (False, "Without labels (--robustness-labels=none): an image's class is what the model itself answers"),
    "data_notes": (("data has targets that differ",), "data: data has targets that differ"),
    "notes": (("the baseline has other images",), "the baseline has other images"),
}


def in_one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def shown_in_notebook(report) -> list[str]:
    return [html.unescape(text) for text in re.findall("<p>(?!<strong>)(.*?)</p>", notebook.html(report))]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sentence_is_in_both_views(findings, kind):
    value, words = KINDS[kind]
    report = findings.view(errors={}, **{kind: value})
    assert words in in_one_line(render(report, 100, color=False))
    assert any(text.startswith(words) for text in shown_in_notebook(report))


def test_both_views_have_all_of_them_in_the_order_of_their_weight(findings):
    report = findings.view(errors={}, **{kind: value for kind, (value, _) in KINDS.items()})
    notes = all_notes(report)
    starts = [kind for note in notes for kind, (_, words) in KINDS.items() if note.startswith(words)]
    assert starts == [*KINDS]
    terminal = in_one_line(render(report, 100, color=False))
    assert [note for note in notes if in_one_line(note) not in terminal] == []


@pytest.mark.parametrize("number", [0, 1, 4, 5, 6, 40])
def test_what_a_notebook_cuts_is_counted(findings, number):
    report = findings.view(errors={}, policy=dataclasses.replace(findings.view().policy, correction="holm"))
    report = dataclasses.replace(report, data_notes=tuple(f"number {each}" for each in range(number)))
    shown = shown_in_notebook(report)
    assert shown[:5] == [f"data: number {each}" for each in range(min(number, 5))]
    assert shown[5:] == ([f"and {number - 5} more: found.notes"] if number > 5 else [])


def test_the_reasons_why_a_model_was_not_judged_come_first_and_once(findings):
    cells = [Cell("net", CONTROL), *(Cell("net", condition) for condition in findings.view().conditions)]
    errors = dict.fromkeys(cells, "net cannot be loaded") | {Cell("mesh", CONTROL): "mesh ends"}
    report = findings.view(errors=errors, warnings=("w",))
    assert all_notes(report)[:3] == (
        "net under control and 2 other cells: net cannot be loaded",
        "mesh under control: mesh ends",
        "warning: w",
    )
