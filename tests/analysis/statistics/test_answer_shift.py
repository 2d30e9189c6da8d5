"""The shift of answers: total variation against a loop, its p against all swaps and against simulation."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from pytest_robustness.analysis.statistics.answer_shift import AnswerShift, answer_scores, answer_shift
from pytest_robustness.analysis.statistics.discrimination import PairedScores, discriminate


def total_variation(control, treated):
    before, after = Counter(control.tolist()), Counter(treated.tolist())
    return sum(abs(after[answer] - before[answer]) for answer in before | after) / (2 * len(control))


@pytest.mark.parametrize(("n", "classes"), [(1, 2), (10, 3), (500, 10), (300, 1000)])
def test_the_shift_is_the_total_variation_of_the_answers(n, classes):
    generator = np.random.default_rng(n)
    control, treated = generator.integers(0, classes, (2, n))
    assert answer_shift(control, treated, seed=0).moved == pytest.approx(total_variation(control, treated))


def test_the_p_is_close_to_that_of_all_swaps():
    control = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 1])
    treated = np.array([0, 0, 0, 0, 0, 0, 1, 0, 2, 2])
    observed = total_variation(control, treated)
    distances = [
        total_variation(np.where(swap, treated, control), np.where(swap, control, treated))
        for swap in map(np.array, itertools.product([False, True], repeat=10))
    ]
    exact = np.mean(np.array(distances) >= observed - 1e-12)
    found = answer_shift(control, treated, seed=1)
    assert found.by_chance == pytest.approx(np.mean(distances), abs=4 * np.std(distances) / math.sqrt(999))
    p = found.p_value
    assert p == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 1000) + 0.001)


def test_answers_that_did_not_change_have_not_moved():
    answers = np.arange(20) % 3
    assert answer_shift(answers, answers, seed=0) == (0.0, 0.0, 1.0)
    assert all(map(math.isnan, answer_shift(answers[:0], answers[:0], seed=0)))


def test_several_models_have_a_mean_and_no_p_of_their_own():
    mean = AnswerShift.mean([AnswerShift(0.1, 0.05, 0.5), AnswerShift(0.3, 0.15, 0.001)])
    assert mean[:2] == pytest.approx((0.2, 0.1))
    assert math.isnan(mean.p_value)
    assert AnswerShift.mean([AnswerShift(0.1, 0.05, 0.5)]) == (0.1, 0.05, 0.5)


def drawn(generator, n, classes, churn, to_first):
    """Return answers of which a share changes, to any class or, with the chance ``to_first``, to the first."""
    control = generator.integers(0, classes, n)
    others = np.where(generator.random(n) < to_first, 0, generator.integers(0, classes, n))
    return control, np.where(generator.random(n) < churn, others, control)


def test_p_values_hold_where_answers_change_without_a_direction():
    generator = np.random.default_rng(2)
    p = np.array([answer_shift(*drawn(generator, 100, 5, 0.5, 0.0), seed=i).p_value for i in range(300)])
    for level in (0.05, 0.2, 0.5):
        error = math.sqrt(level * (1 - level) / len(p))
        assert level - 3 * error - 0.02 < np.mean(p <= level) < level + 3 * error


def test_answers_tell_a_condition_that_draws_them_to_one_class_and_no_other():
    generator = np.random.default_rng(3)

    def found(churn, to_first):
        scores = answer_scores(*drawn(generator, 1000, 10, churn, to_first), seed=5)
        return discriminate(PairedScores.of(*scores), alpha=0.05)

    assert found(0.9, 0.9).low > 0.8
    assert found(0.5, 0.0).within(0.6)


def test_an_image_is_scored_by_the_other_half_alone():
    generator = np.random.default_rng(4)
    control, treated = drawn(generator, 101, 10, 0.5, 0.5)
    before, after = answer_scores(control, treated, seed=6)
    scored = ~np.isnan(before)
    assert scored.sum() == 51
    assert (scored == ~np.isnan(after)).all()
    # An answer counts by its class: an own answer that moves elsewhere changes no score but the image's own.
    other = treated.copy()
    image = int(np.flatnonzero(scored)[0])
    other[image] = (other[image] + 1) % 10
    changed = answer_scores(control, other, seed=6)[1] != after
    assert np.flatnonzero(changed & scored).tolist() in ([image], [])
    first = np.flatnonzero(~scored)
    for place in np.flatnonzero(scored)[:10]:
        seen = [Counter(group[first].tolist())[treated[place]] + 1 for group in (control, treated)]
        assert after[place] == pytest.approx(math.log(seen[1] / seen[0]))


def test_the_interval_of_answers_that_tell_nothing_covers_one_half():
    generator = np.random.default_rng(5)
    covered = 0
    for i in range(300):
        scores = PairedScores.of(*answer_scores(*drawn(generator, 200, 10, 0.5, 0.0), seed=i))
        measured = discriminate(scores, alpha=0.05)
        covered += measured.low <= 0.5 <= measured.high
    assert covered / 300 >= 0.92
