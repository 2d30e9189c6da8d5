"""The options: declared once, read once, into one frozen object.

Each is a command-line option ``--robustness-NAME`` and an ini or TOML key ``robustness_NAME``. The command line wins.
"""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_robustness.errors import OptionError
from pytest_robustness.plugin.options.table import BESIDE, PREFIX, SWITCHES, VALUED, OptionSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.test_result import Correction, MaxSensitive
    from pytest_robustness.plugin.options.table import Expect, Inconclusive, OnBadImage, Precision, TTest

__all__ = ["PREFIX", "Options", "add_options", "resolve_options"]


@dataclasses.dataclass(frozen=True)
class Options:
    """What the user asked for. ``None`` leaves the choice to the run: it depends on the data or on the machine."""

    models: tuple[str, ...] | None
    data: str
    transforms: tuple[str, ...] | None
    severity: tuple[int, ...]
    alpha: float
    test: TTest
    correction: Correction
    max_sensitive: MaxSensitive
    limit: int | None
    seed: int
    on_bad_image: OnBadImage
    equivalence: float | None
    baseline: Path | None
    baseline_model: str | None
    candidate: str | None
    tolerance: float
    gate_correction: Correction
    inconclusive: Inconclusive | None
    expect: Expect
    update_baseline: bool
    batch_size: int | None
    device: str
    precision: Precision
    runtime: str
    workers: int | None
    store: Path
    report: Path
    allure_report: Path | None
    allure_history: Path
    allure_gate: tuple[tuple[str, float], ...] | None
    weights_dir: Path | None
    trust_pickle: bool
    download: bool
    list: bool


_NEEDED = {"allure_gate": "allure_report", "baseline_model": "baseline"}
"""What an option is about, by option: on its own it would be ignored."""


def add_options(parser: pytest.Parser) -> None:
    """Declare every option, on the command line and for ini files."""
    group = parser.getgroup("robustness", "robustness of image classifiers (write --option=VALUE)")
    for spec in VALUED:
        optional = {} if spec.alone is None else {"nargs": "?", "const": spec.alone}
        group.addoption(spec.flag, default=None, metavar=spec.metavar, help=spec.help, **optional)
        kind: Literal["args", "string"] = "args" if spec.repeated else "string"
        parser.addini(spec.key, spec.help, type=kind, default=None)
    for spec in SWITCHES:
        group.addoption(spec.flag, action="store_const", const="true", default=None, help=spec.help)
        parser.addini(spec.key, spec.help, type="bool", default=False)
    group.addoption(
        PREFIX + "list",
        action="store_true",
        default=False,
        help="print the known models, transforms and data, and exit",
    )


def resolve_options(config: pytest.Config) -> Options:
    """Read every option: the command line, else the ini file, else the default.

    Raises
    ------
    OptionError
        On a value that is not valid; the text names the option, the value and the valid ones.
    """
    values = {spec.field: _resolve(config, spec) for spec in (*VALUED, *SWITCHES)}
    for field in ("store", "report", "allure_report", "allure_history", "baseline", "weights_dir"):
        path = values[field]
        # A path on the command line is meant from where one stands, a configured one from the project's root.
        typed = config.getoption(PREFIX + field.replace("_", "-")) is not None
        base = config.invocation_params.dir if typed else config.rootpath
        beside = field == "allure_report" and path == Path(BESIDE)
        values[field] = values["report"] / "allure" if beside else None if path is None else base / path
    if values["update_baseline"] and values["baseline"] is None:
        values["baseline"] = config.rootpath / "robustness-baseline.json"
    for field, needed in _NEEDED.items():
        flag, other = (PREFIX + name.replace("_", "-") for name in (field, needed))
        # A configured one may wait for the run that names the other.
        if config.getoption(flag) is not None and values[needed] is None:
            raise OptionError(f"{flag} does nothing without {other}. Give both, or neither.")
    return Options(**values, list=bool(config.getoption(PREFIX + "list")))


def _resolve(config: pytest.Config, spec: OptionSpec) -> Any:
    typed = config.getoption(spec.flag)
    configured = _configured(config, spec)
    text = typed if typed is not None else configured if configured is not None else spec.default
    if text is None:
        return None
    try:
        return spec.parse(text)
    except ValueError as error:
        where = spec.flag if typed is not None else f"{spec.key} in {config.inipath}"
        raise OptionError(f"{where}: {text!r} is not valid. Valid: {error}.") from None


def _configured(config: pytest.Config, spec: OptionSpec) -> str | None:
    try:
        with warnings.catch_warnings():
            # pytest warns of a list where it asked for a string; here it is refused.
            warnings.simplefilter("ignore", DeprecationWarning)
            return _text(config.getini(spec.key), spec)
    except (ValueError, TypeError, pytest.UsageError) as error:
        # pytest checks a key's type itself, and of a switch it does not say which.
        several = "a list of strings" if spec.repeated else "a string, which TOML wants in quotes"
        valid = "true, false" if spec in SWITCHES else several
        raise OptionError(f"{spec.key} in {config.inipath}: {error}. Valid: {valid}.") from None


def _text(value: str | bool | Sequence[str] | None, spec: OptionSpec) -> str | None:
    if value is None or value == "" or value == []:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str) and not spec.repeated:
        raise ValueError(f"{value!r} is no string")
    return value if isinstance(value, str) else ",".join(map(str, value))
