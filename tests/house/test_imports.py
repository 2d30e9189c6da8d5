"""Whoever judges no model pays nothing: neither torch nor the statistics are imported."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("torch", "torchvision", "scipy", "statsmodels", "pandas", "numpy", "PIL", "rich", "sklearn", "sqlite3")
# Of ours, what costs an unrelated run a tenth or a third of all that the plugin costs it.
HEAVY += ("pytest_robustness.inference.run_log", "pytest_robustness.analysis.policy")
HEAVY += tuple(f"pytest_robustness.core.{name}" for name in ("conditions", "dataset", "model", "protocols"))
SCRIPT = f"""
import json, sys
import pytest
code = pytest.main(sys.argv[1:])
loaded = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps([code, loaded, "pytest_robustness.frontends.plugin.hooks" in sys.modules]))
"""
SUITE = """
import pytest

@pytest.mark.parametrize("cell", [1, 2])
def test_other(cell):
    assert cell

@pytest.fixture
def condition():
    return 3

def test_condition(condition):
    assert condition == 3

def test_fails():
    assert False
"""


def loaded_by(folder: Path, *arguments: str) -> tuple[int, list[str], bool]:
    """Run pytest in a process of its own; return its exit code, the heavy modules it loaded, and whether ours was."""
    command = [sys.executable, "-c", SCRIPT, "-p", "no:hypothesispytest", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    code, loaded, plugin = json.loads(done.stdout.splitlines()[-1])
    return code, loaded, plugin


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--markers"], 0),
        (["--fixtures", "-q"], 0),
        (["--collect-only"], 0),
        ([], 1),
        (["--robustness-alpha=2"], 4),
    ],
    ids=lambda value: " ".join(value) or "run" if isinstance(value, list) else str(value),
)
def test_a_suite_without_a_robustness_test_loads_nothing_heavy(tmp_path, arguments, code):
    (tmp_path / "test_other.py").write_text(SUITE)
    assert loaded_by(tmp_path, *arguments) == (code, [], True)


def test_collecting_robustness_tests_loads_no_torch(tmp_path):
    (tmp_path / "test_mine.py").write_text("def test_mine(robustness, cell): pass\n")
    code, loaded, _ = loaded_by(tmp_path, "--collect-only", "-q", "--robustness-models=digits12")
    assert code == 0
    assert "torch" not in loaded
    assert "torchvision" not in loaded


@pytest.mark.parametrize("package", ["pytest_robustness", "pytest_robustness.core"])
def test_the_names_that_a_package_gives_out_are_there_without_torch(package):
    script = f"import sys, {package} as p; [getattr(p, name) for name in p.__all__]; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_metadata_of_what_is_installed_are_not_read_again_for_the_plugin(tmp_path):
    script = """
import pluggy, pytest
read, load = [], pluggy.PluginManager.load_setuptools_entrypoints
pluggy.PluginManager.load_setuptools_entrypoints = lambda *names, **named: read.append(names) or load(*names, **named)
pytest.main(["--fixtures", "-q"])
print(len(read))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "robustness [session scope]" in done.stdout
    # Once: a list of plugins, `pytest_plugins`, would make pytest read them another time.
    assert done.stdout.splitlines()[-1] == "1"
