"""A finding reads as a stranger should read it."""

from __future__ import annotations

import dataclasses
import math

import pytest

from pytest_robustness.core import Condition
from pytest_robustness.core.naming import condition_text
from pytest_robustness.report.finding_text import finding_lines, image_text, text_of
from pytest_robustness.report.number_text import p_text, points_text


def test_a_model_test_shows_its_numbers_and_the_classes_that_fell_most(findings):
    assert finding_lines(findings.model())[1:] == [
        "",
        "  top-1 accuracy      91.0 % -> 80.5 % over all images",
        "  mean over classes   90.0 % -> 80.0 %, 10 classes",
        "  over 1,000 images   -10.0 points (90 % interval -12.0 to -8.0)",
        "  changed images      120 lost, 20 gained, p = 1e-18 (McNemar)",
        "  over classes        -10.0 points (95 % interval -15.0 to -5.0)",
        "  independent         t = -4.20, df = 18.0, p = 0.0005",
        "  effect size         d = -2.50",
        "  power of the t-test a drop of 7.0 points would be seen 4 times out of 5",
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
        "  beyond the margin   2 classes (--robustness-class-margin), significantly",
        "",
        "  worst class       control  treated  points expected    90 % interval  t-test p",
        "  nine                90.0%    30.0%   -60.0    -58.0   -66.0 to -50.0      0.01",
        "  six                 95.0%    65.0%   -30.0    -28.0   -36.0 to -20.0    0.0005",
    ]


def test_a_class_test_says_what_it_leaves_out(findings):
    lines = finding_lines(findings.classes(left_out=("vgg19",), untested=("ten", "eleven"), sensitive=(), beyond=()))
    assert lines[2:] == [
        "  sensitive           0 of 3 classes (p < 0.05)",
        "  allowed             1 (--robustness-max-sensitive)",
        "  tested over         2 models",
        "  beyond the margin   0 classes (--robustness-class-margin), significantly",
        "  left out            could not be judged: vgg19",
        "  not tested          2 classes without an image",
    ]


def test_classes_with_too_few_observations_are_no_part_of_the_share(findings):
    found = findings.classes()
    short = dataclasses.replace(found.classes[2], result=findings.inconclusive())
    lines = finding_lines(dataclasses.replace(found, classes=(*found.classes[:2], short)))
    assert "  sensitive           2 of 2 classes (p < 0.05)" in lines
    assert "  not tested          1 class with too few observations" in lines


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        # The accuracies of the classes are constant: the images give the p-value, and there is no power to speak of.
        (
            dict.fromkeys(("ci_low", "ci_high", "statistic", "df", "effect_size", "detectable_drop"), math.nan),
            ["  independent         no t: the classes are alike; p = 0.0005 of the images"],
        ),
        (
            {"detectable_drop": 131.0},
            [
                "  independent         t = -4.20, df = 18.0, p = 0.0005",
                "  effect size         d = -2.50",
                "  power of the t-test not even a fall to 0 % would be seen 4 times out of 5",
            ],
        ),
    ],
    ids=["constant", "blunt"],
)
def test_a_t_test_that_says_little_says_so(findings, fields, lines):
    found = finding_lines(findings.model(result=findings.result(**fields), worst=()))
    assert found[7:] == lines
    interval = "not defined" if "ci_low" in fields else "-15.0 to -5.0"
    assert found[6] == f"  over classes        -10.0 points (95 % interval {interval})"
    assert "nan" not in "\n".join(found)


@pytest.mark.parametrize("change", [-9.94, -10.0, -100.0, 3.0, 10.0])
def test_the_grade_of_a_model_goes_by_the_size_of_its_change_alone(findings, change):
    grade, headline, _ = text_of(findings.model(change=findings.change(difference=change)))
    assert grade == ("SEVERE" if abs(change) >= 10 else "MILD")
    assert headline.startswith(f"{change:+.1f} points ({grade}): resnet18 under vflip: ")


@pytest.mark.parametrize(("change", "grade"), [(-100.0, "SEVERE"), (-10.0, "SEVERE"), (-9.9, "MILD"), (40.0, "SEVERE")])
def test_a_class_test_is_as_bad_as_its_worst_failing_class_however_few_fail(findings, change, grade):
    made = findings.classes()
    one = dataclasses.replace(made.classes[2], images=findings.of_images(difference=change))
    text = text_of(findings.classes(classes=(*made.classes[:2], one), sensitive=(one,), beyond=()))
    assert text.grade == grade
    assert text.headline.startswith(f"{change:+.1f} points ({grade}) in class zero: vflip: ")


def test_a_class_test_that_is_worse_than_the_baseline_begins_with_a_class_though_none_fails(findings):
    text = text_of(findings.classes(sensitive=(), beyond=()))
    assert text.headline.startswith("-60.0 points (SEVERE) in class nine: vflip: ")


