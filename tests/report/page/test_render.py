"""The page: whole, self-contained, escaped, within its budget, and saying what the results say."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import html as html_module
import json
import math
import re
import runpy
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from pytest_robustness.analysis.baseline.known_findings import KNOWN
from pytest_robustness.analysis.findings import ClassFinding
from pytest_robustness.analysis.predictions import Counts
from pytest_robustness.analysis.test_result import Estimate, Outcome, Verdict
from pytest_robustness.core import Cell, Condition, Panel
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.report import number_text, summary, tables
from pytest_robustness.report.page import curves, gate, heat, payload, render

simulated_report = runpy.run_path(str(Path(__file__).parents[2] / "simulated.py"))["simulated_report"]
NASTY = ("<script>alert(1)</script>", "a/b|c", 'x" onload="alert(1)', "</script><b>&amp;")


@pytest.fixture(scope="module")
def view():
    return simulated_report(models=["net", "other", "third"], classes=["cat", "dog", "owl", "yak"], images=40)


def data_of(page):
    blob = re.search(r'id="data">([^<]*)<', page)[1]
    return json.loads(gzip.decompress(base64.b64decode(blob)))


class Tags(HTMLParser):
    """Every tag with its attributes, and the text outside of style and script."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            del self.open[len(self.open) - 1 - self.open[::-1].index(tag) :]

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text.append(data)


def words(page):
    return " ".join(" ".join(Tags(page).text).split())


@pytest.mark.slow
def test_a_full_result_stays_under_two_megabytes_with_its_gallery():
    view = simulated_report()
    assert (len(view.models), len(view.conditions), len(view.classes)) == (12, 9, 1000)
    assert len(view.gallery) == 9 * 4
    assert all(example.thumbnails for example in view.gallery)
    assert len(render.render(view).encode()) <= 2_000_000


def test_nothing_is_loaded_from_anywhere(view):
    page = render.render(view)
    tags = Tags(page).tags
    addresses = [
        a[name] for _, a in tags for name in ("src", "href", "action", "srcset", "data", "poster") if name in a
    ]
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|https?://", page)


def test_the_policy_allows_the_style_and_the_script_that_are_there_and_no_other(view):
    page = render.render(view)
    policy = next(a["content"] for _, a in Tags(page).tags if a.get("http-equiv") == "Content-Security-Policy")
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert not any("style" in a or any(name.startswith("on") for name in a) for _, a in Tags(page).tags)


def test_names_are_shown_as_they_are_and_never_read_as_markup():
    view = simulated_report(models=NASTY, classes=NASTY, transforms=["vflip"], images=40)
    view = dataclasses.replace(
        view,
        errors={Cell(NASTY[0], Condition("hflip")): NASTY[0]},
        conditions=(*view.conditions, Condition("hflip")),
        skipped=NASTY,
        gallery_note=NASTY[0],
        provenance={**view.provenance, "command": NASTY[3], NASTY[0]: NASTY[0]},
    )
    page = render.render(view)
    tags = Tags(page).tags
    assert [tag for tag, _ in tags].count("script") == 2
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    shown = "".join(Tags(page).text)
    assert all(name in shown for name in NASTY)
    assert data_of(page)["classes"] == list(NASTY)


def test_the_data_of_the_scripts_are_the_results_with_the_texts_that_python_writes(view):
    data = data_of(render.render(view))
    assert data["classes"] == list(view.classes)
    assert data["corrected"] is False
    for test, packed in zip(view.class_tests, data["classTests"], strict=True):
        assert view.conditions[packed["condition"]] == test.condition
        numbers, texts = packed["numbers"], packed["texts"]
        for finding in test.classes:
            i, result = finding.index, finding.result
            pooled = finding.images.pooled
            for name, value in (
                ("control", result.control),
                ("treated", result.treated),
                ("change", result.difference),
                ("expected", pooled.value),
                ("effect", result.effect_size),
            ):
                assert numbers[name][i] == pytest.approx(value, abs=0.5e-4)
            assert numbers["p"][i] == pytest.approx(result.p_value, rel=0.5e-5)
            assert numbers["pImages"][i] == pytest.approx(finding.images.p_adjusted, rel=0.5e-5)
            assert texts["expected"][i] == signed(f"{pooled.value:+.1f}")
            assert texts["pooled"][i] == f"{signed(f'{pooled.low:+.1f}')} to {signed(f'{pooled.high:+.1f}')}"
            assert texts["control"][i] == f"{result.control:.1f}\N{NO-BREAK SPACE}%"
            assert texts["treated"][i] == f"{result.treated:.1f}\N{NO-BREAK SPACE}%"
            assert texts["change"][i] == signed(f"{result.difference:+.1f}")
            assert texts["interval"][i] == f"{signed(f'{result.ci_low:+.1f}')} to {signed(f'{result.ci_high:+.1f}')}"
            assert texts["effect"][i] == signed(f"{result.effect_size:.2f}")
            assert float(texts["p"][i]) == float(f"{result.p_value:.2g}")
            assert bool(packed["sensitive"][i]) == (finding in test.sensitive)
            assert bool(packed["beyond"][i]) == (finding in test.beyond_anywhere)


