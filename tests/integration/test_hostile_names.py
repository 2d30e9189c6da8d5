"""Names of folders and files that a terminal, a log, a spreadsheet or a page would obey are shown as text."""

from __future__ import annotations

import csv
import os
import re
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytest import ExitCode  # noqa: PT013

NAMES = (
    *(b"::stop-commands::x", b"##[error]x", b"a|b", b"`tick`", b"<b>bold", b"=1+1", b"@x", b"two\nlines"),
    *(b"\x1b[31mred\x07", "\u202egnp".encode(), b"caf\xe9", b"\n::error::y", b"x\r\n##vso[z]", b"[a](b)"),
)
NETS = """
import torch
from pytest_robustness import Model


class Shade(torch.nn.Module):
    # Says of which of the classes the upper half's shade is: turned upside down it is always another.
    def forward(self, images):
        shade = images[:, :, :4].mean(dim=(1, 2, 3)) * 255 / 10
        return -(shade[:, None] - torch.arange(14)).abs()


def shade():
    return Model(Shade())
"""


@pytest.fixture
def hostile(project):
    """The tiny project with one class of each name, 12 images each; the last of the first class cannot be read."""
    project.write("nets.py", NETS)
    project.configure(
        robustness_data="folder:odd", robustness_models="python:nets.py:shade", robustness_on_bad_image="skip"
    )
    for label, name in enumerate(sorted(NAMES, key=os.fsdecode)):
        folder = Path(os.fsdecode(os.fsencode(project.path / "odd") + b"/" + name))
        folder.mkdir(parents=True)
        for number in range(12):
            pixels = np.full((8, 8, 3), 10 * label, np.uint8)
            pixels[4:] = 10 * ((label + 3) % len(NAMES))
            pixels[0, 0] += number
            Image.fromarray(pixels).save(folder / f"=::error::{number:02}.png")
    Path(os.fsdecode(os.fsencode(folder) + b"/\x1b[2J\xff\n::error::.png")).write_bytes(b"no image")
    return project


def unsafe(text: str) -> list[str]:
    """Return what a terminal would obey: controls but for line feeds and tabs, marks of direction, no Unicode."""
    return [c for c in text if c not in "\n\t" and (unicodedata.category(c) in {"Cc", "Cs"} or c in "\u202e\u202b")]


def commands(text: str) -> list[str]:
    """Return the lines that GitHub's or Azure's runner would obey, but for the plugin's own annotations."""
    lines = re.split(r"[\r\n]", text)
    return [
        line
        for line in lines
        if (line.lstrip().startswith("::") and not line.startswith("::error title=")) or re.search(r"##\w*\[", line)
    ]


def check_reports(folder: Path) -> None:
    for name in ("summary.md", "accuracy.csv", "tests.csv", "images.csv", "index.html", "results.json"):
        assert not unsafe((folder / name).read_text(encoding="utf-8")), name
    summary = (folder / "summary.md").read_text(encoding="utf-8")
    for section in summary.split("\n### ")[1:]:
        tables = [line for line in section.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in tables}) <= 1, section
        assert all(line.startswith(("|", "-", "<", " ")) or not line for line in section.splitlines()[1:]), section
    for name in ("accuracy.csv", "tests.csv", "images.csv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        assert len({len(row) for row in rows}) == 1
        assert not [cell for row in rows for cell in row if re.match(r"[=@\t\r]|[+-](?![\d.])", cell)]
    with (folder / "accuracy.csv").open(encoding="utf-8", newline="") as file:
        names = {row["class_name"] for row in csv.DictReader(file)}
    assert names == {
        *("::stop-commands::x", "##[error]x", "a|b", "`tick`", "<b>bold", "'=1+1", "'@x", "two\\nlines"),
        *("\\x1b[31mred\\x07", "\\u202egnp", "caf\\xe9", "\\n::error::y", "x\\r\\n##vso[z]", "[a](b)"),
    }
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "<b>bold" not in page


def test_names_that_would_be_obeyed_are_shown_as_text(hostile, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(hostile.path / "step.md"))
    result = hostile.judge("-v", "-rs", "--junitxml=junit.xml", "--robustness-update-baseline")
    text = result.stdout.str() + result.stderr.str()
    assert result.ret == ExitCode.TESTS_FAILED
    assert "1 image could not be read and was skipped: " in " ".join(text.split())
    assert "INTERNALERROR" not in text
    assert "could not be written" not in text
    assert "stop-commands" in text
    assert not unsafe(text)
    assert not commands(text)
    check_reports(hostile.path / "reports/latest")
    assert ET.parse(hostile.path / "junit.xml").getroot() is not None
    assert (hostile.path / "step.md").read_text(encoding="utf-8").startswith("## Robustness: FAIL")
    compared = hostile.judge("--robustness-baseline=robustness-baseline.json", "-k", "baseline")
    assert compared.ret == ExitCode.OK


@pytest.mark.slow
def test_two_workers_hand_over_names_that_would_be_obeyed(hostile, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = hostile.judge_apart("-n", "2", "--alluredir=allure")
    text = result.stdout.str() + result.stderr.str()
    assert result.ret == ExitCode.TESTS_FAILED
    assert "INTERNALERROR" not in text
    assert not unsafe(text)
    assert not commands(text)
    check_reports(hostile.path / "reports/latest")


def test_an_error_of_the_users_code_is_shown_as_text(project, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    project.write(
        "nets.py",
        r"""
        def slope():
            raise ValueError("\x1b[2J\x07\u202e\n::stop-commands::x\n##[error]y\udcff" + "z" * 100_000)
        """,
    )
    result = project.judge("--robustness-models=python:nets.py:slope")
    text = result.stdout.str() + result.stderr.str()
    assert "stop-commands" in text
    assert len(text) < 200_000
    assert not unsafe(text)
    assert not commands(text)
    for name in ("summary.md", "results.json", "index.html"):
        assert not unsafe((project.path / "reports/latest" / name).read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_terminal_whose_encoding_lacks_signs_shows_plain_ones(hostile, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    monkeypatch.setenv("PYTHONUTF8", "0")
    text = hostile.judge_apart().stdout.str()
    assert "\n-----" in text
    assert r"\u2500" not in text
