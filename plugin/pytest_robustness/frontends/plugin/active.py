"""Find or create the session of a pytest run, which lives in pytest's own stash."""

from __future__ import annotations

import contextlib
import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.process import end_with_parent
from pytest_robustness.frontends.plugin.configuration import resolve_options

if TYPE_CHECKING:
    from pytest_robustness.core import Progress
    from pytest_robustness.frontends.session.session import RobustnessSession
    from pytest_robustness.transforms import Registry

ALLURE_HOOKS = "robustness-allure"
"""The name under which the hooks are registered that write for Allure."""

PROCESSES = pytest.StashKey[int]()
"""How many processes a run would have that only says what it would do."""

_SESSION = pytest.StashKey["RobustnessSession"]()


def active_session(config: pytest.Config) -> RobustnessSession | None:
    """Return the session of this run, if there is one already."""
    return config.stash.get(_SESSION, None)


def robustness_session(config: pytest.Config) -> RobustnessSession:
    """Return the session of this run; made when first asked for."""
    if _SESSION not in config.stash:
        from pytest_robustness import RobustnessSession

        share = _share(config)
        if hasattr(config, "workerinput"):
            # By itself a worker of xdist lives on for up to 15 seconds.
            end_with_parent(share["agreement"].asked_to_end)
        config.stash[_SESSION] = RobustnessSession(
            resolve_options(config),
            known_transforms(config),
            lambda: progress_display(config),
            **share,
        )
        config.add_cleanup(config.stash[_SESSION].close)
    return config.stash[_SESSION]


def _share(config: pytest.Config) -> dict[str, Any]:
    """Return how many processes share the machine, which of them this is, and what it must agree on with them."""
    if not hasattr(config, "workerinput"):
        return {"processes": config.stash[PROCESSES]} if PROCESSES in config.stash else {}
    from pytest_robustness.frontends.plugin.xdist import PROCESS
    from pytest_robustness.inference.agreement import Agreement, folder_of

    given, options = config.workerinput, resolve_options(config)
    if options.executor == "ray":
        raise OptionError(
            "--robustness-executor=ray does not go with -n: each process would start actors of its own. Leave -n out, "
            "and Ray divides the work; or leave the executor out."
        )
    folder = folder_of(options.store, given["testrunuid"])
    agreement = Agreement(folder, given["workerid"])
    return {"processes": given["workercount"], "process": given[PROCESS], "agreement": agreement}


def known_transforms(config: pytest.Config) -> Registry:
    """Return the built-in transforms and those that the project registers."""
    from pytest_robustness.transforms import builtin

    registry = builtin()
    # Also called later, for each conftest.py of a subfolder that pytest reads while it collects.
    config.hook.pytest_robustness_register.call_historic(kwargs={"registry": registry})
    return registry


def progress_display(config: pytest.Config) -> Progress:
    """Return what shows how far a sweep is: a bar on a terminal, else lines.

    With ``-q`` lines come only where it takes long; with ``-qq``, and in a worker, nothing is shown.
    """
    from pytest_robustness.frontends.session.progress import BarProgress, LineProgress, SilentProgress

    if hasattr(config, "workerinput"):
        # The controller shows how far the workers are, and their notes.
        return SilentProgress(robustness_session(config).note)
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None or reporter.verbosity < -1:
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

    return BarProgress(uncaptured) if reporter.isatty else LineProgress(write, brief=reporter.verbosity < 0)


def require_allure() -> None:
    """Raise `OptionError` where allure-pytest, a dependency, is not installed nevertheless."""
    if importlib.util.find_spec("allure") is None or importlib.util.find_spec("allure_commons") is None:
        raise OptionError("--robustness-allure-report needs allure-pytest: pip install allure-pytest.")
