"""The plugin: hooks, each a few lines that delegate."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.analysis.studies import STUDIES
from pytest_robustness.core.errors import DisagreementError, RobustnessError
from pytest_robustness.frontends.plugin import fixtures, hookspecs
from pytest_robustness.frontends.plugin.active import (
    ALLURE_HOOKS,
    active_session,
    known_transforms,
    progress_display,
    require_allure,
    robustness_session,
)
from pytest_robustness.frontends.plugin.asked import asks, mark
from pytest_robustness.frontends.plugin.configuration import add_options, refuse_unknown, resolve_options
from pytest_robustness.frontends.plugin.fixture_names import TARGETS
from pytest_robustness.frontends.plugin.handing_over import PROCESS, TakeOver, hand_over, hands_over
from pytest_robustness.frontends.plugin.misplaced import refuse_misplaced
from pytest_robustness.frontends.plugin.refusal import PROBLEM, forget_report, refuse, runs_tests, usage_errors
from pytest_robustness.frontends.plugin.undecided import Undecided
from pytest_robustness.frontends.plugin.unfinished import UNFINISHED_HOOKS, UnfinishedHooks

if TYPE_CHECKING:
    from collections.abc import Generator


_log = logging.getLogger(__name__)

_WITH_ALLURE = pytest.StashKey[bool]()
_JUDGES = pytest.StashKey[bool]()
_SHOWN = pytest.StashKey[dict[str, str]]()
_FIGURES = pytest.StashKey[list[tuple[str, object]]]()
_NEWS_SINCE = pytest.StashKey[tuple[int, int, int, int, int]]()
_NOTHING = (0, 0, 0, 0, 0)

_MARKER = (
    "robustness(models=None, transforms=None): a test of image classifiers' robustness; the arguments name what its "
    "`cell` or `condition` fixture runs over, in place of the options"
)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the options, and follow whether the run gets to know its tests."""
    add_options(parser)
    pluginmanager.register(Undecided(pluginmanager), "robustness-undecided")


