"""Read keyword arguments as options: the values that Python has for them, with the option's own checks and defaults."""

from __future__ import annotations

import os
from collections.abc import Iterable
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, TypedDict

from pytest_robustness.core.errors import OptionError, unknown
from pytest_robustness.frontends.session.options import SPECS
from pytest_robustness.frontends.session.options.names import in_quotes
from pytest_robustness.frontends.session.options.reading import complete, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Literal

    from pytest_robustness.frontends.session.options import Options
    from pytest_robustness.frontends.session.options.spec import OptionSpec

_ASKED_LATER: Final = "The session of an Evaluation has a method for each study: "
_ALLURE: Final = "The Allure report is that of a run of pytest; an Evaluation writes the others: found.report(folder)."

PYTEST_ALONE: Final[Mapping[str, str]] = {
    "studies": _ASKED_LATER + "found.robustness.augmentation().",
    "suspects": _ASKED_LATER + "found.robustness.label_errors() lists up to 50 images.",
    "expect": "It decides what passes as a test; what an Evaluation finds against a baseline is in found.gate_tests.",
    "inconclusive": "It decides what an undecided test is to pytest; an Evaluation says INCONCLUSIVE in its outcome.",
    "plan": "The command pytest-robustness plan says what a run would compute.",
    "list": "The command pytest-robustness list prints what there is.",
    "report": "An Evaluation writes it: found.report(folder).",
    "allure_report": _ALLURE,
    "allure_history": _ALLURE,
    "allure_gate": _ALLURE,
}
"""What there is in place of each option that an evaluation does not take, of what pytest writes, prints or decides."""

ARGUMENTS: Final[Mapping[str, OptionSpec]] = {spec.field: spec for spec in SPECS if spec.field not in PYTEST_ALONE}
"""The options that an evaluation takes, by argument."""


class EvaluationOptions(TypedDict, total=False):
    """The keyword arguments of `evaluate`, for editors and type checkers; docs/options.md says what each does."""

    severity: int | str | Sequence[int]
    limit: int | Literal["all"] | None
    labels: Literal["data", "none"]
    unlabelled: str
    outputs: Literal["all", "data"]
    seed: int
    reference: str
    on_bad_image: Literal["error", "skip"]
    alpha: float
    test: Literal["independent", "welch", "paired"]
    correction: Literal["none", "bh", "holm"]
    max_sensitive: float | Literal["chance"]
    verdict: Literal["strict", "article", "margin"]
    margin: float
    class_margin: float
    parity_margin: float
    chance_check: Literal["error", "warn", "off"]
    baseline: str | os.PathLike[str]
    baseline_model: str
    candidate: str
    tolerance: float
    class_tolerance: float
    gate_correction: Literal["none", "bh", "holm"]
    update_baseline: bool
    batch_size: int | Literal["auto"] | None
    device: str
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"]
    runtime: str
    timeout: float | None
    workers: int | Literal["auto"] | None
    executor: Literal["local", "ray"]
    ray_address: str
    store: str | os.PathLike[str]
    weights_dir: str | os.PathLike[str]
    trust_pickle: bool
    clip_templates: str
    download: bool


def options_from(given: Mapping[str, Any], folder: Path) -> Options:
    """Return the options that keyword arguments stand for; ``None`` stands for an option's default.

    Parameters
    ----------
    given
        The arguments, by the name of the option: ``severity=3``, ``severity=[1, 3]``, ``severity="1-5"``.
    folder
        Where relative paths start.

    Raises
    ------
    OptionError
        On an argument that is none of the options, or has a value that is not valid; the message names both.
    """
    named = {name: value for name, value in given.items() if value is not None}
    for name in named:
        if name in PYTEST_ALONE:
            raise OptionError(f"{name} is an option of pytest alone. {PYTEST_ALONE[name]}")
        if name not in ARGUMENTS:
            raise OptionError(unknown("argument", name, ARGUMENTS))
    values = {spec.field: _value(spec, named.get(spec.field), folder) for spec in SPECS}
    return complete(values, named, folder, "")


def _value(spec: OptionSpec, given: object, folder: Path) -> Any:
    text = spec.default if given is None else _text(spec, given)
    if text is None:
        return None
    value = read(spec, text, spec.field)
    return folder / value if spec.kind == "path" else value


def _text(spec: OptionSpec, given: object) -> str:
    """Return an argument as a user of the command line would write it.

    Raises
    ------
    OptionError
        On an object of a kind that no option takes.
    """
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, str | Real):
        return str(given)
    if isinstance(given, os.PathLike):
        return os.fsdecode(given)
    entries = list(given) if isinstance(given, Iterable) else []
    if entries and all(isinstance(each, str | Real) for each in entries):
        texts = list(map(str, entries))
        return " ".join(map(in_quotes, texts)) if spec.kind == "names" else ",".join(texts)
    raise OptionError(
        f"{spec.field} has a value of type {type(given).__name__}. Valid: what --robustness-{spec.name} takes, "
        f"{spec.about}."
    )
