"""The options on pytest's command line and in its configuration files.

Each is a command-line option ``--robustness-NAME`` and an ini or TOML key ``robustness_NAME``. The command line wins.
"""

from __future__ import annotations

import difflib
import logging
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.process import warnings_ignored
from pytest_robustness.core.text import for_terminal
from pytest_robustness.frontends.session.options import PREFIX, SPECS, Options, RunMode
from pytest_robustness.frontends.session.options.names import in_quotes
from pytest_robustness.frontends.session.options.reading import ALONE, complete, read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_robustness.frontends.session.options.spec import OptionSpec

_log = logging.getLogger(__name__)

_KEY_PREFIX: Final = "robustness_"
# What was typed, and the options that it and the configuration gave.
_RESOLVED: Final = pytest.StashKey[tuple[dict[str, Any], Options]]()
_INI_TYPE: dict[str, Literal["args", "string", "bool"]] = {
    "value": "string",
    "path": "string",
    "names": "args",
    "switch": "bool",
}


def add_options(parser: pytest.Parser) -> None:
    """Declare every option, on the command line and for ini files."""
    group = parser.getgroup("robustness", "robustness of image classifiers (write --option=VALUE)")
    for spec in SPECS:
        if spec.kind == "switch":
            group.addoption(spec.flag, action="store_const", const="true", default=None, help=spec.help)
        else:
            optional = {} if spec.alone is None else {"nargs": "?", "const": ALONE}
            group.addoption(spec.flag, default=None, metavar=spec.metavar, help=spec.help, **optional)
        if spec.ini:
            parser.addini(
                spec.key, spec.help, type=_INI_TYPE[spec.kind], default=False if spec.kind == "switch" else None
            )


def refuse_unknown(arguments: Sequence[str]) -> None:
    """Raise ``pytest.UsageError`` for an option with our prefix that there is not, and name the closest.

    pytest refuses what no plugin knows by its own usage, which has none of them.
    """
    names = [spec.name for spec in SPECS]
    for argument in arguments:
        typed = argument.partition("=")[0]
        if typed == "--":
            return
        if typed.startswith(PREFIX) and (name := typed.removeprefix(PREFIX)) not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = (
                f"Did you mean {PREFIX}{close[0]}?"
                if close
                else "pytest --help lists those there are, under robustness."
            )
            raise pytest.UsageError(f"{for_terminal(typed)} is no option. {hint}")


def refuse_unknown_keys(config: pytest.Config) -> None:
    """Raise `OptionError` for a configured key with our prefix that nobody declared; pytest only warns of it.

    A key of a plugin, or of a ``conftest.py``, that declares it is theirs.
    """
    for key in sorted(_keys(config)):
        if not _ours(key) or _declared(config, key):
            continue
        spec = next((spec for spec in SPECS if spec.key == key), None)
        known = [spec.field for spec in SPECS if spec.ini]
        close = difflib.get_close_matches(_meant(key).removeprefix(_KEY_PREFIX), known, n=1)
        hint = "pytest --help lists those there are, under robustness."
        if close:
            hint = f"Did you mean {_KEY_PREFIX}{close[0]}?"
        if spec is not None:
            hint = f"Give {spec.flag} on the command line."
        raise OptionError(f"{_where(config, key)} is no option of a configuration. {hint}")


def configures(config: pytest.Config) -> bool:
    """Return whether a file, or ``-o``, sets an option of ours."""
    return any(map(_ours, _keys(config)))


def _ours(key: str) -> bool:
    return _meant(key).startswith(_KEY_PREFIX)


def _meant(key: str) -> str:
    """Return how a key is spelled that may be written as an option on the command line: ``robustness-margin``."""
    return key.lstrip("-").replace("-", "_").lower()


def _keys(config: pytest.Config) -> set[str]:
    """Return the keys that files and ``-o`` set. pytest has no public name for them: where it moved, there are none."""
    configured = vars(config).get("_inicfg") or vars(config).get("inicfg") or {}  # by version: from pytest 9 on, before
    typed = (entry.partition("=")[0].strip() for entry in config.getoption("override_ini") or ())
    return {*map(str, configured), *typed}


