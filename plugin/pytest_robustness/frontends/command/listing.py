"""Print the models, transforms and data that the options accept."""

from __future__ import annotations

import click
from rich_click import RichCommand


@click.command("list", cls=RichCommand)
def list_() -> None:
    """Print the known models, transforms and data."""
    from pytest_robustness.frontends.session.listing import print_catalogue
    from pytest_robustness.transforms import builtin

    print_catalogue(builtin())
