"""How an option is described: the functions that declare a field of `Options`, and what they record about it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from pytest_robustness.frontends.session.options.values import Choice, read_flag, read_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PREFIX = "--robustness-"

_Value = TypeVar("_Value")


@dataclasses.dataclass(frozen=True, eq=False, repr=False, match_args=False)
class OptionSpec:
    """Everything about one option but its field's name and type.

    Parameters
    ----------
    area
        The heading that ``docs/options.md`` lists it under.
    read
        Turns the text that a user wrote into the option's value; raises ``ValueError`` naming what is valid.
    default
        The text that stands for an option that the user leaves out. ``None``: the value is then ``None``.
    unset
        What users read as the default where ``default`` is ``None``.
    metavar
        What stands for the value in the help.
    about
        What the option does, as a phrase; choices and default are added to it.
    kind
        ``path``: relative to the invocation directory where typed, to the root directory where configured. ``names``:
        a list in a configuration file. ``switch``: takes no value on the command line.
    needs
        The field of another option, without which this one has no effect; as ``FIELD=VALUE``, without that value of it.
    fault
        Returns what would be valid in place of a value that was named for this run; empty where it is.
    alone
        Of a path: the folder, in the report's folder, that the option means when it is typed without a value.
    ini
        Whether a configuration file may set it.
    """

    area: str
    read: Callable[[str], Any]
    default: str | None
    unset: str
    metavar: str
    about: str
    kind: Literal["value", "path", "names", "switch"] = "value"
    needs: str | None = None
    alone: str | None = None
    ini: bool = True
    fault: Callable[[Any], str] | None = None
    field: str = ""

    @property
    def flag(self) -> str:
        """The option on the command line."""
        return PREFIX + self.name

    @property
    def name(self) -> str:
        """The option without its prefix."""
        return self.field.replace("_", "-")

    @property
    def key(self) -> str:
        """The option in an ini or TOML file."""
        return "robustness_" + self.field

    @property
    def shown_default(self) -> str:
        """The default as users read it."""
        if self.kind == "switch":
            return "off"
        return self.unset if self.default is None else self.default

    @property
    def help(self) -> str:
        """The text of ``pytest --help``: choices and default are added, unless it is a switch."""
        if self.kind == "switch":
            return self.about
        choices = f"{', '.join(self.read.words)}; " if isinstance(self.read, Choice) else ""
        return f"{self.about} ({choices}default: {self.shown_default})"


@overload
def option(
    read: Callable[[str], _Value],
    default: str,
    *,
    area: str,
    metavar: str,
    about: str,
    kind: Literal["value", "names"] = "value",
    needs: str | None = None,
    fault: Callable[[Any], str] | None = None,
) -> _Value: ...


@overload
def option(
    read: Callable[[str], _Value],
    default: None,
    *,
    area: str,
    metavar: str,
    about: str,
    unset: str = "none",
    kind: Literal["value", "names"] = "value",
    needs: str | None = None,
) -> _Value | None: ...


def option(
    read: Callable[[str], Any],
    default: str | None,
    *,
    area: str,
    metavar: str,
    about: str,
    unset: str = "none",
    kind: Literal["value", "names"] = "value",
    needs: str | None = None,
    fault: Callable[[Any], str] | None = None,
) -> Any:
    """Declare an option that takes a value. To a type checker the field has the type that ``read`` returns."""
    return _field(OptionSpec(area, read, default, unset, metavar, about, kind, needs, fault=fault))


@overload
def path(default: str, *, area: str, metavar: str, about: str) -> Path: ...


@overload
def path(
    default: None,
    *,
    area: str,
    metavar: str,
    about: str,
    alone: str | None = None,
    fault: Callable[[Any], str] | None = None,
) -> Path | None: ...


def path(
    default: str | None,
    *,
    area: str,
    metavar: str,
    about: str,
    alone: str | None = None,
    fault: Callable[[Any], str] | None = None,
) -> Any:
    """Declare an option that takes a path."""
    return _field(OptionSpec(area, read_path, default, "none", metavar, about, "path", alone=alone, fault=fault))


def switch(*, area: str, about: str, ini: bool = True) -> bool:
    """Declare an option that is on where it is named."""
    declared: bool = _field(OptionSpec(area, read_flag, "false", "", "", about, "switch", ini=ini))
    return declared


def _field(spec: OptionSpec) -> Any:
    # Without a default: `resolve_options` gives every field, and one that it forgot should not pass unnoticed.
    return dataclasses.field(metadata={"spec": spec})
