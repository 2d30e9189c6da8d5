"""Compare two runs: what changed, by model, condition and class, and which answers."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import click
from rich_click import RichCommand

if TYPE_CHECKING:
    from collections.abc import Iterable


@click.command("compare", cls=RichCommand)
@click.argument("before", metavar="A", type=click.Path())
@click.argument("now", metavar="B", type=click.Path())
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="OLD=NEW",
    help="Compare model OLD of A with model NEW of B, by their names or by those that reports show. Others are matched "
    "by name; where each run has but one model, these two are compared. May be given several times.",
)
@click.option("--alpha", type=float, default=0.05, show_default=True,
              help="Level of the tests, after Holm's correction over all comparisons.")  # fmt: skip
@click.option(
    "--report",
    "folder",
    type=click.Path(),
    default="reports/comparison",
    show_default=True,
    metavar="FOLDER",
    help="Where comparison.html, comparison.json and comparison-classes.csv are written.",
)
def compare(before: str, now: str, models: tuple[str, ...], alpha: float, folder: str) -> int:
    """Compare two runs, A before and B now: what changed, and which answers.

    A and B are the folder of a report, its results.json, or the JSON file of a baseline. Where both hold answers to the
    same images, these are compared one by one.

    Exit codes: 0 nothing got significantly worse, 1 a model under some condition did, or a class, 3 an internal error,
    4 used wrongly, or a file cannot be read or written.
    """
    from pytest_robustness.core.files import short_path
    from pytest_robustness.core.text import for_terminal
    from pytest_robustness.frontends.api.compare import compare as compared

    found = compared(before, now, models=_pairs(models), alpha=alpha)
    page = found.report(folder)
    color = sys.stdout.isatty()
    click.echo(found.text(shutil.get_terminal_size().columns, color=color))
    click.echo(for_terminal(f"Page: {short_path(page)}"))
    return 1 if found.worse else 0


def _pairs(texts: Iterable[str]) -> dict[str, str]:
    """Return the models that were named, the second run's by the first one's.

    Raises
    ------
    click.BadParameter
        On a text that names no pair, or a model twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        old, equals, new = text.partition("=")
        if not (old and equals and new):
            raise click.BadParameter(f"{text!r} names no pair of models. Valid: OLD=NEW.", param_hint="--model")
        if old in found:
            raise click.BadParameter(f"{old!r} is named twice.", param_hint="--model")
        found[old] = new
    return found
