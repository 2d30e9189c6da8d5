"""Render the comparison of two runs as a page, one file that requests nothing and works from ``file://``; write it."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from pytest_robustness.core.files import publish
from pytest_robustness.report.comparison import tables, words
from pytest_robustness.report.markup import environment, packed
from pytest_robustness.report.number_text import FILTERS, SHADE_STEPS
from pytest_robustness.report.page.assets import content_policy, joined

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_robustness.analysis.comparing import CellComparison, RunComparison

_STYLES = ("colours", "layout", "tables", "print")
_SCRIPTS = ("data", "elements", "theme")
_ROOM = resources.files("pytest_robustness.report.comparison")
_P_DIGITS = 3


def write(found: RunComparison, folder: Path) -> Path:
    """Write ``comparison.html``, ``comparison.json`` and ``comparison-classes.csv``; return the page's path.

    Raises
    ------
    RobustnessError
        The folder cannot be written to.
    """
    texts = {
        "comparison.html": render(found),
        "comparison.json": tables.text(found),
        "comparison-classes.csv": tables.csv(found),
    }
    return publish(texts, folder, "--report")[0]


def render(found: RunComparison) -> str:
    """Return the page."""
    templates = environment("comparison/templates")
    templates.filters |= FILTERS
    style = joined("styles", "css", _STYLES) + _own("styles", "comparison.css")
    script = joined("scripts", "js", _SCRIPTS) + _own("scripts", "classes.js")
    return templates.get_template("comparison.html").render(
        found=found,
        words=words,
        labels=words.model_labels(found),
        cells=_Cells(found),
        has_classes=any(cell.classes is not None for cell in found.cells),
        payload=Markup(_encoded(found)),  # noqa: S704 (base64 has nothing to escape)
        style=style,
        script=script,
        policy=content_policy(style, script),
    )


def _own(folder: str, name: str) -> Markup:
    return Markup("\n" + (_ROOM / folder / name).read_text(encoding="utf-8"))  # noqa: S704 (our own file)


class _Cells:
    """The comparisons by pair of models and condition."""

    def __init__(self, found: RunComparison) -> None:
        self._found = {((cell.before, cell.model), cell.condition): cell for cell in found.cells}

    def get(self, place: Any) -> CellComparison | None:
        """Return a comparison, ``None`` where there is none."""
        return self._found.get(place)


def _encoded(found: RunComparison) -> str:
    """Return the classes' figures as the page's script reads them."""
    models = {pair: i for i, pair in enumerate(found.models)}
    conditions = {condition: i for i, condition in enumerate(found.conditions)}
    sizes: dict[tuple[int, ...], int] = {}
    cells = [
        {"model": models[cell.before, cell.model], "condition": conditions[cell.condition]} | _cell(cell, sizes)
        for cell in found.cells
        if cell.classes is not None
    ]
    return packed({"shadeSteps": SHADE_STEPS, "classes": found.classes, "sizes": list(sizes), "cells": cells})


def _cell(cell: CellComparison, sizes: dict[tuple[int, ...], int]) -> dict[str, Any]:
    figures = cell.classes
    if figures is None:
        return {}
    size_before, size = (
        sizes.setdefault(tuple(column.tolist()), len(sizes)) for column in (figures.n_before, figures.n_now)
    )
    # A corrected p is 1 nearly everywhere: what is left out is 1, or not tested.
    p = {int(i): float(f"{figures.p_adjusted[i]:.{_P_DIGITS}g}") for i in np.flatnonzero(figures.p_adjusted < 1)}
    found = {"sizeBefore": size_before, "size": size, "right": figures.right_before.tolist(), "p": p}
    found["tested"] = (~np.isnan(figures.p_adjusted)).astype(int).tolist()
    if figures.churn is None:
        return found | {"churn": None, "rightNow": figures.right_now.tolist()}
    return found | {"churn": figures.churn[1:].tolist()}