def signed(text):
    """Return the text of a number as it is printed: with a typographic minus, and a zero without a sign."""
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def test_every_cell_has_its_counts_accuracies_and_changes(view):
    data = data_of(render.render(view))
    for packed in data["cells"]:
        model = view.models[packed["model"]]
        control = view.counts[Cell(model, Condition("control"))]
        if packed["condition"] < 0:
            counts = control
            assert "changes" not in packed
        else:
            condition = view.conditions[packed["condition"]]
            counts = view.counts[Cell(model, condition)]
            changes = 100 * counts.correct / counts.n - 100 * control.correct / control.n
            assert [data["changes"][i] for i in packed["changes"]] == [signed(f"{change:+.1f}") for change in changes]
            assert packed["changeText"] == signed(f"{changes.mean():+.1f}")
            assert packed["change"] == pytest.approx(changes.mean(), abs=0.5e-4)
        assert data["sizes"][packed["size"]] == counts.n.tolist()
        assert packed["correct"] == counts.correct.tolist()
        assert packed["accuracy"] == f"{100 * counts.correct.sum() / counts.n.sum():.1f}\N{NO-BREAK SPACE}%"
        for n, right in zip(counts.n.tolist(), counts.correct.tolist(), strict=True):
            assert data["percents"][str(n)][str(right)] == f"{100 * right / n:.1f}\N{NO-BREAK SPACE}%"


def test_a_class_without_images_has_dashes_instead_of_figures(view):
    counts = {cell: Counts(found.n * [1, 1, 0, 1], found.correct * [1, 1, 0, 1]) for cell, found in view.counts.items()}
    tests = tuple(
        dataclasses.replace(test, classes=tuple(finding for finding in test.classes if finding.index != 2))
        for test in view.class_tests
    )
    data = data_of(render.render(dataclasses.replace(view, counts=counts, class_tests=tests, gallery=())))
    assert data["percents"]["0"] == {"0": "–"}
    assert {data["changes"][cell["changes"][2]] for cell in data["cells"] if cell["condition"] >= 0} == {"–"}
    for test in data["classTests"]:
        assert test["sensitive"][2] is test["numbers"]["p"][2] is test["texts"]["p"][2] is None


def test_corrected_p_values_are_there_where_they_differ():
    view = simulated_report(models=["a", "b", "c"], classes=["x", "y", "z"], transforms=["vflip"], correction="holm")
    data = data_of(render.render(view))
    (test,), (packed,) = view.class_tests, data["classTests"]
    assert data["corrected"] is True
    for finding in test.classes:
        value = finding.result.p_adjusted
        assert packed["numbers"]["corrected"][finding.index] == pytest.approx(value, rel=0.5e-5)
        assert float(packed["texts"]["corrected"][finding.index]) == float(f"{value:.2g}")
    assert packed["numbers"]["corrected"] != packed["numbers"]["p"]


@pytest.mark.parametrize(
    ("value", "kept"), [(math.inf, "Infinity"), (-math.inf, "-Infinity"), (math.nan, None), (-12.34444, -12.3444)]
)
def test_a_number_to_sort_by_is_rounded_and_json_has_a_form_for_each(value, kept):
    assert payload.number(value, ".4f") == kept
    json.dumps(payload.number(value, ".4f"), allow_nan=False)


def test_the_same_results_give_the_same_page(view):
    assert render.render(view) == render.render(view)


def found(test, outcome, **fields):
    """Return a model test that found ``outcome``."""
    return dataclasses.replace(test, **{"found": outcome, "verdict": Verdict(outcome, "")} | fields)


def only(view, condition, model_tests):
    """Return what is left of ``view`` with these tests under one condition."""
    wanted = (Condition("control"), condition)
    return dataclasses.replace(
        view,
        conditions=(condition,),
        model_tests=tuple(model_tests),
        class_tests=(),
        gallery=(),
        counts={cell: counts for cell, counts in view.counts.items() if cell.condition in wanted},
        confusions={cell: found for cell, found in view.confusions.items() if cell.condition in wanted},
    )


def test_what_the_baseline_knows_is_shown_as_failing_and_known_though_it_passes(view):
    vflip = Condition("vflip")
    tests = [test for test in view.model_tests if test.condition == vflip]
    known = [found(test, Outcome.FAIL, verdict=Verdict(Outcome.PASS, "a known finding")) for test in tests]
    alone = only(view, vflip, known)
    assert summary.outcome(alone) is Outcome.PASS
    assert "models fail under vflip." in summary.verdict(alone)
    told = f"All {len(known)} findings are known from the baseline, and not shown to be worse."
    assert told in summary.verdict(alone)
    signs = [row.cells[0].mark.sign for row in heat.rows(alone)]
    assert all(sign[0] + sign[-1] == "()" for sign in signs)
    assert all(row.cells[0].mark.words.endswith(", known") for row in heat.rows(alone))
    assert "known from the baseline and not shown to be worse" in words(render.render(alone))


