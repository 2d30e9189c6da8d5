"""Settings of the whole process give way to the user, and are restored."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys

import pytest

from pytest_robustness.core.process import limit_openmp_spin, quick_imports


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, {"GOMP_SPINCOUNT": "3000"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
    ],
)
def test_openmp_spins_briefly_unless_the_environment_says_otherwise(monkeypatch, environment, expected):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    limit_openmp_spin()
    assert {name: os.environ[name] for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY") if name in os.environ} == expected
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)


def test_openmp_is_configured_before_pytorch_is_imported():
    script = """
import os, pathlib, sys
from pytest_robustness.inference.predictor import Predictor
from pytest_robustness.inference.settings import InferenceSettings
settings = InferenceSettings(
    data="digits", limit=None, seed=0, download=False, device="cpu", precision="fp32", runtime="auto", workers=0,
    batch_size=None, on_bad_image="error", store=pathlib.Path("never-opened.sqlite"),
)
Predictor(settings, None, None, None, progress=None, check=None, agree=None, provenance=None)
print("torch" in sys.modules, os.environ["GOMP_SPINCOUNT"])
"""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "False 3000\n", done.stderr


@pytest.mark.parametrize("before", [True, False])
def test_quick_imports_put_the_collector_back(before):
    was = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        with contextlib.suppress(ImportError), quick_imports():
            meanwhile = gc.isenabled()
            raise ImportError
        assert (meanwhile, gc.isenabled()) == (False, before)
    finally:
        (gc.enable if was else gc.disable)()


def test_what_was_imported_is_never_looked_at_again_and_nothing_else_is_kept(monkeypatch, tmp_path):
    (tmp_path / "module_of_mine.py").write_text("class Thing: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    frozen = gc.get_freeze_count()
    with quick_imports():
        import sys as known  # noqa: F401
    assert gc.get_freeze_count() == frozen
    with quick_imports():
        from module_of_mine import Thing
    assert gc.get_freeze_count() > frozen
    assert not any(found is Thing for found in gc.get_objects())
