"""What a test's result says to Allure of its finding."""

from __future__ import annotations

import html
import re

import pytest
from allure_commons import model2
from allure_commons.model2 import Status

from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.report.allure import record
from pytest_robustness.report.allure.run_files import CATEGORIES
from pytest_robustness.report.finding_text import text_of


def labels_of(result):
    return {(label.name, label.value) for label in result.labels}


@pytest.mark.parametrize("kind", ["model", "classes"])
def test_a_finding_that_the_baseline_has_too_is_labelled_and_described_as_known(findings, kind):
    passed = Verdict(Outcome.PASS, "a known finding: accuracy fell")
    finding = getattr(findings, kind)(found=Outcome.FAIL, verdict=passed)
    result = model2.TestResult(status=Status.PASSED)
    record.report(result, [finding], None)
    assert labels_of(result) >= {("tag", "known"), ("finding", "known")}
    assert result.statusDetails.known
    assert "KNOWN FINDING" in result.descriptionHtml
    assert re.search(r'style="color: #[0-9a-f]{6}"', result.descriptionHtml)
    (category,) = [one for one in CATEGORIES if re.match(one.get("messageRegex", "$^"), result.statusDetails.message)]
    assert (category["name"], category["matchedStatuses"]) == ("Known findings", [Status.PASSED])


@pytest.mark.parametrize("outcome", ["PASS", "FAIL"])
def test_no_other_finding_is(findings, outcome):
    result = model2.TestResult(status=Status.PASSED if outcome == "PASS" else Status.FAILED)
    record.report(result, [findings.model(outcome=outcome, found=Outcome(outcome))], None)
    assert ("tag", "known") not in labels_of(result)
    assert result.statusDetails is None
    assert "KNOWN" not in result.descriptionHtml


@pytest.mark.parametrize("outcome", ["PASS", "FAIL", "INCONCLUSIVE"])
def test_the_plain_description_is_what_was_found_and_not_what_a_pass_is(findings, outcome):
    result = model2.TestResult(status=Status.FAILED, description="Accuracy stays within the margin.")
    found = findings.model(outcome=outcome, found=Outcome(outcome))
    record.report(result, [found], "Accuracy stays within the margin.")
    assert result.description == text_of(found).headline
    assert result.description in html.unescape(result.descriptionHtml)


@pytest.mark.parametrize(
    ("status", "message", "description"),
    [
        (Status.BROKEN, "no such model", "no such model"),
        (Status.FAILED, "no such model", "no such model"),
        (Status.SKIPPED, "no GPU here", "no GPU here"),
        (Status.BROKEN, None, None),
        (Status.PASSED, None, "Accuracy stays within the margin."),
    ],
)
def test_without_a_finding_the_plain_description_is_what_kept_it_from_being_found(status, message, description):
    docstring = "Accuracy stays within the margin."
    details = None if message is None else model2.StatusDetails(message=message)
    result = model2.TestResult(status=status, description=docstring, statusDetails=details)
    record.report(result, [], docstring)
    assert result.description == description
    own = model2.TestResult(status=status, description="See ticket 12.", statusDetails=details)
    record.report(own, [], docstring)
    assert own.description == "See ticket 12."


def test_a_description_of_a_users_own_stays(findings):
    result = model2.TestResult(status=Status.FAILED, description="See ticket 12.")
    record.report(result, [findings.model()], "Accuracy stays within the margin.")
    assert result.description == "See ticket 12."
