"""A comparison with a baseline is what scipy, statsmodels and a loop over the images say."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from pytest_robustness.analysis.baseline import Baseline, BaselineModel, ImageSet, RunProtocol
from pytest_robustness.analysis.baseline.comparison import BaselineComparison
from pytest_robustness.analysis.baseline.known_findings import Expected
from pytest_robustness.analysis.baseline.rule import GatePolicy
from pytest_robustness.analysis.class_test import class_test
from pytest_robustness.analysis.model_test import model_tests
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import Answers, counts_of
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Cell, ClassLabel, Condition, Panel
from pytest_robustness.core.errors import BaselineError
from pytest_robustness.core.text import counted

CLASSES = ("ant", "bee", "cat", "dog", "elk")
IMAGES = 500
MODELS = ("ann", "bob", "cy")
BLUR, ZOOM = Condition("blur"), Condition("zoom", 3)
CONDITIONS = (CONTROL, BLUR, ZOOM)
LABELS = np.random.default_rng(1).integers(0, len(CLASSES), IMAGES)


def drawn(seed, blur, *, unreadable=0):
    """Draw answers of all models: right on 95 of 100 images, under blur on a share given by class."""
    rng = np.random.default_rng(seed)
    shares = {CONTROL: np.full(len(CLASSES), 0.95), ZOOM: np.full(len(CLASSES), 0.94), BLUR: np.array(blur)}
    readable = np.ones(IMAGES, np.bool_)
    readable[rng.permutation(IMAGES)[:unreadable]] = False
    answers = {
        Cell(model, condition): (rng.random(IMAGES) < shares[condition][LABELS]) & readable
        for model, condition in itertools.product(MODELS, CONDITIONS)
    }
    return readable, answers


def images(chosen=slice(None)):
    """Return the images of a run or a baseline: some of all, in any order."""
    numbers = np.arange(IMAGES, dtype=np.uint64)[chosen]
    identities = (np.column_stack([numbers, numbers]) + 1).view("V16").reshape(-1)
    return ImageSet(identities, LABELS[chosen], tuple(ClassLabel(name, name) for name in CLASSES))


class Run:
    """The answers of a run, as the store would give them."""

    class_names = CLASSES
    labels = LABELS

    def __init__(self, readable, right):
        self.readable = readable
        self.right = right

    @property
    def distinct(self):
        return np.ones(len(self.labels), np.bool_)

    def labels_of(self, model):
        return self.labels

    def answers(self, cell):
        return Answers(self.readable, self.right[cell])

    def counts(self, cell):
        return counts_of(self.answers(cell), LABELS, len(CLASSES))


def models(readable, right, outcomes, chosen=slice(None)):
    """Return the baseline's models, whose output for class `c` is `c + 7`."""
    answers = {cell: np.where(readable, np.where(found, LABELS + 7, 3), -1)[chosen] for cell, found in right.items()}
    outputs = np.arange(len(CLASSES)) + 7
    return {
        model: BaselineModel("f00d", outputs, {c: answers[Cell(model, c)] for c in CONDITIONS}, outcomes)
        for model in MODELS
    }


def comparison(
    before,
    run,
    *,
    chosen=slice(None),
    now=None,
    outcomes=None,
    counterparts=None,
    inconclusive=Outcome.INCONCLUSIVE,
    **policy,
):
    """Return the comparison of ``run`` with a baseline that holds what `drawn` gave as ``before``."""
    protocol = RunProtocol("folder:photos", 0, 1, dict.fromkeys(CONDITIONS, ""), {})
    return BaselineComparison(
        Baseline(protocol, images(chosen), models(*before, outcomes or {}, chosen)),
        Path("baseline.json"),
        run,
        images if now is None else now,
        policy=GatePolicy(**policy),
        test_policy=TEST_POLICY,
        inconclusive=inconclusive,
        counterparts=counterparts or {},
    )


# Of 500 images, a tenth of which changes by chance, nothing less is shown.
TEST_POLICY = TestPolicy(margin=6.0)
FIRM = [0.95] * 5
FALLEN = [0.95, 0.95, 0.2, 0.3, 0.95]


