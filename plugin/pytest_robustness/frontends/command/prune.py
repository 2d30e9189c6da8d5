"""Remove from a store what nobody has asked for in a long time."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click
from rich_click import RichCommand


@click.command("prune", cls=RichCommand)
@click.argument("store", type=click.Path(path_type=Path))
@click.option(
    "--unused-for",
    "days",
    type=click.IntRange(0, 100_000),  # the calendar of Python begins with the year 1
    required=True,
    metavar="DAYS",
    help="Keep what runs of the last so many days asked for.",
)
def prune(store: Path, days: int) -> int:
    """Remove from STORE all answers that no run of the last DAYS days asked for, and give their room back to the disk.

    Answers are kept of models that a run with tests of models or classes had since then, on images that one chose since
    then. What is removed is computed again when it is asked for. The file is written anew, for which the disk needs as
    much room as is left of it; no run may have it open. Exit codes: 0 done, 4 no such store, or it is in use.
    """
    from datetime import UTC, datetime, timedelta

    from pytest_robustness.core.errors import StoreError
    from pytest_robustness.core.files import short_path
    from pytest_robustness.core.text import for_terminal
    from pytest_robustness.frontends.session.recalled import described
    from pytest_robustness.inference.pruning import prune as pruned
    from pytest_robustness.inference.store.store import Store

    if not store.is_file():
        raise StoreError(f"There is no store at {short_path(store)}.")
    size = store.stat().st_size
    since = f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d %H:%M} UTC"
    with contextlib.closing(Store(store)) as opened:
        found = pruned(opened, since)
    for title, known in (("kept", found.kept), ("removed", found.removed)):
        for one in reversed(known):
            click.echo(for_terminal(f"{title}: {described(one)}"))
    gone = [before - after for before, after in zip(found.before, found.after, strict=True)]
    click.echo(
        f"{gone[0]:,} of {found.before.cells:,} cells and {gone[1]:,} of {found.before.predictions:,} predictions are "
        f"removed. {short_path(store)} has {store.stat().st_size / 1e6:,.1f} MB and had {size / 1e6:,.1f} MB."
    )
    return 0
