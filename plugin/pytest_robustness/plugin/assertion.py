"""The assertion that tests are written with, and how pytest shows what it raises."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.report.finding_text import finding_lines

if TYPE_CHECKING:
    from pytest_robustness.analysis.findings import Finding

# A log, a mail and most terminals show as much without breaking a line.
_COLUMNS = 80


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
    if finding.verdict.outcome is Outcome.PASS:
        return
    lines = finding_lines(finding)
    if finding.verdict.outcome is Outcome.INCONCLUSIVE:
        pytest.skip(lines[0])
    raise NotRobust("\n".join(lines))


def shown(excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
    """Return what pytest shows of a finding or of an error of ours: its text, without a traceback.

    pytest's list of failures has the first line. Of a finding no line is wider than 80 columns, where a word is not.
    """
    # Without what it was raised from: the text names the cause.
    representation: Any = excinfo.getrepr(style="value", chain=False)
    lines = str(excinfo.value).splitlines() or [""]
    # Else it would begin with the name of the exception's class.
    representation.reprcrash.message = lines[0]
    if isinstance(excinfo.value, NotRobust):
        representation.reprtraceback.reprentries[-1].lines = [part for line in lines for part in _wrapped(line)]
    return representation


def _wrapped(line: str) -> list[str]:
    """Break a line between words; what follows stands below the figures, or below the headline."""
    indent = " " * 22 if line.startswith(" ") else ""
    wrapper = textwrap.TextWrapper(_COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return wrapper.wrap(line) or [""]