def test_a_gate_test_is_mcnemars_on_the_images_that_both_could_read():
    before, now = drawn(2, FIRM, unreadable=9), drawn(3, FALLEN, unreadable=14)
    ours = comparison(before, Run(*now))
    both = before[0] & now[0]
    assert IMAGES - 23 <= both.sum() < IMAGES - 14
    expected = {}
    for condition in CONDITIONS:
        cell = Cell("ann", condition)
        pairs = [(before[1][cell][image], now[1][cell][image]) for image in np.flatnonzero(both)]
        lost, gained = pairs.count((True, False)), pairs.count((False, True))
        expected[condition] = lost, gained, stats.binomtest(lost, lost + gained).pvalue
    adjusted = multipletests([p for *_, p in expected.values()], method="holm")[1]
    for (condition, (lost, gained, p)), corrected in zip(expected.items(), adjusted, strict=True):
        found = ours.test(Cell("ann", condition), (BLUR, ZOOM))
        result = found.result
        assert (found.model, found.counterpart, found.condition) == ("ann", "ann", condition)
        assert (result.n, result.lost, result.gained) == (both.sum(), lost, gained)
        assert (result.p_value, result.p_adjusted) == pytest.approx((p, corrected))
        assert result.difference == pytest.approx(100 * (gained - lost) / both.sum())
    blurred = ours.test(Cell("ann", BLUR), (BLUR, ZOOM))
    assert blurred.verdict.outcome is Outcome.FAIL
    assert {finding.name for finding in blurred.fallen} == {"cat", "dog"}


def test_the_family_of_a_comparison_decides_its_correction():
    before, now = drawn(2, FIRM), drawn(4, [0.9] * 5)
    ours = comparison(before, Run(*now))
    alone, together = (ours.test(Cell("bob", BLUR), family).result for family in ((BLUR,), (BLUR, ZOOM)))
    p_of = {c: ours.test(Cell("bob", c), CONDITIONS).result.p_value for c in CONDITIONS}
    for result, family in ((alone, (CONTROL, BLUR)), (together, CONDITIONS)):
        corrected = multipletests([p_of[c] for c in family], method="holm")[1]
        assert result.p_adjusted == pytest.approx(corrected[family.index(BLUR)])


def test_what_a_condition_changes_beyond_control_is_the_mean_over_the_images():
    before, now = drawn(2, FIRM), drawn(3, FALLEN)
    found = comparison(before, Run(*now)).test(Cell("cy", BLUR), (BLUR,))
    change = {c: now[1][Cell("cy", c)].astype(float) - before[1][Cell("cy", c)] for c in (CONTROL, BLUR)}
    assert found.beyond_control.value == pytest.approx(100 * (change[BLUR] - change[CONTROL]).mean())
    assert comparison(before, Run(*now)).test(Cell("cy", CONTROL), (BLUR,)).beyond_control is None


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_comparison_of_too_few_images_ends_as_the_options_say(outcome):
    before, now = drawn(2, FIRM), drawn(5, FIRM)
    found = comparison(before, Run(*now), inconclusive=outcome, tolerance=3.0).test(Cell("ann", ZOOM), (ZOOM,))
    assert found.undecided
    assert found.verdict.outcome is outcome
    assert found.verdict.reason.startswith("inconclusive: ")


def test_a_model_is_compared_with_its_namesake_unless_the_options_name_another():
    before, now = drawn(2, FIRM), drawn(3, FIRM)
    ours = comparison(before, Run(*now), counterparts={"ann": "bob"})
    assert [ours.counterpart(model) for model in MODELS] == ["bob", "bob", "cy"]
    lost = before[1][Cell("bob", ZOOM)] & ~now[1][Cell("ann", ZOOM)]
    assert ours.test(Cell("ann", ZOOM), (ZOOM,)).result.lost == lost.sum()
    with pytest.raises(BaselineError, match=r"'dee' is not a model of the baseline\. Known: ann, bob, cy\."):
        ours.counterpart("dee")
    unnamed = comparison(before, Run(*now), counterparts={"ann": None, "dee": None})
    assert unnamed.counterpart("ann") == "ann"
    with pytest.raises(BaselineError, match="The baseline holds 3 models; name one of them with"):
        unnamed.counterpart("dee")


