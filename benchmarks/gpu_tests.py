"""Run ``tests/gpu`` from a bare checkout, on a machine where this package and some of its own are not installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

# What the tests import, by the names of modules.
NEEDED = ("pytest", "hypothesis", "filelock", "jinja2", "pandas", "rich", "safetensors", "scipy", "sklearn", "PIL")


def run_tests(root: Path, most_seconds: float) -> dict[str, Any] | str:
    """Return how many tests passed, failed and were skipped, with the reasons; or why none was run."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        return f"not measured: tests/gpu needs {', '.join(missing)}"
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "tests/gpu", "-q", "-rs", "--tb=short", "-W", "default"]
        try:
            subprocess.run(
                [*command, "-p", "no:cacheprovider", f"--junitxml={xml}", f"--basetemp={folder}/temp"],
                cwd=root,
                env=environment(root),
                check=False,
                timeout=max(1.0, most_seconds),
            )
        except subprocess.TimeoutExpired:
            return "not measured: the time was up"
        if not xml.exists():
            return "not measured: pytest ended without a report; its output says why"
        return _counts(ET.parse(xml).getroot())


def environment(root: Path) -> dict[str, str]:
    """Return an environment in which Python, in any folder, finds the checkout, and pytest the plugin."""
    path = [str(root / "plugin"), str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {"PYTHONPATH": os.pathsep.join(path)}
    installed = {entry.value for entry in importlib.metadata.entry_points(group="pytest11")}
    if "pytest_robustness.frontends.plugin.hooks" not in installed:
        own["PYTEST_PLUGINS"] = "pytest_robustness.frontends.plugin.hooks"
    return {**os.environ, **own}


def _counts(root: ET.Element) -> dict[str, Any]:
    cases = list(root.iter("testcase"))
    kinds = {"failed": ("failure", "error"), "skipped": ("skipped",)}
    found: dict[str, Any] = {kind: {} for kind in kinds}
    for case in cases:
        for kind, tags in kinds.items():
            for tag in tags:
                for problem in case.iter(tag):
                    found[kind][str(case.get("name"))] = str(problem.get("message")).partition("\n")[0]
    passed = len(cases) - len(found["failed"]) - len(found["skipped"])
    if cases and len(found["skipped"]) == len(cases):
        return {"passed": "not measured: every test was skipped", **found}
    return {"passed": passed, **found}
