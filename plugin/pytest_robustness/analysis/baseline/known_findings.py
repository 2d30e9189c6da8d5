"""Known findings: the baseline's own verdicts are what a model test is expected to say."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from pytest_robustness.analysis.test_result import Outcome, Verdict


class Expected(StrEnum):
    """How a model test's outcome meets the one in the baseline."""

    AS_EXPECTED = "as expected"
    NEWLY_FAILING = "newly failing"
    WORSE = "worse than the baseline"
    NOW_PASSING = "now passing"
    UNDECIDED = "inconclusive"


class Expectation(NamedTuple):
    """A model test seen against the baseline's: what happened, and the verdict that counts."""

    kind: Expected
    verdict: Verdict


def expect(before: Outcome, now: Verdict, gate: Verdict | None = None) -> Expectation:
    """Judge a model test by the baseline's own outcome: a known finding passes until it gets worse.

    Parameters
    ----------
    before
        The outcome of the same test in the baseline.
    now
        The verdict of this run.
    gate
        What `gate.judge` says of the model against the baseline under this condition, if it could tell.
    """
    if now.outcome is Outcome.FAIL and before is not Outcome.FAIL:
        reason = f"newly failing, {before.value} in the baseline: {now.reason}"
        return Expectation(Expected.NEWLY_FAILING, Verdict(Outcome.FAIL, reason))
    if gate is not None and gate.outcome is Outcome.FAIL:
        return Expectation(Expected.WORSE, Verdict(Outcome.FAIL, f"worse than the baseline: {gate.reason}"))
    if now.outcome is Outcome.INCONCLUSIVE:
        return Expectation(Expected.UNDECIDED, now)
    if now.outcome is Outcome.PASS and before is Outcome.FAIL:
        reason = f"now passing, FAIL in the baseline, which can be tightened: {now.reason}"
        return Expectation(Expected.NOW_PASSING, Verdict(Outcome.PASS, reason))
    known = "a known finding: " if now.outcome is Outcome.FAIL else ""
    return Expectation(Expected.AS_EXPECTED, Verdict(Outcome.PASS, f"{known}{now.reason}"))
