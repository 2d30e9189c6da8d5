"""The options: declared once, read once, into one frozen object.

Each is a command-line option ``--robustness-NAME`` and an ini or TOML key ``robustness_NAME``. The command line wins.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import pytest

from pytest_robustness.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_robustness.records import Correction, MaxSensitive

GROUP = "robustness"
PREFIX = "--robustness-"

_BESIDE = "auto"
_GATE_RULES = ("maxFailures", "minTestsCount", "successRate")

Precision = Literal["fp32", "bf16", "fp16"]
OnBadImage = Literal["error", "skip"]
TTest = Literal["independent", "welch", "paired"]
Inconclusive = Literal["pass", "fail", "skip"]
Expect = Literal["robust", "baseline"]


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


@dataclasses.dataclass(frozen=True)
class _Spec:
    """One option: how it is written, what it means, and how its text becomes a value."""

    name: str
    default: str | None
    parse: Callable[[str], Any]
    metavar: str
    help: str
    repeated: bool = False
    alone: str | None = None
    """The value of an option that is named without one; ``None``: it needs a value."""

    @property
    def flag(self) -> str:
        return PREFIX + self.name

    @property
    def key(self) -> str:
        return "robustness_" + self.field

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name for name in re.split(r"[,\s]+", text) if name)
    if not names:
        raise ValueError("at least one name, separated by commas")
    return names


def _severities(text: str) -> tuple[int, ...]:
    levels: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([1-9])\s*(?:-\s*([1-9])\s*)?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError("levels from 1, such as 3, 1-5 or 1,3,5")
        levels.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(levels))


def _alpha(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise ValueError("a number above 0 and below 1, such as 0.05")
    return value


def _points(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 100:
        raise ValueError("points of accuracy above 0, up to 100, such as 1.5")
    return value


def _whole(minimum: int, auto: str | None = None) -> Callable[[str], int | None]:
    valid = f"a whole number from {minimum}" + (f", or {auto}" if auto else "")

    def parse(text: str) -> int | None:
        if auto and text == auto:
            return None
        if not re.fullmatch(r"\d+", text) or int(text) < minimum:
            raise ValueError(valid)
        return int(text)

    return parse


def _max_sensitive(text: str) -> MaxSensitive:
    if text == "chance":
        return "chance"
    if re.fullmatch(r"\d+", text):
        return int(text)
    try:
        fraction = float(text)
    except ValueError:
        fraction = -1.0
    if not 0 <= fraction <= 1:
        raise ValueError("chance, a count of classes such as 5, or a fraction of them such as 0.1")
    return fraction


def _choice(*valid: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in valid:
            raise ValueError(", ".join(valid))
        return text

    return parse


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
        raise ValueError("auto, cpu, cuda, cuda:1 (and so on), mps")
    return text


def _path(text: str) -> Path:
    if not text.strip():
        raise ValueError("a path")
    return Path(text).expanduser()


def _gate(text: str) -> tuple[tuple[str, float], ...]:
    """Read rules of Allure's quality gate: ``maxFailures=3,successRate=0.9``."""
    rules = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\w+)\s*=\s*(\d+(?:\.\d+)?)\s*", part)
        if match is None or match[1] not in _GATE_RULES:
            raise ValueError("maxFailures=N, minTestsCount=N and successRate=F (0 to 1), separated by commas")
        rules[match[1]] = float(match[2])
    return tuple(rules.items())


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[_choice("true", "false")(text.lower())]


