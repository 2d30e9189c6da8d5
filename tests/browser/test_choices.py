"""What the reader chooses is what the page shows, and what its address says."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_robustness.report.page import render

pytestmark = pytest.mark.slow


def shown_classes(page):
    """Return the classes that the rows of the table of classes are of, as they are shown."""
    rows = page.locator(".explorer > tbody > tr:not(.detail)")
    return rows.evaluate_all("rows => rows.map((row) => row.cells[0].innerText)")


def test_a_class_in_the_matrix_opens_that_class_and_no_other(open_page, tricky_page, tricky_view):
    opened = open_page(tricky_page, "matrix")
    page = opened.page
    tests = len(tricky_view.class_tests)
    for index, name in enumerate(tricky_view.classes):
        page.click("#tab-matrix")
        page.locator("table.class-matrix tbody .leads").evaluate_all(
            """(buttons, index) => buttons.find((button) => button.dataset.index === String(index)).click()""", index
        )
        names = page.locator(".explorer > tbody > tr:not(.detail) .opens")
        found = names.evaluate_all("all => all.map((button) => button.textContent)")
        assert found == [name] * tests
        label = page.locator(".explorer .detail table").get_attribute("aria-label")
        assert label.startswith(f"{name} under ")
        twice = tricky_view.classes.count(name) > 1
        heads = shown_classes(page)
        assert all(head.endswith(f"#{index}") for head in heads) == twice
        assert page.inner_text("#found").startswith(f"{tests} of ")
    # What the reader types is a part of names again.
    page.fill("#filter-name", "ox")
    assert set(shown_classes(page)) == {"ox", "box turtle"}
    assert opened.complaints == []


SHOWN = """
() => [
  [...document.querySelectorAll(".panel")].find((panel) => !panel.hidden).id,
  ...["model", "model-condition", "filter-condition"].map((id) => document.getElementById(id).selectedOptions[0].text),
  document.querySelector("#model-page h3").innerText,
  [...new Set([...document.querySelectorAll(".explorer > tbody > tr")].map((row) => row.cells[1].innerText))].join(),
]
"""
CHOICES = {
    "a model": [("#tab-models", "click"), ("#model", "plain")],
    "a model's condition": [("#tab-models", "click"), ("#model-condition", "hflip")],
    "both": [("#tab-models", "click"), ("#model-condition", "zoom"), ("#model", "plain")],
    "a button": [("#tab-models", "click"), ("#model-page .opens >> text=hflip", "click")],
    "after a cell of the heat table": [("a[href='#models/0/1']", "click"), ("#model", "plain")],
    "a condition of the classes": [("#tab-classes", "click"), ("#filter-condition", "hflip")],
    "all of them again": [("#tab-classes", "click"), ("#filter-condition", "hflip"), ("#filter-condition", "all")],
    "after a bar": [(".bars a >> text=vflip", "click"), ("#filter-condition", "zoom")],
    "another tab and back": [
        *[("#tab-classes", "click"), ("#filter-condition", "hflip"), ("#tab-models", "click"), ("#model", "plain")],
        *[("#tab-matrix", "click"), ("#tab-models", "click"), ("#tab-classes", "click")],
    ],
}


@pytest.mark.parametrize("choice", CHOICES)
def test_the_address_leads_to_what_is_shown(open_page, tricky_page, choice):
    opened = open_page(tricky_page)
    page = opened.page
    for control, wanted in CHOICES[choice]:
        page.click(control) if wanted == "click" else page.select_option(control, label=wanted)
    tab, *shown = page.evaluate(SHOWN)
    other = open_page(tricky_page, page.url.partition("#")[2]).page
    found_tab, *found = other.evaluate(SHOWN)
    assert found_tab == tab
    # What another tab would show is no part of the address.
    of_tab = {"models": (0, 1, 3), "classes": (2, 4)}[tab]
    assert [found[i] for i in of_tab] == [shown[i] for i in of_tab]
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert [page.evaluate(SHOWN)[1:][i] for i in of_tab] == [shown[i] for i in of_tab]
    assert opened.complaints == []


def test_going_back_leaves_choices_out_and_the_address_true(open_page, tricky_page):
    page = open_page(tricky_page).page
    page.click("#tab-models")
    for model in ("plain", "=model", "plain"):
        page.select_option("#model", label=model)
    page.click("#tab-matrix")
    page.go_back()
    assert page.evaluate("location.hash").startswith("#models/1/")
    assert page.evaluate(SHOWN)[:2] == ["models", "plain"]
    page.go_back()
    assert page.evaluate(SHOWN)[0] == "overview"


def test_a_condition_tested_over_different_models_has_an_address_for_each_test(open_page, tricky_view, tmp_path):
    first = tricky_view.class_tests[0]
    other = dataclasses.replace(first, models=("plain",))
    path = render.write(dataclasses.replace(tricky_view, class_tests=(*tricky_view.class_tests, other)), tmp_path)
    page = open_page(path, "classes").page
    for label, address in (
        ("zoom (plain)", "#classes/0/1"),
        ("zoom (2 models)", "#classes/0"),
        ("vflip", "#classes/1"),
    ):
        page.select_option("#filter-condition", label=label)
        assert page.evaluate("location.hash") == address
        there = open_page(path, address[1:]).page
        assert there.evaluate(SHOWN)[3] == label
