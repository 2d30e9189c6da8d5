"""The assertion of robustness tests, and how pytest shows what it raises."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core.text import for_log, for_terminal
from pytest_robustness.report.finding_text import finding_lines
from pytest_robustness.report.number_text import cut

if TYPE_CHECKING:
    from pytest_robustness.analysis.findings import Finding

# Logs, mails and most terminals show lines of this width unbroken.
_COLUMNS = 80
_TRACEBACK_STYLES = ("long", "native")


class NotRobust(AssertionError):  # noqa: N818 (a finding, not an error)
    """A finding. Its text begins with what a reader new to the test needs first."""


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
    lines = [for_terminal(line) for line in finding_lines(finding)]
    if finding.verdict.outcome is Outcome.INCONCLUSIVE:
        pytest.skip(lines[0])
    raise NotRobust("\n".join(lines))


def shown(excinfo: pytest.ExceptionInfo[BaseException], config: pytest.Config, standard: Any, where: str = "") -> Any:
    """Return what pytest shows of a finding or of an error of ours.

    ``where`` names the test whose failure shows the same text already; then its first line is enough.

    That is its text, without a traceback: the text names the cause. With ``--tb=long``, ``--tb=native`` or
    ``--full-trace`` it is ``standard``, pytest's own representation, and below it the traceback of the exception that
    the error describes, if any: the user's model may have raised it in a sweep, long before the test.
    """
    # Without pytest's terminal there are no such options.
    if config.getoption("tbstyle", "auto") in _TRACEBACK_STYLES or config.getoption("fulltrace", False):
        trace = getattr(next(iter(excinfo.value.args), None), "trace", "")
        if trace:
            standard.addsection("original traceback", trace)
        return standard
    representation: Any = excinfo.getrepr(style="value", chain=False)
    lines = for_terminal(str(excinfo.value)).splitlines() or [""]
    # pytest's list of failures shows this line; by default it begins with the name of the exception's class.
    representation.reprcrash.message = lines[0]
    if isinstance(excinfo.value, NotRobust):
        # A break may put what a log would obey at the start of a line.
        lines = [for_log(part) for line in lines for part in _wrapped(line)]
    if where:
        lines = [f"{cut(lines[0], _COLUMNS)} (as in {for_terminal(where)})"]
    representation.reprtraceback.reprentries[-1].lines = lines
    return representation


def _wrapped(line: str) -> list[str]:
    """Break a line between words at 80 columns; what follows stands below the figures, or below the headline."""
    indent = " " * 22 if line.startswith(" ") else ""
    wrapper = textwrap.TextWrapper(_COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return wrapper.wrap(line) or [""]
