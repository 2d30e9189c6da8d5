"""Answer ``--robustness-plan``: print what the run would do in place of doing it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_robustness.analysis.images_needed import shown_needed
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.text import for_terminal
from pytest_robustness.frontends.plugin.active import PROCESSES
from pytest_robustness.frontends.plugin.asked import study_of
from pytest_robustness.report import forecast_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_robustness.frontends.session.session import RobustnessSession
    from pytest_robustness.inference.forecast.forecast import Forecast


def take_over(config: pytest.Config) -> None:
    """Keep pytest-xdist from starting workers; note how many it would start."""
    workers = 1
    if config.getoption("dist", "no") != "no":
        workers = max(1, len(config.getoption("tx") or ()))
        config.option.dist, config.option.tx = "no", []
    config.stash[PROCESSES] = workers


class Forecasting:
    """The hooks of a run that only says what it would do.

    Parameters
    ----------
    session
        Returns the session; ``None`` where no test asks for predictions.
    """

    def __init__(self, session: Callable[[], RobustnessSession | None]) -> None:
        self._session = session
        self._started = time.monotonic()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Print the forecast in place of running the tests; they count as failed where they could not be computed."""
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            return None  # pytest says what could not be collected
        robustness = self._session()
        writer = session.config.get_terminal_writer()
        if robustness is None:
            writer.line("no test that was collected asks for predictions: there is nothing to compute")
            return True
        try:
            found, lines = self._forecast(robustness, session)
        except RobustnessError as error:
            raise pytest.UsageError(for_terminal(str(error))) from error
        writer.sep("=", "robustness: what this run would do")
        for line in lines:
            writer.line(for_terminal(line))
        session.testsfailed += len(found.errors)
        return True

    def _forecast(self, robustness: RobustnessSession, session: pytest.Session) -> tuple[Forecast, list[str]]:
        record, log = robustness.record, robustness.run_log
        robustness.open_data()
        started = time.monotonic() - self._started
        found = robustness.forecast()
        whole = [cell for cell in found.cells if log.finished(cell, Cell(cell.model, CONTROL))]
        shown = shown_needed(record.judge, whole) if log.dataset else ()
        return found, forecast_text.lines(found, started, record.judge.policy, shown, _studies(session.items))


def _studies(items: Sequence[pytest.Item]) -> list[Any]:
    return [*dict.fromkeys(name for item in items if (name := study_of(item)) is not None)]
