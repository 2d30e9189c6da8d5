"""The terminal summary shows what changed, in a table that fits the terminal."""

from __future__ import annotations

import pytest

from pytest_robustness.records import Cell, Condition, Outcome
from pytest_robustness.reports.terminal import render


def test_the_summary_is_a_table_of_changes_one_of_classes_and_what_they_leave_out(findings):
    view = findings.view(skipped=("photos/a.png", "photos/b.png"))
    lines = render(view, width=80, color=False).splitlines()
    assert [line for line in lines if set(line) != {"─"}] == [
        "Change of top-1 accuracy in points; * marks an impacted model",
        "model      vflip    zoom",
        "resnet18  -10.5*   -10.5",
        "vgg16       -0.1   error",
        "",
        "transform  sensitive  allowed  classes  most sensitive",
        "vflip              2        1        3  nine -60.0, six -30.0",
        "error: digits:vgg16 failed during the sweep: ValueError: no",
        "2 images could not be read and were skipped: photos/a.png, photos/b.png",
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
