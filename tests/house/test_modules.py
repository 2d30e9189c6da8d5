"""`tests.modules`: what a run in this process imports is forgotten, but for libraries that bear being imported once."""

from __future__ import annotations

import sys

import pytest


@pytest.mark.parametrize("run", ["run", "print_in"])
def test_a_run_leaves_no_module_but_those_of_libraries_that_register_themselves(project, run, monkeypatch):
    for name in ("numba.made_up", "made_up"):  # gone when the test ends
        monkeypatch.setitem(sys.modules, name, sys)
        monkeypatch.delitem(sys.modules, name)
    project.write("conftest.py", "import sys\nsys.modules['numba.made_up'] = sys.modules['made_up'] = sys\n")
    arguments = () if run == "run" else ("utf-8",)
    assert getattr(project, run)(*arguments, "--collect-only").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "numba.made_up" in sys.modules
    assert "made_up" not in sys.modules
