"""The table of docs/ci.md: on so many images an unchanged model passes the gate, and on fewer it may not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pytest_robustness.analysis.statistics.paired_change import PairedChange, p_above

PAGE = Path(__file__).parents[3] / "docs/ci.md"
TOLERANCES = (0.5, 1.0, 2.0, 3.0)
CONDITIONS, RUNS = 10, 2000


def table() -> dict[float, list[int]]:
    rows = re.findall(r"^\| (\d+) % \| [^|]+ \|((?: [\d,]+ \|){4})$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        int(churn) / 100: [int(cell.replace(",", "")) for cell in cells.split("|") if cell.strip()]
        for churn, cells in rows
    }


CELLS = [(churn, *cell) for churn, row in table().items() for cell in zip(TOLERANCES, row, strict=True)]


def passes(images: int, churn: float, tolerance: float) -> float:
    """Return how often all conditions pass where each image is lost or gained with equal chance."""
    drawn = np.random.default_rng(1).multinomial(images, [churn / 2, churn / 2, 1 - churn], (RUNS, CONDITIONS))
    lost, gained = drawn[..., 0].ravel(), drawn[..., 1].ravel()
    change = PairedChange(lost / images, gained / images, np.full(lost.size, float(images)))
    return float((p_above(change, -tolerance / 100) < 0.05).reshape(RUNS, CONDITIONS).all(axis=1).mean())


def test_the_page_has_the_whole_table():
    assert len(CELLS) == 24


@pytest.mark.parametrize(("churn", "tolerance", "images"), CELLS)
def test_on_so_many_images_an_unchanged_model_passes_in_nine_of_ten_comparisons(churn, tolerance, images):
    if churn == 0:
        unit = 10 ** (len(str(images)) - 2)
        assert [passes(images, churn, tolerance), passes(images - unit, churn, tolerance)] == [1, 0]
    else:
        assert 0.87 < passes(images, churn, tolerance) < 0.95
        assert passes(images // 2, churn, tolerance) < 0.75
