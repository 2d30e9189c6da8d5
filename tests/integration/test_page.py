"""The page of a real run: its pictures are read again after the tests, and the run stands when they cannot be."""

from __future__ import annotations

import re

import pytest

LOSE_THE_DATA = """
import shutil

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    if not hasattr(session.config, "workeroutput"):
        shutil.rmtree("photos")
"""


def page(project):
    return (project.path / "reports" / "latest" / "index.html").read_text(encoding="utf-8")


def test_a_run_leaves_a_page_with_pictures_and_the_models_answers(project):
    project.judge()
    assert page(project).count("data:image/png;base64,") == 2 * page(project).count('<article class="example"') > 0
    assert "This image cannot be shown" not in page(project)


def test_images_that_are_gone_are_noted_and_the_run_stands(project):
    expected = project.judge("--robustness-store=other.sqlite").parseoutcomes()
    project.write("conftest.py", LOSE_THE_DATA)
    result = project.judge("--rootdir=.", "--confcutdir=.")
    assert result.parseoutcomes() == expected
    text = page(project)
    assert text.count("This image cannot be shown: ") == text.count('<article class="example"') > 0
    assert "data:image/png" not in text


def test_images_that_are_gone_are_shown_as_an_earlier_run_drew_them(project):
    project.judge()
    before = page(project)
    project.write("conftest.py", LOSE_THE_DATA)
    project.judge("--rootdir=.", "--confcutdir=.")
    assert not (project.path / "photos").exists()
    pictures = [re.findall(r"data:image/png;base64,[^\"']+", text) for text in (before, page(project))]
    assert pictures[0] == pictures[1] != []


@pytest.mark.slow
def test_the_controller_of_xdist_reads_the_images_and_tells_the_command(project, monkeypatch):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    monkeypatch.setattr("sys.argv", ["pytest", "--pyargs", "robustness_tests", "-n1"])
    project.judge("-n1")
    assert "data:image/png;base64," in page(project)
    assert "robustness_tests -n1</code>" in page(project)


@pytest.mark.slow
def test_data_that_cannot_be_opened_again_is_noted(project):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    project.write("conftest.py", LOSE_THE_DATA)
    project.judge("-n1", "--rootdir=.", "--confcutdir=.")
    assert "The images could not be opened again: " in page(project)
    assert '<article class="example"' in page(project)
