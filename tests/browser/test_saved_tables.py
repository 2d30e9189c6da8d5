"""What is saved or copied from the page: names as they are, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from pytest_robustness.core import Cell, Condition
from pytest_robustness.core.text import for_csv

pytestmark = pytest.mark.slow


def table_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def saved(page, button):
    """Click what saves a file, and return its rows."""
    with page.expect_download() as waited:
        page.locator(button).first.click()
    return table_of(Path(waited.value.path()).read_bytes().decode())


def test_names_in_tables_of_classes_are_as_in_those_of_python(open_page, tricky_page, tricky_view):
    page = open_page(tricky_page, "classes").page
    names = {index: for_csv(name) for index, name in enumerate(tricky_view.classes)}
    rows = saved(page, "#save")
    assert {int(row["class_index"]): row["class_name"] for row in rows} == names
    page.click("#copy")
    page.locator("#found", has_text="copied").wait_for()  # wait_for_function evaluates, which the page's policy refuses
    assert table_of(page.evaluate("navigator.clipboard.readText()")) == rows
    assert {row["alone"] for row in rows} <= {"", "'=model", "plain", "'=model; plain", "plain; =model"}
    page.click("#tab-matrix")
    rows = saved(page, "#matrix-save")
    assert {int(row["class_index"]): row["class_name"] for row in rows} == names
    assert all(float(row["zoom expected change"]) < 100 for row in rows)


def test_names_in_tables_of_models_are_as_in_those_of_python(open_page, tricky_page, tricky_view):
    page = open_page(tricky_page, "models/0/1").page
    rows = saved(page, "#model-page h3 ~ .downloads button")
    shown = {found.name for found in tricky_view.confusions[Cell("=model", Condition("vflip"))]}
    assert {row["class"] for row in rows} == {for_csv(name) for name in shown}
    assert all(float(row["change, points"]) < 0 for row in rows)
    page.click("#tab-overview")
    rows = saved(page, "#overview .scroll + .downloads button:has-text('CSV')")
    assert [row["model"] for row in rows] == ["'=model", "plain", "average"]
    assert all(float(row["vflip"].split()[0].replace("−", "-")) < 0 for row in rows)


CASES = (
    *("=1", "+1", "+x", "-0.5", "-.5", "-1e-5", "-5.", "-", "@a", "\ta", "\ra", "\na", "＝1", "＋1", "－1", "＠a"),
    *("a=1", "", " =1", "1,000", "٣", "-٣", "+1 2", "-1\n"),
)


def test_what_a_spreadsheet_would_run_stands_behind_an_apostrophe_by_the_rule_of_python(open_page, tricky_page):
    page = open_page(tricky_page).page
    assert page.evaluate("texts => texts.map(csvText)", CASES) == [for_csv(text) for text in CASES]
    fields = page.evaluate("texts => texts.map(csvField)", CASES)
    for field, text in zip(fields, CASES, strict=True):
        (row,) = csv.reader(io.StringIO(f"{field},end\r\n", newline=""))
        assert row == [for_csv(text), "end"]
    numbers = "[-0.5, 1e-7, -Infinity, Infinity, NaN, 0].map(csvField)"
    assert page.evaluate(numbers) == ["-0.5", "1e-7", "-inf", "inf", "", "0"]


def test_a_row_head_is_no_number_and_a_figure_is_one(open_page, tricky_page):
    page = open_page(tricky_page).page
    head = """names => names.map((name) => cellText(make("th", { scope: "row" }, name)))"""
    names = ["+1", "1,000", "−5", "12 %", "–", "  a  b", "a\nb", "1e5"]
    assert page.evaluate(head, names) == names
    figure = """texts => texts.map((text) => cellText(make("td", { class: "number" }, text)))"""
    assert page.evaluate(figure, ["+1", "1,000", "−5.5", "12 %", "–"]) == ["1", "1000", "-5.5", "12", ""]
    plain = """texts => texts.map((text) => cellText(make("td", {}, text)))"""
    assert page.evaluate(plain, ["+1", "1,000", " a\n b ", "–"]) == ["+1", "1,000", "a b", ""]
