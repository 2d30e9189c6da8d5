"""The built Allure report of 12 models x 9 transforms x 1000 classes, in headless Chromium."""

from __future__ import annotations

import dataclasses
import json
import runpy
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import allure_commons
import pytest
from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import Status, StatusDetails, TestResult
from allure_commons.reporter import AllureReporter
from allure_commons.utils import uuid4

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records import ClassTest, Outcome
from pytest_robustness.reports import html
from pytest_robustness.reports.allure import node, record, run_files
from pytest_robustness.reports.allure.build import PAGES, build
from pytest_robustness.reports.allure.facts import facts_of
from pytest_robustness.view import finding_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from pytest_robustness.records import Finding
    from pytest_robustness.view import View

simulated_view = runpy.run_path(str(Path(__file__).parents[1] / "simulated.py"))["simulated_view"]

MEGABYTE = 1024**2
NASTY = ("<script>alert(1)</script>", "a/b|c", "x\" onerror='alert(1)'")


class Writer:
    """Writes results as allure-pytest does, without a run."""

    def __init__(self, folder: Path) -> None:
        self.reporter = AllureReporter()
        self.files = AllureFileLogger(folder)

    @allure_commons.hookimpl
    def attach_data(self, body: bytes | str, name: str, attachment_type: object, extension: str | None) -> None:
        self.reporter.attach_data(uuid4(), body, name=name, attachment_type=attachment_type, extension=extension)

    def write(self, finding: Finding, view: View, start: int) -> None:
        failed = finding.verdict.outcome is Outcome.FAIL
        uuid = uuid4()
        result = TestResult(uuid=uuid, start=start, stop=start + 5, status=Status.FAILED if failed else Status.PASSED)
        self.reporter.schedule_test(uuid, result)
        facts = facts_of([finding], view.models, "imagenet")
        record.place(result, facts, {}, several_severities=False)
        kind = "classes" if isinstance(finding, ClassTest) else "models"
        record.rename(result, f"robustness_tests.test_{kind}#test", facts[0].title, ("robustness_tests",))
        if failed:
            result.statusDetails = StatusDetails(message="\n".join(finding_lines(finding)))
        record.report(result, [finding])
        # For a model, the classes that all models together lose stand in for its own.
        classes = next(test for test in view.class_tests if test.condition == finding.condition)
        record.prove(finding, classes, [e for e in view.gallery if e.condition == finding.condition])
        self.reporter.close_test(uuid)


def write_results(view: View, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    writer = Writer(folder)
    allure_commons.plugin_manager.register(writer)
    allure_commons.plugin_manager.register(writer.files)
    try:
        for number, finding in enumerate((*view.model_tests, *view.class_tests)):
            writer.write(finding, view, 1_700_000_000_000 + 10 * number)
        html.write(view, folder.parent / "page")
        page = (folder.parent / "page" / "index.html").read_bytes()
        writer.reporter.global_attach_data(uuid4(), page, "page", "text/html", "html")
    finally:
        allure_commons.plugin_manager.unregister(writer)
        allure_commons.plugin_manager.unregister(writer.files)
    run_files.write(view, folder, {})


def simulated(**chosen: object) -> View:
    view: View = simulated_view(**chosen)
    options = {"test": "independent", "precision": "fp32", **view.provenance["options"]}
    return dataclasses.replace(view, provenance={"runtime": "eager", **view.provenance, "options": options})


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the third of three runs, of which the second was better."""
    try:
        node.install(node.find_node())
    except RobustnessError as error:
        pytest.skip(f"Allure cannot be had here: {error}")
    folder = tmp_path_factory.mktemp("allure")
    history = folder / "history.jsonl"
    for seed, transforms in enumerate((None, ["hflip", "brightness"], None)):
        view = simulated(seed=seed) if transforms is None else simulated(seed=seed, transforms=transforms)
        write_results(view, folder / "results")
        build(view, folder / "results", folder / "report", history, ())
    return folder / "report"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium on the PATH")
    with sync.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()