def test_a_model_is_marked_by_its_t_test_and_by_its_images_apart(findings, view):
    rejects, not_rejects = findings.result(), findings.result(p_value=0.2, p_adjusted=0.2)
    beyond, within, open_ = (
        findings.change(low=low, high=high) for low, high in ((-12.0, -8.0), (-1.0, 1.0), (-3.0, 1.0))
    )
    for result, change, outcome, sign in (
        (rejects, beyond, "FAIL", "*!"),
        (rejects, within, "FAIL", "*"),
        (rejects, open_, "FAIL", "*"),
        (not_rejects, beyond, "FAIL", "!"),
        (not_rejects, within, "PASS", ""),
        (not_rejects, open_, "INCONCLUSIVE", "?"),
        # By the images alone a t-test that rejects decides nothing.
        (rejects, open_, "INCONCLUSIVE", "*?"),
        (findings.inconclusive(), within, "INCONCLUSIVE", "?"),
    ):
        test = findings.model("net", Condition("vflip"), outcome, result=result, change=change)
        mark = summary.mark(test, view.policy)
        assert mark.sign == sign
        said = [("the t-test rejects", "*"), ("beyond the margin", "!"), ("inconclusive", "?")]
        assert mark.words == ", ".join(words for words, part in said if part in sign)
        known = dataclasses.replace(test, verdict=Verdict(Outcome.PASS, "known"))
        assert summary.mark(known, view.policy).sign == (f"({sign})" if outcome == "FAIL" else sign)
    assert summary.mark(None, view.policy) == ("", "")


@pytest.mark.parametrize(
    ("rule", "marks", "method"),
    [
        ("strict", "Each of * and ! fails a test (--robustness-verdict=strict). No mark: the images show", "or if the"),
        ("article", "Only * fails a test (--robustness-verdict=article). No mark: no change is shown", "alone decide"),
        ("margin", "Only ! fails a test (--robustness-verdict=margin). No mark: the images show", "the images alone"),
    ],
)
def test_the_page_says_which_rule_its_verdicts_follow(view, rule, marks, method):
    shown = words(render.render(dataclasses.replace(view, policy=dataclasses.replace(view.policy, verdict=rule))))
    assert marks in shown
    sentence = shown[shown.index(f"By --robustness-verdict={rule} ") :]
    assert method in sentence[:300]
    # What the other tests mean is explained in each, and only what fails is said to.
    assert ("is beyond the margin and fails the test by itself" in shown) == (rule != "article")
    assert ("The test fails when more classes are sensitive" in shown) == (rule != "margin")
    assert ("is impacted, and fails" in shown) == (rule != "margin")


def test_the_page_says_that_images_are_taken_for_independent(findings, view):
    said = "That they are independent is assumed, and cannot be seen. Images that belong together (several of one"
    assert said in words(render.render(view))
    without = dataclasses.replace(view, model_tests=(), class_tests=(), gate_tests=(), image_tests=())
    assert said not in words(render.render(without))
    of_gate = dataclasses.replace(without, gate_tests=(findings.compared(model="net", counterpart="old"),))
    assert said in words(render.render(of_gate))


@pytest.mark.parametrize(
    ("correction", "said"),
    [
        (
            "none",
            # 9 conditions of 4 classes and 3 models: 63 tests, of which a twentieth are 3.
            (
                "Without correction for their number: 63 t-tests (36 of classes, 27 of models), of which about 3 would "
                "reject at alpha 0.05 if nothing had changed, and the 27 intervals of models."
            ),
        ),
        (
            "holm",
            (
                "63 t-tests with Holm's correction over the tests of one condition, not over the conditions. The 27 "
                "intervals of models are not corrected."
            ),
        ),
    ],
)
def test_the_page_says_how_many_tests_were_made_without_correction(correction, said):
    names = {"models": ["net", "other", "third"], "classes": ["cat", "dog", "owl", "yak"]}
    assert said in words(render.render(simulated_report(**names, images=40, correction=correction)))


