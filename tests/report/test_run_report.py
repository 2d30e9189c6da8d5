"""A finding reads as a stranger should read it."""

from __future__ import annotations

import dataclasses
import math

import pytest

from pytest_robustness.analysis.test_result import Equivalence, Outcome, Verdict
from pytest_robustness.core import Condition
from pytest_robustness.report.finding_text import finding_lines, image_text, text_of
from pytest_robustness.report.number_text import condition_text, p_text, points_text


def test_a_model_test_shows_its_numbers_and_the_classes_that_fell_most(findings):
    assert finding_lines(findings.model())[1:] == [
        "",
        "  top-1 accuracy      91.0 % -> 80.5 % over all images",
        "  mean over classes   90.0 % -> 80.0 %, 10 classes",
        "  change              -10.0 points (95 % interval -15.0 to -5.0)",
        "  independent         t = -4.20, df = 18.0, p = 0.0005",
        "  effect size         d = -2.50",
        "  power               a drop of 7.0 points would be seen 4 times out of 5",
        "",
        "  class that fell most              control  treated  points",
        "  six                                 97.0%    12.0%   -85.0",
        "  nine                                95.0%    41.5%   -53.5",
    ]


def test_a_corrected_p_value_is_shown_beside_its_own(findings):
    lines = finding_lines(findings.model(result=findings.result(p_adjusted=0.006)))
    own = lines.index("  independent         t = -4.20, df = 18.0, p = 0.0005")
    assert lines[own + 1] == "  corrected p         0.006"


def test_a_class_test_shows_its_classes_by_their_fall_and_the_option_that_counts(findings):
    assert finding_lines(findings.classes())[1:] == [
        "",
        "  sensitive           2 of 3 classes (p < 0.05)",
        "  allowed             1 (--robustness-max-sensitive)",
        "  tested over         2 models",
        "",
        "  most sensitive class              control  treated  points        p",
        "  nine                                90.0%    30.0%   -60.0     0.01",
        "  six                                 95.0%    65.0%   -30.0   0.0005",
    ]


def test_a_class_test_says_what_it_leaves_out(findings):
    lines = finding_lines(findings.classes(left_out=("vgg19",), untested=("ten", "eleven"), sensitive=()))
    assert lines[2:] == [
        "  sensitive           0 of 3 classes (p < 0.05)",
        "  allowed             1 (--robustness-max-sensitive)",
        "  tested over         2 models",
        "  left out            could not be run: vgg19",
        "  not tested          2 classes without an image",
    ]


def test_classes_with_too_few_observations_are_no_part_of_the_share(findings):
    found = findings.classes()
    short = dataclasses.replace(found.classes[2], result=findings.inconclusive())
    lines = finding_lines(dataclasses.replace(found, classes=(*found.classes[:2], short)))
    assert "  sensitive           2 of 2 classes (p < 0.05)" in lines
    assert "  not tested          1 class with too few observations" in lines


def test_an_equivalence_test_shows_what_decides(findings):
    within = Equivalence(2.0, 0.05, -10.0, -15.0, -5.0, 0.99, Verdict(Outcome.FAIL, ""))
    lines = finding_lines(findings.model(equivalence=within))
    assert "  within 2 points     p = 0.99 (90 % interval -15.0 to -5.0)" in lines


def test_a_class_test_of_one_model_is_one_over_its_images(findings):
    lines = finding_lines(findings.classes(models=("resnet18",)))
    assert "  tested over         the images of resnet18 (McNemar)" in lines


def test_an_image_test_shows_its_images(findings):
    assert finding_lines(findings.images())[1:] == [
        "",
        "  top-1 accuracy      90.0 % -> 80.0 % on the same 200 images",
        "  change              -10.0 points (95 % interval -15.0 to -5.0)",
        "  mcnemar             p = 0.0005",
    ]


def test_a_long_class_name_is_cut_to_its_column(findings):
    six = findings.classes().classes[0]
    long = type(six)(0, "a very long name of a class, as ImageNet has them", six.result)
    line = finding_lines(findings.classes(sensitive=(long,)))[-1]
    assert line == "  a very long name of a class, as…    95.0%    65.0%   -30.0   0.0005"


def test_the_headline_stands_alone(findings):
    model = text_of(findings.model(condition=Condition("zoom", 5))).headline
    assert model.endswith("resnet18 under zoom (severity 5): accuracy fell 10.0 points, p = 0.0005 < alpha 0.05")
    classes = text_of(findings.classes()).headline
    assert classes.endswith("vflip: 2 of 3 classes sensitive at alpha 0.05, more than the 1 that chance explains")
    assert text_of(findings.images()).headline.endswith("resnet18 under vflip: accuracy fell 10.0 points")


def test_no_line_of_a_finding_says_nan_of_what_cannot_be_told(findings):
    lines = finding_lines(findings.model(result=findings.inconclusive(), worst=()))
    assert "p = not defined" in "\n".join(lines)


@pytest.mark.parametrize(
    ("p", "text"), [(0.04321, "0.043"), (3.2e-7, "3.2e-07"), (0.0, "0"), (1.0, "1"), (math.nan, "not defined")]
)
def test_a_p_value_is_written_as_people_write_it(p, text):
    assert p_text(p) == text


def test_points_carry_their_sign():
    assert [points_text(points) for points in (-3.14, 0.0, 12.0)] == ["-3.1", "+0.0", "+12.0"]


def test_a_condition_is_named_without_a_severity_where_there_is_but_one(findings):
    view = findings.view()
    assert [view.condition_label(condition) for condition in view.conditions] == ["vflip", "zoom"]
    several = findings.view(conditions=(Condition("vflip"), Condition("zoom", 1), Condition("zoom", 3)))
    assert [several.condition_label(condition) for condition in several.conditions] == ["vflip", "zoom-s1", "zoom-s3"]
    assert condition_text(Condition("zoom", 1)) == "zoom (severity 1)"


def test_the_conditions_of_model_tests_include_those_that_failed_to_run(findings):
    view = findings.view()
    assert view.model_conditions == view.conditions
    assert findings.view(model_tests=(), errors={}).model_conditions == ()


def test_a_comparison_that_failed_lists_ten_images_that_were_lost(findings):
    lines = finding_lines(findings.compared(lost_images=findings.lost(11)))
    start = lines.index("  lost image of class  taken for             with  image")
    assert lines[start + 1] == "  six                  nine                   99%  /photos/six/0.png"
    assert lines[start + 10 :] == [
        "  six                  nine                   90%  /photos/six/9.png",
        "  50 more: results.json lists up to 100 under gate",
    ]


def test_a_lost_image_is_named_as_one_types_it_or_by_its_position(findings, tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    named, unnamed = findings.lost(2)
    assert image_text(named._replace(file=str(tmp_path / "photos" / "a.png"))) == "photos/a.png"
    assert image_text(named._replace(file="digits[12]")) == "digits[12]"
    assert image_text(unnamed) == "image at position 1"


@pytest.mark.parametrize("outcome", ["PASS", "INCONCLUSIVE"])
def test_a_comparison_that_did_not_fail_lists_no_images(findings, outcome):
    lines = finding_lines(findings.compared(outcome=outcome, lost_images=findings.lost(3)))
    assert "lost image" not in "\n".join(lines)
