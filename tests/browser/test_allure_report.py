"""The built Allure report of 12 models x 9 transforms x 1000 classes, in headless Chromium."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import runpy
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import allure_commons
import pytest
from allure_commons import model2
from allure_commons.logger import AllureFileLogger
from allure_commons.reporter import AllureReporter
from allure_commons.utils import uuid4

from pytest_robustness.analysis.findings import ClassChange, ClassTest
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import Cell
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.naming import condition_text
from pytest_robustness.report.allure import history, npm, record, run_files
from pytest_robustness.report.allure.build import PAGES, build
from pytest_robustness.report.allure.facts import facts_of
from pytest_robustness.report.finding_text import finding_lines
from pytest_robustness.report.page import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import BrowserContext, Page

    from pytest_robustness.analysis.findings import Finding
    from pytest_robustness.report.confusions import ClassConfusion
    from pytest_robustness.report.run_report import RunReport

pytestmark = pytest.mark.slow


@dataclasses.dataclass
class Opened:
    """A page in the browser, with all that it asked for and complained of."""

    page: Page
    requests: list[str] = dataclasses.field(default_factory=list)
    complaints: list[str] = dataclasses.field(default_factory=list)


simulated_report = runpy.run_path(str(Path(__file__).parents[1] / "simulated.py"))["simulated_report"]

MEGABYTE = 1024**2
NASTY = ("<script>alert(1)</script>", "a/b|c", "x\" onload='alert(1)'")


class Writer:
    """Writes results as allure-pytest does, without a run."""

    def __init__(self, folder: Path) -> None:
        self.reporter = AllureReporter()
        self.files = AllureFileLogger(folder)

    @allure_commons.hookimpl
    def attach_data(self, body: bytes | str, name: str, attachment_type: object, extension: str | None) -> None:
        self.reporter.attach_data(uuid4(), body, name=name, attachment_type=attachment_type, extension=extension)

    def write(self, finding: Finding, view: RunReport, start: int) -> None:
        failed = finding.verdict.outcome is Outcome.FAIL
        uuid = uuid4()
        status = model2.Status.FAILED if failed else model2.Status.PASSED
        result = model2.TestResult(uuid=uuid, start=start, stop=start + 5, status=status)
        self.reporter.schedule_test(uuid, result)
        facts = facts_of([finding], view.models, "imagenet")
        record.place(result, facts, several_severities=False)
        record.identify(result, facts, facts, {}, "imagenet")
        kind = "classes" if isinstance(finding, ClassTest) else "models"
        record.rename(result, f"robustness_tests.test_{kind}#test", facts[0].title, ("robustness_tests",))
        if failed:
            result.statusDetails = model2.StatusDetails(message=f"Skipped: {finding_lines(finding)[0]}")
            record.shorten(result)
        record.report(result, [finding], None)
        # For a model, the classes that all models together lose stand in for its own.
        classes = next(test for test in view.class_tests if test.condition == finding.condition)
        record.attach_evidence(finding, classes, [e for e in view.gallery if e.condition == finding.condition])
        self.reporter.close_test(uuid)


def write_results(view: RunReport, folder: Path, run: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    writer = Writer(folder)
    allure_commons.plugin_manager.register(writer)
    allure_commons.plugin_manager.register(writer.files)
    try:
        for number, finding in enumerate((*view.model_tests, *view.class_tests)):
            writer.write(finding, view, 1_700_000_000_000 + 86_400_000 * run + 10 * number)
        render.write(view, folder.parent / "page")
        page = (folder.parent / "page" / "index.html").read_bytes()
        writer.reporter.global_attach_data(uuid4(), page, "page", "text/html", "html")
    finally:
        allure_commons.plugin_manager.unregister(writer)
        allure_commons.plugin_manager.unregister(writer.files)
    run_files.write(view, folder, {})


def _change(fall: ClassConfusion) -> ClassChange:
    return ClassChange(fall.index, fall.name, 100 * fall.right_control / fall.n, 100 * fall.right_treated / fall.n)


def simulated(**chosen: object) -> RunReport:
    view: RunReport = simulated_report(**chosen)
    worst = {cell: tuple(map(_change, found)) for cell, found in view.confusions.items()}
    tests = [dataclasses.replace(test, worst=worst[Cell(test.model, test.condition)]) for test in view.model_tests]
    options = {"test": "independent", "precision": "fp32", **view.provenance["options"]}
    return dataclasses.replace(
        view, model_tests=tuple(tests), provenance={"runtime": "eager", **view.provenance, "options": options}
    )


@functools.cache
def full(seed: int) -> RunReport:
    """Simulate a run of 12 models x 9 transforms x 1000 classes."""
    return simulated(seed=seed)


def built(folder: Path, views: list[RunReport], gate: tuple[tuple[str, float], ...] = ()) -> tuple[Path, list[str]]:
    """Build the reports of several runs, one after the other, and return the last with its broken rules."""
    try:
        npm.install(npm.find_node())
    except RobustnessError as error:
        pytest.skip(f"Allure cannot be installed here: {error}")
    broken: list[str] = []
    for number, view in enumerate(views):
        write_results(view, folder / "results", number)
        past = folder / "history.jsonl"
        broken, lines = build(view, folder / "results", folder / "report", history.read(past), gate)
        history.write(past, lines)
    return folder / "report", broken


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the third of three runs."""
    return built(tmp_path_factory.mktemp("allure"), [full(seed) for seed in range(3)])[0]