def test_every_verdict_is_on_the_page_with_its_reason(view):
    data = data_of(render.render(view))
    tests = {(test.model, test.condition): test for test in view.model_tests}
    assert len(data["modelTests"]) == len(tests) == 27
    outcomes = set()
    for packed in data["modelTests"]:
        test = tests[view.models[packed["model"]], view.conditions[packed["condition"]]]
        assert (packed["outcome"], packed["reason"]) == (test.verdict.outcome, test.verdict.reason)
        assert packed["level"] == "90"
        assert packed["deciding"] == number_text.interval(test.change.low, test.change.high)
        assert packed["interval"] == number_text.interval(test.result.ci_low, test.result.ci_high)
        assert (packed["images"]["lost"], packed["images"]["gained"]) == (test.change.lost, test.change.gained)
        outcomes.add(packed["outcome"])
    assert "INCONCLUSIVE" in outcomes
    assert all("images would decide" in t.verdict.reason for t in tests.values() if t.found is Outcome.INCONCLUSIVE)
    shown = words(render.render(view))
    for test in view.class_tests:
        assert f"{test.verdict.outcome} {len(test.sensitive)} {test.allowed} {len(test.beyond_anywhere)}" in shown
        assert test.verdict.reason in shown


def test_a_class_that_is_blind_says_so(findings, view):
    made = findings.classes()
    small = findings.of_images(n=3, blind=True, p_adjusted=1.0)
    classes = (dataclasses.replace(made.classes[0], images=small), *made.classes[1:])
    test = dataclasses.replace(made, classes=classes, sensitive=(), beyond=(), models=view.models)
    data = data_of(render.render(dataclasses.replace(view, class_tests=(test,), gallery=())))
    assert data["classTests"][0]["blind"] == [0]
    assert data["classTests"][0]["beyond"] == [0, 0, 0, None]


def test_the_verdict_names_models_extremes_and_classes(view):
    failed = Verdict(Outcome.FAIL, "")
    passed = Verdict(Outcome.PASS, "")
    vflip, hflip = Condition("vflip"), Condition("hflip")
    small = dataclasses.replace(
        view,
        conditions=(vflip, hflip),
        model_tests=tuple(
            found(test, Outcome.FAIL if test.condition == vflip and test.model != "net" else Outcome.PASS)
            for test in view.model_tests
            if test.condition in (vflip, hflip)
        ),
        class_tests=tuple(
            dataclasses.replace(test, verdict=failed if test.condition == vflip else passed)
            for test in view.class_tests
            if test.condition in (vflip, hflip)
        ),
    )
    fall = number_text.points(view.changes[vflip].value)
    least = number_text.points(view.changes[hflip].value)
    assert summary.verdict(small) == (
        "2 of 3 models fail under at least one of 2 transforms. "
        "2 of 6 tests of models fail, 4 show a change within 2 points. "
        f"Accuracy falls most under vflip ({fall} points on average) and changes least under hflip ({least}). "
        "Under 1 of 2 transforms more classes are sensitive than allowed, "
        "under 1 of 2 transforms classes changed significantly and by more than 10 measured points."
    )
    assert summary.outcome(small) is Outcome.FAIL


@pytest.mark.parametrize(
    ("outcomes", "sentence", "outcome"),
    [
        ({"net": Outcome.FAIL}, "net fails under vflip.", Outcome.FAIL),
        (
            {"net": Outcome.PASS},
            "net does not fail under vflip. 1 of 1 test of models shows a change within 2 points.",
            Outcome.PASS,
        ),
        (
            {"net": Outcome.PASS, "other": Outcome.INCONCLUSIVE},
            (
                "None of 2 models fails under vflip. "
                "1 of 2 tests of models shows a change within 2 points, 1 is inconclusive."
            ),
            Outcome.INCONCLUSIVE,
        ),
        ({"net": Outcome.FAIL, "other": Outcome.FAIL}, "Both models fail under vflip.", Outcome.FAIL),
        ({}, "Nothing could be tested: see the errors below.", Outcome.INCONCLUSIVE),
    ],
)
def test_the_verdict_of_one_transform(view, outcomes, sentence, outcome):
    vflip = Condition("vflip")
    tests = [
        found(test, outcomes[test.model])
        for test in view.model_tests
        if test.condition == vflip and test.model in outcomes
    ]
    alone = dataclasses.replace(view, conditions=(vflip,), model_tests=tuple(tests), class_tests=())
    assert summary.verdict(alone) == sentence
    assert summary.outcome(alone) is outcome


def test_the_heat_table_shows_changes_marks_and_errors(view):
    broken = Cell("other", Condition("vflip"))
    partial = dataclasses.replace(
        view,
        counts={cell: counts for cell, counts in view.counts.items() if cell != broken},
        errors={broken: "other failed"},
        model_tests=tuple(test for test in view.model_tests if Cell(test.model, test.condition) != broken),
    )
    rows = {row.model: row.cells for row in heat.rows(partial)}
    place = view.conditions.index(Condition("vflip"))
    assert rows["other"][place] == heat.HeatCell(None, None, heat.Mark(), "other failed", "not run", "")
    control, treated = (view.counts[Cell("net", c)] for c in (Condition("control"), Condition("vflip")))
    change = 100 * (treated.correct.sum() - control.correct.sum()) / control.n.sum()
    assert rows["net"][place].change == pytest.approx(change)
    page = render.render(partial)
    assert "other failed" in words(page)
    assert f"{number_text.points(change)}" in words(page)
    assert summary.outcome(dataclasses.replace(partial, model_tests=(), class_tests=())) is Outcome.INCONCLUSIVE


