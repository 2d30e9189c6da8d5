"""The command and its subcommands: one module for each, and its line in the table below."""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich_click import RichGroup

import pytest_robustness
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.files import short_path
from pytest_robustness.core.text import PLAIN_SIGNS, for_terminal
from pytest_robustness.frontends.command.comment import comment
from pytest_robustness.frontends.command.compare import compare
from pytest_robustness.frontends.command.doctor import doctor
from pytest_robustness.frontends.command.listing import list_
from pytest_robustness.frontends.command.prune import prune
from pytest_robustness.frontends.command.report import report
from pytest_robustness.frontends.command.run import plan, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

_log = logging.getLogger(__name__)

_COMMANDS: Final = (run, plan, doctor, compare, report, prune, comment, list_)
# As pytest's exit codes: 4 for a command that is used wrongly or cannot read a file, 3 for a fault of its own.
_USAGE: Final = 4
_INTERRUPTED: Final = 2
_FAULT: Final = 3
# As of a process that SIGPIPE ended, which is how other tools answer a closed pipe.
_UNREAD: Final = 141


@click.group(cls=RichGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(pytest_robustness.__version__, "-V", "--version", prog_name="pytest-robustness")
def cli() -> None:
    """How sensitive is an image classifier to simple transforms, which classes break, and may a new model ship?

    `pytest-robustness COMMAND --help` explains each command. Exit codes are pytest's: 0 passed, 1 failed, 2
    interrupted, 3 an internal error, 4 used wrongly, or a file cannot be read or written, 5 nothing was selected.

    Completion of commands and options, for bash (or zsh, fish):

        eval "$(_PYTEST_ROBUSTNESS_COMPLETE=bash_source pytest-robustness)"
    """


for _command in _COMMANDS:
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    That of a comparison or a diagnosis says what was found, so that no failure of another kind may end with it.
    """
    shown, said = sys.stdout, sys.stderr
    for stream in (shown, said):
        _write_what_the_encoding_has(stream)
    try:
        # Without standalone mode click returns what the subcommand returned, and raises what it would print.
        code = int(cli.main(arguments, prog_name="pytest-robustness", standalone_mode=False) or 0)
        if shown is not None:
            shown.flush()  # here, where a full disk can still be told
    except SystemExit as ended:
        if ended.code == click.UsageError.exit_code:
            return _USAGE  # no subcommand was named
        sys.stdout, sys.stderr = shown, said  # a pipe was closed: click puts other streams there, rich does not
        return _unread(shown, said)
    except BrokenPipeError:
        return _unread(shown, said)
    except Exception as error:
        if isinstance(error, OSError):
            _let_go(shown)
        return _failed(error)
    return code


def _failed(error: Exception) -> int:
    """Say what ended the command, and return its exit code."""
    if isinstance(error, click.Abort):
        return _INTERRUPTED
    if isinstance(error, click.ClickException):
        error.show()
        return _USAGE
    if not isinstance(error, RobustnessError | OSError):
        traceback.print_exception(error)
        return _FAULT
    _log.debug("the command failed", exc_info=error)
    text = _sentence(error) if isinstance(error, OSError) else str(error)
    click.echo(for_terminal(f"ERROR: {text}"), err=True)
    return _USAGE


def _write_what_the_encoding_has(stream: TextIO | None) -> None:
    """Have a stream show in another way what its encoding lacks, as that of a Windows console does: it would raise."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors=PLAIN_SIGNS)


def _sentence(error: OSError) -> str:
    """Return what the system could not do, and with which file."""
    file = error.filename or error.filename2
    where = f"{short_path(Path(os.fsdecode(file)))}: " if isinstance(file, str | bytes) else ""
    return f"{where}{error.strerror or str(error) or type(error).__name__}."


def _unread(*streams: TextIO | None) -> int:
    """Return the exit code of a command whose output nobody reads: `head` has seen enough."""
    for stream in streams:
        _let_go(stream)
    return _UNREAD


def _let_go(stream: TextIO | None) -> None:
    """Send what a stream holds nowhere, if it cannot be written: Python would try again as it ends, and complain."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        _log.debug("the output cannot be written", exc_info=True)
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        except OSError:
            _log.debug("the output has no descriptor", exc_info=True)
