"""The public API: what the package lists is what it exports, and the bundled suite uses nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pytest_robustness
import robustness_tests

SUITE = sorted(Path(robustness_tests.__file__).parent.glob("*.py"))


def test_dir_lists_the_public_names_and_each_of_them_is_there():
    names = dir(pytest_robustness)
    assert names == sorted(pytest_robustness.__all__)
    assert {"DataSource", "GateTest", "Model", "assert_robust", "run_mode"}.issubset(names)
    for name in names:
        assert getattr(pytest_robustness, name).__name__.rpartition(".")[2] == name


@pytest.mark.parametrize("path", SUITE, ids=lambda path: path.name)
def test_the_bundled_suite_imports_public_names_alone(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    for node in imports:
        if (node.module or "").startswith("pytest_robustness"):
            assert node.module == "pytest_robustness"
            assert {name.name for name in node.names}.issubset(pytest_robustness.__all__)
    assert not any(
        name.name.startswith("pytest_robustness.")
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    )
