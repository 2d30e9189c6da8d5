"""Known findings: judge a test by its own outcome in the baseline."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.findings import ClassTest, ModelTest


KNOWN = "a known finding: "
"""How the reason of a finding begins that the baseline has too, and that is not shown to be worse."""


class Expected(StrEnum):
    """How a test's outcome compares with its outcome in the baseline."""

    AS_EXPECTED = "as expected"
    NEWLY_FAILING = "newly failing"
    WORSE = "worse than the baseline"
    NOW_PASSING = "now passing"
    UNDECIDED = "inconclusive"


class Expectation(NamedTuple):
    """How a test compares with the baseline, and the verdict that counts."""

    expected: Expected
    verdict: Verdict


def expect(
    before: Outcome,
    now: Verdict,
    gate: Verdict | None = None,
    grown: str = "",
    withheld: Verdict | None = None,
    images: int | None = None,
) -> Expectation:
    """Judge a test by its own outcome in the baseline: a known finding passes until it gets worse.

    Parameters
    ----------
    before
        The outcome of the same test in the baseline.
    now
        The verdict of this run.
    gate
        The verdict on the model, or the classes, against the baseline under this condition, unless that is undecided.
    grown
        What of a finding of both the baseline did not have, or had smaller, in words.
    withheld
        The verdict in place of a pass, where the comparison with the baseline is such that none may rest on it.
    images
        On how many images it was made, for the reason.
    """
    if now.outcome is Outcome.FAIL and before is not Outcome.FAIL:
        reason = f"newly failing, {before.value} in the baseline: {now.reason}"
        return Expectation(Expected.NEWLY_FAILING, Verdict(Outcome.FAIL, reason))
    if gate is not None and gate.outcome is Outcome.FAIL:
        return Expectation(Expected.WORSE, Verdict(Outcome.FAIL, f"worse than the baseline: {gate.reason}"))
    if now.outcome is Outcome.FAIL and grown:
        return Expectation(Expected.WORSE, Verdict(Outcome.FAIL, f"worse than the baseline: {grown}"))
    if now.outcome is Outcome.INCONCLUSIVE:
        return Expectation(Expected.UNDECIDED, now)
    known = KNOWN if now.outcome is Outcome.FAIL else ""
    if withheld is not None:
        reason = f"{withheld.reason}; without the baseline: {now.outcome.value}, {now.reason}"
        return Expectation(Expected.UNDECIDED, Verdict(withheld.outcome, reason))
    if now.outcome is Outcome.PASS and before is Outcome.FAIL:
        reason = f"now passing, FAIL in the baseline, which can be tightened: {now.reason}"
        return Expectation(Expected.NOW_PASSING, Verdict(Outcome.PASS, reason))
    on = f"; compared with the baseline on {counted(images, 'image')}" if known and images is not None else ""
    return Expectation(Expected.AS_EXPECTED, Verdict(Outcome.PASS, f"{known}{now.reason}{on}"))


def notes(model_tests: Sequence[ModelTest], class_tests: Sequence[ClassTest]) -> tuple[str, ...]:
    """Return what the findings of a run mean for the baseline itself: whether it can be tightened."""
    tests = {f"{test.model} under {test.condition}": test.expected for test in model_tests}
    tests |= {f"the classes under {test.condition}": test.expected for test in class_tests}
    passing = sorted(name for name, expected in tests.items() if expected is Expected.NOW_PASSING)
    if not passing:
        return ()
    tests_listed = ", ".join(passing)
    note = f"The baseline can be tightened, because tests that failed there pass now: {tests_listed}."
    return (f"{note} Update it with --robustness-update-baseline.",)
