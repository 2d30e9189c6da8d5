"""A class that one model loses is found beside models that keep it, by what SciPy and statsmodels say of each."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from pytest_robustness.analysis.class_test import class_test
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import Answers, counts_of
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.analysis.verdicts import class_outcomes
from pytest_robustness.core import CONTROL, Cell, Condition, Panel

BLUR = Condition("blur")


class Run:
    """Answers by model: whether each is right in control, and under blur; the images of a class lie together."""

    def __init__(self, answers, classes, images, readable=None):
        self.class_names = tuple(f"c{i}" for i in range(classes))
        self.labels = np.repeat(np.arange(classes), images)
        self.models = tuple(answers)
        every = np.ones(len(self.labels), np.bool_)
        self._answers = {
            Cell(model, condition): Answers(readable[model] if readable else every, right)
            for model, both in answers.items()
            for condition, right in zip((CONTROL, BLUR), both, strict=True)
        }

    @property
    def distinct(self):
        return np.ones(len(self.labels), np.bool_)

    def labels_of(self, model):
        return self.labels

    def answers(self, cell):
        return self._answers[cell]

    def counts(self, cell):
        return counts_of(self._answers[cell], self.labels, len(self.class_names))

    def judged(self, **policy):
        return class_test(self, Panel(BLUR, self.models), TestPolicy(**policy))


def steady(classes, images):
    """A model that is right on all images but one of each class, whatever happens."""
    right = np.tile(np.arange(images) > 0, classes)
    return right, right


def losing(classes, images, falls):
    """A model that loses so many images of some classes, and gains as many of others where the number is negative."""
    right = np.tile(np.arange(images) > 0, classes)
    before, after = right.copy(), right.copy()
    for index, lost in falls.items():
        some = slice(index * images + 1, index * images + 1 + abs(lost))
        (after if lost > 0 else before)[some] = False
    return before, after


def run(falls, *, classes=100, images=21, others=11):
    named = {model: losing(classes, images, of_model) for model, of_model in falls.items()}
    return Run(named | {f"m{i}": steady(classes, images) for i in range(others)}, classes, images)


@pytest.mark.parametrize(
    ("falls", "others", "outcome", "said"),
    [
        ({"bad": {7: 20}}, 0, "FAIL", "1 class changed significantly and by more than 10 measured points: c7 -95.2"),
        ({"bad": {7: 20}}, 1, "FAIL", "1 class changed significantly and by more than 10 measured points: c7 -47.6"),
        ({"bad": {7: 20}}, 11, "FAIL", "fell significantly and by more than 10 measured points in bad alone: c7 -95.2"),
        (
            {"bad": {7: 20, 3: 18}, "ill": {5: 19}},
            10,
            "FAIL",
            "measured points in bad alone: c7 -95.2, c3 -85.7, in ill alone: c5 -90.5",
        ),
        # Two models whose changes cancel.
        (
            {"bad": {7: 20}, "good": {7: -20}},
            0,
            "FAIL",
            "fell significantly and by more than 10 measured points in bad alone: c7",
        ),
        # A rise in one model, and less than the margin.
        ({"good": {7: -20}}, 11, "PASS", "no class shown"),
        ({"bad": {7: 2}}, 11, "PASS", "no class shown"),
        (
            {"bad": {7: 8, 2: 5}},
            11,
            "PASS",
            "2 falls of classes in single models by more than 10 points not shown, the largest in bad alone: c7 -38.1",
        ),
        ({f"bad{i}": {i: 20} for i in range(7)}, 4, "FAIL", ", in bad4 alone: c4 -95.2 and 2 more"),
    ],
)
@pytest.mark.parametrize("rule", ["strict", "margin"])
def test_a_class_that_a_model_loses_fails_the_test_and_is_named(falls, others, outcome, said, rule):
    found = run(falls, others=others).judged(verdict=rule)
    assert found.verdict.outcome is Outcome(outcome)
    assert said in found.verdict.reason
    named = {fall.index for fall in found.alone}
    assert named <= {finding.index for finding in found.worst}
    outcomes = class_outcomes(found, TestPolicy())
    failing = [finding.index for finding, its in zip(found.classes, outcomes, strict=True) if its is Outcome.FAIL]
    assert set(failing) == {finding.index for finding in found.failing}


def test_the_t_tests_alone_decide_under_the_articles_rule():
    found = run({"bad": {7: 20}}).judged(verdict="article")
    assert (found.verdict.outcome, found.alone, found.unshown_alone) == (Outcome.PASS, (), ())


@pytest.mark.parametrize("seed", range(4))
def test_each_model_and_class_is_a_member_of_one_family_of_exact_tests(seed):
    rng = np.random.default_rng(seed)
    classes, images, models = 6, 40, ("a", "b", "c")
    readable = {model: rng.random(classes * images) > 0.05 for model in models}
    answers = {}
    for model in models:
        before = (rng.random(classes * images) < 0.9) & readable[model]
        fall = np.repeat(rng.choice([0, 0, 0, 0.3, 0.6], classes), images)
        answers[model] = before, before & (rng.random(classes * images) >= fall)
    source = Run(answers, classes, images, readable)
    found = source.judged()
    places = list(itertools.product(models, range(classes)))
    p, changes = [], {}
    for model, c in places:
        chosen = (source.labels == c) & readable[model]
        before, after = (right[chosen] for right in answers[model])
        lost, gained = np.sum(before & ~after), np.sum(after & ~before)
        p.append(stats.binomtest(int(lost), int(lost + gained)).pvalue if lost + gained else 1.0)
        changes[model, c] = 100 * (gained - lost) / chosen.sum()
    adjusted = dict(zip(places, multipletests(p, method="holm")[1], strict=True))
    over_all = {finding.index for finding in found.beyond}
    fell = [place for place in places if changes[place] < -10 and place[1] not in over_all]
    shown = {(fall.model, fall.index): fall for fall in found.alone}
    unshown = {(fall.model, fall.index): fall for fall in found.unshown_alone}
    assert {*shown} == {place for place in fell if adjusted[place] < 0.05}
    assert {*unshown} == {place for place in fell if adjusted[place] >= 0.05}
    for place, fall in (shown | unshown).items():
        assert fall.difference == pytest.approx(changes[place])
        assert fall.p_adjusted == pytest.approx(adjusted[place])
    assert [fall.difference for fall in found.alone] == sorted(fall.difference for fall in found.alone)


def test_where_nothing_changed_few_runs_show_a_fall():
    rng = np.random.default_rng(5)
    falls = 0
    for _ in range(300):
        # All models lose the same images, or gain them: they agree as much as they can.
        sign = rng.choice([-1, 0, 1], 10 * 30, p=[0.15, 0.7, 0.15])
        own = {m: np.where(rng.random(300) < 0.5, sign, 0) for m in "abc"}
        falls += bool(Run({m: (found <= 0, found >= 0) for m, found in own.items()}, 10, 30).judged().alone)
    assert falls / 300 < 0.05
