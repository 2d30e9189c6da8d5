"""A pass and a known finding rest on all images of a run, be they in the baseline or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pytest_robustness.analysis.answers import Overlap
from pytest_robustness.analysis.baseline import Baseline, BaselineModel, ImageSet, RunProtocol
from pytest_robustness.analysis.baseline.apart import AllApart, FallenApart, fell_apart
from pytest_robustness.analysis.baseline.comparison import BaselineComparison
from pytest_robustness.analysis.baseline.known_findings import Expected
from pytest_robustness.analysis.baseline.rule import GatePolicy
from pytest_robustness.analysis.baseline.uncompared import uncompared
from pytest_robustness.analysis.class_test import class_test
from pytest_robustness.analysis.model_test import model_tests
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import Answers, counts_of
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Cell, ClassLabel, Condition, Panel

CLASSES = ("ant", "bee", "cat", "dog")
BLUR = Condition("blur")
POLICY, TEST_POLICY = GatePolicy(tolerance=5.0), TestPolicy(margin=3.0)
SIZE, EACH = 100, dict.fromkeys(CLASSES, 90)


def images(counts, first=0, leaving_out=()):
    """Return so many images of each class, and their places in it: the baseline has the first `SIZE`."""
    places, labels = [], []
    for label, name in enumerate(CLASSES):
        of_class = [i for i in range(first, counts.get(name, 0)) if i not in leaving_out or name != "ant"]
        places += of_class
        labels += [label] * len(of_class)
    numbers = (np.array(labels) * 100_000 + np.array(places) + 1).astype(np.uint64)
    identities = np.column_stack([numbers, numbers]).view("V16").reshape(-1)
    return ImageSet(identities, np.array(labels), tuple(ClassLabel(c, c) for c in CLASSES)), np.array(places)


class Run:
    """The answers of a run: which images are right, by condition."""

    class_names = CLASSES

    def __init__(self, labels, right):
        self._labels, self._right = labels, right

    @property
    def distinct(self):
        return np.ones(len(self._labels), np.bool_)

    def labels_of(self, model):
        return self._labels

    def answers(self, cell):
        right = self._right.get(cell.model, self._right[None])
        return Answers(np.ones(len(self._labels), np.bool_), right[cell.condition])

    def counts(self, cell):
        return counts_of(self.answers(cell), self._labels, len(CLASSES))


def compared(now, production, candidate, size=SIZE, **others):
    """Compare a candidate on the images of ``now`` with production on `SIZE` of each class.

    Both are functions of classes and places in them that return which images are right, by condition; ``others`` are
    candidates of other names than `ann`.
    """
    (before, there), (run_images, here) = images(dict.fromkeys(CLASSES, size)), now
    right = production(before.labels, there)
    answers = {c: np.where(right[c], before.labels, 9) for c in (CONTROL, BLUR)}
    model = BaselineModel("f00d", np.arange(len(CLASSES)), answers, {BLUR: Outcome.FAIL})
    protocol = RunProtocol("folder:photos", 0, 1, {CONTROL: "", BLUR: ""}, {})
    candidates = {None: candidate, **others}
    run = Run(run_images.labels, {name: one(run_images.labels, here) for name, one in candidates.items()})
    return run, BaselineComparison(
        Baseline(protocol, before, dict.fromkeys(("ann", *others), model)),
        Path("baseline.json"),
        run,
        lambda: run_images,
        policy=POLICY,
        test_policy=TEST_POLICY,
        inconclusive=Outcome.INCONCLUSIVE,
        counterparts={},
    )


def good(labels, places):
    """Answer 19 of 20 images rightly, whichever they are."""
    right = places % 20 != 7
    return {CONTROL: right, BLUR: right}


def on_new(share):
    """Answer as `good` does, but only a share of the images that the baseline lacks."""

    def model(labels, places):
        right = np.where(places < SIZE, places % 20 != 7, places % 10 < 10 * share)
        return {CONTROL: right, BLUR: right}

    return model


GROWN = {
    "as it was": images(dict.fromkeys(CLASSES, SIZE)),
    "two removed": images(dict.fromkeys(CLASSES, SIZE), leaving_out=range(2)),
    "one class": images(dict.fromkeys(CLASSES, SIZE) | {"ant": SIZE + 90}),
    "one class tenfold": images(dict.fromkeys(CLASSES, SIZE) | {"ant": 10 * SIZE}),
    "all classes": images(dict.fromkeys(CLASSES, SIZE + 90)),
    "and two removed": images(dict.fromkeys(CLASSES, SIZE) | {"ant": SIZE + 90}, leaving_out=range(2)),
    "and most removed": images(dict.fromkeys(CLASSES, SIZE) | {"ant": SIZE + 90}, leaving_out=range(60)),
    "a larger limit": images(dict.fromkeys(CLASSES, 5 * SIZE)),
}


@pytest.mark.parametrize("how", GROWN)
@pytest.mark.parametrize(
    ("candidate", "share"), [(good, 0.95), (on_new(0.0), 0.0), (on_new(0.5), 0.5)], ids=["same kind", "wrong", "harder"]
)
def test_no_pass_is_silent_about_images_that_the_baseline_lacks(how, candidate, share):
    now = GROWN[how]
    _, comparison = compared(now, good, candidate)
    falls = share < 0.95 and "class" in how + "classes" * (how.startswith("and") or "limit" in how)
    new = np.count_nonzero(now[1] >= SIZE)
    assert falls == (share < 0.95 and new > 0)
    for condition in (CONTROL, BLUR):
        found = comparison.test(Cell("ann", condition), (BLUR,))
        # They may be harder: it is never a FAIL.
        assert found.verdict.outcome is (Outcome.INCONCLUSIVE if falls else Outcome.PASS), found.verdict.reason
        assert found.undecided == falls
        grown = {CLASSES[label] for label in np.unique(now[0].labels[now[1] >= SIZE])}
        assert {one.name for one in found.apart.classes} == (grown if falls else set())
        for one in found.apart.classes:
            assert (one.right_before, one.n_before) == (95, 100)
            table = [[95, 5], [one.right, one.n - one.right]]
            assert one.right == share * one.n
            assert stats.fisher_exact(table).pvalue < 0.05 / 8
            assert f"{one.name} ({one.right} of {one.n} right, 95 of 100 in the baseline)" in found.verdict.reason


@pytest.mark.parametrize(("wrong", "held"), [(1, False), (2, False), (3, True)])
def test_a_fall_of_all_classes_on_new_images_that_none_shows_by_itself_is_no_pass(wrong, held):
    def candidate(labels, places):
        right = np.where(places < SIZE, places % 20 != 7, places % 20 >= wrong)
        return {CONTROL: right, BLUR: right}

    _, comparison = compared(images(dict.fromkeys(CLASSES, 2 * SIZE)), good, candidate)
    for condition in (CONTROL, BLUR):
        found = comparison.test(Cell("ann", condition), (BLUR,))
        assert found.verdict.outcome is (Outcome.INCONCLUSIVE if held else Outcome.PASS), found.verdict.reason
        # 95 of 100 before, of each class.
        assert found.apart == FallenApart((), AllApart(400, 340, 380.0) if held else None)
        said = "images that the baseline lacks are answered worse than its own (340 of 400 right, 380 by the baseline's"
        assert (said in found.verdict.reason) == held


@pytest.mark.parametrize(("new", "share"), [(4, 0.0), (5, 0.5), (9, 0.7)])
def test_the_loss_of_many_small_classes_shows_over_all_of_them(new, share):
    rng, shape = np.random.default_rng(2), (11, 1000)
    before, now = np.full(shape, 5), np.full(shape, new)
    fell = fell_apart(before, rng.binomial(before, 0.8), now, rng.binomial(now, share), GatePolicy())
    assert not fell[:, :-1].any()
    assert fell[:, -1].all()


def test_a_growth_of_hard_classes_is_no_fall():
    rng = np.random.default_rng(6)
    shares = np.linspace(0.05, 0.95, 100)
    before = np.full((11, 100), 40)
    now = np.broadcast_to(np.where(shares < 0.5, 400, 0), (11, 100))
    counts = before, rng.binomial(before, shares), now, rng.binomial(now, shares)
    assert 100 * (counts[1].sum() / before.sum() - counts[3].sum() / now.sum()) > 20
    assert not fell_apart(*counts, GatePolicy()).any()


def test_a_class_of_which_most_images_are_new_is_named():
    def said(how):
        return uncompared(Overlap(GROWN["as it was"][0], GROWN[how][0]), 2, 0.05)

    assert said("one class") == said("two removed") == said("all classes") == ()
    (text,) = said("one class tenfold")
    assert text.startswith("900 of the 1,300 images of this run are not in the baseline: a pass says nothing of them.")
    assert "They are most of 1 class: ant (900 of 1,000 images)." in text
    # Also where they are less than half of all.
    (text,) = said("and most removed")
    assert text.startswith("90 of the 430 images of this run are not in the baseline: a pass says nothing of them.")
    assert "They are most of 1 class: ant (90 of 130 images)." in text
    assert "4 classes: ant (400 of 500 images), bee (400 of 500 images)" in said("a larger limit")[0]


def test_an_unchanged_model_is_held_back_in_at_most_alpha_of_the_runs():
    rng, policy = np.random.default_rng(4), GatePolicy()
    for classes, before, new, ease in [(10, 40, 40, 1.0), (10, 400, 40, 0.0), (20, 20, 180, 0.5)]:
        held, n = 0, before + new
        for _ in range(200):
            easy = rng.normal(ease, 1.5, (classes, n))
            right = np.stack(
                [rng.random((classes, n)) < 1 / (1 + np.exp(cost - easy)) for cost in np.linspace(0, 2, 6)]
            )
            of_all, of_new = np.full((6, classes), before), np.full((6, classes), new)
            counts = of_all, right[..., :before].sum(2), of_new, right[..., before:].sum(2)
            held += fell_apart(*counts, policy).any()
        assert held <= 0.05 * 200


def fading(control, blur):
    """Return a model with shares of right answers in control and under blur, on old and on new dogs: (old, new) each.

    All other images are right.
    """

    def model(labels, places):
        found = {}
        for condition, shares in ((CONTROL, control), (BLUR, blur)):
            share = np.where(places < SIZE, *shares)
            # Of ten dogs in a row the last are lost, so that what is right under blur is right in control.
            found[condition] = (labels != CLASSES.index("dog")) | (places % 10 < np.round(10 * share))
        return found

    return model


MORE_DOGS = images(dict.fromkeys(CLASSES, SIZE) | {"dog": 2 * SIZE})
A_NEW_DOG = images(dict.fromkeys(CLASSES, SIZE) | {"dog": SIZE + 1})


@pytest.mark.parametrize(
    ("now", "model", "figures"),
    [
        (MORE_DOGS, fading((1.0, 1.0), (0.8, 0.8)), None),
        (
            MORE_DOGS,
            fading((1.0, 1.0), (0.8, 0.1)),
            "dog -20.0 -> -55.0 (changed so: 90 of 100 of these, 20 of 100 of its own)",
        ),
        # No class is answered worse under blur: control rose.
        (
            MORE_DOGS,
            fading((0.5, 1.0), (0.3, 0.3)),
            "dog -20.0 -> -45.0 (changed so: 70 of 100 of these, 20 of 100 of its own)",
        ),
        # It is not as large as to count, or on too few images to be shown.
        (MORE_DOGS, fading((1.0, 1.0), (0.8, 0.7)), None),
        (A_NEW_DOG, fading((1.0, 1.0), (0.8, 0.0)), None),
        (GROWN["as it was"], fading((1.0, 1.0), (0.8, 0.8)), None),
    ],
)
def test_a_finding_that_images_enlarge_which_the_baseline_lacks_is_no_known_one(now, model, figures):
    run, comparison = compared(now, model, model)
    gate = comparison.test(Cell("ann", BLUR), (BLUR,))
    plain = class_test(run, Panel(BLUR, ("ann",)), TEST_POLICY)
    of_model = model_tests(run, ["ann"], BLUR, TEST_POLICY)["ann"]
    found = comparison.expected_class_test(plain), comparison.expected_model_test(of_model, gate)
    assert [one.found for one in found] == [Outcome.FAIL] * 2
    expected = (Expected.UNDECIDED, Outcome.INCONCLUSIVE) if figures else (Expected.AS_EXPECTED, Outcome.PASS)
    assert [(one.expected, one.verdict.outcome) for one in found] == [expected] * 2, found[1].verdict.reason
    if figures:
        assert figures in found[0].verdict.reason
        assert "-5.0 -> -1" in found[1].verdict.reason


def test_of_several_models_the_one_that_fell_on_new_images_is_named():
    kept, fell = fading((1.0, 1.0), (0.8, 0.8)), fading((1.0, 1.0), (0.8, 0.1))
    for other, expected in ((kept, Expected.AS_EXPECTED), (fell, Expected.UNDECIDED)):
        run, comparison = compared(MORE_DOGS, kept, kept, bob=other)
        plain = class_test(run, Panel(BLUR, ("ann", "bob")), TEST_POLICY)
        found = comparison.expected_class_test(plain)
        assert (plain.verdict.outcome, found.expected) == (Outcome.FAIL, expected)
        # Of 100 new dogs `ann` loses 20 and `bob` 90.
        assert ("bob: 1 class is answered worse" in found.verdict.reason) == (other is fell)
        assert ("dog -20.0 -> -37.5 (changed so: 90 of 100 of these" in found.verdict.reason) == (other is fell)


def test_a_finding_that_measures_more_because_images_were_removed_is_a_known_one():
    # Of the dogs those stay that blur loses, and half of the others.
    kept, places = images(dict.fromkeys(CLASSES, SIZE))
    chosen = (kept.labels != CLASSES.index("dog")) | (places % 10 >= 5)
    now = kept._replace(identities=kept.identities[chosen], labels=kept.labels[chosen]), places[chosen]
    model = fading((1.0, 1.0), (0.8, 0.8))
    run, comparison = compared(now, model, model)
    plain = class_test(run, Panel(BLUR, ("ann",)), TEST_POLICY)
    assert "dog -40.0" in plain.verdict.reason
    assert comparison.expected_class_test(plain).known


@pytest.mark.parametrize("size", [3, 20, 100])
@pytest.mark.parametrize("right", [0, 1])
def test_a_model_that_loses_every_class_is_known_by_its_own_baseline(size, right):
    """Nothing can get worse where nothing is right; too few are the images alone."""

    def lost(labels, places):
        return {CONTROL: np.ones(len(labels), np.bool_), BLUR: places < right}

    now = images(dict.fromkeys(CLASSES, size))
    run, comparison = compared(now, lost, lost, size)
    plain = class_test(run, Panel(BLUR, ("ann",)), TEST_POLICY)
    of_model = model_tests(run, ["ann"], BLUR, TEST_POLICY)["ann"]
    gate = comparison.test(Cell("ann", BLUR), (BLUR,))
    found = comparison.expected_class_test(plain)
    assert found.found is (Outcome.INCONCLUSIVE if size == 3 else Outcome.FAIL)
    assert found.verdict.outcome is (Outcome.INCONCLUSIVE if size == 3 else Outcome.PASS)
    assert found.known == (size > 3)
    assert comparison.expected_model_test(of_model, gate).expected is Expected.AS_EXPECTED


def test_a_pass_needs_enough_shared_images_in_some_class():
    # Three of each class are in the baseline, and 197 others.
    old, others = images(dict.fromkeys(CLASSES, 3)), images(dict.fromkeys(CLASSES, 3 * SIZE - 3), SIZE)
    identities, labels, places = (
        np.concatenate(both) for both in zip((*old[0][:2], old[1]), (*others[0][:2], others[1]), strict=True)
    )
    run, comparison = compared((ImageSet(identities, labels, old[0].classes), places), good, good)
    plain = class_test(run, Panel(BLUR, ("ann",)), TEST_POLICY)
    found = comparison.expected_class_test(plain)
    assert (plain.verdict.outcome, found.expected) == (Outcome.PASS, Expected.UNDECIDED)
    assert "12 images are compared with the baseline, too few in any class" in found.verdict.reason
