"""The page in a browser: silent, quick, operable by keyboard, accessible, and true to the results."""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
import runpy
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from pytest_robustness.core import CONTROL, Cell, Panel
from pytest_robustness.report import number_text

pytestmark = pytest.mark.slow

TABS = ("overview", "classes", "matrix", "models", "gallery", "method")
NASTY = "<script>alert(1)</script>"
BUDGET_MS = 100
INTERACTIONS, TIMED = (
    runpy.run_path(str(Path(__file__).with_name("interactions.py")))[name] for name in ("INTERACTIONS", "TIMED")
)

# What a keyboard user must be able to reach: every control in sight, and every region that scrolls.
OPERABLE = """
() => [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex]")]
  .filter((element) => element.checkVisibility() && element.tabIndex >= 0 && !element.disabled)
  .map((element, index) => (element.dataset.number = index))
"""


def rows(page):
    """Return the texts of the explorer's rows, without those that were opened."""
    return page.eval_on_selector_all(
        ".explorer > tbody > tr:not(.detail)", "rows => rows.map((row) => [...row.cells].map((cell) => cell.innerText))"
    )


def cells_of(page, rows_of):
    """Return the texts of the cells of the rows that a selector finds."""
    return page.eval_on_selector_all(rows_of, "rows => rows.map((row) => [...row.cells].map((c) => c.innerText))")


def keyboard_to(page, selector):
    """Press Tab until the control has the focus."""
    page.locator("body").focus()
    for _ in range(400):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab never reaches {selector}")


@pytest.mark.parametrize("which", ["full_page", "odd_page"])
def test_it_opens_from_a_file_without_a_request_or_a_complaint(open_page, request, which):
    path = request.getfixturevalue(which)
    opened = open_page(path)
    for tab in TABS:
        opened.page.click(f"#tab-{tab}")
        assert opened.page.is_visible(f"#{tab}")
    assert opened.page.evaluate("performance.getEntriesByType('resource').length") == 0
    assert [url for url in opened.requests if not url.startswith("data:")] == [path.as_uri()]
    assert opened.complaints == []


@pytest.mark.parametrize(
    "interaction",
    INTERACTIONS,
    ids=lambda interaction: " ".join(map(str, interaction)),
)
def test_nine_thousand_rows_answer_within_a_tenth_of_a_second(explorer, interaction):
    # The machine may be busy with something else: of three tries the best tells what the page needs.
    assert min(explorer.evaluate(TIMED, list(interaction)) for _ in range(3)) < BUDGET_MS


@pytest.fixture(scope="module")
def explorer(browser, full_page):
    """The class explorer of the full page, opened once."""
    page = browser.new_page()
    page.goto(f"{full_page.as_uri()}#classes")
    page.wait_for_selector("html[data-ready]")
    yield page
    page.close()


def test_rows_are_sorted_and_filtered_as_asked(open_page, full_page, full_view):
    page = open_page(full_page, "classes").page
    found = [(test, finding) for test in full_view.class_tests for finding in test.classes]
    assert page.inner_text("#found") == "9,000 of 9,000 rows"
    worst = min(found, key=lambda pair: pair[1].images.pooled.value)
    assert rows(page)[0][:2] == [worst[1].name, worst[0].condition.transform]

    page.click("th >> text=effect size")
    assert page.get_attribute("th:has-text('effect size')", "aria-sort") == "ascending"
    lowest = min(found, key=lambda pair: pair[1].result.effect_size)
    assert rows(page)[0][0] == lowest[1].name
    page.click("th >> text=effect size")
    assert page.get_attribute("th:has-text('effect size')", "aria-sort") == "descending"
    highest = max(found, key=lambda pair: pair[1].result.effect_size)
    assert rows(page)[0][0] == highest[1].name

    page.fill("#filter-name", "TERRIER")
    page.select_option("#filter-condition", label="vflip")
    page.check("#filter-sensitive")
    wanted = {
        finding.name
        for test, finding in found
        if test.condition.transform == "vflip" and "terrier" in finding.name.lower() and finding in test.sensitive
    }
    assert 0 < len(wanted) <= 50
    assert {row[0] for row in rows(page)} == wanted
    assert {row[-2] for row in rows(page)} == {"yes *"}
    page.check("#filter-beyond")
    beyond = {(test.condition, finding.index) for test in full_view.class_tests for finding in test.beyond_anywhere}
    both = {f.name for t, f in found if f.name in wanted and t.condition.transform == "vflip"
            and (t.condition, f.index) in beyond}  # fmt: skip
    assert {row[0] for row in rows(page)} == both
    assert {row[-2] for row in rows(page)} == {"yes *"}
    assert all(row[-1].endswith("!") for row in rows(page))
    page.uncheck("#filter-sensitive")
    assert {row[0] for row in rows(page)} >= both
    page.fill("#filter-name", "no such class")
    assert rows(page) == []
    assert page.inner_text("#page-where") == "no row"


