"""The statistics of robustness: whether an accuracy differs under a condition, and by how much.

SciPy computes; this package arranges the data, and lets the images decide where a t-test cannot. Accuracies are
percentages, differences are percentage points, ``difference == treated - control``, and every test is two-sided.
``docs/statistics.md`` explains the tests to people who use them.
"""

from pytest_robustness.analysis.statistics.accuracy import (
    above_chance,
    accuracies,
    better_than_guessing,
    chance_agreement,
    excludes_skill,
)
from pytest_robustness.analysis.statistics.columns import MIN_OBSERVATIONS
from pytest_robustness.analysis.statistics.correction import adjust, correct
from pytest_robustness.analysis.statistics.mcnemar import mcnemar, mcnemar_by_class, mcnemar_from_counts, mcnemar_p
from pytest_robustness.analysis.statistics.t_tests import GroupTest, compare, decide_by_images

__all__ = [
    "MIN_OBSERVATIONS",
    "GroupTest",
    "above_chance",
    "accuracies",
    "adjust",
    "better_than_guessing",
    "chance_agreement",
    "compare",
    "correct",
    "decide_by_images",
    "excludes_skill",
    "mcnemar",
    "mcnemar_by_class",
    "mcnemar_from_counts",
    "mcnemar_p",
]
