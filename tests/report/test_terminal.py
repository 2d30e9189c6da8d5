"""The terminal summary shows what changed, in a table that fits the terminal."""

from __future__ import annotations

import dataclasses

import pytest
from rich.cells import cell_len
from rich.text import Text

from pytest_robustness.analysis.findings import ClassFinding, Estimate, GateTest
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.report.terminal import render


def test_the_summary_is_a_table_of_changes_one_of_classes_and_what_they_leave_out(findings):
    view = findings.view(skipped=("photos/a.png", "photos/b.png"))
    lines = render(view, width=80, color=False).splitlines()
    assert [line for line in lines if set(line) != {"─"}] == [
        "Change of top-1 accuracy in points; * marks an impacted model; ? undecided",
        "model      vflip    zoom",
        "resnet18  -10.5*  -10.5?",
        "vgg16      -0.1    error",
        "",
        "transform  sensitive  allowed  classes  most sensitive",
        "vflip              2        1        3  nine -60.0, six -30.0",
        "error: digits:vgg16 failed during the sweep: ValueError: no",
        "2 images could not be read and were skipped: photos/a.png, photos/b.png",
    ]


def test_many_errors_are_cut_short(findings):
    cells = [Cell(f"net{i}", CONTROL) for i in range(5)]
    view = findings.view(errors={cell: f"{cell.model} cannot be loaded" for cell in cells})
    assert render(view, 80, False).splitlines()[-4:] == [
        "error: net0 cannot be loaded",
        "error: net1 cannot be loaded",
        "error: net2 cannot be loaded",
        "2 more errors, each with its tests and in the report",
    ]


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
def test_every_condition_is_shown_once_and_no_table_is_wider_than_the_terminal(findings, width):
    conditions = tuple(Condition(name, 3) for name in ("rotation", "zoom", "translate", "a+b", "perspective", "x_y_z"))
    tests = tuple(findings.model("digits:resnet18", condition) for condition in conditions)
    text = render(findings.view(conditions=conditions, model_tests=tests, class_tests=(), errors={}), width, False)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("-10.5*") == len(conditions)
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
    assert text.splitlines()[0].startswith("transform  sensitive")


def test_an_error_of_all_cells_of_a_model_is_told_once(findings):
    errors = {Cell("digits:vgg16", Condition(name)): "digits:vgg16 is ill" for name in ("control", "vflip", "zoom")}
    assert render(findings.view(errors=errors), 80, False).count("digits:vgg16 is ill") == 1


def test_a_long_note_breaks_between_words_and_never_within_a_path(findings):
    path = "/data/" + "a-very-long-folder/" * 5 + "image-01.png"
    lines = render(findings.view(skipped=(path, "b.png", "c.png", "d.png")), 40, False).splitlines()
    assert lines[-4:] == ["4 images could not be read and were", "skipped:", f"{path},", "b.png, c.png, ..."]


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
    named = [ClassFinding(i, name, findings.result(difference=changes[i])) for i, name in enumerate(IMAGENET)]
    rest = [ClassFinding(i, f"class {i}", findings.result(difference=-5.0)) for i in range(5, 10_000)]
    classes = (*named, *rest)
    sensitive = {"vflip": classes[:1234], "equalize_zoom_brightness": classes[1:3], "zoom": classes[4:6], "hflip": ()}
    conditions = tuple(Condition(name, 3) for name in sensitive)
    tests = tuple(
        findings.classes(condition, classes=classes, sensitive=tuple(sensitive[condition.transform]), allowed=567)
        for condition in conditions
    )
    return findings.view(conditions=conditions, model_tests=(), errors={}, class_tests=tests)


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("width", [40, 60, 70, 80, 100, 140])
def test_long_class_names_leave_the_numbers_whole_and_the_table_in_the_terminal(imagenet, width, color):
    lines = Text.from_ansi(render(imagenet, width, color)).plain.splitlines()
    assert max(map(cell_len, lines)) <= width
    head, rule, *rows = lines
    assert head.split()[:4] == ["transform", "sensitive", "allowed", "classes"]
    assert set(rule) == {"─"}
    for row, sensitive in zip(rows, ("1234", "2", "2", "0"), strict=True):
        assert row.split()[1:4] == [sensitive, "567", "10000"]


def test_a_list_of_classes_is_cut_by_whole_classes_and_counts_those_that_it_lacks(imagenet):
    assert render(imagenet, 80, color=False).splitlines()[2:] == [
        "vflip                          1234      567    10000  great… -100.0 … 1233 more",
        "equalize_zoom_brightness          2      567    10000  diamondba… -90.5 … 1 more",
        "zoom                              2      567    10000  owl -60.0, class 5 -5.0",
        "hflip                             0      567    10000",
    ]


def test_a_wide_terminal_shows_more_of_the_classes(imagenet):
    row = render(imagenet, 140, color=False).splitlines()[2]
    assert row.endswith("  great white shark, whit… -100.0, diamondback, diamondbac… -90.5 … 1232 more")


def test_a_name_too_long_for_its_table_is_cut_before_a_number_is(findings):
    view = findings.view()
    labels = {
        model: f"a-package.of-mine.models-{index}:a_factory_with_a_name" for index, model in enumerate(view.models)
    }
    result = findings.on_images(control=83.2, treated=81.03, difference=-2.17, p_adjusted=9.9e-112)
    tests = tuple(
        GateTest(model, "base", condition, result, beyond, (), False, False, Verdict(Outcome.FAIL, "accuracy fell"))
        for model in view.models
        for condition, beyond in ((CONTROL, None), (Condition("vflip"), Estimate(-12.34, -13, -11)))
    )
    text = render(dataclasses.replace(view, labels=labels, gate_tests=tests), 80, color=False)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("83.20   81.03   -2.17  9.9e-112") == 4
    assert text.count("-12.34  less robust") == 2
    assert text.count("-10.5*") == 1


def test_a_finding_that_the_baseline_knows_is_marked_as_such_in_a_column_of_its_width(findings):
    known = findings.model("digits:resnet18", verdict=Verdict(Outcome.PASS, "a known finding"))
    new = findings.model("digits:vgg16")
    lines = render(findings.view(model_tests=(known, new), errors={}, class_tests=()), 80, False).splitlines()
    assert lines[0] == ("Change of top-1 accuracy in points; * marks an impacted model; (*) one that the")
    assert [line for line in lines if "-10.5" in line] == ["resnet18  -10.5(*)", "vgg16     -10.5*"]


def test_what_could_not_be_told_is_marked_and_has_its_reason(findings):
    torn = findings.model("digits:resnet18", outcome="INCONCLUSIVE", found=Outcome.INCONCLUSIVE)
    classes = findings.classes(verdict=Verdict(Outcome.INCONCLUSIVE, "vgg16 could not be run"))
    text = render(findings.view(model_tests=(torn,), errors={}, class_tests=(classes,)), 80, False)
    lines = text.splitlines()
    assert lines[0] == "Change of top-1 accuracy in points; * marks an impacted model; ? undecided"
    assert "resnet18  -10.5?" in lines
    assert lines[-1] == "inconclusive: the classes under vflip: vgg16 could not be run"