def test_pages_of_the_table_follow_each_other(open_page, full_page):
    page = open_page(full_page, "classes").page
    first = rows(page)
    assert page.is_disabled("#page-before")
    page.click("#page-after")
    second = rows(page)
    assert page.inner_text("#page-where") == "51 to 100"
    changes = [float(row[4].split()[0].replace("−", "-")) for row in (*first, *second)]
    assert changes == sorted(changes)
    page.click("#page-before")
    assert rows(page) == first


def test_a_class_opens_by_keyboard_to_its_accuracy_in_each_model(open_page, full_page, full_view):
    page = open_page(full_page, "classes").page
    keyboard_to(page, ".explorer .opens")
    page.keyboard.press("Enter")
    name, transform = rows(page)[0][:2]
    index = full_view.classes.index(name)
    table = page.eval_on_selector_all(
        ".detail tbody tr", "rows => rows.map((row) => [...row.cells].map((c) => c.innerText))"
    )
    assert len(table) == 12
    condition = next(c for c in full_view.conditions if c.transform == transform)
    for model, *cells in table:
        for figure, where in zip(cells, (CONTROL, condition), strict=False):
            counts = full_view.counts[Cell(model, where)]
            right, n = int(counts.correct[index]), int(counts.n[index])
            assert figure == f"{100 * right / n:.1f}\N{NO-BREAK SPACE}% ({right:,} of {n:,})"
    page.keyboard.press("Space")
    assert page.locator(".detail").count() == 0


def test_the_rows_that_were_filtered_are_copied_as_csv(open_page, odd_page):
    opened = open_page(odd_page, "classes")
    opened.page.select_option("#filter-condition", label="vflip")
    keyboard_to(opened.page, "#copy")
    opened.page.keyboard.press("Enter")
    opened.page.locator("#found", has_text="copied").wait_for()
    assert opened.page.inner_text("#found") == "6 rows copied"
    found = list(csv.DictReader(io.StringIO(opened.page.evaluate("navigator.clipboard.readText()"))))
    assert {(row["class_index"], row["class_name"]) for row in found} == {
        ("0", NASTY), ("1", "a/b|c"), ("2", 'x" onload="alert(1)'), ("3", "owl"), ("4", "owl"), ("5", "yak")
    }  # fmt: skip
    for row in found:
        assert (row["transform"], row["severity"]) == ("vflip", "")
        assert float(row["difference"]) == pytest.approx(
            float(row["accuracy"]) - float(row["control_accuracy"]), abs=2e-4
        )
        assert 0 <= float(row["p_value"]) <= float(row["p_adjusted"]) <= 1