def expected_model_test(before, now, outcome, model="ann", **policy):
    """Return a model test under blur, and the same where the baseline's outcome was ``outcome``."""
    run = Run(*now)
    ours = comparison(before, run, outcomes={BLUR: outcome}, **policy)
    found = model_tests(run, MODELS, BLUR, TEST_POLICY)[model]
    return found, ours.expected_model_test(found, ours.test(Cell(model, BLUR), (BLUR,)))


# Falls so far in every class that the t-test over five classes notices.
LOW, LOWER = [0.5, 0.55, 0.45, 0.6, 0.5], [0.2, 0.25, 0.15, 0.3, 0.2]


@pytest.mark.parametrize(
    ("before", "now", "outcome", "expected", "verdict"),
    [
        (LOW, LOW, Outcome.FAIL, Expected.AS_EXPECTED, Outcome.PASS),
        (LOW, LOWER, Outcome.FAIL, Expected.WORSE, Outcome.FAIL),
        (FIRM, LOW, Outcome.PASS, Expected.NEWLY_FAILING, Outcome.FAIL),
        (LOW, FIRM, Outcome.FAIL, Expected.NOW_PASSING, Outcome.PASS),
        (FIRM, FIRM, Outcome.PASS, Expected.AS_EXPECTED, Outcome.PASS),
    ],
)
def test_a_known_finding_of_a_model_passes_until_it_is_worse(before, now, outcome, expected, verdict):
    # The same images are right again where the shares are equal: the draws are of one seed.
    plain, found = expected_model_test(drawn(6, before), drawn(6, now), outcome)
    assert plain.found is (Outcome.FAIL if now is not FIRM else Outcome.PASS)
    assert (found.expected, found.verdict.outcome) == (expected, verdict)
    assert (found.found, found.result) == (plain.found, plain.result)
    assert found.known is (plain.impacted and verdict is Outcome.PASS)


def test_a_comparison_that_cannot_decide_makes_no_finding_worse():
    # The two draws differ by chance, and with this tolerance that decides nothing.
    before, now = drawn(6, LOW), drawn(7, LOW)
    gate = comparison(before, Run(*now), tolerance=0.01, inconclusive=Outcome.FAIL).test(Cell("ann", BLUR), (BLUR,))
    assert gate.undecided
    assert gate.verdict.outcome is Outcome.FAIL
    _, found = expected_model_test(before, now, Outcome.FAIL, tolerance=0.01, inconclusive=Outcome.FAIL)
    assert (found.expected, found.verdict.outcome) == (Expected.AS_EXPECTED, Outcome.PASS)


def sensitive_classes(readable, right, models):
    """Count the classes on which Student's t, by its formula, calls the models' accuracies under blur different."""
    found = 0
    for label in range(len(CLASSES)):
        images = readable & (label == LABELS)
        control, blur = ([right[Cell(model, c)][images].mean() for model in models] for c in (CONTROL, BLUR))
        error = math.sqrt((np.var(control, ddof=1) + np.var(blur, ddof=1)) / len(models))
        t = (np.mean(blur) - np.mean(control)) / error
        found += 2 * stats.t.sf(abs(t), 2 * len(models) - 2) < 0.05
    return found


