"""Render the page ``index.html``: one file that requests nothing and works from ``file://``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from pytest_robustness.core.files import publish
from pytest_robustness.report import set_up, study_text, summary
from pytest_robustness.report.class_test_words import beyond_words, kind_of, words_of
from pytest_robustness.report.finding_text import image_text
from pytest_robustness.report.markup import environment
from pytest_robustness.report.number_text import FILTERS
from pytest_robustness.report.page import curves, gate, heat, method, payload, studies
from pytest_robustness.report.page.assets import content_policy, joined

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_robustness.report.run_report import RunReport

_STYLES = ("colours", "layout", "tables", "charts", "gallery", "print")
_SCRIPTS = (
    *("data", "elements", "tabs", "paged", "explorer", "matrix", "gallery", "detail"),
    *("clipboard", "downloads", "charts", "sorting", "models", "theme", "start"),
)

FILES = ("index.html",)


def write(report: RunReport, folder: Path) -> Path:
    """Write the page into ``folder``, whole or not at all, and return its path.

    Raises
    ------
    RobustnessError
        When the folder cannot be written.
    """
    return publish({"index.html": render(report)}, folder)[0]


def render(report: RunReport) -> str:
    """Return the page of ``report``."""
    templates = environment("page/templates")
    templates.filters |= FILTERS | {"figure": study_text.figure_text, "is_number": study_text.is_number}
    style, script = joined("styles", "css", _STYLES), joined("scripts", "js", _SCRIPTS)
    return templates.get_template("page.html").render(
        report=report,
        summary=summary,
        heat=heat,
        curves=curves,
        gate=gate,
        method=method,
        set_up=set_up,
        studies=studies,
        image_text=image_text,
        class_words=words_of(report.class_tests),
        kind_of=kind_of,
        beyond_words=beyond_words(report.class_tests, report.policy.class_margin),
        payload=Markup(payload.encode(report)),  # noqa: S704 (base64 has nothing to escape)
        style=style,
        script=script,
        policy=content_policy(style, script),
    )