@pytest.mark.parametrize(
    ("fell", "broken", "grade"), [(5.0, False, "MILD"), (10.0, False, "SEVERE"), (0.5, True, "SEVERE")]
)
def test_a_comparison_with_a_baseline_begins_with_its_change_and_is_graded_by_it(findings, fell, broken, grade):
    result = findings.on_images(difference=-fell)
    compared = findings.compared(result=result, broken=findings.classes().classes[:1] if broken else ())
    text = text_of(compared)
    assert text.grade == grade
    why = f", by a class: {compared.broken[0].name} {compared.broken[0].result.difference:+.1f}" if broken else ""
    assert text.headline.startswith(f"{-fell:+.2f} points{why}: resnet18 against vgg16 under vflip: ")
    assert f"  change              {-fell:+.2f} points (90 % interval -6.30 to -3.70)" in text.details
    assert "  beyond tolerance    p = 1e-06, corrected" in text.details
    total = text_of(dataclasses.replace(compared, fell=True)).headline
    assert total.startswith(f"{-fell:+.2f} points: resnet18 against vgg16 under vflip: ")


@pytest.mark.parametrize("kind", ["model", "classes", "compared"])
def test_what_is_inconclusive_begins_with_that_and_what_passes_with_its_subject(findings, kind):
    made = getattr(findings, kind)
    assert text_of(made(outcome="INCONCLUSIVE")).headline.startswith("INCONCLUSIVE: ")
    subject = {"model": "resnet18 under", "classes": "vflip: ", "compared": "resnet18 against"}[kind]
    assert text_of(made(outcome="PASS")).headline.startswith(subject)


def test_blind_classes_are_counted_apart_from_those_without_images(findings):
    made = findings.classes()
    blind = dataclasses.replace(made.classes[2], images=findings.of_images(n=2, blind=True))
    lines = finding_lines(findings.classes(classes=(*made.classes[:2], blind), untested=("ten",)))
    assert "  not tested          1 class without an image" in lines
    assert "  blind               1 class with too few images right in control to show a loss" in lines


@pytest.mark.parametrize("kind", ["model", "classes", "compared", "images"])
def test_no_line_of_figures_is_wider_than_80_columns(findings, kind):
    long = dataclasses.replace(findings.classes().classes[0], name="W" * 40)
    fields = {"classes": {"sensitive": (long,), "beyond": ()}}.get(kind, {})
    assert max(map(len, text_of(getattr(findings, kind)(**fields)).details)) <= 80


def test_a_class_test_of_one_model_is_one_over_its_images(findings):
    lines = finding_lines(findings.classes(models=("resnet18",)))
    assert "  tested over         the images of resnet18 (McNemar)" in lines
    (head,) = [line for line in lines if line.startswith("  worst class")]
    assert head.endswith(" McNemar p")
    assert max(map(len, lines[1:])) <= 80


def test_a_change_over_classes_of_different_sizes_is_called_a_mean(findings):
    change = findings.change(over_classes=True)
    assert "  over 1,000 images   -10.0 points, mean over classes (90 % interval -12.0 to -8.0)" in finding_lines(
        findings.model(change=change)
    )


def test_an_image_test_shows_its_images(findings):
    assert finding_lines(findings.images())[1:] == [
        "",
        "  top-1 accuracy      90.0 % -> 80.0 % on the same 200 images",
        "  change              -10.0 points (95 % interval -15.0 to -5.0)",
        "  over 200 images     -10.0 points (90 % interval -12.0 to -8.0)",
        "  changed images      120 lost, 20 gained, p = 1e-18 (McNemar)",
    ]


def test_a_long_class_name_is_cut_to_its_column(findings):
    six = findings.classes().classes[0]
    long = dataclasses.replace(six, name="a very long name of a class, as ImageNet has them")
    line = finding_lines(findings.classes(sensitive=(long,), beyond=()))[-1]
    assert line == "  a very long nam…    95.0%    65.0%   -30.0    -28.0   -36.0 to -20.0    0.0005"


def test_the_headline_stands_alone(findings):
    model = text_of(findings.model(condition=Condition("zoom", 5))).headline
    assert model.endswith("resnet18 under zoom (severity 5): accuracy fell 10.0 points, p = 0.0005 < alpha 0.05")
    classes = text_of(findings.classes()).headline
    assert classes.endswith("vflip: 2 of 3 classes sensitive at alpha 0.05, more than the 1 allowed")
    assert text_of(findings.images()).headline.endswith("resnet18 under vflip: accuracy fell 10.0 points")


def test_no_line_of_a_finding_says_nan_of_what_cannot_be_told(findings):
    lines = finding_lines(findings.model(result=findings.inconclusive(), worst=()))
    assert "t = not defined, p = not defined" in "\n".join(lines)


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


def test_a_picture_of_a_worst_of_k_is_said_to_show_its_first_draw(findings):
    report = findings.view()
    worst = Condition("worst(rotation+translate,k=10)", 3)
    assert report.picture_label(worst) == f"{report.condition_label(worst)}, first draw"
    for condition in (Condition("vflip"), Condition("rotation", 3), Condition("rotation:17.5")):
        assert report.picture_label(condition) == report.condition_label(condition)