@pytest.mark.parametrize(
    ("before", "now", "expected", "verdict"),
    [
        (FIRM, FIRM, Expected.AS_EXPECTED, Outcome.PASS),
        (FALLEN, FALLEN, Expected.AS_EXPECTED, Outcome.PASS),
        (FIRM, FALLEN, Expected.NEWLY_FAILING, Outcome.FAIL),
        (FALLEN, FIRM, Expected.NOW_PASSING, Outcome.PASS),
    ],
)
def test_a_class_test_is_judged_by_the_same_test_on_the_baselines_answers(before, now, expected, verdict):
    old, new = drawn(12, before, unreadable=11), drawn(9, now)
    run, panel = Run(*new), Panel(BLUR, MODELS)
    plain = class_test(run, panel, TestPolicy())
    # By chance alone one of five classes may be sensitive.
    for (readable, right), shares in ((old, before), (new, now)):
        assert (sensitive_classes(readable, right, MODELS) > 1) == (shares is FALLEN)
    found = comparison(old, run).expected_class_test(plain)
    assert (found.expected, found.verdict.outcome) == (expected, verdict)
    assert (found.classes, found.sensitive) == (plain.classes, plain.sensitive)


def test_a_class_test_of_one_model_takes_the_answers_of_its_counterpart():
    old, new = drawn(8, FIRM), drawn(9, FALLEN)
    # Of the baseline's models `bob` alone lost the two classes.
    fallen = drawn(10, FALLEN)[1]
    old[1].update({cell: right for cell, right in fallen.items() if cell == Cell("bob", BLUR)})
    run = Run(*new)
    plain = class_test(run, Panel(BLUR, ("ann",)), TestPolicy())
    assert comparison(old, run).expected_class_test(plain).expected is Expected.NEWLY_FAILING
    swapped = comparison(old, run, counterparts={"ann": "bob"}).expected_class_test(plain)
    assert (swapped.expected, swapped.verdict.outcome) == (Expected.AS_EXPECTED, Outcome.PASS)


@pytest.mark.parametrize(
    ("now", "class_tolerance", "expected"),
    [
        ([0.95, 0.95, 0.1, 0.6, 0.95], 10.0, Expected.WORSE),
        ([0.95, 0.95, 0.1, 0.1, 0.95], 10.0, Expected.WORSE),
        ([0.95, 0.95, 0.1, 0.6, 0.95], 60.0, Expected.AS_EXPECTED),
        ([0.95, 0.95, 0.5, 0.6, 0.95], 10.0, Expected.AS_EXPECTED),
        ([0.95, 0.95, 0.95, 0.1, 0.95], 10.0, Expected.WORSE),
        ([0.95, 0.95, 0.95, 0.95, 0.95], 10.0, Expected.NOW_PASSING),
        # What did not fail before fell as well.
        ([0.2, 0.95, 0.5, 0.6, 0.95], 10.0, Expected.WORSE),
    ],
)
def test_a_known_finding_of_classes_that_got_worse_is_not_known(now, class_tolerance, expected):
    before = [0.95, 0.95, 0.5, 0.6, 0.95]
    old, new = drawn(13, before, unreadable=5), drawn(13, now)
    run = Run(*new)
    plain = class_test(run, Panel(BLUR, MODELS), TEST_POLICY)
    found = comparison(old, run, class_tolerance=class_tolerance).expected_class_test(plain)
    assert found.expected is expected
    assert found.verdict.outcome is (Outcome.FAIL if expected is Expected.WORSE else Outcome.PASS)
    if expected is Expected.WORSE:
        listed = [name for name, share, was in zip(CLASSES, now, before, strict=True) if share < was]
        reason = found.verdict.reason
        assert reason.startswith(
            f"worse than the baseline: {counted(len(listed), 'class', 'classes')} fell significantly and by more than "
            "10 measured points below the baseline: "
        )
        assert [name for name in CLASSES if f" {name} -" in reason] == listed


def shares(control, blur):
    """Answer all images, the first ones of each class rightly: shares in control and under blur, by class."""
    place = np.array([np.count_nonzero(LABELS[:image] == LABELS[image]) for image in range(IMAGES)])
    sizes = np.bincount(LABELS)[LABELS]
    right = {
        c: place < np.round(np.array(by_class)[LABELS] * sizes) for c, by_class in ((CONTROL, control), (BLUR, blur))
    }
    right[ZOOM] = right[CONTROL]
    return np.ones(IMAGES, np.bool_), {Cell(m, c): right[c] for m, c in itertools.product(MODELS, CONDITIONS)}


