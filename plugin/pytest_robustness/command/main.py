"""The command and its subcommands: one module for each, and its line in the table below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click
from rich_click import RichGroup

import pytest_robustness
from pytest_robustness.command.comment import comment
from pytest_robustness.command.compare import compare
from pytest_robustness.command.doctor import doctor
from pytest_robustness.command.listing import list_
from pytest_robustness.command.report import report
from pytest_robustness.command.run import plan, run
from pytest_robustness.errors import RobustnessError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS: Final = (run, plan, doctor, compare, report, comment, list_)
# As pytest's exit codes: 4 for a command that is used wrongly.
_USAGE = 4


@click.group(cls=RichGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(pytest_robustness.__version__, "-V", "--version", prog_name="pytest-robustness")
def cli() -> None:
    """How sensitive is an image classifier to simple transforms, which classes break, and may a new model ship?

    `pytest-robustness COMMAND --help` explains each command. Exit codes are pytest's: 0 passed, 1 failed, 2
    interrupted, 4 used wrongly, 5 nothing was selected.

    Completion of commands and options, for bash (or zsh, fish):

        eval "$(_PYTEST_ROBUSTNESS_COMPLETE=bash_source pytest-robustness)"
    """


for _command in _COMMANDS:
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        # Without standalone mode click returns what the subcommand returned, and raises what it would print.
        return int(cli.main(arguments, prog_name="pytest-robustness", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return _USAGE
    except click.Abort:
        return 2
    except RobustnessError as error:
        click.echo(f"ERROR: {error}", err=True)
        return _USAGE
