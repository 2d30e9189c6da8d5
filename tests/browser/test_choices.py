"""What the reader chooses is what the page shows, and what its address says."""

from __future__ import annotations

import pytest

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
