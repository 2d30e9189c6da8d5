"""Say of a run which models could not be judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.core.text import counted
from pytest_robustness.report.number_text import named

if TYPE_CHECKING:
    from pytest_robustness.core import Condition
    from pytest_robustness.report.run_report import RunReport


def never_judged(report: RunReport) -> list[str]:
    """Return the models that no test of the run is of, because of an error, in the order of the run."""
    judged = {model for section in report.studies for finding in section.findings for model in finding.models}
    for tests in (report.model_tests, report.class_tests, report.gate_tests, report.image_tests):
        judged |= {model for test in tests for model in test.models}
    failed = {cell.model for cell in report.errors}
    return [model for model in report.models if model in failed - judged]


def unjudged_sentence(report: RunReport, noun: str) -> str:
    """Say which models could not be judged, at all or under some conditions; empty where all could.

    ``noun`` is what to call the conditions.
    """
    never = never_judged(report)
    partly: dict[str, list[Condition]] = {}
    for cell in report.unjudged:
        if cell.model not in never:
            partly.setdefault(cell.model, []).append(cell.condition)
    sentences = []
    if never:
        ran = {cell.model for cell in (*report.counts, *report.errors)}
        of_all = f"{len(never)} of {counted(len(ran), 'model')}"
        sentences.append(f"{of_all} could not be judged: {named([report.labels[model] for model in never])}.")
    if len(partly) == 1:
        ((model, conditions),) = partly.items()
        few = len(conditions) <= 3
        where = named(list(map(report.condition_label, conditions))) if few else counted(len(conditions), noun)
        sentences.append(f"{report.labels[model]} could not be judged under {where}.")
    elif partly:
        models = named([report.labels[model] for model in partly])
        sentences.append(f"{len(partly)} models could not be judged under some {noun}s: {models}.")
    return " ".join(sentences)