def pytest_load_initial_conftests(args: list[str]) -> None:
    """Refuse an option that is misspelled, before pytest does."""
    refuse_unknown(args)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hook for a user's own transforms, and the fixtures."""
    pluginmanager.add_hookspecs(hookspecs)
    # Not by `pytest_plugins`: pytest would read the metadata of every installed package for it.
    pluginmanager.register(fixtures, fixtures.__name__)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker and check the options."""
    config.stash[PROCESS] = os.getpid()
    studies = (f"{name}: a test that asks the study of that name; the bundled one runs on request" for name in STUDIES)
    for line in (_MARKER, *studies):
        config.addinivalue_line("markers", line)
    with usage_errors(config):
        options = resolve_options(config)
    if options.timeout is not None:
        from pytest_robustness.inference.user_calls.deadline import keep_stderr

        keep_stderr()
    if options.plan:
        from pytest_robustness.frontends.plugin.forecasting import Forecasting, take_over

        take_over(config)
        config.pluginmanager.register(Forecasting(lambda: active_session(config)), "robustness-forecasting")
        return
    config.pluginmanager.register(UnfinishedHooks(), UNFINISHED_HOOKS)
    if config.stash.get(_WITH_ALLURE, False) or options.allure_report is not None:
        from pytest_robustness.frontends.plugin.allure import AllureHooks

        hooks = AllureHooks(config, options, lambda: active_session(config))
        config.pluginmanager.register(hooks, ALLURE_HOOKS)
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        from pytest_robustness.frontends.plugin.xdist import XdistHooks

        controller = XdistHooks(
            lambda: robustness_session(config).run_log, options.store, lambda: progress_display(config)
        )
        config.pluginmanager.register(controller, "robustness-xdist")
    elif not hasattr(config, "workerinput"):
        config.pluginmanager.register(TakeOver(lambda: robustness_session(config).run_log), "robustness-take-over")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Answer ``--robustness-list``; have results written where an Allure report is asked for."""
    with usage_errors(config):
        refuse_misplaced(config)
        options = resolve_options(config)
        if not options.plan and (options.allure_report is not None or config.getoption("allure_report_dir", None)):
            require_allure()
            from pytest_robustness.frontends.plugin.allure import prepare

            config.stash[_WITH_ALLURE] = True
            prepare(config, options.allure_report)
    if not options.list:
        return None
    from pytest_robustness.frontends.session.listing import print_catalogue

    with usage_errors(config):
        print_catalogue(known_transforms(config))
    return 0


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every test that names the plugin's ``robustness`` fixture, so that ``-m robustness`` finds it."""
    mark(item)
    if asks(item):
        item.config.stash[_JUDGES] = True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None]:
    """Run a test over every cell, or every condition, once all other hooks have given its arguments values."""
    yield
    if not TARGETS.isdisjoint(metafunc.fixturenames):
        from pytest_robustness.frontends.plugin.parametrizing import parametrize_test

        parametrize_test(metafunc)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Keep what a subfolder's ``conftest.py`` cannot register from reading as a folder that cannot be collected."""
    report = yield
    call = getattr(report, "call", None)
    if call is None or call.excinfo is None or not isinstance(call.excinfo.value, RobustnessError):
        return report
    if all(entry.name != hookspecs.pytest_robustness_register.__name__ for entry in call.excinfo.traceback):
        return report
    collector.config.stash[PROBLEM] = call.excinfo.value
    return pytest.CollectReport(report.nodeid, "passed", None, [])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Parametrize what waited for a transform; stop where an option or a marker names what does not exist."""
    if any(map(asks, items)):
        from pytest_robustness.frontends.plugin.parametrizing import COLLECTED, collected_again

        config.stash[COLLECTED] = True
        items[:] = collected_again(config, items)
    if PROBLEM in config.stash:
        refuse(config, items, config.stash[PROBLEM])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Make the plan of what the selected tests need, and open the data.

    Pytest calls this of a collection that was refused, too: another error would take the place of that one.
    """
    if PROBLEM in session.config.stash:
        return
    items = [item for item in session.items if asks(item)]
    if not items:
        if session.config.stash.get(_JUDGES, False) and not session.items:
            forget_report(session.config)
        return
    # Before anything that takes long: whoever kills the run then finds no report.
    forget_report(session.config)
    from pytest_robustness.frontends.plugin.collection import requests, studies
    from pytest_robustness.frontends.plugin.parametrizing import refuse_late_markers

    try:
        refuse_late_markers(session.config, items)
        robustness = robustness_session(session.config)
        robustness.plan(
            (request for item in items for request in requests(item, robustness)),
            (request for item in items for request in studies(item, robustness)),
        )
        if not session.config.option.collectonly:
            robustness.open_data()
    except RobustnessError as error:
        _log.debug("the run cannot begin", exc_info=True)
        refuse(session.config, session.items, error)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Clear the previous test's findings, so that a test that fails in setup is not credited with them.

    Nor is a test that runs again, as plugins have failed ones do, with those of its first time.
    """
    earlier = item.stash.setdefault(_FIGURES, [])
    item.user_properties[:] = [one for one in item.user_properties if all(one is not figure for figure in earlier)]
    earlier.clear()
    robustness = active_session(item.config)
    if robustness is not None:
        robustness.findings.clear()
        item.stash[_NEWS_SINCE] = robustness.run_log.length


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Give the figures of a test to whoever reads its properties, JUnit XML among them."""
    try:
        yield
    finally:
        # A test may be the first to ask for the session.
        robustness = active_session(item.config)
        if robustness is not None:
            from pytest_robustness.report.junit import figures

            found = item.stash.setdefault(_FIGURES, [])
            found += [figure for finding in robustness.findings for figure in figures(finding)]
            item.user_properties += found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show a finding, or an error of ours, by its text; hand the run log of another process to who writes reports."""
    mark(item)
    report = yield
    robustness = active_session(item.config)
    if (report.when == "call" or report.failed) and robustness is not None and hands_over(item.config):
        run_log = robustness.run_log
        if run_log.keys or run_log.errors:  # before a sweep there is nothing to hand over
            hand_over(report, run_log.since(*item.stash.get(_NEWS_SINCE, _NOTHING)))
        if call.excinfo is not None and isinstance(call.excinfo.value, DisagreementError):
            from pytest_robustness.frontends.plugin.xdist import DISAGREEMENT

            vars(report)[DISAGREEMENT] = str(call.excinfo.value)
    if call.excinfo is None or not report.failed or robustness is None:
        return report
    from pytest_robustness.frontends.plugin.assertion import NotRobust, shown
    from pytest_robustness.frontends.plugin.rerun import note_folders

    note_folders(item, report)

    if isinstance(call.excinfo.value, NotRobust | RobustnessError):
        # One model that cannot be loaded fails every test of it, for one reason.
        first = item.config.stash.setdefault(_SHOWN, {}).setdefault(str(call.excinfo.value), item.name)
        text = shown(call.excinfo, item.config, report.longrepr, where="" if first == item.name else first)
        text.addsection("robustness", f"report: {robustness.report_folder}")
        report.longrepr = text
    return report


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Write the reports, also where another plugin fails to write its own; a worker of xdist hands over its run log."""
    from pytest_robustness.frontends.plugin.closing import another_plugins_files, finish

    try:
        with another_plugins_files(session):
            yield
    finally:
        if PROBLEM not in session.config.stash and runs_tests(session.config):
            finish(session)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    """Print the summary last, below pytest's long list of failed tests."""
    yield
    robustness = active_session(config)
    writer = config.get_terminal_writer()
    if robustness is None:
        return
    from pytest_robustness.frontends.plugin.closing import NOT_WRITTEN

    if NOT_WRITTEN in config.stash:
        terminalreporter.write_line(config.stash[NOT_WRITTEN])
    text = robustness.summary(writer.fullwidth, writer.hasmarkup, config.get_verbosity() > 0)
    if text:
        from pytest_robustness.core.text import encodable
        from pytest_robustness.frontends.plugin.rerun import rerun_lines

        terminalreporter.section("robustness")
        # Of a line with one sign that the encoding lacks, pytest would show all such signs as escapes, rules too.
        encoding = getattr(getattr(writer, "_file", None), "encoding", None) or "utf-8"
        for line in (*text.splitlines(), *rerun_lines(config, terminalreporter.getreports("failed"), writer.fullwidth)):
            terminalreporter.write_line(encodable(line, encoding))