def test_the_heat_table_shows_the_accuracy_in_control_of_every_model(view):
    unknown = {cell: counts for cell, counts in view.counts.items() if cell != Cell("other", Condition("control"))}
    shown = words(render.render(dataclasses.replace(view, counts=unknown)))
    accuracies = []
    for model in ("net", "third"):
        n, correct = view.counts[Cell(model, Condition("control"))]
        accuracies.append(100 * correct.sum() / n.sum())
        average, rank = of_all(view, model, ("net", "third"))
        assert f"{model} {accuracies[-1]:.1f} % {average} {rank} {signed_change(view, model)}" in shown
    assert "other no control not all not all no control" in shown
    estimate = view.changes[view.conditions[0]]
    mean = np.mean([mean_change(view, model) for model in ("net", "third")])
    average = f"average {sum(accuracies) / 2:.1f} % {number_text.points(mean)} {number_text.points(estimate.value)}"
    assert f"{average} {number_text.interval(estimate.low, estimate.high)}" in shown


def mean_change(view, model):
    """Return a model's mean change over all conditions, from its counts."""
    share = {c: found.correct.sum() / found.n.sum() for (c, found) in (
        (c, view.counts[Cell(model, c)]) for c in (Condition("control"), *view.conditions))}  # fmt: skip
    return 100 * np.mean([share[c] - share[Condition("control")] for c in view.conditions])


def of_all(view, model, models):
    """Return a model's mean change as it is printed, and its rank among ``models``."""
    changes = {other: mean_change(view, other) for other in models}
    return signed(f"{changes[model]:+.1f}"), 1 + sum(change > changes[model] for change in changes.values())


def test_models_are_ranked_by_their_mean_change_and_equal_ones_share_a_rank(view):
    ranks = {row.model: row.rank for row in heat.rows(view)}
    assert ranks == {model: of_all(view, model, view.models)[1] for model in view.models}
    source = {"net": "net", "other": "net", "third": "third"}
    alike = {cell: view.counts[Cell(source[cell.model], cell.condition)] for cell in view.counts}
    rows = {row.model: row for row in heat.rows(dataclasses.replace(view, counts=alike, model_tests=()))}
    assert rows["net"].rank == rows["other"].rank
    third_first = rows["third"].average > rows["net"].average
    assert (rows["net"].rank, rows["third"].rank) == ((2, 1) if third_first else (1, 3))
    alone = only(view, Condition("vflip"), ())
    assert " average rank " not in words(render.render(alone))


def test_why_a_cell_of_the_heat_table_has_no_figure_is_said_beside_it(view):
    vflip, hflip = Condition("vflip"), Condition("hflip")
    gone = {Cell("net", vflip), Cell("other", hflip), Cell("third", Condition("control"))}
    counts = {cell: found for cell, found in view.counts.items() if cell not in gone}
    partial = dataclasses.replace(view, counts=counts, errors={Cell("other", hflip): "other failed"})
    cells = {row.model: dict(zip(view.conditions, row.cells, strict=True)) for row in heat.rows(partial)}
    assert (cells["net"][vflip].error, cells["net"][vflip].missing) == (None, "not run")
    assert cells["other"][hflip].error == "other failed"
    assert {cell.missing for cell in cells["third"].values()} == {"no control"}
    shown = words(render.render(partial))
    meanings = (
        "error could not be computed or judged",
        "not run no test asked for it",
        "no control nothing to compare",
    )
    for meaning in (*meanings, "not all a figure is missing"):
        assert meaning in shown
        assert meaning not in words(render.render(view))


def test_findings_of_an_earlier_run_are_dated_and_the_verdict_is_without_them(view):
    vflip, when = Condition("vflip"), "2026-11-27 10:00 UTC"
    own = only(view, Condition("hflip"), [test for test in view.model_tests if test.condition == Condition("hflip")])
    panel = Panel(vflip, view.models)
    whole = dataclasses.replace(
        view, this_run=own, earlier={Cell(model, vflip): when for model in view.models}, earlier_classes={panel: when}
    )
    page = render.render(whole)
    shown = words(page)
    assert summary.verdict(own) in shown
    assert summary.verdict(view) not in shown
    tests = len(view.model_tests) + len(view.class_tests)
    assert f"{len(view.models) + 1} of the {tests} findings below are from an earlier run, of {when}" in shown
    assert set(re.findall(r", from an earlier run, of ([\d-]+ [\d:]+ UTC)", shown)) == {when}
    assert [cell.date for row in heat.rows(whole) for cell in row.cells if cell.date] == [when] * len(view.models)
    data = data_of(page)
    place = view.conditions.index(vflip)
    assert {test["condition"] for test in data["classTests"] if test["earlier"] == when} == {place}
    assert {test["condition"] for test in data["modelTests"] if test["earlier"] == when} == {place}
    found = tables.as_dict(whole)
    for kind in ("model_tests", "class_tests", "class_summary", "cells"):
        assert {row["transform"] for row in found[kind] if row["earlier"]} == {"vflip"}
        assert {row["earlier"] for row in found[kind]} == {None, when}
    assert "earlier run" not in words(render.render(view))