_SPECS = (
    _Spec(
        "models",
        None,
        _names,
        "NAMES",
        "models to judge, as [source:]name[@weights], separated by commas; presets: imagenet12, digits12 "
        "(default: the preset that fits the data)",
        repeated=True,
    ),
    _Spec(
        "data",
        "digits",
        str,
        "SPEC",
        "images to judge them on: digits, cifar10[:ROOT], imagenette[:ROOT], imagenet:ROOT[:train|val], folder:PATH, "
        "python:MODULE:FACTORY (default: digits, embedded)",
    ),
    _Spec(
        "transforms",
        None,
        _names,
        "NAMES",
        "transforms, separated by commas; chain with +, as in equalize+vflip "
        "(default: the nine of the article, and your own)",
        repeated=True,
    ),
    _Spec("severity", "3", _severities, "LEVELS", "severity levels: 3, 1-5, or 1,3,5 (default: 3)"),
    _Spec("alpha", "0.05", _alpha, "P", "significance level of every test (default: 0.05)"),
    _Spec(
        "test",
        "independent",
        _choice(*get_args(TTest)),
        "KIND",
        "t-test: independent (the article's), welch, or paired (default: independent)",
    ),
    _Spec(
        "correction",
        "none",
        _choice("none", "bh", "holm"),
        "NAME",
        "correction over the classes, or models, of a transform: none, bh, holm (default: none)",
    ),
    _Spec(
        "max-sensitive",
        "chance",
        _max_sensitive,
        "N",
        "sensitive classes that a class test allows: chance (as many as the null hypothesis alone would give in 95 of "
        "100 runs), a count, or a fraction (default: chance)",
    ),
    _Spec(
        "equivalence",
        None,
        _points,
        "POINTS",
        "let a model test pass only where the model is shown to stay within this many points (two one-sided tests), "
        "fail where it is shown not to, and be inconclusive between",
    ),
    _Spec(
        "baseline",
        None,
        _path,
        "FILE",
        "compare with this baseline: a model fails where it is less robust than there (with "
        "--robustness-update-baseline: where to write it; default: robustness-baseline.json)",
    ),
    _Spec(
        "baseline-model",
        None,
        str,
        "NAME",
        "the baseline's model to compare a candidate with (default: the one of the same name, or the only one)",
    ),
    _Spec("candidate", None, str, "NAME", "judge this model alone, against the baseline"),
    _Spec(
        "tolerance",
        "1.0",
        _points,
        "POINTS",
        "the drop against the baseline that is accepted, in points (default: 1.0)",
    ),
    _Spec(
        "gate-correction",
        "holm",
        _choice("none", "bh", "holm"),
        "NAME",
        "correction over the conditions of the comparison with the baseline: none, bh, holm (default: holm)",
    ),
    _Spec(
        "inconclusive",
        None,
        _choice(*get_args(Inconclusive)),
        "OUTCOME",
        "what a comparison with the baseline is where the images are too few to tell: pass, fail, skip (default: fail "
        "in CI, where the variable CI is set; else skip)",
    ),
    _Spec(
        "expect",
        "robust",
        _choice(*get_args(Expect)),
        "WHAT",
        "what tests expect of a model: robust; or baseline, where a known finding passes until it gets worse "
        "(default: robust)",
    ),
    _Spec("limit", "all", _whole(1, "all"), "N", "images per class, drawn with the seed (default: all)"),
    _Spec("seed", "0", _whole(0), "N", "seed of every random draw (default: 0)"),
    _Spec(
        "on-bad-image",
        "error",
        _choice(*get_args(OnBadImage)),
        "WHAT",
        "a file that is no readable image: error, or skip it and count it in the report (default: error)",
    ),
    _Spec("batch-size", "auto", _whole(1, "auto"), "N", "images per batch (default: auto, by image size and device)"),
    _Spec("device", "auto", _device, "NAME", "auto, cpu, cuda, cuda:1, mps (default: auto)"),
    _Spec(
        "precision",
        "fp32",
        _choice(*get_args(Precision)),
        "NAME",
        "number format of the models: fp32, bf16, fp16 (default: fp32)",
    ),
    _Spec("workers", "auto", _whole(0, "auto"), "N", "processes that decode images; 0 for none (default: auto)"),
    _Spec(
        "store",
        ".robustness/store.sqlite",
        _path,
        "FILE",
        "where finished results are kept (default: .robustness/store.sqlite)",
    ),
    _Spec("report", "reports/latest", _path, "DIR", "where the report goes (default: reports/latest)"),
    _Spec(
        "allure-report",
        None,
        _path,
        "DIR",
        "build the Allure 3 report of the run into DIR (default: allure, in the report's folder); needs Node 22, "
        "which pip install 'pytest-robustness[allure]' brings along",
        alone=_BESIDE,
    ),
    _Spec(
        "allure-history",
        ".robustness/allure-history.jsonl",
        _path,
        "FILE",
        "where the Allure report keeps the results of past runs (default: .robustness/allure-history.jsonl)",
    ),
    _Spec(
        "allure-gate",
        None,
        _gate,
        "RULES",
        "quality gate of the Allure report, such as maxFailures=3,successRate=0.9; a broken rule fails the run "
        "(default: none)",
    ),
    _Spec("weights-dir", None, _path, "DIR", "read torchvision's weight files from here instead of downloading them"),
)

_SWITCHES = (
    _Spec(
        "update-baseline",
        "false",
        _flag,
        "",
        "write the results of this run as the baseline: robustness-baseline.json, and the answers beside it",
    ),
    _Spec(
        "trust-pickle",
        "false",
        _flag,
        "",
        "also read weights that need a full pickle, which can run any code: only for files whose origin you trust",
    ),
    _Spec("download", "false", _flag, "", "download a dataset that is not at its place (cifar10, imagenette)"),
)


def add_options(parser: pytest.Parser) -> None:
    """Declare every option, on the command line and for ini files."""
    group = parser.getgroup(GROUP, "robustness of image classifiers (write --option=VALUE)")
    for spec in _SPECS:
        optional = {} if spec.alone is None else {"nargs": "?", "const": spec.alone}
        group.addoption(spec.flag, default=None, metavar=spec.metavar, help=spec.help, **optional)
        kind: Literal["args", "string"] = "args" if spec.repeated else "string"
        parser.addini(spec.key, spec.help, type=kind, default=None)
    for spec in _SWITCHES:
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
    values = {spec.field: _resolve(config, spec) for spec in (*_SPECS, *_SWITCHES)}
    for field in ("store", "report", "allure_report", "allure_history", "baseline", "weights_dir"):
        path = values[field]
        # A path on the command line is meant from where one stands, a configured one from the project's root.
        typed = config.getoption(PREFIX + field.replace("_", "-")) is not None
        base = config.invocation_params.dir if typed else config.rootpath
        beside = field == "allure_report" and path == Path(_BESIDE)
        values[field] = values["report"] / "allure" if beside else None if path is None else base / path
    if values["update_baseline"] and values["baseline"] is None:
        values["baseline"] = config.rootpath / "robustness-baseline.json"
    return Options(**values, list=bool(config.getoption(PREFIX + "list")))


def _resolve(config: pytest.Config, spec: _Spec) -> Any:
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


def _configured(config: pytest.Config, spec: _Spec) -> str | None:
    try:
        return _text(config.getini(spec.key))
    except (ValueError, pytest.UsageError) as error:
        # pytest checks a key's type itself, and of a switch it does not say which.
        valid = "true, false" if spec in _SWITCHES else "a string, which TOML wants in quotes"
        raise OptionError(f"{spec.key} in {config.inipath}: {error}. Valid: {valid}.") from None


def _text(value: str | bool | Sequence[str] | None) -> str | None:
    if value is None or value == "" or value == []:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else ",".join(value)
