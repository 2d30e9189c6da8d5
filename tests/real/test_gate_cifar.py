"""The gate on real models: it tells a weaker ResNet from a better one, and says what dazzles one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from filelock import FileLock
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable

    Rows = dict[str, dict[str, Any]]
    Compare = Callable[[str, str], "Compared"]

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

IMAGES = 10_000
MODELS = Path(__file__).with_name("cifar_resnets.py")


class Compared(NamedTuple):
    """How a run ended, and its comparisons as ``results.json`` has them, by transform."""

    exit_code: int
    rows: Rows


@pytest.fixture(scope="module")
def compare(cifar: Path, cifar_store: Path, shared: Path) -> Compare:
    """What compares a candidate with a model of the baseline; all runs share one baseline, and all workers of xdist."""
    folder = shared / "gate"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_"))}

    def run(report: str, *options: str) -> int:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--tb=no"]
        command += ["--pyargs", "robustness_tests"]
        given = [f"--robustness-data=folder:{cifar}", f"--robustness-store={cifar_store}", *options]
        given += ["--robustness-transforms=brightness"]
        given += ["--robustness-baseline=baseline.json", f"--robustness-report={report}"]
        return subprocess.run([*command, *given], cwd=folder, env=environment, check=False).returncode

    def compared(baseline: str, candidate: str) -> Compared:
        exit_code = run(
            f"{baseline}-{candidate}",
            f"--robustness-baseline-model=python:{MODELS}:{baseline}",
            f"--robustness-candidate=python:{MODELS}:{candidate}",
        )
        rows = json.loads((folder / f"{baseline}-{candidate}/results.json").read_text(encoding="utf-8"))["gate"]
        return Compared(exit_code, {row["transform"]: row for row in rows})

    folder.mkdir(exist_ok=True)
    with FileLock(shared / "gate.lock"):
        if not (folder / "baseline.json").exists():
            models = f"python:{MODELS}:resnet56,python:{MODELS}:resnet20"
            run("written", f"--robustness-models={models}", "--robustness-update-baseline")
    return compared


def test_a_weaker_resnet_is_stopped_wherever_it_is_worse(compare: Compare) -> None:
    found = compare("resnet56", "resnet20")
    assert found.exit_code == pytest.ExitCode.TESTS_FAILED
    assert {name: row["outcome"] for name, row in found.rows.items()} == {"control": "FAIL", "brightness": "FAIL"}
    # Accuracies as `test_published_figures` has them.
    assert found.rows["control"]["difference"] == pytest.approx(81.03 - 83.20, abs=0.1)
    assert found.rows["brightness"]["difference"] == pytest.approx(77.13 - 80.03, abs=0.1)
    for row in found.rows.values():
        changed = row["lost"] + row["gained"]
        assert row["n"] == IMAGES
        assert row["difference"] == pytest.approx(100 * (row["gained"] - row["lost"]) / IMAGES)
        assert row["p_value"] == pytest.approx(stats.binomtest(row["lost"], changed).pvalue)


def test_a_better_resnet_passes_as_an_improvement(compare: Compare) -> None:
    found = compare("resnet20", "resnet56")
    assert found.exit_code == pytest.ExitCode.OK
    assert {name: row["outcome"] for name, row in found.rows.items()} == {"control": "PASS", "brightness": "PASS"}
    assert all(row["improved"] and row["difference"] > 1 for row in found.rows.values())


def test_a_candidate_that_bright_images_dazzle_fails_under_brightness_alone(compare: Compare) -> None:
    found = compare("resnet20", "dazzled")
    assert found.exit_code == pytest.ExitCode.TESTS_FAILED
    assert {name: row["outcome"] for name, row in found.rows.items()} == {"control": "PASS", "brightness": "FAIL"}
    assert found.rows["brightness"]["beyond_control_ci_high"] < -1
    assert found.rows["brightness"]["lost"] > 20 * found.rows["brightness"]["gained"]
