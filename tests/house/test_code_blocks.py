"""Every block of Python and shell in the README and the documentation runs, or says why it does not.

A page's blocks run in their order, in a project of its own. One that begins with ``# NAME.py`` is that file. The
examples of the architecture page have a test of their own.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_robustness.frontends.command.main import cli, main

if TYPE_CHECKING:
    from tests.conftest import Project

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OWN_TEST = {"architecture.md"}
# What the reader brings along: models by the names that the pages use, which read the project's photos.
MODELS = """
from nets import colour, slope

candidate, production = slope, colour
"""


class Block(NamedTuple):
    """A fenced block: its language, where it begins, why it is not run, and its text."""

    language: str
    line: int
    reason: str | None
    text: str


def blocks(page: Path) -> list[Block]:
    found, fence, before = [], None, ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if fence is None and (opened := re.fullmatch(r"```(python|bash)", line)):
            reason = re.fullmatch(r"<!-- (?:not run: )?(.+) -->", before)
            fence = (opened[1], number, reason and reason[1])
            lines: list[str] = []
        elif fence is not None and line == "```":
            found.append(Block(*fence, "\n".join(lines) + "\n"))
            fence = None
        elif fence is not None:
            lines.append(line)
        before = line
    return found


WITH_BLOCKS = [page for page in PAGES if page.name not in OWN_TEST and any(not b.reason for b in blocks(page))]


def test_what_is_not_run_says_why():
    reasons = [block.reason for page in PAGES for block in blocks(page) if block.reason is not None]
    assert all(len(reason) > 10 for reason in reasons)
    assert len(WITH_BLOCKS) > 5


def commands(text: str) -> list[list[str]]:
    joined = text.replace("\\\n", " ")
    return [words for line in joined.splitlines() if (words := shlex.split(line, comments=True))]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run(
    page: Path, everything_imported: None, folder: Project, monkeypatch: pytest.MonkeyPatch
):
    folder.write("my_models.py", MODELS)
    folder.configure(robustness_data=None, robustness_models=None, robustness_transforms="vflip hflip")
    monkeypatch.syspath_prepend(str(folder.path))
    names: dict[str, object] = {"__name__": "page"}
    if "reports/latest" in page.read_text(encoding="utf-8"):
        folder.judge("--robustness-data=folder:photos", "--robustness-models=python:my_models.py:candidate")
    for block in blocks(page):
        if block.reason is not None:
            continue
        if block.language == "bash":
            for command in commands(block.text):
                run(folder, command, f"{page.name}:{block.line}")
        elif named := re.match(r"# (\w+\.py)\n", block.text):
            folder.write(named[1], block.text)
        else:
            with contextlib.chdir(folder.path), contextlib.redirect_stdout(sys.stderr):
                exec(compile(block.text, f"{page.name}:{block.line}", "exec"), names)


def run(folder: Project, command: list[str], where: str) -> None:
    """Run pytest, or the command, in this process; its tests may fail, as the page shows."""
    program, *arguments = command
    if program == "pytest-robustness" and arguments[0] not in ("run", "plan"):
        with contextlib.chdir(folder.path):
            assert main(arguments) in (0, 1), f"{where}: {shlex.join(command)}"
        return
    if program == "pytest-robustness":
        with cli.commands[arguments[0]].make_context(arguments[0], arguments[1:]) as context:
            from pytest_robustness.frontends.command.run import pytest_arguments

            arguments = pytest_arguments(context)
    else:
        assert program == "pytest", f"{where}: {program} is not run here; mark the block"
    result = folder.run(*arguments)
    expected = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
    assert result.ret in expected, f"{where}: {shlex.join(command)}\n{result.stdout}\n{result.stderr}"
