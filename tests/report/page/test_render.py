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
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_robustness.analysis.average_change import average_changes
from pytest_robustness.analysis.predictions import Counts
from pytest_robustness.analysis.test_result import McNemarResult, Outcome, Verdict
from pytest_robustness.core import Cell, Condition
from pytest_robustness.errors import RobustnessError
from pytest_robustness.report import number_text, summary
from pytest_robustness.report.page import curves, heat, payload, render

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


def test_a_full_result_stays_under_three_megabytes_with_its_gallery():
    view = simulated_report()
    assert (len(view.models), len(view.conditions), len(view.classes)) == (12, 9, 1000)
    # Horizontal flips change nothing here, so that no class rejects: 8 transforms x 4 classes, and 2.
    assert len(view.gallery) >= 34
    assert all(example.thumbnails for example in view.gallery)
    assert len(render.render(view).encode()) <= 3_000_000


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
            for name, value in (
                ("control", result.control),
                ("treated", result.treated),
                ("change", result.difference),
                ("effect", result.effect_size),
            ):
                assert numbers[name][i] == pytest.approx(value, abs=0.5e-4)
            assert numbers["p"][i] == pytest.approx(result.p_value, rel=0.5e-5)
            assert texts["control"][i] == f"{result.control:.1f}\N{NO-BREAK SPACE}%"
            assert texts["treated"][i] == f"{result.treated:.1f}\N{NO-BREAK SPACE}%"
            assert texts["change"][i] == signed(f"{result.difference:+.1f}")
            assert texts["interval"][i] == f"{signed(f'{result.ci_low:+.1f}')} to {signed(f'{result.ci_high:+.1f}')}"
            assert texts["effect"][i] == signed(f"{result.effect_size:.2f}")
            assert float(texts["p"][i]) == float(f"{result.p_value:.2g}")
            assert bool(packed["sensitive"][i]) == (finding in test.sensitive)


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


def test_what_the_baseline_knows_is_shown_as_impacted_and_known_though_it_passes(view):
    vflip = Condition("vflip")
    tests = [test for test in view.model_tests if test.condition == vflip]
    known = [found(test, Outcome.FAIL, verdict=Verdict(Outcome.PASS, "a known finding")) for test in tests]
    alone = only(view, vflip, known)
    assert summary.outcome(alone) is Outcome.PASS
    assert "models are impacted by vflip." in summary.verdict(alone)
    told = f"All {len(known)} findings are known from the baseline, and not shown to be worse."
    assert told in summary.verdict(alone)
    assert {cells[0].mark for _, cells in heat.rows(alone)} == {"(*)"}
    assert heat.model_bars(alone)[0].impacted == len(known)
    assert "impacted, known" in words(render.render(alone))


@pytest.mark.parametrize(
    ("outcome", "word", "sentence"),
    [
        (Outcome.FAIL, "beyond 2 points", "net is beyond 2 points under vflip."),
        (Outcome.PASS, "within 2 points", "net is not shown to be beyond 2 points under vflip."),
        (Outcome.INCONCLUSIVE, "inconclusive", "net is not shown to be beyond 2 points under vflip."),
    ],
)
def test_equivalence_has_words_of_its_own(view, outcome, word, sentence):
    vflip = Condition("vflip")
    test = next(found(t, outcome) for t in view.model_tests if t.condition == vflip and t.model == "net")
    policy = dataclasses.replace(view.policy, equivalence=2.0)
    alone = only(dataclasses.replace(view, policy=policy), vflip, [test])
    assert alone.question.answer(test) == word
    assert summary.verdict(alone) == sentence
    shown = words(render.render(alone))
    assert "shown to stay within 2 points" in shown
    assert "an impacted model" not in shown


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
    fall = number_text.points(view.changes[vflip].difference)
    least = number_text.points(view.changes[hflip].difference)
    assert summary.verdict(small) == (
        "2 of 3 models are impacted by at least one of 2 transforms. "
        f"Accuracy falls most under vflip ({fall} points on average) and changes least under hflip ({least}). "
        "Under 1 of 2 transforms more classes are sensitive than allowed."
    )
    assert summary.outcome(small) is Outcome.FAIL


PASSED, FAILED, OPEN = (Verdict(outcome, "") for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE))


