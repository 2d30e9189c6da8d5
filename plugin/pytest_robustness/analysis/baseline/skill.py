"""Is a model still better than guessing, where its counterpart in the baseline is?"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from pytest_robustness.analysis import statistics
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pytest_robustness.analysis.findings import GateTest


def held_back(found: GateTest, why: str, decided: Callable[[Verdict], Verdict]) -> GateTest:
    """Return a comparison, no FAIL, that is no pass where its model lost its skill, as ``why`` says.

    ``decided`` gives the verdict on what is inconclusive.
    """
    if not why:
        return found
    reason = Verdict(Outcome.INCONCLUSIVE, f"{found.verdict.reason}; but {why}")
    verdict = found.verdict if found.undecided else decided(reason)
    withheld = "; ".join(filter(None, [found.withheld, why]))
    return dataclasses.replace(found, verdict=verdict, withheld=withheld, undecided=True)


def skill_lost(before: NDArray[np.int64], now: NDArray[np.int64], labels: NDArray[np.int64]) -> str:
    """Return a sentence where a model is no better than guessing and its counterpart is; else nothing.

    A model that names the commonest class for every image may be right as often as its counterpart, and the images of
    the rare classes be too few to show that these are lost.

    Parameters
    ----------
    before, now
        The class that the counterpart and the model took each image for without any transform, -1 for none of the
        data's; -2 in ``before`` is an image that is not compared: int64 [N].
    labels
        The class of each image: int64 [N].
    """
    compared = before != -2
    before, now, labels = before[compared], now[compared], labels[compared]
    if len(np.unique(labels)) < 2 or statistics.better_than_guessing(labels, now):
        return ""
    if not statistics.better_than_guessing(labels, before):
        return ""
    right, was = int((now == labels).sum()), int((before == labels).sum())
    expected = statistics.chance_agreement(labels, now) * len(labels)
    return (
        f"without any transform it is right on {right:,} of {counted(len(labels), 'image')}, where guessing is right "
        f"on {expected:,.1f}, and so no better than guessing, which the baseline is ({was:,} right)"
    )
