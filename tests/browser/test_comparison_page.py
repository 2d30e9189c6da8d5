"""The page of a comparison in a browser: silent, accessible, nothing off screen, and true to its figures."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_robustness.analysis.comparing import compare_runs, read
from pytest_robustness.report.comparison import page
from tests.recorded import CONDITIONS, ZOOM, drawn, planted, put_report, recorded

pytestmark = pytest.mark.slow

CLASSES = tuple(f"a class {i}" for i in range(40))


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Return a comparison of two models, and where its page is."""
    folder, rng = tmp_path_factory.mktemp("compared"), np.random.default_rng(0)
    labels = np.repeat(np.arange(len(CLASSES)), 30)
    before = {name: {c: drawn(rng, labels, 40, 0.9) for c in CONDITIONS} for name in ("net", "other_net<b>")}
    now = {name: {c: drawn(rng, labels, 40, 0.6) if c == ZOOM else planted(rng, given, labels, 40, 0.02)
                  for c, given in answers.items()} for name, answers in before.items()}  # fmt: skip
    runs = [read(put_report(recorded(answers, labels, CLASSES), folder / name)) for answers, name in
            ((before, "a"), (now, "b"))]  # fmt: skip
    found = compare_runs(*runs)
    (folder / "comparison.html").write_text(page.render(found), encoding="utf-8")
    return found, folder / "comparison.html"


@pytest.fixture
def opened(launch, compared):
    """Open the page at a width and in a scheme; return it and what it complained of."""
    contexts = []

    def open_at(width=1400, scheme="light"):
        context = launch(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        shown, complaints = context.new_page(), []
        shown.on("console", lambda message: complaints.append(message.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.goto(compared[1].as_uri())
        shown.wait_for_selector("html[data-ready]")
        return shown, complaints

    yield open_at
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 400])
def test_axe_finds_no_violation_and_nothing_is_off_screen(opened, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python").Axe()
    shown, complaints = opened(width, scheme)
    assert complaints == []
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    rules = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    found = axe.run(shown, options={"runOnly": rules, "resultTypes": ["violations", "passes"]})
    assert "color-contrast" in {rule["id"] for rule in found.response["passes"]}
    assert found.generate_snapshot() == "", found.generate_report()


def test_the_classes_are_those_of_the_model_and_condition_that_are_chosen(opened, compared):
    shown, _ = opened()
    shown.select_option("#model", "1")
    shown.select_option("#condition", "2")
    rows = shown.eval_on_selector_all(
        "#table tbody tr", "rows => rows.map((r) => [...r.cells].map((c) => c.innerText))"
    )
    (cell,) = [c for c in compared[0].cells if (c.model, c.condition) == ("other_net<b>", ZOOM)]
    changed = np.flatnonzero(cell.classes.churn[1:].sum(axis=0))
    assert {row[0] for row in rows} == {CLASSES[i] for i in changed}
    for row in rows:
        index = CLASSES.index(row[0])
        assert row[5:8] == [str(count) for count in cell.classes.churn[1:, index]]
        assert float(row[4].replace("−", "-")) == pytest.approx(cell.classes.difference[index], abs=0.051)
        assert float(row[8]) == pytest.approx(cell.classes.p_adjusted[index], rel=0.06)
    # The largest fall comes first.
    falls = [float(row[4].replace("−", "-")) for row in rows]
    assert falls == sorted(falls)
    shown.fill("#search", "class 7")
    assert shown.locator("#table tbody tr").count() == 1
    shown.fill("#search", "")
    shown.uncheck("#changed")
    assert shown.locator("#table tbody tr").count() == len(CLASSES)
    shown.locator("#table thead button").first.click()
    assert shown.locator("#table thead th").first.get_attribute("aria-sort") == "ascending"
