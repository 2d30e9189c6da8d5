"""The assertion that tests are written with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_robustness.records import ClassTest, ImageTest, ModelTest, Outcome
from pytest_robustness.reports.gate import gate_lines
from pytest_robustness.view import finding_lines

if TYPE_CHECKING:
    from pytest_robustness.baseline_gate import GateTest
    from pytest_robustness.records import Finding


class NotRobust(AssertionError):  # noqa: N818 (a finding, not an error)
    """A finding: its text is what a stranger should read first."""


def assert_robust(finding: Finding | GateTest) -> None:
    """Pass when ``finding`` says PASS, skip with its reason when it is INCONCLUSIVE, else raise `NotRobust`.

    Examples
    --------
    >>> def test_mine(robustness):
    ...     assert_robust(robustness.model_test("resnet18", "vflip"))
    """
    __tracebackhide__ = True
    if finding.verdict.outcome is Outcome.PASS:
        return
    ours = ModelTest | ClassTest | ImageTest
    lines = finding_lines(finding) if isinstance(finding, ours) else gate_lines(finding)
    if finding.verdict.outcome is Outcome.INCONCLUSIVE:
        pytest.skip(lines[0])
    raise NotRobust("\n".join(lines))