def test_a_known_finding_of_the_classes_is_called_that(view):
    known = dataclasses.replace(view.class_tests[0], found=Outcome.FAIL, verdict=Verdict(Outcome.PASS, f"{KNOWN}so"))
    alone = only(view, known.condition, ())
    shown = words(render.render(dataclasses.replace(alone, class_tests=(known,))))
    assert "KNOWN" in shown.split()
    assert summary.known_findings(dataclasses.replace(alone, class_tests=(known,))) == [
        f"the classes under {view.condition_label(known.condition)}: so"
    ]


def test_the_mistakes_of_a_class_are_named_by_number_where_that_is_one_class(view):
    data = data_of(render.render(view))
    for test, packed in zip(view.class_tests, data["classTests"], strict=True):
        named = [[(view.classes[answer], *counts) for answer, *counts in found] for found in packed["mistakes"]]
        assert named == [[tuple(one) for one in found] for found in view.mistakes[Panel(test.condition, test.models)]]
    twice = dataclasses.replace(view, classes=("cat", "cat", "owl", "yak"))
    packed = [found for test in data_of(render.render(twice))["classTests"] for found in test["mistakes"]]
    answers = {answer for found in packed for answer, *_ in found}
    # "dog" is no class here, and "cat" two.
    assert answers <= {"cat", "dog", 2, 3}
    assert answers & {"cat", "dog"}


def signed_change(view, model):
    """Return a model's change under the first condition as it is printed."""
    (_, control), (n, treated) = (view.counts[Cell(model, c)] for c in (Condition("control"), view.conditions[0]))
    return signed(f"{100 * (treated.sum() - control.sum()) / n.sum():+.1f}")


def test_comparisons_with_a_baseline_are_shown_and_count(findings, view):
    verdict = Verdict(Outcome.FAIL, "accuracy fell 1.34 points, more than the tolerance of 1")
    by_class = {name: findings.on_images(difference=change) for name, change in (("owl", -31.0), ("cat", -4.25))}
    owl, cat = (ClassFinding(i, name, result) for i, (name, result) in enumerate(by_class.items()))
    compared = findings.compared(
        model="net",
        counterpart="old",
        result=findings.on_images(control=81.0, treated=79.655, difference=-1.345),
        change=findings.change(difference=-1.345, low=-2.004, high=-0.001),
        p_worse=0.004,
        p_kept=0.99,
        beyond_control=Estimate(-0.755, -1.5, 0.0),
        fallen=(owl, cat),
        broken=(owl,),
        verdict=verdict,
    )
    alone = dataclasses.replace(view, model_tests=(), class_tests=(), gallery=(), changes={}, gate_tests=(compared,))
    assert summary.outcome(alone) is Outcome.FAIL
    most = "Against the baseline, accuracy falls most under vflip (−1.34 points)."
    assert summary.verdict(alone) == f"1 of 1 comparison with the baseline shows a loss of robustness. {most}"
    undecided = dataclasses.replace(compared, undecided=True)
    torn = dataclasses.replace(alone, gate_tests=(compared, undecided, undecided))
    assert summary.verdict(torn) == (
        f"1 of 3 comparisons with the baseline shows a loss of robustness; 2 are undecided. {most}"
    )
    assert words(render.render(torn)).count("INCONCLUSIVE") == 2
    shown = words(render.render(alone))
    assert "Against the baseline: old" in shown
    assert "90 % interval" in shown
    figures = f"vflip FAIL 81.00 % {79.655:.2f} % −{1.345:.2f} −2.00 to 0.00 0.004 0.99 −{0.755:.2f}"
    assert f"{figures} {verdict.reason} Broken: owl −31.0. Fallen: cat −4.2." in shown


