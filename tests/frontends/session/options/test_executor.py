"""``--robustness-executor`` and ``--robustness-ray-address``: what computes, and where."""

from __future__ import annotations

import importlib.util

import pytest


def test_this_process_computes_by_default(project):
    project.judge("-k", "vflip-slope").stdout.fnmatch_lines(["Models ran on cpu with eager fp32."])
    assert "executor" not in project.results()["provenance"]


def test_without_ray_the_error_says_how_to_install_it(project, monkeypatch):
    usual = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else usual(name, *rest))
    result = project.judge("--robustness-executor=ray")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --robustness-executor=ray needs Ray: pip install ray."])


@pytest.mark.slow
def test_with_several_processes_ray_is_refused(project):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    pytest.importorskip("ray", reason="needs the extra ray")
    result = project.judge("-n1", "--robustness-executor=ray")
    assert result.ret == 4
    assert "--robustness-executor=ray does not go with -n: each process would start actors" in result.stdout.str() + (
        result.stderr.str()
    )
