"""Stop a run that cannot be made, with an error of usage."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.core.text import for_terminal
from pytest_robustness.errors import RobustnessError
from pytest_robustness.plugin.configuration import report_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)

PROBLEM = pytest.StashKey[RobustnessError]()
"""Why the run cannot be made, in the stash of its configuration."""


def forget_summary(config: pytest.Config) -> None:
    """Remove the summary of an earlier run, so that nobody takes its verdict for that of a run which leaves none."""
    folder = report_folder(config)
    if folder is None or config.option.collectonly:
        return
    try:
        (folder / "summary.md").unlink(missing_ok=True)
    except OSError:  # the reports of a run that is made cannot be written either, and say so
        _log.debug("the summary of an earlier run cannot be removed", exc_info=True)


def refuse(config: pytest.Config, items: list[pytest.Item], error: RobustnessError) -> None:
    """Stop the run with a usage error; in a worker of xdist that would read as a crash, so the controller does it."""
    forget_summary(config)
    if not hasattr(config, "workeroutput"):
        raise pytest.UsageError(for_terminal(str(error))) from None
    config.stash[PROBLEM] = error
    from pytest_robustness.plugin.xdist import REFUSAL

    config.workeroutput[REFUSAL] = for_terminal(str(error))
    items.clear()


@contextlib.contextmanager
def usage_errors(config: pytest.Config) -> Iterator[None]:
    """Turn an error of ours into one of usage."""
    try:
        yield
    except RobustnessError as error:
        _log.debug("the options are refused", exc_info=True)
        forget_summary(config)
        raise pytest.UsageError(for_terminal(str(error))) from None