@pytest.mark.parametrize(
    ("tests", "sentence"),
    [
        ([(True, FAILED)], "Under vflip more classes are sensitive than allowed."),
        ([(False, PASSED)], "Under vflip no more classes are sensitive than allowed."),
        ([(True, PASSED)], "Under vflip more classes are sensitive than allowed, which the baseline knows."),
        ([(False, OPEN)], "The test of the classes under vflip is inconclusive."),
        ([(True, FAILED)] * 2, "Under all 2 transforms more classes are sensitive than allowed."),
        ([(False, PASSED)] * 2, "Under none of 2 transforms more classes are sensitive than allowed."),
        ([(False, OPEN)] * 2, "The tests of the classes are inconclusive under all 2 transforms."),
        (
            [(True, FAILED), (True, PASSED), (False, OPEN)],
            (
                "Under 2 of 3 transforms more classes are sensitive than allowed, 1 known from the baseline; 1 is "
                "inconclusive."
            ),
        ),
        (
            [(True, PASSED)] * 3,
            "Under all 3 transforms more classes are sensitive than allowed, all known from the baseline.",
        ),
    ],
)
def test_the_verdict_says_what_class_tests_found_and_what_is_made_of_it(view, tests, sentence):
    conditions = [Condition(name) for name in ("vflip", "hflip", "equalize")][: len(tests)]
    found = next(test for test in view.class_tests if len(test.sensitive) > 0)
    made = [
        dataclasses.replace(found, condition=condition, allowed=0 if exceeded else len(found.classes), verdict=verdict)
        for condition, (exceeded, verdict) in zip(conditions, tests, strict=True)
    ]
    small = dataclasses.replace(view, conditions=tuple(conditions), model_tests=(), changes={}, class_tests=tuple(made))
    assert summary.verdict(small) == sentence


