"""Find or create the session of a pytest run, which lives in pytest's own stash."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.plugin.options import resolve_options

if TYPE_CHECKING:
    from pytest_robustness.core import Progress
    from pytest_robustness.plugin.session import RobustnessSession
    from pytest_robustness.transforms import Registry

_SESSION = pytest.StashKey["RobustnessSession"]()


def active_session(config: pytest.Config) -> RobustnessSession | None:
    """Return the session of this run, if there is one already."""
    return config.stash.get(_SESSION, None)


def robustness_session(config: pytest.Config) -> RobustnessSession:
    """Return the session of this run; made when first asked for."""
    if _SESSION not in config.stash:
        from pytest_robustness import RobustnessSession

        config.stash[_SESSION] = RobustnessSession(
            resolve_options(config),
            known_transforms(config),
            lambda: progress_display(config),
            **_share(config),
        )
        config.add_cleanup(config.stash[_SESSION].close)
    return config.stash[_SESSION]


def _share(config: pytest.Config) -> dict[str, int]:
    """Return how many processes share the machine, and which of them this is: the controller of xdist says."""
    if not hasattr(config, "workerinput"):
        return {}
    from pytest_robustness.plugin.xdist import PROCESS

    return {"processes": config.workerinput["workercount"], "process": config.workerinput[PROCESS]}


def known_transforms(config: pytest.Config) -> Registry:
    """Return the built-in transforms and those that the project registers."""
    from pytest_robustness.transforms import builtin

    registry = builtin()
    # Also called later, for each conftest.py of a subfolder that pytest reads while it collects.
    config.hook.pytest_robustness_register.call_historic(kwargs={"registry": registry})
    return registry


def progress_display(config: pytest.Config) -> Progress:
    """Return what shows how far a sweep is: a bar on a terminal, else lines; nothing with ``-q`` or in a worker."""
    from pytest_robustness.plugin.progress import BarProgress, LineProgress, SilentProgress

    if hasattr(config, "workerinput"):
        # The controller shows how far the workers are, and their notes.
        return SilentProgress(robustness_session(config).run_log.notes.append)
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None or reporter.verbosity < 0:
        return SilentProgress()
    capture = config.pluginmanager.getplugin("capturemanager")
    uncaptured = capture.global_and_fixture_disabled if capture else contextlib.nullcontext

    terminal = config.get_terminal_writer()

    def write(line: str) -> None:
        with uncaptured():
            # xdist's row of letters; the reporter itself breaks the row that it writes.
            if terminal.width_of_current_line and not reporter.currentfspath:
                terminal.line()
            reporter.write_line(line)

    return BarProgress(uncaptured) if reporter.isatty else LineProgress(write)
