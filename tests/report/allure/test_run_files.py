"""The files that Allure reads once for a run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.report.allure import run_files
from pytest_robustness.report.finding_text import finding_lines, text_of

PROVENANCE = {
    "python": "3.11.7",
    "packages": {"torch": "2.14.1", "timm": None},
    "device": "cpu",
    "runtime": "eager",
    "dataset": {"name": "folder:C:\\photos\nx=y", "images": 20, "classes": 3, "fingerprint": "abc"},
    "options": {"test": "welch", "alpha": 0.05, "correction": "none", "seed": 0, "precision": "fp32"},
    "models": {},
}
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://git.example",
    "GITHUB_REPOSITORY": "me/nets",
    "GITHUB_WORKFLOW": "robustness",
    "GITHUB_RUN_NUMBER": "17",
    "GITHUB_RUN_ID": "123",
}


def unescaped(text: str) -> dict[str, str]:
    """Read Java properties as their description has it: a backslash takes the next sign with it."""
    pairs = (line.partition("=") for line in text.splitlines())
    signs = {"n": "\n", "r": "\r"}
    return {name: re.sub(r"\\(.)", lambda m: signs.get(m[1], m[1]), value) for name, _, value in pairs}


@pytest.fixture
def view(findings):
    return findings.view(provenance=PROVENANCE)


def test_the_environment_says_what_results_depend_on(view, tmp_path):
    run_files.write(view, tmp_path, {})
    found = unescaped((tmp_path / "environment.properties").read_text(encoding="utf-8"))
    assert found == run_files.environment(view)
    assert found["data"] == PROVENANCE["dataset"]["name"]
    assert found["test"] == "welch, alpha 0.05, correction none"
    assert found["models"] == "digits:resnet18, digits:vgg16"
    assert "timm" not in found


def test_elsewhere_than_on_ci_there_is_no_executor(view, tmp_path):
    run_files.write(view, tmp_path, {"HOME": "/root"})
    assert {path.name for path in Path(tmp_path).iterdir()} == {
        "environment.properties",
        "categories.json",
        "robustness-perf.json",
    }


def test_github_is_the_executor_of_its_runs(view, tmp_path):
    run_files.write(view, tmp_path, GITHUB)
    assert json.loads((tmp_path / "executor.json").read_text()) == {
        "name": "GitHub Actions",
        "type": "github",
        "buildName": "robustness #17",
        "buildUrl": "https://git.example/me/nets/actions/runs/123",
        "buildOrder": 17,
        "reportName": "robustness",
    }


def test_gitlab_is_the_executor_of_its_jobs():
    found = run_files.executor({"CI_JOB_URL": "https://git.example/j/5", "CI_JOB_NAME": "gpu", "CI_PIPELINE_IID": "x"})
    assert found == {
        "name": "GitLab CI",
        "type": "gitlab",
        "buildName": "gpu #x",
        "buildUrl": "https://git.example/j/5",
        "reportName": "robustness",
    }


def test_each_outcome_falls_into_its_category(findings):
    undecided = text_of(findings.compared(undecided=True)).headline
    messages = [
        ("Severe", "failed", "\n".join(finding_lines(findings.model()))),
        ("Mild", "failed", "\n".join(finding_lines(findings.model(change=findings.change(difference=-0.004))))),
        ("Severe", "failed", "\n".join(finding_lines(findings.classes()))),
        ("Less robust than the baseline", "failed", "\n".join(finding_lines(findings.compared()))),
        ("Inconclusive", "skipped", finding_lines(findings.model(outcome="INCONCLUSIVE"))[0]),
        ("Inconclusive", "skipped", undecided),
        ("Inconclusive", "failed", undecided),
        ("Error", "broken", "digits:vgg16 failed during the sweep"),
    ]
    for name, status, message in messages:
        # Allure 2 wants the whole message to match, Allure 3 any part of it: both must agree.
        for match in (re.fullmatch, re.search):
            matching = [
                category["name"]
                for category in run_files.CATEGORIES
                if status in category["matchedStatuses"] and match(category.get("messageRegex", r"[\s\S]*"), message)
            ]
            assert matching == [name]


def test_the_metric_is_the_count_of_sensitive_classes_by_transform(view, tmp_path):
    run_files.write(view, tmp_path, {})
    (metric,) = json.loads((tmp_path / "robustness-perf.json").read_text())
    assert metric["key"] == "sensitive_classes.vflip"
    assert metric["value"] == 2
    assert metric["stop"] == metric["start"] > 0


def test_a_folder_that_cannot_be_written_is_named_with_its_own_option(view, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RobustnessError) as error:
        run_files.write(view, blocked, {})
    assert str(error.value) == (
        f"The report cannot be written to {blocked}: File exists. Name another folder with --alluredir=DIR; nothing "
        f"has to be computed again."
    )
