"""What paper shows: the ground of every shaded cell, and in words what of a table is not printed."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

WITHOUT_GROUND = """
() => [...document.querySelectorAll("*")].filter((element) => {
  const style = getComputedStyle(element);
  const shaded = /\\b(fall|rise)-\\d/.test(element.className.baseVal ?? element.className);
  return shaded && element.checkVisibility() && style.printColorAdjust !== "exact";
}).map((element) => element.outerHTML)
"""


def notes(page, tab):
    """Return the notes of a part of the page that are on paper alone, as far as they are shown."""
    return page.locator(f"#{tab} .note.on-paper:visible").all_inner_texts()


@pytest.mark.parametrize("which", ["full_page", "odd_page"])
def test_every_shaded_cell_keeps_its_ground_on_paper(open_page, request, which):
    page = open_page(request.getfixturevalue(which)).page
    shaded = page.evaluate("document.querySelectorAll('.explorer [class*=fall-], #model-page [class*=fall-]').length")
    assert shaded
    page.emulate_media(media="print")
    assert page.evaluate(WITHOUT_GROUND) == []


def test_tables_of_which_a_part_is_printed_say_which(open_page, full_page):
    page = open_page(full_page, "classes").page
    assert page.locator(".on-paper:visible").count() == 0
    page.emulate_media(media="print")
    assert notes(page, "classes") == ["On paper: rows 1 to 50 of 9,000; tests.csv has all."]
    assert "On paper: rows 1 to 50 of 1,000; tests.csv has all." in notes(page, "matrix")
    page.emulate_media(media="screen")
    page.fill("#filter-name", "terrier")
    page.check("#filter-beyond")
    page.select_option("#filter-condition", label="vflip")
    shown = int(page.inner_text("#found").split(" of ")[0])
    page.emulate_media(media="print")
    (note,) = notes(page, "classes")
    filters = "class contains terrier; condition vflip; only beyond 10 points (!)"
    assert note == f"On paper: rows 1 to {shown} of {shown}, of 9,000 in all; {filters}; tests.csv has all."


def test_a_class_that_is_shown_alone_is_named_on_paper_and_a_whole_table_needs_no_note(open_page, tricky_page):
    page = open_page(tricky_page, "matrix").page
    page.emulate_media(media="print")
    assert notes(page, "matrix") == []
    page.emulate_media(media="screen")
    page.click(".leads >> text=ox")
    page.fill("#filter-name", "no such class")
    page.emulate_media(media="print")
    (note,) = notes(page, "classes")
    assert note == "On paper: no row, of 51 in all; class contains no such class; tests.csv has all."


def test_the_model_that_is_printed_is_named_and_others_are_said_to_be_left_out(open_page, tricky_page, lone_page):
    page = open_page(tricky_page, "models/1/0").page
    page.emulate_media(media="print")
    assert notes(page, "models") == ["plain: on paper stands this model alone, one of 2; results.json has all."]
    page.evaluate("document.getElementById('model').value = '0'")
    page.evaluate("document.getElementById('model').dispatchEvent(new Event('input'))")
    assert notes(page, "models") == ["=model: on paper stands this model alone, one of 2; results.json has all."]
    alone = open_page(lone_page, "models").page
    alone.emulate_media(media="print")
    assert notes(alone, "models") == ["production"]


# What is left of a figure at the right edge of what scrolls, where a part of it is cut.
CUT = """
() => {
  const edge = document.querySelector("#changes").closest(".scroll").getBoundingClientRect().right;
  return [...document.querySelectorAll("#changes td.rank")].filter((cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    const { left, right } = range.getBoundingClientRect();
    return left < edge - 1 && right > edge + 1;
  }).map((cell) => cell.innerText);
}
"""


@pytest.mark.parametrize("width", [320, 360, 375, 390, 412, 430])
def test_no_rank_is_cut_in_two_on_a_telephone(open_page, full_page, width):
    page = open_page(full_page, width=width).page
    assert page.locator("#changes td.rank").count() == 13
    assert page.evaluate(CUT) == []
