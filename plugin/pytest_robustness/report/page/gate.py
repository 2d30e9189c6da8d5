"""Name the classes that a comparison with the baseline found to have fallen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.core.text import abridged
from pytest_robustness.report.number_text import points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.findings import ClassFinding, GateTest

_NAMED = 5


def only_fallen(test: GateTest) -> list[ClassFinding]:
    """Return the classes that fell significantly without failing the comparison by themselves, worst first."""
    broken = {finding.index for finding in test.broken}
    return [finding for finding in test.fallen if finding.index not in broken]


class FallenClass(NamedTuple):
    """A class that fell below the baseline in one comparison, and what that counts as."""

    test: GateTest
    finding: ClassFinding
    kind: str


def fallen_classes(tests: Sequence[GateTest]) -> list[FallenClass]:
    """Return the classes that fell, shown or not, by comparison and the worst first."""
    rows = []
    for test in tests:
        kinds = {"broken": test.broken, "fallen": only_fallen(test), "not shown": test.unshown}
        found = [FallenClass(test, finding, kind) for kind, classes in kinds.items() for finding in classes]
        rows += sorted(found, key=lambda row: (row.finding.result.difference, row.finding.index))
    return rows


def listed(classes: Sequence[ClassFinding]) -> str:
    """Return classes with their changes in points, the first five by name."""
    return abridged([f"{finding.name} {points(finding.result.difference)}" for finding in classes], _NAMED)
