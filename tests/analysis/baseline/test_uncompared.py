"""A class that baseline and run share no image of is named, and no pass rests on a comparison without it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pytest_robustness.analysis.answers import Overlap
from pytest_robustness.analysis.baseline import Baseline, BaselineModel, ImageSet, RunProtocol
from pytest_robustness.analysis.baseline.apart import fallen_apart
from pytest_robustness.analysis.baseline.comparison import BaselineComparison
from pytest_robustness.analysis.baseline.known_findings import Expected
from pytest_robustness.analysis.baseline.rule import GatePolicy
from pytest_robustness.analysis.baseline.shared_answers import SharedAnswers
from pytest_robustness.analysis.baseline.uncompared import uncompared
from pytest_robustness.analysis.class_test import class_test
from pytest_robustness.analysis.model_test import model_tests
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import Answers, counts_of
from pytest_robustness.analysis.statistics.two_samples import fewer_right
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Cell, ClassLabel, Condition, Panel

CLASSES = ("ant", "bee", "cat", "dog")
CAT = CLASSES.index("cat")
SIZE = 100
BLUR = Condition("blur")
POLICY, TEST_POLICY = GatePolicy(tolerance=5.0), TestPolicy(margin=6.0)


def image_set(labels, first=0, *, classes=CLASSES, names=None):
    numbers = np.arange(first, first + len(labels), dtype=np.uint64) if names is None else names
    identities = (np.column_stack([numbers, numbers]) + 1).view("V16").reshape(-1)
    return ImageSet(identities, np.array(labels), tuple(ClassLabel(name, name) for name in classes))


def numbers_of(images):
    return images.identities.view(np.uint64)[::2] - 1


LABELS = np.repeat(np.arange(len(CLASSES)), SIZE)
BEFORE = image_set(LABELS)


def saved_again():
    """Give the images of cats other bytes."""
    names = numbers_of(BEFORE)
    names[LABELS == CAT] += np.uint64(10_000)
    return image_set(LABELS, names=names)


def swapped():
    """Exchange the folders of cats and dogs."""
    labels = LABELS.copy()
    labels[LABELS == CAT], labels[LABELS == CAT + 1] = CAT + 1, CAT
    return image_set(labels)


def removed():
    """Leave out the folder of cats, whose class stays, as a class list may have it."""
    kept = LABELS != CAT
    return image_set(LABELS[kept], names=numbers_of(BEFORE)[kept])


def gone():
    """Leave out the folder of cats, and so the class."""
    kept = LABELS != CAT
    labels = np.where(LABELS > CAT, LABELS - 1, LABELS)[kept]
    return image_set(labels, names=numbers_of(BEFORE)[kept], classes=("ant", "bee", "dog"))


class Run:
    """A model that answers all images rightly, but those of ``lost``, and under blur three of five ants."""

    def __init__(self, images, lost):
        self.class_names = tuple(label.name for label in images.classes)
        self._labels = images.labels
        names = np.array(self.class_names)[images.labels]
        self._right = {CONTROL: names != lost}
        self._right[BLUR] = (names != lost) & ~((names == "ant") & (np.arange(len(names)) % 5 > 1))

    @property
    def distinct(self):
        return np.ones(len(self._labels), np.bool_)

    def labels_of(self, model):
        return self._labels

    def answers(self, cell):
        return Answers(np.ones(len(self._labels), np.bool_), self._right[cell.condition])

    def counts(self, cell):
        return counts_of(self.answers(cell), self._labels, len(self.class_names))


def compared(images, lost, inconclusive=Outcome.INCONCLUSIVE, unread=()):
    """Return a run on ``images``, and its comparison with a model that answers all rightly but those ``unread``."""
    whole = Run(BEFORE, None)
    outputs = np.arange(len(CLASSES))
    answers = {c: np.where(whole.answers(Cell("ann", c)).correct, LABELS, 9) for c in (CONTROL, BLUR)}
    for given in answers.values():
        given[[*unread]] = -1
    model = BaselineModel("f00d", outputs, answers, {BLUR: Outcome.FAIL})
    protocol = RunProtocol("folder:photos", 0, 1, {CONTROL: "", BLUR: ""}, {})
    run = Run(images, lost)
    comparison = BaselineComparison(
        Baseline(protocol, BEFORE, {"ann": model}),
        Path("baseline.json"),
        run,
        lambda: images,
        policy=POLICY,
        test_policy=TEST_POLICY,
        inconclusive=inconclusive,
        counterparts={},
    )
    return run, comparison


@pytest.mark.parametrize("how", [saved_again, swapped, removed, gone])
@pytest.mark.parametrize("lost", [None, "cat"])
def test_a_class_without_a_compared_image_is_named_and_withholds_the_pass_where_it_is_lost(how, lost):
    images = how()
    run, comparison = compared(images, lost)
    (warning,) = comparison.warnings([BLUR])
    named = {saved_again: ["cat"], swapped: ["cat", "dog"], removed: ["cat"], gone: ["cat"]}[how]
    assert [name for name in CLASSES if f"{name} (0 of 100 images)" in warning] == named
    assert "A pass says nothing of" in warning
    here = np.array(run.class_names)[images.labels] == "cat"
    shows = lost == "cat" and here.any()
    if here.any():
        right = int(run.answers(Cell("ann", CONTROL)).correct[here].sum())
        p = stats.fisher_exact([[SIZE, 0], [right, int(here.sum()) - right]]).pvalue
        assert (p < 0.001) == shows
    for condition in (CONTROL, BLUR):
        found = comparison.test(Cell("ann", condition), (BLUR,))
        assert found.verdict.outcome is (Outcome.INCONCLUSIVE if shows else Outcome.PASS)
        assert found.undecided == shows
        assert [(one.name, one.right, one.n, one.right_before, one.n_before) for one in found.apart.classes] == (
            [("cat", 0, 100, 100, 100)] if shows else []
        )
        assert ("cat (0 of 100 right, 100 of 100 in the baseline)" in found.verdict.reason) == shows


@pytest.mark.parametrize(("lost", "few"), [("cat", 50), ("cat", 0), (None, 50)])
def test_images_that_the_baseline_could_not_read_are_looked_at_as_new_ones(lost, few):
    run, comparison = compared(BEFORE, None, unread=np.flatnonzero(LABELS == CAT)[:few])
    # As the candidate has it, the images that could be read before are all right.
    for right in run._right.values():
        right[np.flatnonzero(LABELS == CAT)[:few]] = lost is None
    for condition in (CONTROL, BLUR):
        found = comparison.test(Cell("ann", condition), (BLUR,))
        assert found.result.n == 400 - few
        shows = bool(few and lost)
        assert found.verdict.outcome is (Outcome.INCONCLUSIVE if shows else Outcome.PASS), found.verdict.reason
        assert ("cat (0 of 50 right, 50 of 50 in the baseline)" in found.verdict.reason) == shows


@pytest.mark.parametrize("inconclusive", [Outcome.INCONCLUSIVE, Outcome.FAIL, Outcome.PASS])
@pytest.mark.parametrize("how", [saved_again, swapped])
@pytest.mark.parametrize("lost", [None, "cat"])
def test_a_finding_is_no_known_one_where_a_class_that_is_not_compared_is_lost(how, lost, inconclusive):
    run, comparison = compared(how(), lost, inconclusive)
    cell = Cell("ann", BLUR)
    plain = model_tests(run, ["ann"], BLUR, TEST_POLICY)["ann"]
    classes = class_test(run, Panel(BLUR, ("ann",)), TEST_POLICY)
    gate = comparison.test(cell, (BLUR,))
    for found in (comparison.expected_model_test(plain, gate), comparison.expected_class_test(classes)):
        assert (found.expected is Expected.UNDECIDED) == (lost == "cat")
        assert found.verdict.outcome is (inconclusive if lost else Outcome.PASS)
        assert ("cat (0 of 100 right" in found.verdict.reason) == (lost == "cat")


@pytest.mark.parametrize("shared", [1, 3, 8, 40, 400])
def test_a_known_finding_needs_images_that_could_show_that_it_is_worse(shared):
    names = numbers_of(BEFORE)
    kept = np.random.default_rng(0).permutation(len(LABELS))[:shared]
    names[np.setdiff1d(np.arange(len(LABELS)), kept)] += np.uint64(10_000)
    run, comparison = compared(image_set(LABELS, names=names), None)
    gate = comparison.test(Cell("ann", BLUR), (BLUR,))
    found = comparison.expected_model_test(model_tests(run, ["ann"], BLUR, TEST_POLICY)["ann"], gate)
    # Had the model lost all of the images that both have, would the gate have failed?
    worse = compared(image_set(LABELS, names=names), None)[1]
    worse._source = type(
        "Lost", (Run,), {"answers": lambda _, __: Answers(*np.array([[True], [False]]).repeat(400, 1))}
    )(image_set(LABELS, names=names), None)
    could = worse.test(Cell("ann", BLUR), (BLUR,)).fell
    assert could == (shared >= 8)
    assert (found.verdict.outcome is Outcome.PASS) == could
    images = f"{shared} image" if shared == 1 else f"{shared} images"
    assert images in found.verdict.reason
    assert (found.expected is Expected.UNDECIDED) == (not could)


def test_what_of_the_images_is_not_compared_is_said_in_every_case():
    def said(now, before=BEFORE):
        return uncompared(Overlap(before, now), 2, 0.05)

    assert said(BEFORE) == ()
    few = np.flatnonzero(LABELS != CAT).tolist() + np.flatnonzero(LABELS == CAT)[:5].tolist()
    (text,) = said(image_set(LABELS[few], names=numbers_of(BEFORE)[few]))
    assert "1 class of the baseline is not compared, or on too few images: cat (5 of 100 images)" in text
    # A class that is as small in the baseline is the comparison's to name, once it has fallen.
    small = image_set(LABELS[few], names=numbers_of(BEFORE)[few])
    assert said(small, small) == ()
    more = image_set([*LABELS, *[4] * 50], names=np.arange(450, dtype=np.uint64), classes=(*CLASSES, "elk"))
    assert said(more) == ("The baseline has no image of elk: a pass says nothing of it.",)
    grown = image_set(np.tile(LABELS, 3))
    (text,) = said(grown)
    assert text.startswith("800 of the 1,200 images of this run are not in the baseline: a pass says nothing of them.")
    # Copies are no other images.
    assert said(image_set(np.tile(LABELS, 3), names=np.tile(numbers_of(BEFORE), 3))) == ()


def test_falls_apart_are_fishers_test_on_distinct_readable_images_corrected_over_classes_and_conditions():
    rng = np.random.default_rng(5)
    now = image_set(np.tile(LABELS, 2), first=200)  # shares the cats and the dogs; ants and bees are others
    now.identities[-40:] = now.identities[-80:-40]  # copies
    there, here = rng.random((2, 400)) < 0.9, rng.random((2, 800)) < 0.8
    readable = rng.random(800) < 0.95
    conditions = (CONTROL, BLUR)
    model = BaselineModel(
        "f00d", np.arange(4), {c: np.where(there[i], LABELS, 9) for i, c in enumerate(conditions)}, {}
    )
    protocol = RunProtocol("folder:photos", 0, 1, dict.fromkeys(conditions, ""), {})
    shared = SharedAnswers(Baseline(protocol, BEFORE, {"ann": model}), now)
    answers = {c: Answers(readable, here[i] & readable) for i, c in enumerate(conditions)}
    policy = GatePolicy(class_tolerance=2.0)
    found = fallen_apart(shared, model, answers, CLASSES, policy)
    old = {
        (number, label): i for i, (number, label) in enumerate(zip(numbers_of(BEFORE).tolist(), LABELS, strict=True))
    }
    new: dict = {}
    for i, key in enumerate(zip(numbers_of(now).tolist(), now.labels, strict=True)):
        new.setdefault(key, i)
    tests = {}
    for (row, condition), index in itertools.product(enumerate(conditions), range(4)):
        a = [there[row, i] for key, i in old.items() if key[1] == index and key not in new]
        b = [here[row, i] for key, i in new.items() if key[1] == index and key not in old and readable[i]]
        if a and b:
            p = min(1, 2 * stats.fisher_exact([[sum(a), len(a) - sum(a)], [sum(b), len(b) - sum(b)]], "greater").pvalue)
            tests[condition, index] = p, 100 * (np.mean(a) - np.mean(b)), (len(a), sum(a), len(b), sum(b))
    assert len(tests) >= 4
    # All classes of a condition together are a member of the family, too.
    for condition in conditions:
        columns = np.array([counts for (d, _), (_, _, counts) in tests.items() if d == condition])
        n, right, n_now, right_now = columns.T
        fall = 100 * (n_now * right / n - right_now).sum() / n_now.sum()
        tests[condition, None] = float(fewer_right(right, n, right_now, n_now)), fall, None
    ordered = sorted(tests, key=lambda key: tests[key][0])
    shown = list(itertools.takewhile(lambda key: tests[key][0] * (len(tests) - ordered.index(key)) < 0.05, ordered))
    expected = {
        c: {(CLASSES[i], *tests[c, i][2]) for d, i in shown if d == c and i is not None and tests[c, i][1] > 2}
        for c in conditions
    }
    assert any(expected.values())
    assert {c: set(rows.classes) for c, rows in found.items()} == expected
    together = {c for c in conditions if (c, None) in shown and tests[c, None][1] > policy.tolerance}
    assert together
    assert {c for c, rows in found.items() if rows.all_classes} == together
