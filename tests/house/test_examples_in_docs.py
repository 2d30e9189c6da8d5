"""Every example of "Where a new thing goes" works: all are added to a copy of the package, which judges a model."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

import pytest_robustness
from tests import warm

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGE = Path(pytest_robustness.__file__).parent
PAGE = ROOT / "docs" / "architecture.md"

_FENCE = re.compile(r"^```python\n# (new file|add to(?: (\w+) in)?) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """One fenced block: a new file, or lines for a table (or the end, without a table) of a file that exists."""

    path: str
    table: str
    is_new: bool
    code: str


def examples(text: str) -> list[Example]:
    """Return the examples of a page: their first line says where they belong."""
    return [
        Example(path, table or "", what == "new file", code.lstrip("\n"))
        for what, table, path, code in _FENCE.findall(text)
    ]


def add(example: Example, package: Path) -> None:
    """Do what the page says."""
    path = package / example.path
    if example.is_new:
        assert not path.exists(), f"{example.path} is there already"
        path.write_text(example.code, encoding="utf-8")
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    code = example.code.splitlines()
    if not example.table:
        path.write_text("\n".join([*lines, "", "", *code, ""]), encoding="utf-8")
        return
    heads = [number for number, line in enumerate(lines) if re.match(rf"(class )?{example.table}\b.*[({{:]$", line)]
    assert len(heads) == 1, f"{example.path} has {len(heads)} tables {example.table}"
    imports = [line for line in code if line.startswith("from ")]
    entries = [line for line in code if line.startswith("    ")]
    assert entries, f"no line for {example.table}"
    first = heads[0] + 1
    if lines[heads[0]].startswith("class "):
        first = next(number for number in range(first, len(lines)) if re.match(r"    \w+: ", lines[number]))
    extended = [*lines[: heads[0]], *imports, *lines[heads[0] : first], *entries, *lines[first:], ""]
    path.write_text("\n".join(extended), encoding="utf-8")


class Extended:
    """A copy of the package with all the examples, and a project to judge with it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "project"
        self.path.mkdir()
        self.overlay = folder / "overlay"
        shutil.copytree(PACKAGE, self.overlay / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "robustness_tests", self.overlay / "robustness_tests")
        for example in examples(PAGE.read_text(encoding="utf-8")):
            add(example, self.overlay / PACKAGE.name)
        (self.path / "pytest.ini").write_text("[pytest]\naddopts = -p no:hypothesispytest -p no:cacheprovider\n")
        rng = np.random.default_rng(0)
        labels = np.arange(40, dtype=np.int64) % 2
        # Class 0 is dark (pixels below 40), class 1 is bright (from 100 on).
        images = rng.integers(0, 40, (40, 3, 8, 8), dtype=np.uint8) + 100 * labels[:, None, None, None].astype(np.uint8)
        np.savez(self.path / "photos.npz", images=images, labels=labels)
        net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 2))
        with torch.no_grad():
            net[2].weight.copy_(torch.tensor([[-1.0] * 3, [1.0] * 3]))
            net[2].bias.copy_(torch.tensor([0.8, -0.8]))  # three channels of 68 / 255 add up to it
        shapes = ({0: torch.export.Dim("batch")},)
        program = torch.export.export(net, (torch.zeros(2, 3, 8, 8),), dynamic_shapes=shapes)
        torch.export.save(program, self.path / "net.pt2")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run pytest with the copy, in a process of its own."""
        path = os.pathsep.join([str(self.overlay), os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            [*warm.python(), "-m", "pytest", *arguments],
            cwd=self.path,
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Extended:
    return Extended(tmp_path_factory.mktemp("extended"))


@pytest.fixture(scope="module")
def listed(extended: Extended) -> str:
    """What ``--robustness-list`` prints."""
    result = extended.run("--robustness-list")
    assert result.returncode == 0, result.stdout + result.stderr
    return "\n".join(line.rstrip() for line in result.stdout.splitlines())


@pytest.fixture(scope="module")
def described(extended: Extended) -> str:
    """The text of ``--help``, each run of white space as one space."""
    result = extended.run("--help")
    assert result.returncode == 0, result.stdout + result.stderr
    return " ".join(result.stdout.split())


@pytest.fixture(scope="module")
def judged(extended: Extended) -> dict[str, object]:
    """``results.json`` of a run in which every example takes part."""
    result = extended.run(
        "--pyargs",
        "robustness_tests",
        "--robustness-data=npz:photos.npz",
        "--robustness-models=exported:net.pt2",
        "--robustness-transforms=fog,vflip",
        "--robustness-runtime=export",
        "--robustness-title=Fog",
        "--robustness-workers=0",
    )
    # In fog the model loses one of the two classes.
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout + result.stderr
    found: dict[str, object] = json.loads((extended.path / "reports/latest/results.json").read_text())
    return found


def test_the_page_has_an_example_of_each_kind():
    found = examples(PAGE.read_text(encoding="utf-8"))
    rooms = [example.path.partition("/")[0] for example in found]
    assert {"transforms", "models", "data", "inference", "frontends", "report", "analysis"} == set(rooms)
    tables = [example.table for example in found if example.table]
    assert tables == ["SOURCES", "KINDS", "RUNTIMES", "Options", "REPORTS", "STUDIES"]
    # One file, one line in a table, or both.
    assert all(rooms.count(room) <= 2 for room in rooms)
    assert all(len(example.code.splitlines()) <= 26 for example in found)


def test_the_transform_is_listed_and_applied(listed, judged):
    assert re.search(r"^ +fog +\[0\.1, 0\.2, 0\.3, 0\.4, 0\.5\] Blend with white, by that share\.$", listed, re.M)
    correct = {row["transform"]: row["correct"] for row in judged["cells"]}
    # The fog of level 3 makes a pixel at least 255 * 0.3 = 76: dark images pass the model's threshold, 68, too.
    assert correct == {"control": 40, "vflip": 40, "fog": 20}


def test_the_model_source_is_listed_and_its_model_is_judged(listed, judged):
    assert re.search(r"^ +exported +path/to/net\.pt2$", listed, re.M)
    assert [model["model"] for model in judged["models"]] == ["exported:net.pt2"]
    assert len(judged["models"][0]["fingerprint"]) == 64


def test_the_kind_of_dataset_is_listed_and_read(listed, judged):
    assert re.search(r"^ +npz:file +arrays `images`, uint8", listed, re.M)
    assert judged["provenance"]["dataset"]["images"] == 40
    assert [row["class_name"] for row in judged["classes"]] == ["0", "1"]


def test_the_runtime_is_a_valid_value_and_ran_every_cell(described, judged):
    assert re.search(r"--robustness-runtime=NAME [^-]*\bopenvino, export\b|\bexport, [^-]*openvino\b", described)
    assert all(
        cell["engines"] == [{"runtime": "export", "precision": "fp32", "layout": ""}] for cell in judged["cells"]
    )


def test_the_study_is_a_valid_value_and_is_shown_with_the_others(extended, judged):
    (extended.path / "test_sure.py").write_text(
        "from pytest_robustness import assert_robust\n"
        "def test_sure(robustness):\n"
        "    cell = robustness.requests.cell('exported:net.pt2', 'fog', None)\n"
        "    assert_robust(robustness.study('sureness', cell))\n"
    )
    options = ("--robustness-data=npz:photos.npz", "--robustness-models=exported:net.pt2", "--robustness-workers=0")
    result = extended.run("test_sure.py", *options, "--robustness-studies=sureness", "--robustness-report=sure")
    assert result.returncode == pytest.ExitCode.OK, result.stdout + result.stderr
    found = json.loads((extended.path / "sure/results.json").read_text())["studies"]["sureness"]
    assert [(row["transform"], row["outcome"]) for row in found] == [("fog", "PASS")]
    assert 50 < found[0]["mean"] <= 100
    assert (extended.path / "sure/studies/sureness.csv").read_text().count("\n") == 2
    assert "Sureness: 1 passed of 1 test" in result.stdout


def test_the_option_has_a_help_and_a_default(described):
    assert "--robustness-title=TEXT title of the report (default: Robustness)" in described


def test_the_option_is_read_and_recorded(judged):
    assert judged["provenance"]["options"]["title"] == "Fog"


def test_the_report_is_written_with_the_others(extended, judged):
    folder = extended.path / "reports" / "latest"
    assert (folder / "errors.txt").read_text() == "0 errors\n"
    assert {"index.html", "results.json", "summary.md"} <= {path.name for path in folder.iterdir()}


def test_the_table_of_options_has_a_row_for_the_option(extended):
    script = "from pytest_robustness.frontends.session.options.table import markdown_table; print(markdown_table())"
    done = subprocess.run(
        [*warm.python(), "-c", script],
        cwd=extended.overlay,
        env=os.environ | {"PYTHONPATH": str(extended.overlay)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "| `title` | `Robustness` | title of the report |" in done.stdout
