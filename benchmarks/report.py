"""How large the page gets, and how quick it is: 12 models x 9 transforms x 1000 classes, at one severity and at five.

Run ``python benchmarks/report.py``. The results are simulated (``tests/simulated.py``), so neither data nor models are
needed; the time to read the gallery's images again is therefore not in it. With Playwright and Chromium there, it also
tells how long sorting and filtering the table of classes takes in the browser: until the change is laid out, the median
of five.
"""

from __future__ import annotations

import runpy
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from pytest_robustness.reports import html

TESTS = Path(__file__).parents[1] / "tests"
REPEATS = 5

simulated_view = runpy.run_path(str(TESTS / "simulated.py"))["simulated_view"]


def main() -> None:
    """Print one line for each size of result, and one for each interaction with its page."""
    for severities in ((3,), (1, 2, 3, 4, 5)):
        view = simulated_view(severities=severities)
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            path = html.write(view, Path(folder))
            seconds = time.perf_counter() - start
            rows = len(view.conditions) * len(view.classes)
            print(f"{rows:>6,} rows: {path.stat().st_size / 1e6:.2f} MB in {seconds:.1f} s")
            for name, milliseconds in browser_times(path).items():
                print(f"        {milliseconds:>5.1f} ms  {name}")


def browser_times(path: Path) -> dict[str, float]:
    """Return the milliseconds of each interaction with the table of classes; nothing where there is no browser."""
    chromium = shutil.which("chromium")
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
            [page.evaluate(shared["TIMED"], list(each)) for each in shared["INTERACTIONS"]] for _ in range(REPEATS)
        ]
        browser.close()
    names = [" ".join(str(part) for part in each if part is not None) for each in shared["INTERACTIONS"]]
    return {name: statistics.median(times) for name, times in zip(names, zip(*rounds, strict=True), strict=True)}


if __name__ == "__main__":
    main()
