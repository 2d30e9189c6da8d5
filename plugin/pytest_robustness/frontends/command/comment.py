"""Keep one comment on a pull request up to date with the summary of a run."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

import click
from rich_click import RichCommand

from pytest_robustness.core.files import read_regular

_log = logging.getLogger(__name__)

_MOST_BYTES: Final = 64 << 20
_MISSING: Final = "## Robustness: no result\n\nThe run left no summary: its log says why.\n"


@click.command("comment", cls=RichCommand)
@click.argument("summary", type=click.Path(dir_okay=False), default="reports/latest/summary.md")
@click.option("--name", default="robustness", show_default=True, help="Name of the comment; each has one of its own.")
def comment(summary: str, name: str) -> int:
    """Comment on the pull request of this job of GitHub Actions with SUMMARY, in place of the former comment.

    Reads GITHUB_EVENT_PATH, GITHUB_REPOSITORY, GITHUB_API_URL and GITHUB_TOKEN, as a job has them. Where the token may
    not write, as on pull requests of forks, nothing is written. The exit code is 0 then, too, and where there is no
    SUMMARY: the gate decides. 4 used wrongly.
    """
    from pytest_robustness.core.text import for_terminal
    from pytest_robustness.report import pull_request

    found = pull_request.pull_request(os.environ)
    if found is None:
        click.echo("This is no job of a pull request: there is nothing to comment on.")
        return 0
    text = _summary(Path(summary))
    click.echo(for_terminal(pull_request.publish(found, pull_request.body(text, name), name)))
    return 0


def _summary(path: Path) -> str:
    """Return the text of the run's summary, and where there is none, that."""
    try:
        return read_regular(path, _MOST_BYTES).decode("utf-8", "backslashreplace")
    except OSError:
        _log.debug("there is no summary at %s", path, exc_info=True)
        return _MISSING
