"""Chromium as Debian packages it, driven by Playwright, on pages of simulated results.

Its shell without windows, where it is installed, takes two thirds of the time.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import runpy
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_robustness.core import Cell, Condition
from pytest_robustness.report.page import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import BrowserContext, Page

    from pytest_robustness.analysis.findings import ClassFinding
    from pytest_robustness.report.run_report import RunReport

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NASTY = ("<script>alert(1)</script>", "a/b|c", 'x" onload="alert(1)')

simulated_report = runpy.run_path(str(Path(__file__).parents[1] / "simulated.py"))["simulated_report"]


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., BrowserContext]]:
    """What starts a browser with a profile of its own."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium-headless-shell")
    with playwright.sync_playwright() as driver:

        def start(**options: Any) -> BrowserContext:
            context: BrowserContext = driver.chromium.launch_persistent_context(
                tmp_path_factory.mktemp("profile"), executable_path=chromium, headless=True, args=_FLAGS, **options
            )
            return context

        yield start


@pytest.fixture(scope="session")
def browser(launch: Callable[..., BrowserContext]) -> Iterator[BrowserContext]:
    """One browser for all tests."""
    context = launch(permissions=["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@dataclasses.dataclass
class Opened:
    """A page in the browser, with all that it asked for and complained of."""

    page: Page
    requests: list[str]
    complaints: list[str]


@pytest.fixture
def open_page(browser: BrowserContext) -> Iterator[Callable[..., Opened]]:
    """What opens a file and waits until its scripts are done."""
    pages: list[Page] = []

    def opened(path: Path, tab: str = "overview", width: int = 1400) -> Opened:
        page = browser.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": 900})
        found = Opened(page, [], [])
        page.on("request", lambda request: found.requests.append(request.url))
        page.on("console", lambda message: found.complaints.append(message.text))
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (found.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(f"{path.as_uri()}#{tab}")
        page.wait_for_selector("html[data-ready]")
        return found

    yield opened
    for page in pages:
        page.close()


@pytest.fixture(scope="session")
def full_view() -> RunReport:
    """12 models, 9 transforms, 1000 classes."""
    view: RunReport = simulated_report()
    return view


@pytest.fixture(scope="session")
def full_page(full_view: RunReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of it."""
    return render.write(full_view, tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="session")
def odd_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small page with everything on it: severities, corrections, errors, skipped images, names that are markup."""
    view = simulated_report(
        models=[*NASTY, "net"],
        classes=[*NASTY, "owl", "owl", "yak"],
        transforms=["zoom", "vflip"],
        severities=[1, 3, 5],
        correction="bh",
        images=60,
    )
    gone = Condition("hflip")
    odd = dataclasses.replace(
        view,
        conditions=(*view.conditions, gone),
        errors={Cell("net", gone): f"net failed: {NASTY[0]}"},
        skipped=(f"photos/{NASTY[0]}.png",),
        gallery=(
            dataclasses.replace(view.gallery[0], thumbnails=None, note="This image cannot be shown"),
            *view.gallery,
        ),
        gallery_note="The images could not be opened again",
    )
    return render.write(odd, tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="session")
def lone_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of one model alone on five classes."""
    view = simulated_report(models=["production"], classes=["circle", "cross", "square", "star", "triangle"])
    return render.write(view, tmp_path_factory.mktemp("lone"))


# What spreadsheets run or take for numbers, what is part of another name, twins, and white space.
TRICKY = (
    *("ox", "box turtle", "=SUM(A1:A9)", "+1", "@at", "-minus", "－wide", "-0.5", "1,000", "1e5", "7"),
    *("  leading", "new\nline", "owl", "owl", "–", "\ttab"),
)


@pytest.fixture(scope="session")
def tricky_view() -> RunReport:
    """Two models on classes with names that are easily taken for something else."""
    view: RunReport = simulated_report(
        models=["=model", "plain"], classes=TRICKY, transforms=["zoom", "vflip", "hflip"], images=40
    )
    return view


@pytest.fixture(scope="session")
def tricky_page(tricky_view: RunReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of it."""
    return render.write(tricky_view, tmp_path_factory.mktemp("tricky"))


@pytest.fixture(scope="session")
def long_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of classes named as iNaturalist's folders are, under more conditions than fit on paper."""
    tree = "Animalia_Chordata_Aves_Passeriformes_Passerellidae_Melozone_crissalis"
    view = simulated_report(
        models=["a", "b", "c"],
        classes=[f"{i:05}_{tree}_{'x' * i}" for i in range(12)],
        transforms=["zoom", "rotation", "translate", "perspective", "brightness", "equalize_zoom_brightness", "vflip"],
        severities=[1, 2, 3, 4, 5],
        images=60,
    )
    return render.write(view, tmp_path_factory.mktemp("long"))


@pytest.fixture(scope="session")
def corrected_view() -> RunReport:
    """Corrected p-values, few images (so that figures end in halves), and effect sizes that are not finite."""
    view: RunReport = simulated_report(
        models=["a", "b", "c", "d"], classes=[f"class {i}" for i in range(60)], correction="holm", images=16
    )
    sizes = itertools.cycle((math.inf, -math.inf, -0.001, math.nan))

    def odd(finding: ClassFinding) -> ClassFinding:
        if finding.index % 7:
            return finding
        return dataclasses.replace(finding, result=dataclasses.replace(finding.result, effect_size=next(sizes)))

    tests = [dataclasses.replace(test, classes=tuple(map(odd, test.classes))) for test in view.class_tests]
    return dataclasses.replace(view, class_tests=tuple(tests))


@pytest.fixture(scope="session")
def corrected_page(corrected_view: RunReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of it."""
    return render.write(corrected_view, tmp_path_factory.mktemp("corrected"))