# In control 60 %, under blur 52 to 50 %: each class falls by less than ten points, and the average is a finding.
KNOWN_FALL = shares([0.6] * 5, [0.52, 0.52, 0.52, 0.5, 0.5])


def test_a_model_that_rose_in_control_alone_fell_further_under_the_condition():
    plain, found = expected_model_test(KNOWN_FALL, KNOWN_FALL, Outcome.FAIL)
    assert plain.impacted
    assert found.known
    risen = shares([1.0] * 5, [0.52, 0.52, 0.52, 0.5, 0.5])
    _, found = expected_model_test(KNOWN_FALL, risen, Outcome.FAIL)
    assert (found.expected, found.verdict.outcome) == (Expected.WORSE, Outcome.FAIL)
    # The mean over the classes, from the answers themselves.
    change = [
        np.mean(
            [
                (right[Cell("ann", BLUR)] * 100.0 - right[Cell("ann", CONTROL)] * 100.0)[i == LABELS].mean()
                for i in range(5)
            ]
        )
        for _, right in (KNOWN_FALL, risen)
    ]
    assert found.verdict.reason.startswith(
        "worse than the baseline: the change from control grew by more than 1 point: "
        f"{change[0]:+.1f} -> {change[1]:+.1f} points, "
    )
    assert not found.known
    # A tolerance that is above what control rose by accepts it.
    assert expected_model_test(KNOWN_FALL, risen, Outcome.FAIL, tolerance=60.0)[1].known


def test_a_class_is_known_only_if_it_was_beyond_the_margin_and_as_far_as_it_was():
    def expected(before, now, **policy):
        run = Run(*now)
        plain = class_test(run, Panel(BLUR, MODELS), TEST_POLICY)
        assert plain.verdict.outcome is Outcome.FAIL
        return comparison(before, run, **policy).expected_class_test(plain)

    before = shares([0.6] * 5, [0.6, 0.6, 0.6, 0.3, 0.6])
    same = expected(before, before)
    assert (same.expected, same.known) == (Expected.AS_EXPECTED, True)
    other = expected(before, shares([0.6, 0.6, 1.0, 0.6, 0.6], [0.6, 0.6, 0.6, 0.3, 0.6]))
    assert (other.expected, other.known) == (Expected.WORSE, False)
    assert (
        "changed significantly and by more than 10 measured points, and did not in the baseline: cat +0.0 -> -4"
        in other.verdict.reason
    )
    assert "dog" not in other.verdict.reason
    deeper = shares([0.6, 0.6, 0.6, 1.0, 0.6], [0.6, 0.6, 0.6, 0.3, 0.6])
    found = expected(before, deeper)
    assert found.expected is Expected.WORSE
    assert (
        "the change from control grew significantly and by more than 10 measured points: dog -" in found.verdict.reason
    )
    assert expected(before, deeper, class_tolerance=60.0).known


def test_a_class_test_below_the_baseline_is_a_sign_flip_test_over_the_images_that_both_could_read():
    old, new = drawn(14, [0.95, 0.95, 0.9, 0.2, 0.95], unreadable=20), drawn(15, [0.95, 0.95, 0.6, 0.2, 0.95])
    both = old[0] & new[0] & (CLASSES.index("cat") == LABELS)
    change = sum(new[1][Cell(m, BLUR)].astype(int) - old[1][Cell(m, BLUR)] for m in MODELS)[both]
    rng = np.random.default_rng(0)
    totals = rng.choice([-1, 1], (20_000, both.sum())) @ change
    assert np.mean(np.abs(totals) >= abs(change.sum())) < 0.001
    run = Run(*new)
    plain = class_test(run, Panel(BLUR, MODELS), TEST_POLICY)
    reason = comparison(old, run).expected_class_test(plain).verdict.reason
    below = 100 * change.sum() / (len(MODELS) * both.sum())
    assert reason == (
        "worse than the baseline: 1 class fell significantly and by more than 10 measured points below the baseline: "
        f"cat {below:+.1f}"
    )


