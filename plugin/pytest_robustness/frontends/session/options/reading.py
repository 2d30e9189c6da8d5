"""Read options from texts, whoever has them: pytest's command line and files, arguments in Python, another command."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.text import quoted
from pytest_robustness.frontends.session.options.table import SPECS, Options
from pytest_robustness.frontends.session.options.values import require_plain, require_short

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from pytest_robustness.frontends.session.options.spec import OptionSpec

_log = logging.getLogger(__name__)

ALONE = True
"""What stands for the value of an option that was named without one."""


def read(spec: OptionSpec, text: str, where: str) -> Any:
    """Return the value of an option.

    Parameters
    ----------
    spec
        The option.
    text
        What the user wrote.
    where
        What the user wrote it to, for the error.

    Raises
    ------
    OptionError
        On a text that is not valid; the message names ``where``, the text, and what is valid.
    """
    try:
        # Of names any blank is a separator.
        require_plain(" ".join(text.split()) if spec.kind == "names" else text.strip())
        value = spec.read(text.strip())
        require_short(text)
    except ValueError as error:
        _log.debug("%s is not valid", where, exc_info=True)
        raise OptionError(f"{where}: {quoted(text)} is not valid. Valid: {error}.") from None
    return value


def complete(values: Mapping[str, Any], named: Collection[str], root: Path, prefix: str) -> Options:
    """Return the options, with what some of them imply for others.

    Parameters
    ----------
    values
        The value of every option, by field; `ALONE` where one was named without its value.
    named
        The fields that the user named for this run. A configured option may wait for the run that names the other.
    root
        Where a new baseline is written.
    prefix
        What an option's name begins with where the user wrote it, for the error.

    Raises
    ------
    OptionError
        When an option was named that does nothing without another, or names what is not there.
    """
    found = dict(values)
    for spec in SPECS:
        if found[spec.field] is ALONE and spec.alone is not None:
            found[spec.field] = found["report"] / spec.alone
    if found["update_baseline"] and found["baseline"] is None:
        found["baseline"] = root / "robustness-baseline.json"
    for spec in SPECS:
        if spec.field in named:
            _require_effect(spec, found, prefix)
    return Options(**found)


def _require_effect(spec: OptionSpec, found: Mapping[str, Any], prefix: str) -> None:
    needed, _, value = (spec.needs or "").partition("=")
    if needed and (found[needed] != value if value else found[needed] is None):
        one, other = (_spelled(field, prefix) for field in (spec.field, needed))
        other += f"={value}" if value else ""
        raise OptionError(f"{one} does nothing without {other}. Give both, or neither.")
    if spec.fault is not None and (valid := spec.fault(found[spec.field])):
        name = _spelled(spec.field, prefix)
        raise OptionError(f"{name}: {quoted(str(found[spec.field]))} is not valid. Valid: {valid}.")


def _spelled(field: str, prefix: str) -> str:
    return prefix + field.replace("_", "-") if prefix else field
