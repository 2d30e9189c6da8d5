"""No file tells its reader to install this package by its name alone: it is not on PyPI, where anybody may take it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What ends each name of a file that people read or copy.
_SUFFIXES = {".md", ".py", ".yml", ".yaml", ".toml", ".txt", ".ini", ".cfg", ".ipynb", ".sbatch", ".html", ""}
_PLACE = r"(?! *@ git\+https://github\.com/OWNER/pytest-robustness@REVISION)"
_BY_NAME = re.compile(
    # With extras, wherever it stands; and as what a command installs.
    rf"(?<![\w/.-])pytest[-_]robustness\\*\[[^\]]*\]{_PLACE}"
    rf"|pip3? install [^\n]*?(?<![\w/.-])pytest[-_]robustness(?![\w\[/.-]){_PLACE}"
)


def by_name(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if _BY_NAME.search(line)]


def files() -> list[Path]:
    try:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only a checkout knows its files")
    here = Path(__file__).relative_to(ROOT)
    paths = [Path(name) for name in listed.splitlines()]
    return [ROOT / path for path in paths if path.suffix in _SUFFIXES and path != here and (ROOT / path).is_file()]


def test_no_file_installs_this_package_by_its_name_alone():
    found = {
        path.relative_to(ROOT).as_posix(): lines
        for path in files()
        if (lines := by_name(path.read_text(encoding="utf-8")))
    }
    own = found.pop("pyproject.toml")
    assert len(own) == 1
    assert own[0].startswith('"pytest-robustness[allure,')
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        "pip install pytest-robustness",
        "    - pip install -e . 'pytest-robustness[xdist]'",
        '`pip install "pytest-robustness[digits,plot]" jupyter`, then',
        'test = ["pytest-robustness[digits]"]',
        "pip install torch pytest-robustness==0.1.0",
        '"`pip install \\"pytest-robustness[digits]\\"`. The models',
        "pip install pytest-robustness @ git+https://github.com/someone/pytest-robustness@main",
        "pip3 install -U pytest_robustness",
    ],
)
def test_the_checker_sees_a_bare_name(line):
    assert by_name(line) == [line.strip()]


@pytest.mark.parametrize(
    "line",
    [
        'pip install -e "/path/to/checkout[digits]" .',
        'pip install . "pytest-robustness[xdist] @ git+https://github.com/OWNER/pytest-robustness@REVISION"',
        "From a checkout of pytest-robustness, `pip install -e .`",
        "uses: OWNER/pytest-robustness@REVISION",
        "description: What pip installs besides pytest-robustness, such as `.`",
        "git clone <this repository> && cd pytest-robustness",
    ],
)
def test_the_checker_passes_a_checkout_and_a_revision(line):
    assert by_name(line) == []
