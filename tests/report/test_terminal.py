"""The terminal summary shows what changed, in a table that fits the terminal."""

from __future__ import annotations

import dataclasses

import pytest
from rich.cells import cell_len
from rich.text import Text

from pytest_robustness.analysis.findings import ClassFinding
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.test_result import Estimate, Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.report.terminal import render

CORRECTED = TestPolicy(correction="holm")


def plain_view(findings, **fields):
    """Return the view with an average, and one test that is inconclusive."""
    tests = findings.view().model_tests
    unchanged = findings.result(p_value=0.5, p_adjusted=0.5)
    small = findings.change(difference=-0.1, low=-0.5, high=0.3)
    undecided = Verdict(Outcome.INCONCLUSIVE, "too few images")
    tests = (
        tests[0],
        dataclasses.replace(tests[1], result=unchanged, change=small),
        dataclasses.replace(tests[2], verdict=undecided),
    )
    return findings.view(model_tests=tests, changes={Condition("vflip"): Estimate(-10.0, -14.0, -6.0)}, **fields)


def finding(findings, index, name, change):
    """Return a class that changed by so many points."""
    images = findings.of_images(difference=change, pooled=Estimate(change, change - 1, change + 1))
    return ClassFinding(index, name, findings.result(difference=change), images)


def test_the_summary_is_a_table_of_changes_one_of_classes_and_what_they_leave_out(findings):
    view = plain_view(findings, skipped=("photos/a.png", "photos/b.png"))
    lines = render(view, width=80, color=False).splitlines()
    assert [line for line in lines if set(line) != {"─"}] == [
        "Change of top-1 accuracy in points, control in percent; * its t-test rejects;",
        "  ! the images show a change of more than 2 points; ? inconclusive",
        "model      control    vflip     zoom",
        "resnet18      92.5  -10.0*!  -10.0!?",
        "vgg16         82.5   -0.1      error",
        "average             -10.0",
        "95 % from           -14.0",
        "95 % to              -6.0",
        "",
        "Classes: sensitive by their tests over the models; beyond: changed significantly",
        "  and by more than 10 measured points, over all models or in one alone; blind:",
        "  too few right to show a loss",
        "transform  sensitive  insensitive  allowed  beyond  blind",
        "vflip              2            1        1       2      0",
        "",
        "Worst classes: change to expect on other images (90 % interval), measured change",
        "transform  worst classes",
        "vflip      nine -58.0 (-66.0 to -50.0), measured -60.0 and 1 more",
        "2 tests of models without correction over them: at alpha 0.05 up to about 0.1",
        "  would fail by chance if nothing changed (--robustness-correction).",
        "error: digits:vgg16 failed during the sweep: ValueError: no",
        "2 images could not be read and were skipped: photos/a.png, photos/b.png",
        "inconclusive: resnet18 under zoom: too few images",
    ]


def test_many_errors_are_cut_short(findings):
    cells = [Cell(f"net{i}", CONTROL) for i in range(5)]
    view = findings.view(errors={cell: f"{cell.model} cannot be loaded" for cell in cells})
    lines = render(view, 80, False).splitlines()
    first = lines.index("error: net0 cannot be loaded")
    assert lines[first + 1 :][:3] == [
        "error: net1 cannot be loaded",
        "error: net2 cannot be loaded",
        "2 more errors, each with its tests and in the report",
    ]


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
def test_every_condition_is_shown_once_and_no_table_is_wider_than_the_terminal(findings, width):
    conditions = tuple(Condition(name, 3) for name in ("rotation", "zoom", "translate", "a+b", "perspective", "x_y_z"))
    tests = tuple(findings.model("digits:resnet18", condition) for condition in conditions)
    view = findings.view(conditions=conditions, model_tests=tests, class_tests=(), errors={}, policy=CORRECTED)
    text = render(view, width, False)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("-10.0*") == len(conditions)
    for word in ("rotation", "zoom", "translate", "perspective"):
        assert text.count(word) == 1


def test_a_model_that_was_not_tested_has_no_row(findings):
    view = findings.view()
    text = render(findings.view(model_tests=view.model_tests[:1], errors={}), 80, False)
    assert "resnet18" in text
    assert "vgg16" not in text


def test_impacted_models_and_errors_are_coloured_where_the_terminal_has_colours(findings):
    text = render(findings.view(), 80, color=True)
    assert "\x1b[31m" in text
    assert "\x1b[35m" in text
    assert "\x1b" not in render(findings.view(), 80, color=False)


