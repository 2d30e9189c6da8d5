"""The assertion that tests are written with."""

from __future__ import annotations

import pytest

from pytest_robustness.records import Finding, Outcome
from pytest_robustness.view import finding_lines, headline


class NotRobust(AssertionError):  # noqa: N818 (a finding, not an error)
    """A finding: its text is what a stranger should read first."""


def assert_robust(finding: Finding) -> None:
    """Pass when ``finding`` says PASS, skip with its reason when it is INCONCLUSIVE, else raise `NotRobust`.

    Examples
    --------
    >>> def test_mine(robustness):
    ...     assert_robust(robustness.model_test("resnet18", "vflip"))
    """
    __tracebackhide__ = True
    if finding.verdict.outcome is Outcome.INCONCLUSIVE:
        pytest.skip(headline(finding))
    if finding.verdict.outcome is Outcome.FAIL:
        raise NotRobust("\n".join(finding_lines(finding)))