def test_a_page_of_comparisons_alone_says_what_its_changes_are_from_and_explains_no_mark(findings, view):
    """Whatever a class counts as, it is named where the reason names it, and listed among the classes."""
    names = {"broken": ("owl", -31.0), "fallen": ("cat", -4.25), "unshown": ("bat", -16.7)}
    fell = {
        kind: ClassFinding(i, name, findings.on_images(difference=change, n=30 + i))
        for i, (kind, (name, change)) in enumerate(names.items())
    }
    lists = {kind: (one,) for kind, one in fell.items()} | {"fallen": (fell["broken"], fell["fallen"])}
    gate_only = dataclasses.replace(view, model_tests=(), class_tests=(), gallery=(), mistakes={}, confusions={})
    for kind, (name, change) in names.items():
        given = dict.fromkeys(names, ()) | {kind: lists[kind]} | ({"broken": ()} if kind == "fallen" else {})
        one = findings.compared(model="net", counterpart="old", **given)
        alone = dataclasses.replace(gate_only, gate_tests=(one,))
        rows = gate.fallen_classes(alone.gate_tests)
        assert (name, kind.replace("unshown", "not shown")) in {(row.finding.name, row.kind) for row in rows}
        shown = words(render.render(alone))
        text = signed(f"{change:+.1f}")
        title = {"unshown": "Not shown"}.get(kind, kind.capitalize())
        assert f"{title}: " in shown
        assert f"vflip {name} {fell[kind].result.n}" in shown
        assert shown.count(f"{name} {text}") == 1
        assert "none The same images" not in shown
        assert "Change of top-1 accuracy against control, in points" in shown
        assert "no test of this run judges them" in shown
        for mark in ("No mark", "inconclusive: too few to decide", "impacted", "No class test ran", " Matrix "):
            assert mark not in shown
    whole = words(render.render(view))
    assert "Change of top-1 accuracy, in points" in whole
    assert "or there was no test" not in whole
    assert " Matrix " in whole


def test_of_many_classes_that_fell_the_first_five_are_named(findings):
    fallen = [ClassFinding(i, f"class {i}", findings.on_images(difference=-20.0 - i)) for i in range(1005)]
    assert gate.listed(fallen[:2]) == "class 0 −20.0, class 1 −21.0"
    assert gate.listed(fallen).endswith("class 4 −24.0 and 1,000 more")


def test_the_bars_add_up_to_all_classes(view):
    for bar, test in zip(heat.class_bars(view), view.class_tests, strict=True):
        assert bar.sensitive == len(test.sensitive)
        assert bar.classes == len(view.classes)
        assert bar.beyond == len(test.beyond_anywhere)
        assert f"{bar.sensitive} {bar.insensitive} {bar.beyond}" in words(render.render(view))
    # As in the article: by the t-test, whatever the verdict.
    bars = {bar.condition: (bar.impacted, bar.models, bar.beyond) for bar in heat.model_bars(view)}
    for condition in view.conditions:
        tests = [test for test in view.model_tests if test.condition == condition]
        beyond = sum(min(abs(t.change.low), abs(t.change.high)) > 2 and t.change.low * t.change.high > 0 for t in tests)
        assert bars[condition] == (sum(t.result.p_adjusted < 0.05 for t in tests), len(tests), beyond)


def test_one_severity_draws_no_curve_and_several_draw_the_average_with_its_interval():
    assert curves.curves(simulated_report(models=["a", "b"], classes=["x", "y"])) == []
    view = simulated_report(
        models=["a", "b", "c"], classes=["x", "y"], transforms=["zoom", "hflip"], severities=[1, 3, 5], images=50
    )
    (curve,) = curves.curves(view)
    assert curve.transform == "zoom"
    assert len(curve.lines) == 3
    for (severity, change, interval), dot in zip(curve.rows, curve.dots, strict=True):
        changes = [view.change(Cell(model, Condition("zoom", severity))) for model in view.models]
        estimate = view.changes[Condition("zoom", severity)]
        assert change == pytest.approx(np.mean(changes))
        assert interval == (estimate.low, estimate.high)
        assert interval[0] < change < interval[1]
        assert f"{dot[0]},{dot[1]}" in curve.average
    assert [x for x, _ in curve.dots] == sorted(x for x, _ in curve.dots)
    falls = [change for _, change, _ in curve.rows]
    heights = [y for _, y in curve.dots]
    assert np.argsort(falls).tolist() == np.argsort(heights)[::-1].tolist()


def test_one_model_alone_has_one_line_with_its_own_interval():
    alone = simulated_report(models=["a"], classes=["x", "y", "z"], transforms=["zoom"], severities=[1, 3])
    (curve,) = curves.curves(alone)
    for severity, change, interval in curve.rows:
        condition = Condition("zoom", severity)
        assert change == pytest.approx(alone.change(Cell("a", condition)))
        assert interval == (alone.changes[condition].low, alone.changes[condition].high)
    assert curve.lines == ()
    shown = words(render.render(alone))
    assert "Top-1 accuracy, over all images, of a, with its 95 % interval for other images." in shown
    assert "change of top-1 accuracy, points" in shown
    assert not re.search("Bold|Thin|average change", shown)


def test_several_models_are_averaged_under_a_caption_that_says_so():
    view = simulated_report(models=["a", "b"], classes=["x", "y"], transforms=["zoom"], severities=[1, 3], images=50)
    shown = words(render.render(view))
    assert "the average over the models, with its 95 % interval for other models and images. Thin: each model." in shown
    assert "average change, points" in shown


