"""Write the files that Allure reads once per run: environment, executor, categories and metrics."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.files import publish
from pytest_robustness.report import set_up

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_robustness.report.run_report import RunReport

# Headlines of failures begin with the size of the change; that of a comparison with a baseline has no grade behind it.
_POINTS = r"^[+-][0-9.e-]+ points"

CATEGORIES = (
    {"name": "Severe", "matchedStatuses": ["failed"], "messageRegex": _POINTS + r" \(SEVERE\)[\s\S]*"},
    {"name": "Mild", "matchedStatuses": ["failed"], "messageRegex": _POINTS + r" \(MILD\)[\s\S]*"},
    {"name": "Less robust than the baseline", "matchedStatuses": ["failed"], "messageRegex": _POINTS + r": [\s\S]*"},
    # Failed or skipped: --robustness-inconclusive decides.
    {"name": "Inconclusive", "matchedStatuses": ["failed", "skipped"], "messageRegex": r"^INCONCLUSIVE: [\s\S]*"},
    {"name": "Known findings", "matchedStatuses": ["passed"], "messageRegex": r"^Known finding: [\s\S]*"},
    {"name": "Error", "matchedStatuses": ["broken"]},
)
"""Allure's categories, by the beginning of a finding's headline; an error is broken, not failed."""

METRIC = "sensitive_classes."


def write(report: RunReport, folder: Path, environ: Mapping[str, str]) -> None:
    """Write the files beside the results in ``folder``; with xdist, only in the controller.

    Parameters
    ----------
    environ
        The environment variables, by which CI services are recognized.

    Raises
    ------
    RobustnessError
        When the folder cannot be written.
    """
    texts = {
        "environment.properties": _properties(environment(report)),
        "categories.json": json.dumps(CATEGORIES, indent=1),
        "robustness-perf.json": json.dumps(sensitive_counts(report), indent=1),
    }
    found = executor(environ)
    if found:
        texts["executor.json"] = json.dumps(found, indent=1)
    publish(texts, folder, "--alluredir")


def environment(report: RunReport) -> dict[str, str]:
    """Return what the results depend on: data, models, transforms, test, device and versions."""
    facts, options = report.provenance, report.provenance["options"]
    data, packages, policy = facts["dataset"], facts["packages"], report.policy
    known = {"set-up": set_up.sentence(report), "outputs": report.outputs_note}
    return {
        "data": data["name"],
        "data.images": f"{data['images']} of {data['classes']} classes",
        "data.fingerprint": data["fingerprint"],
        "models": ", ".join(report.models),
        **{name: text for name, text in known.items() if text},
        "transforms": ", ".join(report.condition_label(condition) for condition in report.conditions),
        "test": f"{options['test']}, alpha {options['alpha']:g}, correction {options['correction']}",
        "verdict": f"{policy.verdict}, margin {policy.margin:g}, class margin {policy.class_margin:g}",
        "seed": str(options["seed"]),
        "device": f"{facts['device']}, {facts['runtime']}",
        "python": facts["python"],
        **{name: version for name, version in packages.items() if version},
    }


def executor(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the CI job in Allure's format; empty outside of CI."""
    if environ.get("GITHUB_ACTIONS") == "true":
        repository = f"{environ.get('GITHUB_SERVER_URL', '')}/{environ.get('GITHUB_REPOSITORY', '')}"
        number = environ.get("GITHUB_RUN_NUMBER", "")
        return _executor(
            "GitHub Actions",
            "github",
            f"{environ.get('GITHUB_WORKFLOW', '')} #{number}",
            f"{repository}/actions/runs/{environ.get('GITHUB_RUN_ID', '')}",
            number,
        )
    if environ.get("CI_JOB_URL"):
        number = environ.get("CI_PIPELINE_IID", "")
        name = f"{environ.get('CI_JOB_NAME', '')} #{number}"
        return _executor("GitLab CI", "gitlab", name, environ["CI_JOB_URL"], number)
    return {}


def sensitive_counts(report: RunReport) -> list[dict[str, Any]]:
    """Return Allure's metrics: the number of sensitive classes under each condition."""
    now = int(1000 * time.time())
    counts = {str(test.condition): len(test.sensitive) for test in report.class_tests}
    return [
        {"id": METRIC + name, "key": METRIC + name, "value": count, "start": now, "stop": now}
        for name, count in counts.items()
    ]


def _executor(name: str, kind: str, build: str, url: str, number: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "type": kind,
        "buildName": build,
        "buildUrl": url,
        "reportName": "robustness",
    }
    if number.isdecimal():
        found["buildOrder"] = int(number)
    return found


def _properties(values: Mapping[str, str]) -> str:
    """Return Java properties, with backslashes and line breaks in values escaped."""
    escapes = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r"})
    return "".join(f"{name}={value.translate(escapes)}\n" for name, value in values.items())
