"""Write what the comparison of two runs leaves: its page, its figures, and the table of all classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.core.files import publish
from pytest_robustness.report.comparison import page, tables

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_robustness.analysis.comparing import RunComparison


def write(found: RunComparison, folder: Path) -> Path:
    """Write ``comparison.html``, ``comparison.json`` and ``comparison-classes.csv``; return the page's path.

    Raises
    ------
    RobustnessError
        The folder cannot be written to.
    """
    texts = {
        "comparison.html": page.render(found),
        "comparison.json": tables.text(found),
        "comparison-classes.csv": tables.csv(found),
    }
    return publish(texts, folder, "--report")[0]
