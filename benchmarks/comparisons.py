"""The statistics of a large run: 12 models x 45 conditions x 1000 classes, against scipy called test by test.

Run ``python benchmarks/comparisons.py``. For each condition every class is tested over the models and every model over
the classes, and both families are corrected: 45,540 tests. The loop calls scipy's t-test for each of them, and makes
neither interval nor power nor correction. The last line is the ratio of the default, as a median over ``--pairs``.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, get_args

from pytest_robustness.core.process import quick_imports

# As in a run of pytest, where the garbage collector passes over what was imported: statsmodels' Holm calls it.
with quick_imports():
    import numpy as np
    from paired import compare, seconds
    from scipy import stats

    from pytest_robustness.analysis import statistics
    from pytest_robustness.analysis.test_result import Correction

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODELS, CONDITIONS, CLASSES, IMAGES = 12, 45, 1000, 50
ALPHA = 0.05


def main() -> None:
    """Print the seconds of every test and correction, then each pair and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    pairs = parser.parse_args().pairs
    rng = np.random.default_rng(0)
    control, *treated = 100 * rng.binomial(IMAGES, 0.7, (1 + CONDITIONS, CLASSES, MODELS)) / IMAGES
    for test in get_args(statistics.GroupTest):
        for correction in get_args(Correction):
            took = seconds(lambda test=test, correction=correction: ours(control, treated, test, correction))
            print(f"{took:.2f} s  {test}, {correction}")
    ratio = compare(
        pairs,
        ("scipy", lambda: loop(control, treated)),
        ("ours", lambda: ours(control, treated, "independent", "none")),
    )
    print(f"ratio: {ratio:.2f}")


def ours(
    control: NDArray[np.float64],
    treated: list[NDArray[np.float64]],
    test: statistics.GroupTest,
    correction: Correction,
) -> None:
    """Test all classes and all models under every condition."""
    for accuracies in treated:
        for before, after in ((control, accuracies), (control.T, accuracies.T)):
            statistics.adjust(statistics.compare(before, after, test=test, alpha=ALPHA), correction)


def loop(control: NDArray[np.float64], treated: list[NDArray[np.float64]]) -> None:
    """Do the same tests one by one."""
    for accuracies in treated:
        for before, after in ((control, accuracies), (control.T, accuracies.T)):
            for one, other in zip(before, after, strict=True):
                stats.ttest_ind(one, other)


if __name__ == "__main__":
    main()
