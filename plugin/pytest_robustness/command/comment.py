"""Keep one comment on a pull request up to date with the summary of a run."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich_click import RichCommand

_MISSING = "## Robustness: no result\n\nThe run left no summary: its log says why.\n"


@click.command("comment", cls=RichCommand)
@click.argument("summary", type=click.Path(dir_okay=False), default="reports/latest/summary.md")
@click.option("--name", default="robustness", show_default=True, help="Name of the comment; each has one of its own.")
def comment(summary: str, name: str) -> int:
    """Comment on the pull request of this job of GitHub Actions with SUMMARY, in place of the former comment.

    Reads GITHUB_EVENT_PATH, GITHUB_REPOSITORY, GITHUB_API_URL and GITHUB_TOKEN, as a job has them. Where the token may
    not write, as on pull requests of forks, nothing is written. The exit code is 0 then, too: the gate decides.
    """
    from pytest_robustness.core.text import for_terminal
    from pytest_robustness.report import pull_request

    found = pull_request.pull_request(os.environ)
    if found is None:
        click.echo("This is no job of a pull request: there is nothing to comment on.")
        return 0
    path = Path(summary)
    text = path.read_text(encoding="utf-8", errors="backslashreplace") if path.is_file() else _MISSING
    click.echo(for_terminal(pull_request.publish(found, pull_request.body(text, name), name)))
    return 0
