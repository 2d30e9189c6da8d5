"""The benchmark of verdicts runs, and what it measures is what is promised."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks/verdicts.py"


@pytest.mark.slow
def test_the_verdicts_err_as_seldom_as_they_promise():
    run = subprocess.run([sys.executable, SCRIPT, "--quick"], capture_output=True, text=True, check=False, timeout=900)
    assert run.stderr == ""
    rows = [line.split(" | ") for line in run.stdout.splitlines() if line.endswith((" | yes |", " | NO |"))]
    unmet = [row[0] for row in rows if row[-1] == "NO |"]
    assert unmet == []
    assert len(rows) == 37
    assert "| churn | tolerance 0.5 |" in run.stdout
