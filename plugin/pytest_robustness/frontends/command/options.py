"""Options of a run as options of a command: what they are called, take and say is in their table alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from pytest_robustness.frontends.session.options.values import Choice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_robustness.frontends.session.options.spec import OptionSpec


def option(spec: OptionSpec) -> click.Option:
    """Return an option of a command. Its value is the text as typed, or ``None``: one place reads and checks it."""
    names = [f"--{spec.name}", spec.field]
    if spec.kind == "switch":
        return click.Option(names, is_flag=True, default=None, help=spec.help)
    words = spec.read.words if isinstance(spec.read, Choice) else ()
    kind: click.ParamType[Any] = click.Path() if spec.kind == "path" else _Words(words)
    return click.Option(names, metavar=spec.metavar, help=spec.help, type=kind)


class _Words(click.ParamType[str]):
    """Takes any text; a shell completes it by words."""

    name = "text"

    def __init__(self, words: Iterable[str]) -> None:
        self._words = tuple(words)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 (as click calls it)
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the words that begin as typed."""
        return [CompletionItem(word) for word in self._words if word.startswith(incomplete)]
