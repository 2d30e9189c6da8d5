"""Fill in one test's result for Allure: its place, its finding, and the attachments."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import allure
from allure_commons.model2 import Label, Parameter, Status, StatusDetails

from pytest_robustness.analysis.findings import ClassTest, ModelTest
from pytest_robustness.report.allure.chart import bars_of, svg
from pytest_robustness.report.allure.evidence import (
    IMAGE_DIFF,
    SEVERITIES,
    classes_csv,
    description,
    image_pairs,
    lost_pictures,
    severity,
)
from pytest_robustness.report.csv_text import csv_text
from pytest_robustness.report.finding_text import text_of
from pytest_robustness.report.number_text import percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from allure_commons.model2 import TestResult

    from pytest_robustness.analysis.findings import Finding
    from pytest_robustness.analysis.study_finding import StudyFinding
    from pytest_robustness.report.allure.facts import Facts
    from pytest_robustness.report.gallery import Example, LostExample

KNOWN_TAG = "known"
TEST_ID = "pytest id"
"""The parameter that tells tests of one function apart: no argument of a function has such a name."""
_MOST_CLASSES = 250
_MOST_IMAGES = 2
_EXCEPTION = re.compile(r"\A(?:Skipped|pytest_robustness\.[\w.]+): ")


def place(result: TestResult, facts: Sequence[Facts], *, several_severities: bool) -> None:
    """Set the labels of a result, independent of process and machine.

    Parameters
    ----------
    facts
        What the test is about.
    several_severities
        Whether the run has several severities, so that suites need a level for them.
    """
    labels = dict.fromkeys(pair for fact in facts for pair in fact.labels(several_severities))
    result.labels.extend(Label(name, value) for name, value in labels)


def identify(
    result: TestResult, facts: Sequence[Facts], given: Sequence[Facts], own: Mapping[str, str], dataset: str
) -> None:
    """Set the parameters of a result: those that identify it in the history, and those that only say what it is about.

    Allure takes two results of one name with the same parameters for attempts of one test, of which it shows the last.

    Parameters
    ----------
    facts
        What the test is about.
    given
        What it is about by its parameters. A test without such ones, and one of several models or transforms, is
        identified by its name: what it asked is not known of an attempt that failed before.
    own
        The other parameters of the test, as text.
    dataset
        The data as the user named it.
    """
    identity = given[0].parameters() if len(given) == 1 else {"dataset": dataset}
    identity |= {f"{name} of the test" if name in identity else name: value for name, value in own.items()}
    shown = facts[0].parameters() if len(facts) == 1 else {}
    result.parameters[:] = [
        *(Parameter(name, value) for name, value in identity.items()),
        *(Parameter(name, value, excluded=True) for name, value in shown.items() if name not in identity),
    ]


def remember(result: TestResult) -> None:
    """Set what identifies a result in the history: its name and parameters, as Allure makes it of them.

    allure-pytest takes the values of arguments of the same names, whose ``repr`` may hold an address.
    """
    values = [p.value for p in sorted(result.parameters, key=lambda p: str(p.name)) if not p.excluded]
    text = "".join([result.fullName, *values])
    result.historyId = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def rename(result: TestResult, full_name: str, title: str, path: Sequence[str]) -> None:
    """Set a result's name, independent of where the test's file is installed."""
    result.name, result.fullName, result.titlePath = title, full_name, list(path)
    result.testCaseId = hashlib.md5(full_name.encode(), usedforsecurity=False).hexdigest()


def report(result: TestResult, findings: Sequence[Finding], docstring: str | None) -> None:
    """Add what a test found: the text and a chart of each finding, and the severity of the gravest.

    A finding that the baseline has too passes, and is labelled and described as known. The accuracy in control of a
    model stands among the parameters, but does not identify the test in the history.

    Parameters
    ----------
    findings
        Of the test.
    docstring
        Of the test: it says what a pass is, so that what was found, or the error that kept it from being found, takes
        its place as the plain description, which a description of a user's own keeps.
    """
    if not findings:
        if result.description == docstring and result.status != Status.PASSED:
            result.description = result.statusDetails.message if result.statusDetails else None
        return
    result.parameters.extend(
        Parameter(name, percent(accuracy), excluded=True) for name, accuracy in control_accuracies(findings).items()
    )
    if result.description == docstring:
        result.description = "\n".join(text_of(finding).headline for finding in findings)
    result.descriptionHtml = "".join(map(description, findings))
    result.labels.append(Label("severity", min(map(severity, findings), key=SEVERITIES.index)))
    known = [finding for finding in findings if getattr(finding, "known", False)]
    if known and result.status == Status.PASSED:
        result.labels += [Label("tag", KNOWN_TAG), Label("finding", KNOWN_TAG)]
        result.statusDetails = StatusDetails(known=True, message=f"Known finding: {text_of(known[0]).headline}")
    for finding in findings:
        bars = bars_of(finding)
        if bars is not None:
            allure.attach(svg(bars), "accuracy before and after", allure.attachment_type.SVG)


def control_accuracies(findings: Sequence[Finding]) -> dict[str, float]:
    """Return the accuracy in control of every model that was tested, in percent, under the parameter's name."""
    found = {finding.model: finding.accuracy.control for finding in findings if isinstance(finding, ModelTest)}
    alone = len(found) == 1
    return {"control accuracy" if alone else f"control accuracy of {model}": found[model] for model in found}


def attach_evidence(finding: Finding, classes: ClassTest, examples: Sequence[Example]) -> None:
    """Attach the failing classes as a table, and images before and after.

    Tests of models outnumber tests of classes, so their table is cut and they get two images.

    Parameters
    ----------
    finding
        The result.
    classes, examples
        The test of every class behind it, and images: see `RobustnessSession.illustrate`.
    """
    name, most = "failing classes", None
    if not isinstance(finding, ClassTest):
        most = _MOST_CLASSES
        examples = sorted(examples, key=lambda example: not example.failing)[:_MOST_IMAGES]
        if len(classes.failing) > most:
            name = f"failing classes, the worst {most} of {len(classes.failing)}"
    allure.attach(classes_csv(classes, most), name, allure.attachment_type.CSV)
    for caption, comparison in image_pairs(examples):
        allure.attach(comparison, caption, IMAGE_DIFF, "imagediff")


def attach_items(finding: StudyFinding) -> None:
    """Attach the items of a study's finding as a table: points of a curve, images, classes."""
    if finding.items:
        rows = [item.values() for item in finding.items]
        allure.attach(csv_text([*finding.items[0]], rows), finding.study, allure.attachment_type.CSV)


def attach_lost(examples: Sequence[LostExample]) -> None:
    """Attach pictures of the images that a candidate lost: see `RobustnessSession.lost_examples`."""
    for name, content, kind, ending in lost_pictures(examples):
        allure.attach(content, name, kind, ending)


def shorten(result: TestResult) -> None:
    """Cut the message of a finding to its headline, which Allure groups by and keeps for every past run.

    The description has the rest. The message of an error loses only the exception's name.
    """
    details = result.statusDetails
    if details is None or not details.message:
        return
    message = _EXCEPTION.sub("", details.message)
    if result.status == Status.BROKEN:
        details.message = message
    elif message != details.message:
        details.message, details.trace = message.partition("\n")[0], None
