"""What answers under other set-ups are taken to show, compared with SciPy and by counting."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pytest_robustness.analysis.diagnosis import Diagnosis, Trial
from pytest_robustness.analysis.diagnosis.judging import candidates, diagnosed, guesses, judged, may_be_best, restoring
from pytest_robustness.analysis.statistics import paired_change
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.inference.doctor.asking import Asked
from pytest_robustness.inference.doctor.mistakes import Mistake
from pytest_robustness.inference.doctor.prescription import Prescription

CLASSES = 8
N = 240
LABELS = np.arange(N) % CLASSES
GIVEN = Mistake("control", "as given", {})


def answers(accuracy: float, seed: int, like: np.ndarray | None = None, churn: float = 0.0) -> np.ndarray:
    """Return answers of that accuracy; or those of another with a share exchanged for random ones."""
    rng = np.random.default_rng(seed)
    if like is not None:
        return np.where(rng.random(N) < churn, rng.integers(0, CLASSES, N), like)
    wrong = (LABELS + rng.integers(1, CLASSES, N)) % CLASSES
    return np.where(rng.random(N) < accuracy, LABELS, wrong)


def asked(setting: str, found: Any, *keys: str, error: str = "") -> Asked:
    return Asked(Mistake(setting, f"other {setting}", dict.fromkeys(keys or (setting,), 1)), np.asarray(found), error)


CONTROL = Asked(GIVEN, answers(0.3, 0))


def test_a_trial_has_mcnemars_p_and_the_paired_interval() -> None:
    other = answers(0.6, 1)
    [found] = judged(LABELS, CONTROL, [asked("mean", other)])
    before, after = CONTROL.answers == LABELS, other == LABELS
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    trial = found.trial
    assert (trial.lost, trial.gained, trial.images) == (lost, gained, N)
    assert trial.p_value == pytest.approx(stats.binomtest(lost, lost + gained).pvalue)
    assert trial.difference == pytest.approx(100 * (after.mean() - before.mean()))
    change = paired_change.PairedChange(np.array([lost / N]), np.array([gained / N]), np.array([float(N)]))
    low, high = paired_change.interval(change, 0.025)
    assert (trial.low, trial.high) == pytest.approx((100 * low[0], 100 * high[0]))


def test_what_went_on_for_fewer_images_is_compared_on_these() -> None:
    other = answers(0.6, 1)[:64]
    [found] = judged(LABELS, CONTROL, [asked("mean", other)])
    assert found.trial.images == 64
    assert found.trial.control_accuracy == pytest.approx(100 * (CONTROL.answers == LABELS)[:64].mean())


def test_the_best_is_taken_and_of_those_as_good_the_simplest() -> None:
    best = answers(0.8, 1)
    alike = best.copy()
    [place] = np.flatnonzero(alike == LABELS)[:1]
    alike[place] = (alike[place] + 1) % CLASSES
    found = judged(LABELS, CONTROL, [asked("two", best, "a", "b"), asked("one", alike), asked("weak", answers(0.6, 2))])
    winner = restoring(found, N, 0.05)
    assert winner is not None
    assert winner.trial.setting == "one"


def test_what_is_not_significant_after_correction_restores_nothing() -> None:
    better = answers(0.3, 0).copy()
    wrong = np.flatnonzero(better != LABELS)[:7]
    better[wrong] = LABELS[wrong]
    others = [asked("mean", better)]
    assert restoring(judged(LABELS, CONTROL, others), N, 0.05) is not None  # p = 2 / 2 ** 7
    many = [*others, *(asked(f"other {number}", CONTROL.answers) for number in range(20))]
    assert restoring(judged(LABELS, CONTROL, many), N, 0.05) is None
    assert restoring(judged(LABELS, CONTROL, others), N, 0.05, besides=20) is None


@pytest.mark.parametrize(("classes", "kept"), [(10, 1), (10, 2), (20, 3), (40, 4), (6, 1)])
def test_an_order_that_is_right_on_a_few_classes_by_accident_restores_nothing(classes: int, kept: int) -> None:
    """Answers that another order of classes explains: a shift of a few of them is right on all their images."""
    labels = np.arange(480) % classes
    control = Asked(GIVEN, (labels + 1) % classes)
    shifted = np.where(labels < kept, labels, (labels + 2) % classes)
    found = judged(labels, control, [asked("class order", shifted)])
    assert found[0].trial.p_value < 1e-3
    assert restoring(found, len(labels), 0.05) is None


@pytest.mark.parametrize("classes", [2, 3, 4, 10, 40, 400])
def test_an_order_that_is_right_all_over_restores_whatever_it_can(classes: int) -> None:
    """A network that knows all classes, and one that is right on a few images of each of many."""
    rng = np.random.default_rng(0)
    labels = np.arange(480) % classes
    wrong = (labels + 1) % classes
    for accuracy in (1.0, *([0.15] if classes >= 40 else [])):
        other = np.where(rng.random(480) < accuracy, labels, wrong)
        found = judged(labels, Asked(GIVEN, wrong), [asked("class order", other)])
        assert restoring(found, len(labels), 0.05) is not None, accuracy


@pytest.mark.slow
def test_false_alarms_are_rare() -> None:
    """Hold the level over many set-ups whose answers differ from control's by churn alone."""
    alarms = 0
    for run in range(200):
        base = answers(0.7, 10_000 + run)
        # Exchangeable: control and the others are equally far from one set of answers.
        control = Asked(GIVEN, answers(0, run, base, 0.2))
        others = [asked(f"s{k}", answers(0, 1000 * run + k + 1, base, 0.2)) for k in range(20)]
        alarms += restoring(judged(LABELS, control, others), N, 0.05) is not None
    assert alarms <= 16  # of 200 at 5 %: the 95 % quantile of the binomial distribution is 15