def test_everything_in_the_provenance_is_on_the_page(view):
    view = dataclasses.replace(view, provenance={**view.provenance, "sweep_seconds": 12.5}, skipped=("photos/a.png",))
    shown = words(render.render(view))
    facts = view.provenance
    for text_of in (facts["command"], facts["device"], "sweep seconds 12.5", "photos/a.png", "5" * 64, "a" * 64):
        assert text_of in shown
    for name, value in (*facts["packages"].items(), ("seed", 0), ("alpha", 0.05)):
        assert f"{name} {value}" in shown


@pytest.mark.parametrize("left_out", ["model_tests", "class_tests"])
def test_a_run_of_model_tests_alone_or_class_tests_alone_has_a_page(view, left_out):
    gallery = () if left_out == "class_tests" else view.gallery
    page = render.render(dataclasses.replace(view, **{left_out: (), "gallery": gallery}))
    assert (words(page).count("Impacted models") == 0) == (left_out == "model_tests")
    assert (words(page).count("Sensitive classes") == 0) == (left_out == "class_tests")


def test_a_run_in_which_nothing_could_be_computed_has_a_page(view):
    errors = {
        Cell(model, condition): f"{model} cannot be loaded" for model in view.models for condition in view.conditions
    }
    empty = dataclasses.replace(
        view, model_tests=(), class_tests=(), counts={}, errors=errors, changes={}, confusions={}, gallery=()
    )
    assert "net cannot be loaded" in words(render.render(empty))


def test_what_the_gallery_could_not_show_is_noted(view):
    examples = [dataclasses.replace(e, thumbnails=None, note="This image cannot be shown: gone") for e in view.gallery]
    page = words(render.render(dataclasses.replace(view, gallery=tuple(examples), gallery_note="No data any more")))
    assert "No data any more" in page
    assert page.count("This image cannot be shown: gone") == len(examples)


def test_options_stay_in_one_piece_and_nothing_is_lost():
    told = "run --robustness-data=<b> -q a--b --x"
    kept = number_text.unbroken(told)
    assert re.findall(r'<span class="whole">(.*?)</span>', kept) == ["--robustness-data=&lt;b&gt;", "--x"]
    assert html_module.unescape(re.sub("</?span.*?>", "", kept)) == told


def test_the_page_is_written_whole(view, tmp_path):
    path = render.write(view, tmp_path / "new" / "folder")
    assert path.name == "index.html"
    assert path.read_text(encoding="utf-8") == render.render(view)
    assert [file.name for file in path.parent.iterdir()] == ["index.html"]


def test_a_folder_that_cannot_be_written_is_named(view, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RobustnessError) as error:
        render.write(view, blocked)
    assert str(error.value) == (
        f"The report cannot be written to {blocked}: File exists. Name another folder with --robustness-report=DIR; "
        f"nothing has to be computed again."
    )


def test_a_page_that_fails_half_way_leaves_the_last_one(view, tmp_path, monkeypatch):
    path = render.write(view, tmp_path)
    before = path.read_text(encoding="utf-8")

    opened = Path.open

    def full(self, *arguments, **keywords):
        if self.suffix != ".part":
            return opened(self, *arguments, **keywords)
        with opened(self, "wb") as file:
            file.write(b"<!doctype")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(RobustnessError, match="No space left on device"):
        render.write(dataclasses.replace(view, skipped=("x",)), tmp_path)
    assert path.read_text(encoding="utf-8") == before
    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]


def test_the_legend_of_the_heat_scale_shows_where_its_shades_begin(view):
    legend = re.search(r'<p class="legend".*?</p>', render.render(view), re.DOTALL)[0]
    shades = re.findall(r'class="([\w-]+)">([^<]+)</span>', legend)
    for shade, label in shades:
        assert number_text.shade(float(html_module.unescape(label).replace("−", "-"))) == shade
    assert len(shades) == 2 * len(number_text.SHADE_STEPS) + 1


def test_every_class_of_the_styles_is_used_on_the_page():
    folder = resources.files("pytest_robustness.report.page")
    sheets = "".join(sheet.read_text(encoding="utf-8") for sheet in (folder / "styles").iterdir())
    rules = re.sub(r"/\*.*?\*/|\{[^{}]*\}", " ", sheets, flags=re.DOTALL)
    used = "".join(
        file.read_text(encoding="utf-8") for name in ("templates", "scripts") for file in (folder / name).iterdir()
    )
    shades = {f"{way}-{step}" for way in ("fall", "rise") for step in range(1, 6)}
    classes = set(re.findall(r"\.([a-z][\w-]*)", rules)) - shades
    assert len(classes) > 30
    assert {name for name in classes if not re.search(rf"\b{re.escape(name)}\b", used)} == set()
