"""Which images a report shows, and with which answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pytest_robustness.analysis.findings import ClassFinding, ClassTest
from pytest_robustness.analysis.test_result import ClassImages, Estimate, Outcome, TTestResult, Verdict
from pytest_robustness.core import Condition
from pytest_robustness.report import gallery
from pytest_robustness.report.gallery import Answer

NAMES = ("ant", "bee", "cat")
VFLIP = Condition("vflip")


def result(difference=0.0, p=1.0):
    figures = {"ci_low": 0, "ci_high": 0, "effect_size": 0, "detectable_drop": 1.0, "statistic": 0, "df": 8.0}
    figures |= {"p_value": p, "p_adjusted": p, "test": "independent"}
    return TTestResult(n=5, control=90.0, treated=90.0 + difference, difference=difference, **figures)


def images(expected, *, blind=False):
    pooled = Estimate(expected, expected - 5, expected + 5)
    return ClassImages(n=50, difference=expected, p_value=0.5, p_adjusted=0.5, blind=blind, pooled=pooled, right=50)


def class_test(results, condition=VFLIP, models=("a", "b"), of_images=(), beyond=()):
    findings = tuple(
        ClassFinding(i, f"class {i}", found, of_images[i] if of_images else None) for i, found in enumerate(results)
    )
    sensitive = tuple(finding for finding in findings if finding.result.rejects(0.05))
    shown = tuple(findings[i] for i in beyond)
    return ClassTest(condition, models, findings, sensitive, shown, 0, (), (), 0.05, Verdict(Outcome.FAIL, ""))


def test_two_classes_that_fell_most_and_two_that_changed_least_are_shown():
    test = class_test(
        [
            result(-10, 0.001),
            result(-40, 0.001),
            result(-30, 0.001),
            result(+50, 0.001),
            result(-3, 0.5),
            result(0, 1.0),
            result(+1, 0.8),
            result(math.nan, math.nan),
        ]
    )
    assert [finding.index for finding in gallery.shown_classes(test)] == [1, 2, 5, 6]


def test_of_classes_that_changed_as_little_lots_are_drawn_over_all_of_them():
    conditions = [Condition(f"transform{i}") for i in range(60)]
    alike = [result(0.0, 1.0)] * 40 + [result(-3.0, 0.9)] * 10
    shown = {c: [one.index for one in gallery.shown_classes(class_test(alike, c))] for c in conditions}
    assert shown == {c: [one.index for one in gallery.shown_classes(class_test(alike, c))] for c in conditions}
    drawn = [index for pair in shown.values() for index in pair]
    # Never one that changed more; and of the others all parts of the list.
    assert max(drawn) < 40
    assert min(np.histogram(drawn, bins=4, range=(0, 40))[0]) > 10


def test_failing_classes_are_ranked_by_what_to_expect_and_those_beyond_the_margin_are_among_them():
    raw = [result(-40, 0.001), result(-30, 0.2), result(-35, 0.001), result(-1, 0.5), result(0, 1.0)]
    expected = [images(-20), images(-29), images(-34), images(-1), images(0)]
    test = class_test(raw, of_images=expected, beyond=[1])
    assert [finding.index for finding in gallery.shown_classes(test)] == [2, 1, 4, 3]


def test_a_class_in_which_no_change_could_be_seen_is_not_shown_as_unchanged():
    raw = [result(0, math.nan), result(0, math.nan), result(-2, 0.5)]
    test = class_test(raw, of_images=[images(0, blind=True), images(-1), images(-2, blind=True)])
    assert [finding.index for finding in gallery.shown_classes(test)] == [1, 2]


def test_of_each_transform_its_middle_severity_is_shown_and_twelve_transforms_at_most():
    tests = [class_test([result()], Condition("zoom", severity)) for severity in (5, 1, 3)]
    tests += [class_test([result()], Condition(f"transform{i}")) for i in range(20)]
    shown = [test.condition for test in gallery.shown_tests(tests)]
    assert shown == [Condition("zoom", 3), *(Condition(f"transform{i}") for i in range(11))]


@given(st.data())
@hypothesis_settings(deadline=None, max_examples=50)
def test_the_typical_image_is_the_nearest_to_the_class(data):
    models, images = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6))
    table = st.lists(st.lists(st.booleans(), min_size=images, max_size=images), min_size=models, max_size=models)
    before, after = (np.array(data.draw(table)) for _ in range(2))
    distances = [
        abs(before[:, i].sum() - before.sum() / images) + abs(after[:, i].sum() - after.sum() / images)
        for i in range(images)
    ]
    chosen = gallery.typical(list(before), list(after))
    assert distances[chosen] == pytest.approx(min(distances))
    assert all(distance > distances[chosen] - 1e-9 for distance in distances[:chosen])


def test_an_exhibit_has_the_answers_of_every_model(predictions):
    (example,) = gallery.choose(predictions, [class_test([result(-50, 0.001)])])
    # Models right on the images of the first class: 2, 2, 1 in control (mean 5/3) and 1, 0, 0 under vflip (mean 1/3).
    assert example.position == 1
    assert (example.condition, example.sensitive, example.beyond, example.thumbnails) == (VFLIP, True, False, None)
    assert example.failing
    assert example.answers == (
        Answer("a", "ant", "bee", right_control=True, right_treated=False),
        Answer("b", "ant", "bee", right_control=True, right_treated=False),
    )


def test_a_skipped_image_is_never_shown(predictions):
    (example,) = gallery.choose(predictions, [class_test([result(0, math.nan)] * 2 + [result(0, 1.0)])])
    assert example.finding.index == 2
    assert example.position == 6


def test_eight_images_each_of_the_twelve_comparisons_that_fell_most_are_shown_in_their_order(findings):
    drops = [-1.0, -30.0, *range(-20, -8)]
    failed = [
        findings.compared(
            Condition(f"t{i}"), result=findings.on_images(difference=float(drop)), lost_images=findings.lost(9)
        )
        for i, drop in enumerate(drops)
    ]
    passed = findings.compared(Condition("fine"), outcome="PASS", lost_images=findings.lost(3))
    shown = gallery.choose_lost([passed, *failed])
    # The mildest fall, and the next mildest.
    conditions = [f"t{i}" for i in range(len(drops)) if i not in (0, len(drops) - 1)]
    assert [(example.condition.transform, example.image.position) for example in shown] == [
        (condition, position) for condition in conditions for position in range(8)
    ]
