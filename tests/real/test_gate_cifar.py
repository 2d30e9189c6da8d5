"""The gate on real models: it tells a weaker ResNet from a better one, and says what dazzles one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from scipy import stats

from tests.real.conftest import BF16

if TYPE_CHECKING:
    from collections.abc import Callable

    Rows = dict[str, dict[str, Any]]
    AllCompared = dict[tuple[str, str], "Compared"]

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

IMAGES = 10_000
MODELS = f"python:{Path(__file__).with_name('cifar_resnets.py')}"
# The model of the baseline, the candidate, and of how many images of each of the ten classes.
COMPARISONS = (("resnet56", "resnet20", 1000), ("resnet20", "resnet56", 1000), ("resnet20", "dazzled", 200))


class Compared(NamedTuple):
    """How a run ended, and its comparisons as ``results.json`` has them, by transform."""

    exit_code: int
    rows: Rows


@pytest.fixture(scope="module")
def compared(
    judge_cifar: Callable[..., list[int]], cifar_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> AllCompared:
    """All comparisons, each with a baseline on its images; processes that make them at once share the sweep."""
    folder = tmp_path_factory.mktemp("gate")
    common = [f"--robustness-store={cifar_store}", "--robustness-transforms=brightness", BF16]
    updates, runs = {}, []
    for baseline, candidate, limit in COMPARISONS:
        images = [f"--robustness-limit={limit}", f"--robustness-baseline={limit}.json"]
        both = f"--robustness-models={MODELS}:resnet56,{MODELS}:resnet20"
        updates[limit] = [*common, *images, "--robustness-update-baseline", both]
        models = [f"--robustness-baseline-model={MODELS}:{baseline}", f"--robustness-candidate={MODELS}:{candidate}"]
        runs.append([*common, *images, *models, f"--robustness-report={baseline}-{candidate}"])
    codes = judge_cifar(folder, *updates.values(), *runs)[len(updates) :]
    found = {}
    for (baseline, candidate, _), code in zip(COMPARISONS, codes, strict=True):
        rows = json.loads((folder / f"{baseline}-{candidate}/results.json").read_text(encoding="utf-8"))["gate"]
        found[baseline, candidate] = Compared(code, {row["transform"]: row for row in rows})
    return found


def test_a_weaker_resnet_is_stopped_wherever_it_is_worse(compared: AllCompared) -> None:
    found = compared["resnet56", "resnet20"]
    assert found.exit_code == pytest.ExitCode.TESTS_FAILED
    assert {name: row["outcome"] for name, row in found.rows.items()} == {"control": "FAIL", "brightness": "FAIL"}
    # Accuracies as `test_published_figures` has them.
    assert found.rows["control"]["difference"] == pytest.approx(81.03 - 83.20, abs=0.2)
    assert found.rows["brightness"]["difference"] == pytest.approx(77.13 - 80.03, abs=0.2)
    for row in found.rows.values():
        changed = row["lost"] + row["gained"]
        assert row["n"] == IMAGES
        assert row["difference"] == pytest.approx(100 * (row["gained"] - row["lost"]) / IMAGES)
        assert row["p_value"] == pytest.approx(stats.binomtest(row["lost"], changed).pvalue)


def test_a_better_resnet_passes_as_an_improvement(compared: AllCompared) -> None:
    found = compared["resnet20", "resnet56"]
    assert found.exit_code == pytest.ExitCode.OK
    assert {name: row["outcome"] for name, row in found.rows.items()} == {"control": "PASS", "brightness": "PASS"}
    assert all(row["improved"] and row["difference"] > 1 for row in found.rows.values())


def test_a_candidate_that_bright_images_dazzle_fails_under_brightness_alone(compared: AllCompared) -> None:
    found = compared["resnet20", "dazzled"]
    assert found.exit_code == pytest.ExitCode.TESTS_FAILED
    assert {name: row["outcome"] for name, row in found.rows.items()} == {"control": "PASS", "brightness": "FAIL"}
    assert {row["n"] for row in found.rows.values()} == {2000}
    assert found.rows["brightness"]["beyond_control_ci_high"] < -1
    assert found.rows["brightness"]["lost"] > 10 * found.rows["brightness"]["gained"]