def _declared(config: pytest.Config, key: str) -> bool:
    try:
        config.getini(key)
    except ValueError as error:
        return "unknown configuration value" not in str(error)
    except (TypeError, pytest.UsageError):  # of a value that is not valid, which whoever reads it refuses
        return True
    return True


def resolve_options(config: pytest.Config) -> Options:
    """Read every option: the command line, else the ini file, else the default.

    They are read again where a ``conftest.py`` has changed what was typed.

    Raises
    ------
    OptionError
        On a value that is not valid; the text names the option, the value and the valid ones.
    """
    typed = {spec.field: config.getoption(spec.flag) for spec in SPECS}
    before, options = config.stash.get(_RESOLVED, (None, None))
    if options is None or before != typed:
        values = {spec.field: _resolve(config, spec) for spec in SPECS}
        named = {field for field, value in typed.items() if value is not None}
        options = complete(values, named, config.rootpath, PREFIX)
        config.stash[_RESOLVED] = typed, options
    return options


def known_option(config: pytest.Config, field: str) -> Any:
    """Return the value of one option, whatever is wrong with the others; ``None`` where it is not valid itself."""
    try:
        return _resolve(config, next(spec for spec in SPECS if spec.field == field))
    except OptionError:
        _log.debug("%s is not known", field, exc_info=True)
        return None


def run_mode(config: pytest.Config) -> RunMode:
    """Return what the run does with findings and with a baseline.

    Raises
    ------
    OptionError
        On an option that is not valid.
    """
    return resolve_options(config).mode


def _resolve(config: pytest.Config, spec: OptionSpec) -> Any:
    typed = config.getoption(spec.flag)
    if typed is ALONE:
        return typed
    configured = _configured(config, spec) if spec.ini else None
    text = typed if typed is not None else configured
    if text is not None:
        value = read(spec, text, spec.flag if typed is not None else _where(config, spec.key))
    elif spec.default is not None:
        value = spec.read(spec.default)
    else:
        return None
    return _based(config, value, typed=typed is not None) if spec.kind == "path" else value


def _where(config: pytest.Config, key: str) -> str:
    """Return where a configured value is written: ``-o`` on the command line has the last word, else a file has it."""
    typed = any(entry.partition("=")[0].strip() == key for entry in config.getoption("override_ini") or ())
    return f"-o {key}" if typed else f"{key} in {config.inipath}"


def _based(config: pytest.Config, path: Path, *, typed: bool) -> Path:
    """Return ``path`` as an absolute one: one that was typed starts in the invocation directory."""
    return (config.invocation_params.dir if typed else config.rootpath) / path


def _configured(config: pytest.Config, spec: OptionSpec) -> str | None:
    try:
        # pytest warns about a list where a string is due; here it is refused.
        with warnings_ignored(DeprecationWarning):
            return _text(config.getini(spec.key), spec)
    except (ValueError, TypeError, pytest.UsageError) as error:
        _log.debug("%s is not valid", spec.key, exc_info=True)
        # pytest checks a key's type itself, but does not name the key of a switch.
        valid = {"switch": "true, false", "names": "a list of strings"}
        expected = valid.get(spec.kind, "a string, which TOML writes in quotes")
        raise OptionError(f"{_where(config, spec.key)}: {error}. Valid: {expected}.") from None


def _text(value: str | bool | Sequence[str] | None, spec: OptionSpec) -> str | None:
    if value is None or value == [] or (isinstance(value, str) and not value.strip()):
        return None
    if spec.kind == "switch":
        return "true" if value else None
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or spec.kind != "names":
        raise ValueError(f"{value!r} is not a string")
    # An ini file was split at blanks, which may be those of a path; an entry of a TOML list is a name as it stands.
    return " ".join(in_quotes(str(name)) for name in value)