def test_only_class_tests_make_only_their_table(findings):
    text = render(findings.view(model_tests=(), errors={}), 80, False)
    assert "control" not in text
    assert text.splitlines()[0].startswith("Classes: ")


def test_an_error_of_all_cells_of_a_model_is_told_once(findings):
    errors = {Cell("digits:vgg16", Condition(name)): "digits:vgg16 is ill" for name in ("control", "vflip", "zoom")}
    assert render(findings.view(errors=errors), 80, False).count("digits:vgg16 is ill") == 1


def test_a_long_note_breaks_between_words_and_never_within_a_path(findings):
    path = "/data/" + "a-very-long-folder/" * 5 + "image-01.png"
    view = findings.view(skipped=(path, "b.png", "c.png", "d.png"), model_tests=(), errors={})
    lines = render(view, 40, False).splitlines()
    assert lines[-4:] == ["4 images could not be read and were", "  skipped:", f"  {path},", "  b.png, c.png, ..."]


def test_a_failed_class_test_stands_out(findings):
    assert findings.classes().verdict.outcome is Outcome.FAIL
    text = render(findings.view(model_tests=(), errors={}), 80, color=True)
    assert "\x1b[31m        2\x1b[0m" in text
    passed = findings.classes(outcome="PASS")
    assert "\x1b[31m" not in render(findings.view(model_tests=(), errors={}, class_tests=(passed,)), 80, color=True)


IMAGENET = (
    "great white shark, white shark, man-eater, man-eating shark, Carcharodon carcharias",
    "diamondback, diamondback rattlesnake, Crotalus adamanteus",
    "black grouse",
    "大熊猫 giant panda, panda, panda bear, coon bear, Ailuropoda melanoleuca",
    "owl",
)


@pytest.fixture
def imagenet(findings):
    """Class tests of ten thousand classes with names as long as ImageNet's, some sensitive under each transform."""
    changes = (-100.0, -90.5, -81.2, -70.0, -60.0)
    named = [finding(findings, i, name, changes[i]) for i, name in enumerate(IMAGENET)]
    rest = [finding(findings, i, f"class {i}", -5.0) for i in range(5, 10_000)]
    classes = (*named, *rest)
    sensitive = {"vflip": classes[:1234], "equalize_zoom_brightness": classes[1:3], "zoom": classes[4:6], "hflip": ()}
    conditions = tuple(Condition(name, 3) for name in sensitive)
    tests = tuple(
        findings.classes(
            condition, classes=classes, sensitive=tuple(sensitive[condition.transform]), beyond=(), allowed=567
        )
        for condition in conditions
    )
    return findings.view(conditions=conditions, model_tests=(), errors={}, class_tests=tests)


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("width", [40, 60, 70, 80, 100, 140])
def test_long_class_names_leave_the_numbers_whole_and_the_tables_in_the_terminal(imagenet, width, color):
    lines = Text.from_ansi(render(imagenet, width, color)).plain.splitlines()
    assert max(map(cell_len, lines)) <= width
    head = next(i for i, line in enumerate(lines) if line.startswith("transform"))
    names = ["transform", "sensitive", "insensitive", "allowed", "beyond", "blind"]
    expected = {"sensitive": "1234", "insensitive": "8766", "allowed": "567", "beyond": "0", "blind": "0"}
    shown = lines[head].split()
    assert shown == (names if width >= 80 else [name for name in names if name not in ("insensitive", "blind")])
    assert set(lines[head + 1]) == {"─"}
    assert lines[head + 2].split()[1:] == [expected[name] for name in shown[1:]]
    assert [row.split()[1] for row in lines[head + 2 :][:4]] == ["1234", "2", "2", "0"]


def test_the_worst_classes_are_as_many_as_fit_by_what_to_expect_of_them(imagenet):
    narrow, wide = (
        [line for line in render(imagenet, width, color=False).splitlines() if line.startswith("vflip")][1]
        for width in (80, 200)
    )
    first = "great white shark, whit… -100.0 (-101.0 to -99.0), measured -100.0"
    assert narrow.endswith("great white sh… -100.0, measured -100.0 and 1,233 more")
    assert wide.endswith(f"{first}, diamondback, diamondbac… -90.5 (-91.5 to -89.5), measured -90.5 and 1,232 more")