def on_images(few, before, now):
    """Return a run on the images ``few`` of all, copies among them, and its comparison with a baseline on the same."""
    labels = LABELS[few]

    def image_set():
        numbers = np.asarray(few, dtype=np.uint64)
        identities = (np.column_stack([numbers, numbers]) + 1).view("V16").reshape(-1)
        return ImageSet(identities, labels, images().classes)

    run = Run(np.ones(len(few), np.bool_), {cell: given[few] for cell, given in now.items()})
    run.labels = labels
    run.counts = lambda cell: counts_of(run.answers(cell), labels, len(CLASSES))
    protocol = RunProtocol("folder:photos", 0, 1, dict.fromkeys(CONDITIONS, ""), {})
    outputs = np.arange(len(CLASSES)) + 7
    known = {
        m: BaselineModel("f00d", outputs, {c: np.where(before[Cell(m, c)][few], labels + 7, 3) for c in CONDITIONS}, {})
        for m in MODELS
    }
    return run, BaselineComparison(
        Baseline(protocol, image_set(), known),
        Path("baseline.json"),
        run,
        image_set,
        policy=GatePolicy(),
        test_policy=TEST_POLICY,
        inconclusive=Outcome.INCONCLUSIVE,
        counterparts={},
    )


def test_copies_of_images_show_no_more_than_the_images():
    right, now = drawn(2, FIRM)[1], drawn(3, FALLEN)[1]
    few = np.arange(IMAGES) % 100  # each of 100 images five times, under one label
    _, ours = on_images(few, right, now)
    _, alone = on_images(np.arange(100), right, now)
    for condition in CONDITIONS:
        many, once = (one.test(Cell("ann", condition), (BLUR, ZOOM)) for one in (ours, alone))
        assert many.result == once.result
        assert (many.change, many.beyond_control, many.verdict) == (once.change, once.beyond_control, once.verdict)
        assert ours.right_before(Cell("ann", condition)).sum() == right[Cell("ann", condition)][:100].sum()
    assert "Of the 500 images that baseline and run share, 100 are distinct" in ours.notes()[0]


def changed(right, condition, class_name, images, to):
    """Return the answers with the first ``images`` of a class set right or wrong under a condition, for all models."""
    chosen = np.flatnonzero(CLASSES.index(class_name) == LABELS)[:images]
    found = {cell: given.copy() for cell, given in right.items()}
    for model in MODELS:
        found[Cell(model, condition)][chosen] = to
    return found


@pytest.mark.parametrize(
    ("condition", "to", "distinct", "worse"),
    [
        (BLUR, False, 0, ""),
        # Three images are too few to show anything, however often each occurs.
        (BLUR, False, 3, ""),
        (BLUR, False, 30, "fell significantly and by more than 10 measured points below the baseline: cat -"),
        # The change from control grows where control rises.
        (CONTROL, True, 3, ""),
        (CONTROL, True, 30, "the change from control grew significantly and by more than 10 measured points: cat -"),
    ],
)
def test_copies_of_images_make_no_known_finding_of_classes_worse(condition, to, distinct, worse):
    everything = np.arange(IMAGES)
    cat = np.flatnonzero(CLASSES.index("cat") == LABELS)
    copies = np.concatenate([everything, np.repeat(cat[:3], 30)])
    # Under blur all classes lose two images of three, which control has, but for those that the case sets right.
    before = shares([1.0, 1.0, 0.8, 1.0, 1.0], [1 / 3] * 5)[1]
    for wrong in (CONTROL, BLUR) if to else ():
        before = changed(before, wrong, "cat", 30, False)
    found = []
    for few in (copies, everything):
        run, ours = on_images(few, before, changed(before, condition, "cat", distinct, to))
        plain = class_test(run, Panel(BLUR, MODELS), TEST_POLICY)
        assert plain.verdict.outcome is Outcome.FAIL
        found.append(ours.expected_class_test(plain))
    many, once = found
    assert (many.expected, many.known) == (once.expected, once.known)
    assert many.known is not bool(worse)
    assert worse in many.verdict.reason
    if condition is BLUR and worse:
        assert many.verdict.reason == once.verdict.reason
    if many.known:
        # Also of the images that are compared there are as many.
        ends = [one.verdict.reason.rpartition("; ")[2] for one in found]
        assert ends == ["compared with the baseline on 500 images"] * 2