@pytest.mark.parametrize(
    ("outcomes", "sentence", "outcome"),
    [
        ({"net": Outcome.FAIL}, "net is impacted by vflip.", Outcome.FAIL),
        ({"net": Outcome.PASS}, "net is not shown to be impacted by vflip.", Outcome.PASS),
        (
            {"net": Outcome.PASS, "other": Outcome.INCONCLUSIVE},
            "None of 2 models is shown to be impacted by vflip.",
            Outcome.INCONCLUSIVE,
        ),
        ({"net": Outcome.FAIL, "other": Outcome.FAIL}, "Both models are impacted by vflip.", Outcome.FAIL),
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
    rows = dict(heat.rows(partial))
    place = view.conditions.index(Condition("vflip"))
    assert rows["other"][place] == heat.HeatCell(None, "", "", "other failed")
    control, treated = (view.counts[Cell("net", c)] for c in (Condition("control"), Condition("vflip")))
    change = 100 * (treated.correct.sum() - control.correct.sum()) / control.n.sum()
    assert rows["net"][place].change == pytest.approx(change)
    page = render.render(partial)
    assert "other failed" in words(page)
    assert f"{number_text.points(change)}" in words(page)
    assert summary.outcome(dataclasses.replace(partial, model_tests=(), class_tests=())) is Outcome.INCONCLUSIVE


def test_comparisons_with_a_baseline_are_shown_and_count(view):
    result = McNemarResult(
        n=100,
        control=81.0,
        treated=79.655,
        difference=-1.345,
        ci_low=-2.004,
        ci_high=-0.001,
        effect_size=-0.1,
        p_value=0.03,
        p_adjusted=0.04,
        detectable_drop=1.0,
        lost=15,
        gained=14,
    )
    verdict = Verdict(Outcome.FAIL, "accuracy fell 1.34 points, more than the tolerance of 1")
    gate = SimpleNamespace(
        model="net",
        counterpart="old",
        condition=Condition("vflip"),
        result=result,
        beyond_control=SimpleNamespace(value=-0.755),
        undecided=False,
        verdict=verdict,
    )
    alone = dataclasses.replace(view, model_tests=(), class_tests=(), gallery=(), changes={}, gate_tests=(gate,))
    assert summary.outcome(alone) is Outcome.FAIL
    assert summary.verdict(alone) == "1 of 1 comparison with the baseline shows a loss of robustness."
    undecided = SimpleNamespace(**vars(gate) | {"undecided": True})
    torn = dataclasses.replace(alone, gate_tests=(gate, undecided, undecided))
    assert summary.verdict(torn) == (
        "1 of 3 comparisons with the baseline shows a loss of robustness; 2 are undecided."
    )
    assert words(render.render(torn)).count("INCONCLUSIVE") == 2
    shown = words(render.render(alone))
    assert "Against the baseline: old" in shown
    figures = f"vflip FAIL 81.00 % {79.655:.2f} % −{1.345:.2f} −2.00 to 0.00 −{0.755:.2f}"
    assert figures in shown
    assert "accuracy fell 1.34 points, more than the tolerance of 1" in shown


def test_the_bars_add_up_to_all_classes(view):
    for bar, test in zip(heat.class_bars(view), view.class_tests, strict=True):
        assert bar.sensitive == len(test.sensitive)
        assert bar.classes == len(view.classes)
    impacted = {bar.condition: bar.impacted for bar in heat.model_bars(view)}
    assert impacted == {c: sum(t.impacted for t in view.model_tests if t.condition == c) for c in view.conditions}


def test_one_severity_draws_no_curve_and_several_draw_the_average_with_its_interval():
    assert curves.curves(simulated_report(models=["a", "b"], classes=["x", "y"])) == []
    view = simulated_report(
        models=["a", "b", "c"], classes=["x", "y"], transforms=["zoom", "hflip"], severities=[1, 3, 5], images=50
    )
    (curve,) = curves.curves(view)
    assert curve.transform == "zoom"
    assert len(curve.lines) == 3
    for (severity, change, interval), dot in zip(curve.rows, curve.dots, strict=True):
        changes = np.array([view.change(Cell(model, Condition("zoom", severity))) for model in view.models])
        half = 4.302652729911275 * changes.std(ddof=1) / math.sqrt(3)  # t, 2 degrees of freedom, 97.5 %
        assert change == pytest.approx(changes.mean())
        assert interval == pytest.approx((changes.mean() - half, changes.mean() + half))
        assert f"{dot[0]},{dot[1]}" in curve.average
    assert [x for x, _ in curve.dots] == sorted(x for x, _ in curve.dots)
    falls = [change for _, change, _ in curve.rows]
    heights = [y for _, y in curve.dots]
    assert np.argsort(falls).tolist() == np.argsort(heights)[::-1].tolist()


@pytest.fixture(scope="module")
def alone():
    """One model, on classes of different sizes: its accuracy over all images is not the mean over the classes."""
    view = simulated_report(models=["a"], classes=["x", "y", "z"], transforms=["zoom"], severities=[1, 3])
    sizes = np.array([1, 10, 100])
    counts = {cell: Counts(count.n * sizes, count.correct * sizes) for cell, count in view.counts.items()}
    return dataclasses.replace(view, counts=counts, changes=average_changes(counts))


def test_one_model_alone_has_one_line_the_mean_over_classes_with_its_own_interval(alone):
    (curve,) = curves.curves(alone)
    found = {test.condition.severity: test.result for test in alone.model_tests}
    assert [(s, c, i) for s, c, i in curve.rows] == [(s, r.difference, (r.ci_low, r.ci_high)) for s, r in found.items()]
    assert curve.lines == ()
    shown = words(render.render(alone))
    assert "The mean over classes: of a's accuracies on the classes, each of which counts the same, with its" in shown
    assert "change of the mean over classes, points" in shown
    assert not re.search("Bold|Thin|average change", shown)


@pytest.mark.parametrize("tests", [0, 1])
def test_one_model_alone_without_a_test_of_every_condition_has_its_accuracy_and_no_interval(alone, tests):
    untested = dataclasses.replace(alone, model_tests=alone.model_tests[:tests])
    (curve,) = curves.curves(untested)
    changes = [alone.change(Cell("a", Condition("zoom", severity))) for severity in (1, 3)]
    assert [change for _, change, _ in curve.rows] == pytest.approx(changes)
    assert [interval for *_, interval in curve.rows] == [None, None]
    assert (curve.lines, curve.band) == ((), "")
    shown = words(render.render(untested))
    assert "Top-1 accuracy of a over all images." in shown
    assert "change of top-1 accuracy, points" in shown


def test_several_models_are_averaged_under_a_caption_that_says_so():
    view = simulated_report(models=["a", "b"], classes=["x", "y"], transforms=["zoom"], severities=[1, 3], images=50)
    assert "Bold: the average over the models, with its 95 % interval. Thin: each model." in words(render.render(view))
    assert "average change, points" in words(render.render(view))


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
