"""What ends a command that found nothing: no such end has the exit code of a result."""

from __future__ import annotations

import io
import os
import sys

import numpy as np
import pytest

from pytest_robustness.frontends.command.main import main
from tests.recorded import CONDITIONS, drawn, planted, put_report, recorded

LABELS = np.random.default_rng(1).integers(0, 3, 300)
LONG = "a" * 300
SURELY_SHOWN = {"list": ["list"], "help": ["--help"], "a command's help": ["run", "--help"], "version": ["--version"]}


@pytest.fixture
def reports(tmp_path, monkeypatch):
    """Write two runs of a model whose name and classes have signs of several scripts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    rng = np.random.default_rng(0)
    first = {c: drawn(rng, LABELS, 3, 0.8) for c in CONDITIONS}
    second = {c: planted(rng, given, LABELS, 3, 0.02) for c, given in first.items()}
    for name, answers in {"a": first, "b": second}.items():
        put_report(recorded({"网络": answers}, LABELS, ("ant", "abeille é", "猫")), tmp_path / name)
    return tmp_path


@pytest.fixture(params=[*SURELY_SHOWN, "compare", "comment"])
def arguments(request, reports, monkeypatch):
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    others = {"compare": ["compare", "a", "b"], "comment": ["comment", "summary.md"]}
    return (SURELY_SHOWN | others)[request.param]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "utf-8"])
def test_no_encoding_of_the_output_is_an_error(arguments, encoding, monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert main(arguments) == 0
    shown = sys.stdout.buffer.getvalue()
    assert len(shown) > 10
    if arguments[0] == "compare" and encoding != "ascii":  # click itself writes UTF-8 there
        plain = {"latin-1": "--", "cp1252": "--", "cp437": "──", "utf-8": "──"}[encoding]
        assert plain in shown.decode(encoding)
        assert ("网络" if encoding == "utf-8" else r"\u7f51\u7edc") in shown.decode(encoding)
    assert sys.stderr.buffer.getvalue() == b""


def test_a_full_disk_is_said_and_no_result(arguments, monkeypatch, capsys):
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 (a device)
        monkeypatch.setattr(sys, "stdout", full)
        assert main(arguments) == 4
        assert "ERROR: No space left on device." in capsys.readouterr().err


def test_a_pipe_that_nobody_reads_ends_a_command_quietly(arguments, monkeypatch, capsys):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert main(arguments) == 141
        assert sys.stdout is pipe
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", LONG, "b"],
        ["compare", "a", LONG],
        ["compare", "a/results.json/x", "b"],
        ["compare", "a", "b", "--report", LONG],
        ["compare", "a", "b", "--report", "a/results.json"],
        ["report", LONG],
        ["report", "a/results.json/x"],
    ],
)
def test_a_path_that_cannot_be_is_used_wrongly(arguments, reports, capsys):
    assert main(arguments) == 4
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert shown.startswith("ERROR: ")
    assert any(text in shown for text in ("File name too long", "Not a directory", "There is no", "cannot be written"))


@pytest.mark.parametrize("summary", [LONG, "nowhere/summary.md", "a/results.json/x"])
def test_a_comment_without_a_summary_says_that_there_is_none(summary, reports, monkeypatch):
    said = []
    monkeypatch.setattr("pytest_robustness.report.pull_request.pull_request", lambda _: "a pull request")
    monkeypatch.setattr(
        "pytest_robustness.report.pull_request.publish", lambda _, body, __: said.append(body) or "done"
    )
    assert main(["comment", summary]) == 0
    assert "The run left no summary" in said[0]


def test_no_subcommand_is_used_wrongly(capsys):
    assert main([]) == 4
    assert "Usage: pytest-robustness" in capsys.readouterr().out


FAULTS = [
    (PermissionError(13, "Permission denied", "/photos"), 4, "ERROR: /photos: Permission denied.\n"),
    (OSError(36, "File name too long", LONG), 4, f"ERROR: {LONG}: File name too long.\n"),
    (OSError(24, "Too many open files"), 4, "ERROR: Too many open files.\n"),
    (OSError("no number"), 4, "ERROR: no number.\n"),
    (FileNotFoundError(2, "No such file", b"\xff\x1b[31m"), 4, "ERROR: \\xff\\x1b[31m: No such file.\n"),
    (ValueError("a fault"), 3, "ValueError: a fault\n"),
    (RecursionError("deep"), 3, "RecursionError: deep\n"),
    (MemoryError(), 3, "MemoryError\n"),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), 3, "UnicodeDecodeError: "),
    (KeyboardInterrupt(), 2, ""),
    (EOFError(), 2, ""),
    (BrokenPipeError(32, "Broken pipe"), 141, ""),
]


@pytest.mark.parametrize(("error", "code", "text"), FAULTS, ids=lambda value: type(value).__name__)
def test_no_error_ends_with_the_code_of_a_result(error, code, text, monkeypatch, capsys):
    def fail(*_):
        raise error

    monkeypatch.setattr("pytest_robustness.frontends.session.listing.print_catalogue", fail)
    assert main(["list"]) == code
    shown = capsys.readouterr().err
    assert text in shown
    assert ("Traceback" in shown) == (code == 3)