def test_a_name_too_long_for_its_table_is_cut_before_a_number_is(findings):
    view = findings.view()
    labels = {
        model: f"a-package.of-mine.models-{index}:a_factory_with_a_name" for index, model in enumerate(view.models)
    }
    result = findings.on_images(control=83.2, treated=81.03, difference=-2.17)
    tests = tuple(
        findings.compared(condition, model=model, result=result, p_worse=9.9e-112, beyond_control=beyond)
        for model in view.models
        for condition, beyond in ((CONTROL, None), (Condition("vflip"), Estimate(-12.34, -13, -11)))
    )
    text = render(dataclasses.replace(view, labels=labels, gate_tests=tests), 80, color=False)
    assert max(len(line) for line in text.splitlines() if line[:1] != "i") <= 80
    assert text.count("83.20   81.03   -2.17  9.9e-112") == 4
    assert text.count("-12.34  less robust") == 2
    assert text.count("-10.0*!") == 2


def test_a_finding_that_the_baseline_knows_is_marked_as_such_in_a_column_of_its_width(findings):
    known = findings.model("digits:resnet18", verdict=Verdict(Outcome.PASS, "a known finding"))
    new = findings.model("digits:vgg16")
    text = render(findings.view(model_tests=(known, new), errors={}, class_tests=()), 80, False)
    assert "; () a known finding: the baseline has it too" in " ".join(text.split())
    lines = [line for line in text.splitlines() if "-10.0" in line]
    assert lines == ["resnet18     92.5  -10.0(*!)", "vgg16        82.5  -10.0*!"]


def test_what_could_not_be_told_is_marked_and_has_its_reason(findings):
    torn = findings.model("digits:resnet18", outcome="INCONCLUSIVE", found=Outcome.INCONCLUSIVE)
    classes = findings.classes(verdict=Verdict(Outcome.INCONCLUSIVE, "vgg16 could not be run"))
    text = render(findings.view(model_tests=(torn,), errors={}, class_tests=(classes,)), 80, False)
    lines = text.splitlines()
    assert "resnet18     92.5  -10.0*!?" in lines
    assert lines[-1] == "inconclusive: the classes under vflip: vgg16 could not be run"


def undecided(findings, count):
    """Return so many model tests that decide nothing, each with a reason of its own."""
    reasons = (Verdict(Outcome.INCONCLUSIVE, f"about {'x' * i}") for i in range(count))
    return tuple(findings.model("digits:vgg16", outcome="INCONCLUSIVE", verdict=reason) for reason in reasons)


def test_inconclusive_tests_are_always_listed_the_first_of_them_and_all_with_verbosity(findings):
    view = findings.view(model_tests=undecided(findings, 12), class_tests=(), errors={})
    few, all_of_them = (render(view, 80, False, verbose=verbose) for verbose in (False, True))
    listed = [f"inconclusive: vgg16 under vflip: about {'x' * i}".rstrip() for i in range(12)]
    assert few.splitlines()[-11:] == [*listed[:10], "2 more inconclusive tests: -v lists all, as does the report"]
    assert all_of_them.splitlines()[-12:] == listed


def test_what_a_pass_excludes_is_shown_with_verbosity(findings):
    reason = "within 2 points: -0.6 points, 90 % interval -1.4 to +0.2 over 898 images"
    passed = Verdict(Outcome.PASS, reason)
    tests = {
        "model_tests": (findings.model("digits:vgg16", outcome="PASS", verdict=passed),),
        "class_tests": (findings.classes(outcome="PASS", verdict=passed),),
        "gate_tests": (findings.compared(CONTROL, model="digits:vgg16", verdict=passed),),
    }
    view = findings.view(errors={}, **tests)
    assert "passed: " not in render(view, 120, False)
    assert render(view, 140, False, verbose=True).splitlines()[-3:] == [
        f"passed: vgg16 under vflip: {reason}",
        f"passed: the classes under vflip: {reason}",
        f"passed: vgg16 against the baseline under control: {reason}",
    ]


def test_an_undecided_comparison_is_listed_as_such_whatever_it_counts_as(findings):
    for outcome in Outcome:
        verdict = Verdict(outcome, "inconclusive: 20 images are too few")
        compared = findings.compared(CONTROL, model="digits:vgg16", undecided=True, verdict=verdict)
        view = findings.view(model_tests=(), class_tests=(), errors={}, gate_tests=(compared,))
        lines = render(view, 100, False, verbose=True).splitlines()
        assert lines[-1] == "inconclusive: vgg16 against the baseline under control: 20 images are too few"


def test_one_model_has_no_average(findings):
    change = {Condition("vflip"): Estimate(-10.0, -14.0, -6.0)}
    view = findings.view(model_tests=findings.view().model_tests[:1], changes=change, errors={})
    assert "average" not in render(view, 80, False)
