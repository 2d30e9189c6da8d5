"""Measure the page's size and the reports' speed for 12 models x 9 transforms x 1000 classes.

Run ``python benchmarks/report.py``: once at one severity, once at five. The results are simulated
(``tests/simulated.py``), so neither data nor models are needed; the time to read the gallery's images again is
therefore not in it. With Playwright and Chromium it also measures, in the browser, opening the page and sorting and
filtering the table of classes until the change is laid out: medians of five.
"""

from __future__ import annotations

import runpy
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from paired import seconds

from pytest_robustness.report import tables, terminal
from pytest_robustness.report.page import render

if TYPE_CHECKING:
    from pytest_robustness.report.run_report import RunReport

TESTS = Path(__file__).parents[1] / "tests"
REPEATS = 5
READING = "async () => { const start = performance.now(); await readData(); return performance.now() - start; }"

simulated_report = runpy.run_path(str(TESTS / "simulated.py"))["simulated_report"]


def main() -> None:
    """Print the size of each page, the time of each report, and the time of each interaction."""
    for severities in ((3,), (1, 2, 3, 4, 5)):
        view = simulated_report(severities=severities)
        with tempfile.TemporaryDirectory() as folder:
            took = report_times(view, Path(folder))
            path = Path(folder) / "index.html"
            rows = len(view.conditions) * len(view.classes)
            print(f"{rows:>6,} rows: {path.stat().st_size / 1e6:.2f} MB")
            for name, time in took.items():
                print(f"        {time:>5.2f} s   {name}")
            for name, milliseconds in browser_times(path).items():
                print(f"        {milliseconds:>5.1f} ms  {name}")


def report_times(view: RunReport, folder: Path) -> dict[str, float]:
    """Return the seconds that writing each report takes."""
    return {
        "page": seconds(lambda: render.write(view, folder)),
        "tables": seconds(lambda: tables.write(view, folder)),
        "summary": seconds(lambda: terminal.render(view, 80, color=True)),
    }


def browser_times(path: Path) -> dict[str, float]:
    """Return the milliseconds of reading the page's data and of each interaction; nothing without a browser."""
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        return {}
    shared = runpy.run_path(str(TESTS / "browser/interactions.py"))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(f"{path.as_uri()}#classes")
        page.wait_for_selector("html[data-ready]")
        rounds = [
            [page.evaluate(READING), *(page.evaluate(shared["TIMED"], list(each)) for each in shared["INTERACTIONS"])]
            for _ in range(REPEATS)
        ]
        browser.close()
    interactions = [" ".join(str(part) for part in each if part is not None) for each in shared["INTERACTIONS"]]
    names = ["reading the data", *interactions]
    return {name: statistics.median(times) for name, times in zip(names, zip(*rounds, strict=True), strict=True)}


if __name__ == "__main__":
    main()
