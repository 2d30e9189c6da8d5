"""Write a table for each study, ``studies/NAME.csv``, and one of its items, ``studies/NAME-ITEMS.csv``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.analysis.studies import STUDIES
from pytest_robustness.core.files import publish, publishing
from pytest_robustness.report.csv_text import csv_text
from pytest_robustness.report.study_text import row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_robustness.report.run_report import RunReport, StudySection

FOLDER = "studies"
FILES = tuple(f"{FOLDER}/{study}{ending}" for study in STUDIES for ending in (".csv", "-*.csv"))
_SUBJECT = ("models", "transform", "severity", "outcome", "reason")


def write(report: RunReport, folder: Path) -> list[Path]:
    """Write the tables into a folder of ``folder``, each whole or not at all, and return their paths.

    Raises
    ------
    RobustnessError
        When the folder cannot be written.
    """
    texts = {}
    for section in report.studies:
        study = section.study
        names = [*_SUBJECT, *(name for name in study.columns if name not in _SUBJECT)]
        texts[f"{study.name}.csv"] = csv_text(names, _rows(section, names))
        if study.item_name:
            of_finding = [name for name in _SUBJECT[:3] if name not in study.item_columns]
            items = [*of_finding, *study.item_columns]
            texts[f"{study.name}-{study.item_name}.csv"] = csv_text(items, _items(section, items))
    if not texts:
        return []
    with publishing(folder):
        return publish(texts, folder / FOLDER)


def _rows(section: StudySection, names: list[str]) -> Iterator[list[object]]:
    for finding in section.findings:
        found = row(finding) | {"models": " ".join(finding.models)}
        yield [found.get(name) for name in names]


def _items(section: StudySection, names: list[str]) -> Iterator[list[object]]:
    for finding in section.findings:
        subject = {
            "models": " ".join(finding.models),
            "transform": finding.condition.transform,
            "severity": finding.condition.severity,
        }
        for item in finding.items:
            yield [({**subject, **item}).get(name) for name in names]
