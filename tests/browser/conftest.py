"""Chromium as Debian packages it, driven by Playwright, on pages of simulated results."""

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
from pytest_robustness.report import tables
from pytest_robustness.report.page import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import BrowserContext, Page

    from pytest_robustness.analysis.test_result import TestResult
    from pytest_robustness.report.run_report import View

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Halves of a digit that are shown, exact or nearly so, and sizes at which the notation changes.
NEAR_HALVES = (-89.35185185, -89.3500001, 9.44444, 6.25, 6.2500001, -0.04, 18.75, 0.125, -0.125, 12.0, -0.001)
NEAR_HALF_PS = (0.001953125, 1.4501e-40, 0.125, 0.0625, 0.625, 9.96e-5, 9.94e-5, 0.0995, 0.996, 1e-5, 0.0, 1.0)
NASTY = ("<script>alert(1)</script>", "a/b|c", 'x" onload="alert(1)')

simulated_view = runpy.run_path(str(Path(__file__).parents[1] / "simulated.py"))["simulated_view"]


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., BrowserContext]]:
    """What starts a browser with a profile of its own."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
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
def full_view() -> View:
    """12 models, 9 transforms, 1000 classes."""
    view: View = simulated_view()
    return view


@pytest.fixture(scope="session")
def full_page(full_view: View, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of it."""
    return render.write(full_view, tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="session")
def odd_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small page with everything on it: severities, corrections, errors, skipped images, names that are markup."""
    view = simulated_view(
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
def long_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of classes named as iNaturalist's folders are, under more conditions than fit on paper."""
    tree = "Animalia_Chordata_Aves_Passeriformes_Passerellidae_Melozone_crissalis"
    view = simulated_view(
        models=["a", "b", "c"],
        classes=[f"{i:05}_{tree}_{'x' * i}" for i in range(12)],
        transforms=["zoom", "rotation", "translate", "perspective", "brightness", "equalize_zoom_brightness", "vflip"],
        severities=[1, 2, 3, 4, 5],
        images=60,
    )
    return render.write(view, tmp_path_factory.mktemp("long"))


@pytest.fixture(scope="session")
def rounded_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with page and ``results.json``, of figures that round differently when they are rounded twice."""
    view = simulated_view(
        models=["a", "b", "c", "d"], classes=[f"class {i}" for i in range(60)], correction="holm", images=16
    )
    values, ps = itertools.cycle(NEAR_HALVES), itertools.cycle(NEAR_HALF_PS)
    sizes = itertools.cycle((*NEAR_HALVES, math.inf, -math.inf))

    def odd(result: TestResult) -> TestResult:
        changes = {name: next(values) for name in ("difference", "ci_low", "ci_high")}
        accuracies = {name: abs(next(values)) for name in ("control", "treated")}
        p = {name: next(ps) for name in ("p_value", "p_adjusted")}
        return dataclasses.replace(result, **changes, **accuracies, **p, effect_size=next(sizes))

    first, *rest = view.class_tests
    first = dataclasses.replace(
        first, classes=tuple(dataclasses.replace(finding, result=odd(finding.result)) for finding in first.classes)
    )
    models = tuple(
        dataclasses.replace(test, result=odd(test.result)) if test.model == "a" else test for test in view.model_tests
    )
    folder = tmp_path_factory.mktemp("rounded")
    view = dataclasses.replace(view, class_tests=(first, *rest), model_tests=models)
    render.write(view, folder)
    tables.write(view, folder)
    return folder