def test_what_cannot_be_the_best_is_given_up() -> None:
    half = LABELS[:64]
    control, right, worse = (answers(accuracy, 3)[:64] for accuracy in (0.5, 0.95, 0.1))
    assert may_be_best(half, control, [right, worse, control], 10) == [True, False, False]
    # Without one that is clearly better, what may be better goes on.
    alike = control.copy()
    lost, gained = np.flatnonzero(control == half)[:5], np.flatnonzero(control != half)[:6]
    alike[lost], alike[gained] = (half[lost] + 1) % CLASSES, half[gained]
    assert may_be_best(half, control, [worse, alike], 10) == [False, True]


def test_candidates_are_the_best_of_each_setting() -> None:
    trials = [asked(f"s{number % 7}", answers(number / 20, number)) for number in range(14)]
    found = candidates(judged(LABELS, CONTROL, trials))
    settings = [each.trial.setting for each in found]
    assert len(settings) == len(set(settings)) == 5
    assert found[0].trial.accuracy == max(each.trial.accuracy for each in judged(LABELS, CONTROL, trials))


def diagnosis(control: Asked, others: list[Asked], labels: Any = LABELS, margin: float = 10) -> Diagnosis:
    found = judged(labels, control, others)
    winner = restoring(found, len(labels), 0.05)
    mend = Prescription("Write into net.onnx.json", "{}") if winner else None
    return diagnosed(("net", "folder:photos"), labels, control, found, winner, mend, margin=margin, alpha=0.05)


def test_a_wrong_setting_is_named_with_both_accuracies_and_the_interval() -> None:
    found = diagnosis(CONTROL, [asked("channel order", answers(0.9, 5))])
    [trial] = found.trials
    assert found.verdict.reason == (
        f"Channel order is wrong: with other channel order {found.control:.1f} % -> {trial.accuracy:.1f} % of 240 "
        f"images ({trial.difference:+.1f} points, 95 % interval {trial.low:+.1f} to {trial.high:+.1f})."
    )
    assert (found.setting, found.line, found.fault) == ("channel order", "{}", True)
    assert "Write into net.onnx.json:\n  {}\n" in str(found)


def test_a_right_set_up_is_fine_by_the_largest_upper_end() -> None:
    right = Asked(GIVEN, answers(0.8, 6))
    found = diagnosis(right, [asked("mean", answers(0, 7, right.answers, 0.05)), asked("std", answers(0.2, 8))])
    most = max(trial.high for trial in found.trials)
    assert found.verdict.outcome is Outcome.PASS
    assert f"none of 2 other set-ups is better by more than {max(most, 0):.1f} points" in found.verdict.reason
    assert not found.fault


def test_where_the_images_are_too_few_it_says_what_they_decide() -> None:
    right = Asked(GIVEN, answers(0.8, 6)[:40])
    found = diagnosis(right, [asked("mean", answers(0.8, 9)[:40])], LABELS[:40])
    assert found.verdict.outcome is Outcome.INCONCLUSIVE
    assert f"40 images decide only differences above {found.trials[0].high:.1f} points" in found.verdict.reason


def test_a_model_that_guesses_and_is_not_helped_is_at_fault() -> None:
    guess = Asked(GIVEN, np.zeros(N, np.int64))
    found = diagnosis(guess, [asked("mean", np.ones(N, np.int64)), asked("std", [], error="no such size")])
    assert found.fault
    assert found.verdict.reason.startswith(
        "Nothing that was tried helps: right on 30 of 240 images, where guessing is right on 30.0, and none of 1 other "
        "set-ups both is better by more than 10 points and does more than guess."
    )
    assert found.setting == ""
    assert found.trials[1].error == "no such size"