@pytest.fixture
def opened(browser: BrowserContext) -> Iterator[Callable[[Path], Opened]]:
    """What opens a page of a report and waits until it is drawn."""
    pages: list[Page] = []

    def open_file(path: Path) -> Opened:
        page = browser.new_page()
        pages.append(page)
        found = Opened(page)
        page.on("request", lambda request: found.requests.append(request.url))
        page.on("console", lambda message: found.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (found.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(path.as_uri())
        page.wait_for_selector("#app > *")
        page.wait_for_load_state("networkidle")
        return found

    yield open_file
    for page in pages:
        page.close()


@pytest.mark.parametrize("name", PAGES.values())
def test_the_report_opens_from_a_file_and_asks_for_nothing_else(
    report: Path, opened: Callable[[Path], Opened], name: str
) -> None:
    found = opened(report / name)
    outside = [url for url in found.requests if not url.startswith(("data:", "blob:"))]
    assert outside == [(report / name).as_uri()]
    assert found.complaints == []


def test_the_single_file_stays_small(report: Path) -> None:
    assert (report / PAGES["awesome"]).stat().st_size < 15 * MEGABYTE
    assert {path.name for path in report.iterdir()} == set(PAGES.values())


def test_every_result_is_shown_under_its_model(report: Path, opened: Callable[[Path], Opened]) -> None:
    page = opened(report / PAGES["awesome"]).page
    page.get_by_text("Robustness on").first.wait_for()
    view = full(2)
    text = page.inner_text("body")
    titles = {label: label for label in view.labels.values()} | {"all models": "classes"}
    for label, title in titles.items():
        assert f'Environment: "{label}"' in text
        for condition in view.conditions:
            assert f"{title} under {condition_text(condition)}\n" in text
    assert "Results 117" in text.replace("\n", " ")


def test_a_result_shows_its_finding_and_its_evidence(report: Path, opened: Callable[[Path], Opened]) -> None:
    found = opened(report / PAGES["awesome"])
    page = found.page
    page.get_by_text("alexnet under vflip", exact=True).first.click()
    page.get_by_text("failing classes, the worst 250 of").wait_for()
    text = page.inner_text("body")
    assert " points (SEVERE): alexnet under vflip: accuracy fell" in text
    assert "Category: Severe" in text
    page.get_by_text("accuracy before and after").click()
    chart = page.wait_for_selector("img[src^='blob:'], svg:has-text('all classes')")
    assert chart.bounding_box()["width"] > 400
    page.get_by_text("before and after vflip").first.click()
    page.wait_for_selector("img[src^='data:image/']")
    assert found.complaints == []


def test_the_page_is_there_once_to_download(report: Path, opened: Callable[[Path], Opened]) -> None:
    page = opened(report / PAGES["awesome"]).page
    page.get_by_text("Global Attachments").click()
    assert page.get_by_text("text/html").count() == 1


def test_the_history_shows_three_runs(report: Path, opened: Callable[[Path], Opened]) -> None:
    runs = [json.loads(line) for line in (report.parent / "history.jsonl").read_text().splitlines()]
    assert [len(run["testResults"]) for run in runs] == [117, 117, 117]
    assert all(set(run["testResults"]) == set(runs[0]["testResults"]) for run in runs)
    assert [run["metrics"]["sensitive_classes.vflip"] for run in runs] == [
        sum(test.condition.transform == "vflip" and len(test.sensitive) for test in full(seed).class_tests)
        for seed in range(3)
    ]
    page = opened(report / PAGES["dashboard"]).page
    page.get_by_text("Results over the runs").wait_for()
    chart = page.locator("div", has=page.get_by_text("Results over the runs", exact=True)).last.locator("xpath=..")
    assert chart.get_by_text("Latest").count() == 1
    assert len(re.findall(r"\d+/\d+/\d{4}", chart.inner_text())) == 2
    assert chart.locator("svg").first.is_visible()


def test_the_dashboard_has_the_map_of_models_and_transforms(report: Path, opened: Callable[[Path], Opened]) -> None:
    page = opened(report / PAGES["dashboard"]).page
    view = full(2)
    page.wait_for_selector('[data-testid="cell.alexnet.vflip"]')
    for label in (*view.labels.values(), "all models"):
        for condition in view.conditions:
            assert page.locator(f'[data-testid="cell.{label}.{condition.transform}"]').count() == 1


def test_names_do_no_harm_and_a_gate_says_what_it_misses(tmp_path: Path, opened: Callable[[Path], Opened]) -> None:
    view = simulated(models=[*NASTY, "net"], classes=[*NASTY, "owl", "yak"], transforms=["vflip"], images=200)
    nasty = dataclasses.replace(
        view,
        model_tests=tuple(
            dataclasses.replace(test, worst=tuple(ClassChange(i, name, 90.0, 10.0) for i, name in enumerate(NASTY)))
            for test in view.model_tests
        ),
    )
    report, broken = built(tmp_path, [nasty], (("maxFailures", 0.0), ("minTestsCount", 1.0)))
    assert len(broken) == 1
    assert "exceeds the allowed threshold value 0" in broken[0]
    for name in PAGES.values():
        assert opened(report / name).complaints == []
    found = opened(report / PAGES["awesome"])
    for label in NASTY:
        found.page.get_by_text(f"{label} under vflip", exact=True).first.click()
        found.page.get_by_text("accuracy before and after").click()
        found.page.get_by_text("failing classes").click()
        found.page.get_by_text("class_name").wait_for()
        assert label in found.page.inner_text("body")
        found.page.go_back()
    assert found.complaints == []