def test_only_images_that_both_have_are_compared_in_any_order():
    rng = np.random.default_rng(16)
    before, now = drawn(2, FIRM, unreadable=9), drawn(3, FALLEN)
    there, here = rng.permutation(IMAGES)[:400], rng.permutation(IMAGES)[:420]
    run = Run(now[0][here], {cell: right[here] for cell, right in now[1].items()})
    run.labels = LABELS[here]
    run.counts = lambda cell: counts_of(run.answers(cell), run.labels, len(CLASSES))
    ours = comparison(before, run, chosen=there, now=lambda: images(here))
    shared = [image for image in here if image in set(there) and before[0][image]]
    unread = np.count_nonzero(~before[0][np.intersect1d(there, here)])
    for condition in CONDITIONS:
        cell = Cell("bob", condition)
        found = ours.test(cell, (BLUR, ZOOM))
        pairs = [(before[1][cell][image], now[1][cell][image]) for image in shared]
        assert (found.result.n, found.result.lost) == (len(shared), pairs.count((True, False)))
        assert found.shared == (len(shared) + unread, 400 - len(shared) - unread, 420 - len(shared) - unread)
        assert ours.right_before(cell).tolist() == [image in shared and before[1][cell][image] for image in here]
    both = len(shared) + unread
    (note,) = ours.notes()
    assert note == (
        f"Compared with the baseline on the {both} images that both have; {400 - both} only in the baseline, "
        f"{420 - both} only in this run (400 in the baseline, 420 in this run)."
    )
    assert comparison(before, Run(*now)).notes() == ()
    # A class test is compared on the same images.
    plain = class_test(run, Panel(BLUR, MODELS), TEST_POLICY)
    assert ours.expected_class_test(plain).expected is Expected.NEWLY_FAILING


def in_one_model(blur):
    """Answer all images rightly, but under blur in `bob` alone: shares by class."""
    readable, right = shares([1.0] * 5, [1.0] * 5)
    lost = Cell("bob", BLUR)
    return readable, right | {lost: shares([1.0] * 5, blur)[1][lost]}


@pytest.mark.parametrize(
    ("before", "now", "expected", "said"),
    [
        ([1.0] * 5, [1.0, 0.8, 1.0, 1.0, 1.0], Expected.NEWLY_FAILING, "in bob alone: bee -19.6"),
        ([1.0, 0.8, 1.0, 1.0, 1.0], [1.0, 0.8, 1.0, 1.0, 1.0], Expected.AS_EXPECTED, "in bob alone: bee -19.6"),
        # Beside a known one, another class of the model; and the same class, further.
        ([1.0, 0.8, 1.0, 1.0, 1.0], [1.0, 0.8, 1.0, 0.8, 1.0], Expected.WORSE, "in bob alone: dog -"),
        ([1.0, 0.85, 1.0, 1.0, 1.0], [1.0, 0.72, 1.0, 1.0, 1.0], Expected.WORSE, "in bob alone: bee -1"),
        ([1.0, 0.8, 1.0, 1.0, 1.0], [1.0] * 5, Expected.NOW_PASSING, ""),
    ],
)
def test_a_class_that_one_model_alone_loses_is_compared_with_the_baseline(before, now, expected, said):
    answers = in_one_model(before)
    plain = [class_test(Run(*found), Panel(BLUR, MODELS), TestPolicy()) for found in (answers, in_one_model(now))]
    outcomes = {BLUR: plain[0].verdict.outcome}
    found = comparison(answers, Run(*in_one_model(now)), outcomes=outcomes).expected_class_test(plain[1])
    assert found.expected is expected
    assert said in found.verdict.reason