@pytest.mark.parametrize("images", [4, 6, 8, 9, 12, 24, 240])
@pytest.mark.parametrize("gained", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("runs", [True, False])
def test_nothing_helps_is_said_only_where_the_images_exclude_that_something_does(
    images: int, gained: float, runs: bool
) -> None:
    """Compare with Clopper and Pearson's interval: of a model that is always wrong, or does not run, and 30 others."""
    labels = LABELS[:images]
    wrong = (labels + 1) % CLASSES
    control = Asked(GIVEN, wrong) if runs else Asked(GIVEN, np.empty(0, np.int64), "does not run")
    others = [np.where(np.arange(images) < round(gained * images), labels, wrong), *[wrong] * 29]
    found = diagnosis(control, [asked(f"s{k}", other) for k, other in enumerate(others)], labels)
    excluded = []
    for trial, other in zip(found.trials, others, strict=True):
        chance = (np.bincount(labels, minlength=CLASSES) @ np.bincount(other, minlength=CLASSES)) / images**2
        highest = stats.binomtest(round(trial.accuracy * images / 100), images).proportion_ci(method="exact").high
        excluded.append(trial.high <= 10 or highest < chance + (1 - chance) / 4)
    nothing = found.verdict.reason.startswith("Nothing that was tried helps: ")
    assert nothing is (all(excluded) and not found.setting)
    assert found.verdict.outcome is (Outcome.FAIL if nothing or found.setting else Outcome.INCONCLUSIVE)


def test_a_gain_that_so_few_images_cannot_confirm_is_named_with_how_many_would() -> None:
    labels, trials = LABELS[:8], 21
    control = Asked(GIVEN, (labels + 1) % CLASSES)
    others = [asked("class order", labels), *(asked(f"s{k}", control.answers) for k in range(trials - 1))]
    found = diagnosis(control, others, labels)
    best = found.trials[0]
    # All gained, none lost: the exact p is 2 / 2 ** n, times the number of trials.
    needed = next(n for n in range(1, 100) if trials * stats.binomtest(0, n).pvalue < 0.05)
    assert found.verdict.outcome is Outcome.INCONCLUSIVE
    assert found.verdict.reason == (
        f"Cannot tell: with other class order, the best of what was tried, 0.0 % -> 100.0 % of 8 images (+100.0 "
        f"points, 95 % interval {best.low:+.1f} to {best.high:+.1f}); 8 images are too few to confirm it (about "
        f"{needed} would, if the gain stays what it is). As it is set up: right on 0 of 8 images; none of 21 "
        f"other set-ups is shown to be better."
    )
    more = LABELS[:needed]
    wrong = (more + 1) % CLASSES
    others = [asked("class order", more), *(asked(f"s{k}", wrong) for k in range(trials - 1))]
    assert diagnosis(Asked(GIVEN, wrong), others, more).setting == "class order"


def test_images_of_one_class_decide_nothing() -> None:
    one = np.zeros(N, np.int64)
    found = diagnosis(Asked(GIVEN, one), [asked("mean", one + 1)], one)
    assert found.verdict.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(("accuracy", "expected"), [(0.9, False), (1 / CLASSES, True)])
def test_guessing_is_what_chance_explains(accuracy: float, expected: bool) -> None:
    assert guesses(LABELS, Asked(GIVEN, answers(accuracy, 11))) is expected
    assert guesses(LABELS, Asked(GIVEN, np.empty(0, np.int64), "does not run"))


def test_a_diagnosis_comes_back_from_json() -> None:
    found = diagnosis(CONTROL, [asked("mean", answers(0.9, 5)), asked("std", [], error="no such size")])
    again = Diagnosis.of(json.loads(json.dumps(found.as_dict(), allow_nan=False)))
    assert again.as_dict() == found.as_dict()
    assert again.verdict == found.verdict
    assert math.isnan(again.trials[1].accuracy)


def test_what_users_named_cannot_move_the_terminal_or_the_page() -> None:
    found = dataclasses.replace(
        diagnosis(CONTROL, [asked("mean", answers(0.9, 5))]),
        model="net\x1b[2J",
        line="classes=['<script>']",
        trials=(Trial("mean", "<b>other</b>"),),
    )
    assert "\x1b" not in str(found)
    assert "<script>" not in found._repr_html_()
    assert "<b>" not in found._repr_html_()
