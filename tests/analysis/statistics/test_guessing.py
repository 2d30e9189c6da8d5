"""Guessing, as Cohen's kappa, scipy's tests and a loop over the images have it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from pytest_robustness.analysis.statistics import (
    above_chance,
    better_than_guessing,
    chance_agreement,
    excludes_skill,
)

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


def two_classes(images: int, rare: int, found: int, alarms: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and answers: of the rare class so many are found, and of the other one so many taken for it."""
    labels = np.repeat([1, 0], [rare, images - rare])
    answers = np.zeros(images, np.int64)
    answers[:found] = 1
    answers[rare : rare + alarms] = 1
    return labels, answers


@pytest.mark.parametrize("found", [0, 1, 2, 4])
@pytest.mark.parametrize("alarms", [0, 1, 5, 40])
@pytest.mark.parametrize(("images", "rare"), [(60, 4), (400, 4), (1000, 30), (1000, 8)])
def test_two_classes_are_better_than_guessing_as_fishers_test_says(
    images: int, rare: int, found: int, alarms: int
) -> None:
    """Dealing answers to images is what Fisher's exact test computes; near 5 % the deals may differ from it."""
    labels, answers = two_classes(images, rare, found, alarms)
    table = [[found, rare - found], [alarms, images - rare - alarms]]
    p = stats.fisher_exact(table, alternative="greater").pvalue
    if abs(p - 0.05) > 0.02:
        assert better_than_guessing(labels, answers) is bool(p < 0.05)


@pytest.mark.parametrize("share", [0.5, 0.03, 0.001])
@pytest.mark.parametrize("images", [10, 1000, 200_000])
def test_an_answer_that_never_changes_is_no_better_than_guessing(images: int, share: float) -> None:
    labels = (np.arange(images) < share * images).astype(np.int64)
    assert not better_than_guessing(labels, np.zeros(images, np.int64))


def test_answers_without_skill_are_rarely_called_better() -> None:
    """Hold 5 % where two of three classes are rare."""
    labels = np.repeat([0, 1, 2], [180, 12, 8])
    rng = np.random.default_rng(5)
    called = sum(better_than_guessing(labels, rng.permutation(labels)) for _ in range(150))
    assert called <= stats.binom.ppf(0.995, 150, 0.05)
