"""Write what the study of augmentation proposes: ``augmentations.yaml``, for a training loop."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from pytest_robustness.analysis.studies.proposals import policy_of
from pytest_robustness.core.files import publish
from pytest_robustness.core.text import printable
from pytest_robustness.transforms.augmentations import yaml_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_robustness.report.run_report import RunReport

FILE = "augmentations.yaml"
FILES = (FILE,)


def write(report: RunReport, folder: Path) -> list[Path]:
    """Write the file where the study was asked, and return its path; of several findings, the last counts.

    Raises
    ------
    RobustnessError
        When the folder cannot be written.
    """
    found = [
        finding for section in report.studies if section.study.name == "augmentation" for finding in section.findings
    ]
    if not found:
        return []
    policy = policy_of(found[-1].items, len(report.classes))
    return publish({FILE: yaml_text(policy, _source(report, found[-1].models))}, folder)


def _source(report: RunReport, models: Sequence[str]) -> list[str]:
    data = report.provenance.get("dataset", {}).get("name", "")
    when = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC"
    return [f"Models: {', '.join(map(printable, models))}", f"Data: {printable(str(data))}", f"Written: {when}"]
