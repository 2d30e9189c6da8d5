"""Stop a run that cannot be made, with an error of usage."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.text import for_terminal
from pytest_robustness.frontends.plugin.configuration import known_option

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)

PROBLEM = pytest.StashKey[RobustnessError]()
"""Why the run cannot be made, in the stash of its configuration."""


# What pytest does in place of running tests, by the names of its options.
_NO_RUN = (
    "collectonly",
    "setuponly",
    "setupplan",
    "help",
    "version",
    "markers",
    "showfixtures",
    "show_fixtures_per_test",
    "cacheshow",
)


def runs_tests(config: pytest.Config) -> bool:
    """Return whether pytest is asked to run tests: what judges nothing on purpose neither takes nor leaves a report."""
    asked_for_less = any(getattr(config.option, name, None) for name in _NO_RUN)
    return not (asked_for_less or known_option(config, "plan") or known_option(config, "list"))


def forget_report(config: pytest.Config) -> None:
    """Set the report of an earlier run aside, so that nobody takes its verdict for that of a run which leaves none.

    With pytest-xdist the workers do so, as they alone know the tests. What runs no test leaves the report alone.
    """
    if not runs_tests(config):
        return
    folder = known_option(config, "report")
    if folder is not None:
        from pytest_robustness.report.former import set_aside

        set_aside(folder)


def refuse(config: pytest.Config, items: list[pytest.Item], error: RobustnessError) -> None:
    """Stop the run with a usage error; in a worker of xdist that would read as a crash, so the controller does it."""
    forget_report(config)
    if not hasattr(config, "workeroutput"):
        raise pytest.UsageError(for_terminal(str(error))) from None
    config.stash[PROBLEM] = error
    from pytest_robustness.frontends.plugin.xdist import REFUSAL

    config.workeroutput[REFUSAL] = for_terminal(str(error))
    items.clear()


@contextlib.contextmanager
def usage_errors(config: pytest.Config) -> Iterator[None]:
    """Turn an error of ours into one of usage."""
    try:
        yield
    except RobustnessError as error:
        _log.debug("the options are refused", exc_info=True)
        forget_report(config)
        raise pytest.UsageError(for_terminal(str(error))) from None
