"""Refuse what stands where pytest reads something else: keys that are no option, and values that it takes for paths."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_robustness.core.text import quoted
from pytest_robustness.errors import OptionError
from pytest_robustness.plugin.configuration import refuse_unknown_keys
from pytest_robustness.session.options import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


def refuse_misplaced(config: pytest.Config) -> None:
    """Raise `OptionError` for a configured key that is no option, and for the value of an option among the paths."""
    refuse_unknown_keys(config)
    if config.args_source is not config.ArgsSource.ARGS:
        return
    for argument in config.args:
        if (config.invocation_params.dir / argument.partition("::")[0]).exists():
            continue
        meant = list(_meant(argument))
        if meant:
            raise OptionError(f"{quoted(argument)} is no test and no folder with tests. Did you mean {_listed(meant)}?")


def _meant(text: str) -> Iterator[str]:
    """Yield the arguments that would take ``text`` as their value, by its form."""
    from pytest_robustness import data
    from pytest_robustness.models import PRESETS
    from pytest_robustness.models.sources import SOURCES
    from pytest_robustness.transforms import builtin

    source, _, rest = text.partition(":")
    named = bool(rest) and not rest.startswith(":")  # after two, pytest has the name of a test
    if text in builtin().names():
        yield from (f"-k {text}", f"{PREFIX}transforms={text}")
    if (named and source in SOURCES) or text in PRESETS or any(text in names for names in PRESETS.values()):
        yield f"{PREFIX}models={text}"
    with contextlib.suppress(OptionError):
        data.check(text)
        yield f"{PREFIX}data={text}"


def _listed(arguments: list[str]) -> str:
    *others, last = arguments
    return f"{', '.join(others)} or {last}" if others else last
