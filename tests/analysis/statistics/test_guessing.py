"""Guessing, as Cohen's kappa, scipy's tests and a loop over the images have it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from pytest_robustness.analysis.statistics import above_chance, chance_agreement, excludes_skill

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 4)), min_size=1, max_size=60)


@given(PAIRS)
def test_chance_is_the_share_of_right_answers_when_every_image_gets_every_answer(pairs):
    labels, answers = (np.array(column) for column in zip(*pairs, strict=True))
    right = sum(answer == label for label in labels for answer in answers)
    assert chance_agreement(labels, answers) == pytest.approx(right / len(labels) ** 2)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60))
def test_chance_is_that_of_cohens_kappa(pairs):
    labels, answers = (np.array(column) for column in zip(*pairs, strict=True))
    chance = chance_agreement(labels, answers)
    if chance < 1:
        kappa = ((labels == answers).mean() - chance) / (1 - chance)
        assert kappa == pytest.approx(cohen_kappa_score(labels, answers))


@given(st.integers(1, 400), st.data(), st.floats(0.001, 0.99))
def test_a_model_is_above_chance_where_guessing_does_as_well_less_than_once_in_twenty(n, data, chance):
    correct = data.draw(st.integers(0, n))
    as_good = stats.binom.sf(correct - 1, n, chance)
    if abs(as_good - 0.05) > 1e-9:
        assert above_chance(correct, n, chance) is bool(as_good < 0.05)


@given(st.integers(1, 400), st.data(), st.floats(0.001, 0.99))
def test_a_quarter_of_the_skill_is_excluded_where_it_would_do_so_badly_once_in_forty(n, data, chance):
    """The upper end of Clopper and Pearson's interval is the accuracy that gives as few with a chance of 2.5 %."""
    correct = data.draw(st.integers(0, n))
    as_bad = stats.binom.cdf(correct, n, chance + (1 - chance) / 4)
    if abs(as_bad - 0.025) > 1e-9:
        assert excludes_skill(correct, n, chance) is bool(as_bad < 0.025)
