"""Refuse what stands where pytest reads something else: keys that are no option, and values that it takes for paths."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.text import quoted
from pytest_robustness.frontends.plugin.configuration import refuse_unknown_keys
from pytest_robustness.frontends.session.options import PREFIX, SPECS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


def refuse_misplaced(config: pytest.Config) -> None:
    """Raise `OptionError` for a configured key that does nothing, and for an option, or its value, among the paths."""
    refuse_unknown_keys(config)
    _refuse_ignored_files(config)
    if config.args_source is not config.ArgsSource.ARGS:
        return
    for argument in config.args:
        place = config.invocation_params.dir / argument.partition("::")[0]
        if os.path.exists(place):  # noqa: PTH110 (that of pathlib raises where it may not look, or of a long name)
            continue
        meant = list(_meant(argument))
        if meant:
            raise OptionError(f"{quoted(argument)} is no test and no folder with tests. Did you mean {_listed(meant)}?")


def _refuse_ignored_files(config: pytest.Config) -> None:
    """Raise for a key in a file that pytest passes over, because it takes its configuration from another beside it.

    pytest says so in its head, which ``-q`` leaves out, and has no public name for it: before version 9, none at all.
    """
    keys = "|".join(spec.key for spec in SPECS)
    if config.inipath is None:
        return
    for name in getattr(config, "_ignored_config_files", ()):
        text = config.inipath.with_name(name).read_text("utf-8", "replace")
        found = re.search(rf"^\s*[\"']?({keys})[\"']?\s*=", text, re.MULTILINE)
        if found:
            raise OptionError(
                f"{name} sets {found[1]}, and pytest does not read it: beside {config.inipath} it passes over it. Keep "
                f"all that configures pytest in one of the two."
            )


def _meant(text: str) -> Iterator[str]:
    """Yield the arguments that would take ``text`` as their value, by its form."""
    from pytest_robustness import data
    from pytest_robustness.models import PRESETS
    from pytest_robustness.models.sources import SOURCES
    from pytest_robustness.transforms import builtin

    source, _, rest = text.partition(":")
    named = bool(rest) and not rest.startswith(":")  # after two, pytest has the name of a test
    option, blank, value = text.partition(" ")
    if text.startswith(PREFIX) and blank:  # a line of a file that is named with @ is one argument
        yield f"{option}={value.strip()}"
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