def test_the_scripts_read_numbers_back_as_they_were(open_page, full_page, full_view):
    page = open_page(full_page, "classes").page
    page.fill("#filter-name", "tench")
    page.click("#copy")
    page.locator("#found", has_text="copied").wait_for()
    found = list(csv.DictReader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    findings = {test.condition.transform: test.classes[0] for test in full_view.class_tests}
    results = {transform: finding.result for transform, finding in findings.items()}
    assert {row["transform"] for row in found} == set(results)
    for row in found:
        result = results[row["transform"]]
        assert float(row["p_value"]) == pytest.approx(result.p_value, rel=0.5e-5)
        assert float(row["control_accuracy"]) == pytest.approx(result.control, abs=0.5e-4)
        assert float(row["accuracy"]) == pytest.approx(result.treated, abs=0.5e-4)
        assert float(row["difference"]) == pytest.approx(result.difference, abs=0.5e-4)
        assert float(row["effect_size"]) == pytest.approx(result.effect_size, abs=0.5e-4)
        assert (row["sensitive"] == "true") == result.rejects(0.05)
        images = findings[row["transform"]].images
        assert float(row["expected_change"]) == pytest.approx(images.pooled.value, abs=0.5e-4)
        assert float(row["images_p_adjusted"]) == pytest.approx(images.p_adjusted, rel=0.5e-5)
        over_all = images.p_adjusted < 0.05 and abs(images.difference) > 10
        assert (row["beyond"] == "true") == (over_all or row["alone"] != "")
        assert math.isfinite(float(row["accuracy"]))


# Every row of the explorer, a page after the other.
ALL_ROWS = """
() => {
  const found = [];
  const [body] = document.querySelector(".explorer").tBodies;
  for (const after = document.getElementById("page-after"); ; after.click()) {
    for (const row of body.rows) found.push([...row.cells].map((cell) => cell.innerText));
    if (after.disabled) return found;
  }
}
"""


def test_every_figure_of_a_class_is_the_one_that_python_writes(open_page, corrected_page, corrected_view):
    page = open_page(corrected_page, "classes").page
    shown = {(name, transform): figures for name, transform, *figures in page.evaluate(ALL_ROWS)}
    found = {(f.name, t.condition.transform): (t, f) for t in corrected_view.class_tests for f in t.classes}
    assert len(shown) == len(found) == 540
    for place, (test, finding) in found.items():
        result, images = finding.result, finding.images
        size = result.effect_size
        interval = number_text.interval(images.pooled.low, images.pooled.high)
        beyond = finding.index in {other.index for other in test.beyond}
        assert shown[place] == [
            number_text.percent(result.control),
            number_text.percent(result.treated),
            f"{number_text.points(images.pooled.value)}\n{interval}",
            number_text.points(result.difference),
            number_text.p_value(result.p_value),
            number_text.p_value(result.p_adjusted),
            "–" if math.isnan(size) else number_text.effect_size(size),
            number_text.p_value(images.p_adjusted),
            "yes *" if result.p_adjusted < 0.05 else "no",
            "yes !" if beyond else "blind" if images.blind else "no",
        ]
    assert {"∞", "−∞", "–", "0.00"} <= {figures[6] for figures in shown.values()}


def test_a_class_that_a_model_alone_loses_is_marked_with_it(open_page, full_page, full_view):
    page = open_page(full_page, "classes").page
    test = next(test for test in full_view.class_tests if test.alone)
    fall = test.alone[0]
    models = [full_view.labels[each.model] for each in test.alone if each.index == fall.index]
    page.fill("#filter-name", fall.name)
    page.select_option("#filter-condition", label=full_view.condition_label(test.condition))
    page.check("#filter-beyond")
    (found,) = [row for row in rows(page) if row[0] == fall.name]
    assert found[-1] == f"in {', '.join(models) if len(models) < 3 else f'{len(models)} models'} alone !"


def test_every_figure_of_an_opened_class_is_the_one_that_python_writes(open_page, corrected_page, corrected_view):
    page = open_page(corrected_page, "classes").page
    page.select_option("#filter-condition", label="vflip")
    test = next(test for test in corrected_view.class_tests if test.condition.transform == "vflip")
    results = {finding.name: finding for finding in test.classes}
    for button in page.locator(".explorer > tbody .opens").all():
        button.click()
        finding = results[button.inner_text()]
        result, images = finding.result, finding.images
        interval = number_text.interval(result.ci_low, result.ci_high)
        size = "–" if math.isnan(result.effect_size) else number_text.effect_size(result.effect_size)
        expected, p = number_text.points(images.pooled.value), number_text.p_value(result.p_adjusted)
        pooled = number_text.interval(images.pooled.low, images.pooled.high)
        change, images_p = number_text.points(result.difference), number_text.p_value(images.p_adjusted)
        t_test = f"t-test: 95 % interval {interval}, p = {p}, effect size {size}"
        texts = page.locator(".detail p").all_inner_texts()
        assert [text for text in texts if not text.startswith(("Mistaken for", "The gallery has"))] == [
            f"Expected on other images: {expected} points, 90 % interval {pooled}.",
            f"Its own change: {change} points; {t_test}; images: p = {images_p}.",
        ]
        shown = {row[0]: row[1:] for row in cells_of(page, ".detail tbody tr")}
        assert set(shown) == set(corrected_view.models)
        for model, figures in shown.items():
            cells = [corrected_view.counts[Cell(model, condition)] for condition in (CONTROL, test.condition)]
            n, *right = (int(cells[0].n[finding.index]), *(int(counts.correct[finding.index]) for counts in cells))
            shares = [100 * count / n for count in right]
            assert figures == [
                *(f"{number_text.percent(share)} ({count} of {n})" for share, count in zip(shares, right, strict=True)),
                number_text.points(shares[1] - shares[0]),
            ]
        button.click()


def test_every_figure_of_a_model_is_the_one_that_python_writes(open_page, corrected_page, corrected_view):
    page = open_page(corrected_page, "models").page
    tests = {test.condition: test for test in corrected_view.model_tests if test.model == "a"}
    rows_shown = cells_of(page, "#model-page > div:first-child tbody tr")
    assert len(rows_shown) == 2 * len(tests) == 18
    shown = {row[0]: (row[1:], reason) for row, (reason,) in zip(rows_shown[::2], rows_shown[1::2], strict=True)}
    for condition, test in tests.items():
        cells = [corrected_view.counts[Cell("a", where)] for where in (CONTROL, condition)]
        top1 = [100 * counts.correct.sum() / counts.n.sum() for counts in cells]
        result, change = test.result, test.change
        (*figures, outcome), reason = shown[condition.transform]
        # The interval that decides stands beside the change that it is of, and the t-test's own figures after it.
        assert figures == [
            *map(number_text.percent, top1),
            number_text.points(top1[1] - top1[0]),
            number_text.points(change.difference),
            number_text.interval(change.low, change.high),
            number_text.interval(result.ci_low, result.ci_high),
            number_text.p_value(result.p_value),
            number_text.p_value(result.p_adjusted),
            number_text.effect_size(result.effect_size),
        ]
        sign = "*" * (result.p_adjusted < 0.05) + "!" * (change.high < -2 or change.low > 2)
        assert outcome.split() == [test.verdict.outcome.value, *([sign] if sign else [])]
        # What a pass excludes and how many images would decide are in the reason.
        assert reason == test.verdict.reason
    assert {test.verdict.outcome.value for test in tests.values()} >= {"FAIL", "INCONCLUSIVE"}
    head = cells_of(page, "#model-page > div:first-child thead tr")[0]
    assert head[4:7] == ["mean over classes", "90 % interval", "t-test: 95 % interval"]
    assert (
        "Mean over classes is the change, in points, of the mean"
        in page.locator("#model-page > .note").first.inner_text()
    )


def test_p_values_that_look_the_same_are_sorted_by_value(open_page, corrected_page, corrected_view):
    page = open_page(corrected_page, "classes").page
    page.click("th >> text=/^p$/")
    values = {(f.name, t.condition.transform): f.result.p_value for t in corrected_view.class_tests for f in t.classes}
    rows_shown = page.evaluate(ALL_ROWS)
    found = [values[name, transform] for name, transform, *_ in rows_shown]
    assert len(found) == 540
    # The page sorts by six digits.
    assert all(first <= second * (1 + 1e-5) for first, second in itertools.pairwise(found))
    texts = [row[6] for row in rows_shown]
    assert any(
        a == b and first < second
        for (a, b), (first, second) in zip(itertools.pairwise(texts), itertools.pairwise(found), strict=True)
    )


def numbers(texts):
    """Return the figures at the start of texts; NaN for those that have none."""
    found = [re.match(r"[−+]?[\d.]+", text) for text in texts]
    return [float(one[0].replace("−", "-")) if one else math.nan for one in found]


def test_the_heat_table_is_sorted_by_keyboard_and_says_how(open_page, odd_page, full_page):
    page = open_page(full_page).page
    column = page.eval_on_selector("#changes th:has-text('vflip')", "head => head.cellIndex")
    head = f"#changes th:nth-child({column + 1})"
    before = cells_of(page, "#changes tbody tr")
    keyboard_to(page, f"{head} button")
    for key, order, sign in (("Enter", "ascending", 1), ("Space", "descending", -1)):
        page.keyboard.press(key)
        assert page.get_attribute(head, "aria-sort") == order
        assert page.locator("#changes [aria-sort]").count() == 1
        rows_shown = cells_of(page, "#changes tbody tr")
        values = numbers(row[column] for row in rows_shown)
        assert values == sorted(values, reverse=sign < 0)
        assert sorted(rows_shown) == sorted(before)
    page.click("#changes th:has-text('model') button")
    # Numbers within names by their value.
    parts = {row[0]: re.split(r"(\d+)", row[0]) for row in before}
    natural = sorted(parts, key=lambda name: [int(part) if part.isdigit() else part for part in parts[name]])
    assert [row[0] for row in cells_of(page, "#changes tbody tr")] == natural
    # What has no figure is last in either order.
    odd = open_page(odd_page).page
    for _ in range(2):
        odd.click("#changes th:has-text('hflip') button")
        assert [row[-1] for row in cells_of(odd, "#changes tbody tr")].count("error") == 1
    assert odd.inner_text("#changes tbody tr:last-child th") != ""


def test_the_matrix_has_every_class_under_every_condition(open_page, corrected_page, corrected_view):
    page = open_page(corrected_page, "matrix").page
    found = {(f.name, t.condition.transform): (t, f) for t in corrected_view.class_tests for f in t.classes}
    heads = cells_of(page, ".class-matrix thead tr")[0]
    assert heads == ["class", "worst", *(test.condition.transform for test in corrected_view.class_tests)]
    shown = cells_of(page, ".class-matrix tbody tr")
    page.click("#matrix-after")
    shown += cells_of(page, ".class-matrix tbody tr")
    assert len(shown) == len(corrected_view.classes) == 60
    assert page.inner_text("#matrix-where") == "51 to 60"
    for name, worst, *figures in shown:
        expected = []
        for transform, text in zip(heads[2:], figures, strict=True):
            test, finding = found[name, transform]
            sensitive, beyond = ({one.index for one in some} for some in (test.sensitive, test.beyond))
            marks = "*" * (finding.index in sensitive) + "!" * (finding.index in beyond)
            assert text.partition(",")[0].strip() == f"{number_text.points(finding.images.pooled.value)}{marks}"
            expected.append(finding.images.pooled.value)
        assert worst == number_text.points(min(expected))
    assert numbers(row[1] for row in shown) == sorted(numbers(row[1] for row in shown))


def test_the_matrix_is_sorted_and_filtered_and_leads_to_a_class(open_page, full_page, full_view):
    page = open_page(full_page, "matrix").page
    head = ".class-matrix th:has-text('vflip')"
    for order, sign in (("ascending", 1), ("descending", -1)):
        page.click(f"{head} button")
        assert page.get_attribute(head, "aria-sort") == order
        column = page.eval_on_selector(head, "head => head.cellIndex")
        values = numbers(row[column] for row in cells_of(page, ".class-matrix tbody tr"))
        assert values == sorted(values, reverse=sign < 0)
    page.fill("#matrix-name", "terrier")
    page.check("#matrix-found")
    failing = {f.name for test in full_view.class_tests for f in test.failing if "terrier" in f.name.lower()}
    assert {row[0] for row in cells_of(page, ".class-matrix tbody tr")} == failing
    name = cells_of(page, ".class-matrix tbody tr")[0][0]
    page.click(".class-matrix tbody tr:first-child button")
    assert page.is_visible("#classes")
    assert {row[0] for row in rows(page)} == {name}
    assert page.locator(".explorer .detail").count() == 1


def test_a_class_opens_to_its_pictures_and_its_mistakes(open_page, full_page, full_view):
    page = open_page(full_page, "classes").page
    example = full_view.gallery[0]
    page.fill("#filter-name", example.finding.name)
    page.select_option("#filter-condition", label=full_view.condition_label(example.condition))
    row = next(i for i, cells in enumerate(rows(page)) if cells[0] == example.finding.name)
    page.locator(".explorer > tbody > tr:not(.detail) .opens").nth(row).click()
    sources = page.eval_on_selector_all(".detail img", "images => images.map((image) => image.src)")
    assert sources == [example.thumbnails.control, example.thumbnails.treated]
    test = next(test for test in full_view.class_tests if test.condition == example.condition)
    found = full_view.mistakes[Panel(test.condition, test.models)][example.finding.index]
    shown = " ".join(page.inner_text(".detail .confusions").split())
    assert shown == "Mistaken for, by all models (in control): " + " ".join(
        f"{m.answer} {m.treated:,} ({m.control:,})" for m in found
    )
    shown_classes = {one.finding.index for one in full_view.gallery}
    other = next(one for one in test.classes if one.index not in shown_classes)
    page.fill("#filter-name", other.name)
    page.locator(".explorer > tbody > tr:not(.detail) .opens").first.click()
    assert "The gallery has no image of it." in page.inner_text(".detail")


def test_a_long_gallery_is_folded_and_filtered_by_class_and_condition(open_page, full_page, full_view):
    page = open_page(full_page, "gallery").page
    examples = "#gallery .example:visible"
    assert page.locator(examples).count() == 0
    assert page.inner_text("#gallery-count") == "36 of 36 examples"
    page.click(".of-condition summary >> text=vflip")
    assert page.locator(examples).count() == 4
    page.click("#gallery-unfold")
    assert page.locator(examples).count() == 36
    page.click("#gallery-unfold")
    assert page.locator(examples).count() == 0
    page.select_option("#gallery-condition", label="zoom")
    names = [one.finding.name for one in full_view.gallery if one.condition.transform == "zoom"]
    assert page.locator(f"{examples} h4").all_inner_texts() == names
    page.select_option("#gallery-condition", label="all")
    page.fill("#gallery-name", names[0].upper())
    wanted = [one.finding.name for one in full_view.gallery if names[0].lower() in one.finding.name.lower()]
    assert page.locator(f"{examples} h4").all_inner_texts() == wanted
    assert page.inner_text("#gallery-count") == f"{len(wanted)} of 36 examples"
    page.fill("#gallery-name", "no such class")
    assert page.locator(".of-condition:visible").count() == 0


def downloaded(page, button):
    """Click what saves a file; return its name and its content."""
    with page.expect_download() as waited:
        page.locator(button).first.click()
    return waited.value.suggested_filename, Path(waited.value.path()).read_bytes()


def test_tables_are_saved_with_the_figures_of_python(open_page, full_page, full_view):
    opened = open_page(full_page)
    page = opened.page
    name, content = downloaded(page, "#overview .scroll + .downloads button:has-text('CSV')")
    assert name == "robustness-on-imagenet-data-imagenet-train-changes.csv"
    table = list(csv.DictReader(io.StringIO(content.decode())))
    assert [row["model"] for row in table[:-1]] == list(full_view.models)
    for row in table[:-1]:
        assert float(row["control"]) == pytest.approx(full_view.control_accuracy(row["model"]), abs=0.5e-4)
        for condition in full_view.conditions:
            change = full_view.change(Cell(row["model"], condition))
            assert float(row[full_view.condition_label(condition)]) == pytest.approx(change, abs=0.5e-4)
    page.click("#tab-matrix")
    name, content = downloaded(page, "#matrix-save")
    assert name.endswith("class-matrix.csv")
    table = list(csv.DictReader(io.StringIO(content.decode())))
    assert len(table) == 1000
    test = full_view.class_tests[0]
    label = full_view.condition_label(test.condition)
    values = {int(row["class_index"]): (float(row[f"{label} expected change"]), row[f"{label} mark"]) for row in table}
    for finding in test.classes:
        beyond = finding in test.beyond or finding.index in {fall.index for fall in test.alone}
        marks = "*" * (finding in test.sensitive) + "!" * beyond
        assert values[finding.index] == (pytest.approx(finding.images.pooled.value, abs=0.5e-4), marks)
    page.click("#tab-classes")
    name, content = downloaded(page, "#save")
    assert name.endswith("classes.csv")
    assert content.count(b"\n") == 9001
    assert opened.complaints == []


@pytest.mark.parametrize("chart", ["#overview .bars", "#overview .curve"])
def test_charts_are_saved_as_svg_and_png_with_their_colours(open_page, odd_page, chart):
    opened = open_page(odd_page)
    buttons = f"{chart} + .downloads button"
    name, content = downloaded(opened.page, f"{buttons}:has-text('SVG')")
    assert name.startswith("robustness-on-imagenet")
    assert name.endswith(".svg")
    root = ET.fromstring(content)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    drawn = [part for part in root.iter() if part.tag.endswith(("rect", "polyline", "polygon"))]
    assert len({part.get("fill") for part in drawn}) >= 3
    assert not any("class" in part.attrib or "style" in part.attrib for part in root.iter())
    name, content = downloaded(opened.page, f"{buttons}:has-text('PNG')")
    assert name.endswith(".png")
    picture = Image.open(io.BytesIO(content))
    assert picture.size == (2 * float(root.get("width")), 2 * float(root.get("height")))
    assert len(picture.convert("RGB").getcolors(1 << 20)) > 5
    assert opened.complaints == []


def test_tabs_are_chosen_by_arrow_keys(open_page, odd_page):
    page = open_page(odd_page).page
    keyboard_to(page, "[role=tab]")
    for key, tab in (("ArrowRight", "classes"), ("End", "method"), ("ArrowRight", "overview"), ("ArrowLeft", "method"),
                     ("Home", "overview")):  # fmt: skip
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.id") == f"tab-{tab}"
        assert [name for name in TABS if page.is_visible(f"#{name}")] == [tab]
        assert page.get_attribute(f"#tab-{tab}", "aria-selected") == "true"
    page.go_back()
    assert page.is_visible("#method")


@pytest.mark.parametrize("modifier", ["Control", "Alt", "Meta"])
@pytest.mark.parametrize("key", ["Home", "End", "ArrowLeft", "ArrowRight", " "])
def test_a_key_with_a_modifier_is_the_browsers(open_page, odd_page, modifier, key):
    page = open_page(odd_page, "models").page
    page.focus("#tab-models")
    left = page.evaluate(
        """([key, modifier]) => document.activeElement.dispatchEvent(
          new KeyboardEvent("keydown", { key, [modifier]: true, bubbles: true, cancelable: true }))""",
        [key, {"Control": "ctrlKey", "Alt": "altKey", "Meta": "metaKey"}[modifier]],
    )
    assert left
    assert page.get_attribute("#tab-models", "aria-selected") == "true"


def test_the_skip_link_leads_to_the_tab_that_is_open(open_page, odd_page):
    page = open_page(odd_page, "models/2/1").page
    keyboard_to(page, ".skip")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "tab-models"
    assert [name for name in TABS if page.is_visible(f"#{name}")] == ["models"]
    assert page.evaluate("location.hash") == "#models/2/1"


def test_an_address_that_names_no_part_changes_nothing(open_page, odd_page):
    page = open_page(odd_page, "nowhere").page
    assert [name for name in TABS if page.is_visible(f"#{name}")] == ["overview"]
    page.click("#tab-models")
    # The page acts on popstate, which comes before hashchange.
    page.evaluate("new Promise((acted) => { addEventListener('hashchange', acted); location.hash = 'tabs' })")
    assert [name for name in TABS if page.is_visible(f"#{name}")] == ["models"]


@pytest.mark.parametrize("tab", TABS)
def test_an_address_with_a_part_opens_at_the_verdict_and_the_tabs(open_page, full_page, tab):
    page = open_page(full_page, tab).page
    page.wait_for_load_state("load")
    # A browser scrolls to the part that an address names when it draws, at the latest in the frame after the load.
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    assert page.is_visible(f"#{tab}")
    assert page.evaluate("scrollY") == 0


@pytest.mark.parametrize("tab", TABS)
def test_tab_reaches_every_control(open_page, odd_page, tab):
    page = open_page(odd_page, tab).page
    wanted = set(map(str, page.evaluate(OPERABLE)))
    assert len(wanted) >= 4
    page.locator("body").focus()
    reached = set()
    for _ in range(len(wanted) + 5):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.number"))
    assert wanted <= reached


def test_a_model_and_its_condition_are_chosen_by_keyboard(open_page, full_page, full_view):
    page = open_page(full_page, "models").page
    keyboard_to(page, "#model")
    page.keyboard.type("resnet50")
    sixth = "#model-page tbody:nth-of-type(6) .opens"
    keyboard_to(page, sixth)
    assert page.inner_text(sixth) == "equalize"
    page.keyboard.press("Enter")
    assert page.inner_text("#model-page h3") == "resnet50 under equalize: the classes that fell most"
    fallen = full_view.confusions[Cell("resnet50", next(c for c in full_view.conditions if c.transform == "equalize"))]
    table = page.eval_on_selector_all(
        "#model-page > div:last-child tbody tr", "rows => rows.map((row) => [...row.cells].map((c) => c.innerText))"
    )
    assert [row[0] for row in table] == [found.name for found in fallen]
    for row, found in zip(table, fallen, strict=True):
        assert f"({found.right_treated:,} of {found.n:,})" in row[2]
        interval = number_text.interval(found.expected.low, found.expected.high)
        assert row[3].split("\n") == [number_text.points(found.expected.value), interval]
        assert all(f"{m.answer} {m.treated:,} ({m.control:,})" in " ".join(row[5].split()) for m in found.confusions)


def test_a_figure_of_the_heat_table_leads_to_its_model_and_condition(open_page, full_page):
    page = open_page(full_page).page
    page.focus("a[href='#models/3/1']")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.is_visible("#models")
    assert page.inner_text("#model-page h3") == "vgg16 under translate: the classes that fell most"
    page.goto("about:blank")
    page.goto(f"{full_page.as_uri()}#classes/7")
    page.wait_for_selector("html[data-ready]")
    assert {row[1] for row in rows(page)} == {"vflip"}


def test_names_that_are_markup_do_no_harm(open_page, odd_page):
    opened = open_page(odd_page, "classes")
    page = opened.page
    assert NASTY in {row[0] for row in rows(page)}
    page.click(f".opens >> text={NASTY}")
    assert NASTY in page.inner_text(".detail")
    page.click("#tab-models")
    assert page.inner_text("#model-page h3").startswith(NASTY)
    assert page.evaluate("document.scripts.length") == 2
    assert opened.complaints == []


def test_an_error_of_a_model_is_shown_with_it(open_page, odd_page):
    page = open_page(odd_page, "models").page
    page.select_option("#model", label="net")
    page.select_option("#model-condition", label="hflip")
    assert f"net failed: {NASTY}" in page.inner_text("#model-page .picked")


def test_classes_of_one_name_are_told_apart(open_page, odd_page):
    page = open_page(odd_page, "classes").page
    page.select_option("#filter-condition", label="vflip")
    assert {row[0] for row in rows(page)} >= {"owl#3", "owl#4", "yak"}


@pytest.mark.parametrize("tab", TABS)
def test_axe_finds_no_violation(open_page, odd_page, tab):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python").Axe()
    page = open_page(odd_page, tab).page
    if tab == "classes":
        page.locator(".opens").first.click()
    page.eval_on_selector_all(f"#{tab} details", "all => all.forEach((details) => (details.open = true))")
    rules = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    for width, scheme in itertools.product((1400, 400), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        found = axe.run(page, options={"runOnly": rules, "resultTypes": ["violations", "passes"]})
        assert {"color-contrast", "aria-required-attr"} <= {rule["id"] for rule in found.response["passes"]}
        assert found.generate_snapshot() == "", f"{width} pixels, {scheme}: {found.generate_report()}"


def test_the_button_changes_the_scheme_whatever_the_system_has(open_page, odd_page):
    page = open_page(odd_page).page
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    keyboard_to(page, "#theme")
    page.keyboard.press("Enter")
    light = page.evaluate(ground)
    assert light == "rgb(255, 255, 255)"
    assert dark != light
    page.keyboard.press("Enter")
    assert page.evaluate(ground) == dark


def test_a_table_wider_than_the_window_fades_until_its_end_is_in_sight(open_page, full_page):
    from playwright.sync_api import expect

    page = open_page(full_page, "overview", 400).page
    table = page.locator(".scroll").first
    expect(table).to_have_css("mask-image", re.compile("linear-gradient"))
    table.evaluate("table => (table.scrollLeft = table.scrollWidth)")
    expect(table).to_have_css("mask-image", "none")
    page.set_viewport_size({"width": 1400, "height": 900})
    expect(table).to_have_css("mask-image", "none")


@pytest.mark.parametrize("width", [1400, 400])
def test_an_option_in_the_text_stays_on_one_line(open_page, full_page, width):
    page = open_page(full_page, "method", width).page
    lines = page.eval_on_selector_all(
        ".prose .whole", "options => options.map((o) => o.offsetHeight / parseFloat(getComputedStyle(o).lineHeight))"
    )
    assert len(lines) >= 2
    assert max(lines) < 1.5


# The right edges of the cells of a row and the width of its name, which stand in a region that scrolls.
EDGES = """
rows => rows.filter((row) => row.offsetParent).map((row) => ({
  edges: [...row.cells].map((cell) => cell.getBoundingClientRect().right),
  name: row.cells[0].getBoundingClientRect().width }))
"""


@pytest.mark.parametrize(
    ("tab", "table", "figures"),
    [("classes", ".explorer", 7), ("models", "#model-page > div:last-child table", 5)],
)
def test_a_long_name_leaves_the_figures_in_sight(open_page, long_page, tab, table, figures):
    page = open_page(long_page, tab, 800).page
    for row in page.eval_on_selector_all(f"{table} > tbody > tr", EDGES):
        assert max(row["edges"][:figures]) <= 800
    page.set_viewport_size({"width": 390, "height": 844})
    for row in page.eval_on_selector_all(f"{table} > tbody > tr", EDGES):
        assert row["name"] <= 195


@pytest.mark.parametrize("width", [1400, 400])
def test_the_page_is_never_wider_than_the_window(open_page, odd_page, width):
    page = open_page(odd_page, "overview", width).page
    for tab in TABS:
        page.click(f"#tab-{tab}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab


CHARTS = """figures => figures.map((figure) => {
  const box = (element) => element.getBoundingClientRect();
  const [own, table] = [box(figure), box(figure.querySelector("table"))];
  const heads = [...figure.querySelectorAll("thead .figure")];
  const line = parseFloat(getComputedStyle(heads[0]).lineHeight);
  return { left: own.left, right: own.right, table: table.right, bar: box(figure.querySelector("svg")).width,
           lines: Math.max(...heads.map((head) => Math.round(head.scrollHeight / line))) };
})"""


@pytest.mark.parametrize("which", ["lone_page", "full_page"])
def test_the_charts_of_the_overview_fit_beside_each_other_or_below(open_page, request, which):
    page = open_page(request.getfixturevalue(which)).page
    for width in (1400, 1280, 1100, 960, 640, 500, 400, 360):
        page.set_viewport_size({"width": width, "height": 900})
        charts = page.eval_on_selector_all(".charts > figure", CHARTS)
        assert len(charts) == 2
        # None overhangs its place, no word of a head is broken into letters, and the bars can be seen.
        assert all(chart["table"] <= chart["right"] + 1 for chart in charts), width
        assert all(chart["right"] <= width for chart in charts), width
        assert max(chart["lines"] for chart in charts) <= 4, width
        assert min(chart["bar"] for chart in charts) >= 20, width
        first, second = charts
        assert second["left"] >= first["table"] or second["left"] == first["left"]


def test_print_has_every_part_in_light_colours_and_no_controls(open_page, odd_page):
    page = open_page(odd_page).page
    page.emulate_media(media="print", color_scheme="dark")
    assert all(page.is_visible(f"#{tab} > h2") for tab in TABS)
    assert not any(page.is_visible(control) for control in ("#tabs", "#filters", "#model-controls", "#theme"))
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


# A4 between margins of a centimetre.
PAPER = 718


@pytest.mark.parametrize("which", ["long_page", "odd_page"])
def test_on_paper_every_figure_of_the_heat_table_is_there_once(open_page, request, which):
    page = open_page(request.getfixturevalue(which), "overview", PAPER).page
    figures = page.locator(".heat tbody td")
    on_screen = figures.filter(visible=True).all_inner_texts()
    page.emulate_media(media="print")
    printed = figures.filter(visible=True)
    assert sorted(printed.all_inner_texts()) == sorted(on_screen)
    assert all(cell.bounding_box()["x"] + cell.bounding_box()["width"] <= PAPER for cell in printed.all())


@pytest.mark.parametrize("which", ["long_page", "odd_page", "full_page"])
@pytest.mark.parametrize("table", [".heat", ".explorer", "#model-page .wide"])
def test_on_paper_no_table_is_cut_off(open_page, request, which, table):
    page = open_page(request.getfixturevalue(which), "overview", PAPER).page
    page.emulate_media(media="print")
    widths = page.locator(table).filter(visible=True).evaluate_all("tables => tables.map((t) => t.scrollWidth)")
    assert widths
    assert max(widths) <= PAPER


def test_on_paper_every_condition_heads_a_column_among_a_few(open_page, long_page):
    page = open_page(long_page, "overview", PAPER).page
    page.emulate_media(media="print")
    heads = page.locator(".heat thead tr").filter(visible=True)
    columns = [head.locator("th").all_inner_texts() for head in heads.all()]
    assert [len(names) - 1 for names in columns] == [7, 7, 7, 7, 6]
    assert {names[0] for names in columns} == {"model"}
    assert columns[0][1:4] == ["control", "average", "rank"]
    assert len({name for names in columns for name in names[1:]}) == 34


def test_what_is_for_paper_is_not_on_the_screen_for_anyone(open_page, long_page):
    page = open_page(long_page).page
    assert page.locator(".heat").count() == 6
    assert page.locator(".on-paper").count() == 5
    assert page.locator(".on-paper:visible").count() == 0
    assert page.get_by_role("table").filter(has_text="average").count() == 1


def test_without_scripts_everything_that_needs_none_is_there(launch, odd_page):
    context = launch(java_script_enabled=False)
    page = context.new_page()
    page.goto(odd_page.as_uri())
    assert all(page.is_visible(f"#{tab} > h2") for tab in TABS)
    assert page.locator("#classes [data-without-script]").inner_text().startswith("Scripts do not run here")
    assert page.locator(".heat tbody tr").count() == 4
    context.close()
