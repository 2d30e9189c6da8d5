"""Say of each model with which set-up it was judged, and where each part of that comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core import SETTINGS
from pytest_robustness.report.number_text import DASH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_robustness.core import Origin, Setting
    from pytest_robustness.report.run_report import RunReport

ORIGINS: Final[Mapping[Origin, str]] = {
    "published": "published weights",
    "file": "its file",
    "sidecar": "its sidecar",
    "factory": "your code",
    "architecture": "timm's default of the architecture",
    "data": "the data",
    "assumed": "assumed",
    "unused": "",
}
"""Where a part of a set-up comes from, in words."""


class SetUpCell(NamedTuple):
    """A part of a set-up: what it is, where it comes from in words, and whether it was assumed."""

    value: str
    origin: str
    assumed: bool


class SetUpRow(NamedTuple):
    """The set-up of a model: a cell for each of ``SETTINGS``, and what the doctor said of it, a dash where nothing."""

    model: str
    cells: tuple[SetUpCell, ...]
    diagnosis: str


def rows(report: RunReport) -> list[SetUpRow]:
    """Return the set-up of each model of which it is known."""
    known: Mapping[str, Mapping[str, Any]] = report.provenance.get("models", {})
    return [
        SetUpRow(model, tuple(_cell(facts, setting) for setting in SETTINGS), report.diagnoses.get(model, DASH))
        for model, facts in known.items()
        if "preprocess" in facts
    ]


def sentence(report: RunReport) -> str:
    """Return the set-ups of all models in one line: where their parts come from, and of which models that holds.

    Empty where nothing is known of any.
    """
    models: dict[str, list[str]] = {}
    for row in rows(report):
        models.setdefault(_origins(row), []).append(report.labels.get(row.model, row.model))
    texts = [text for text in models if text]
    if len(texts) == 1:
        return texts[0]
    return "; ".join(f"{', '.join(models[text])}: {text}" for text in texts)


def _origins(row: SetUpRow) -> str:
    """Return where the parts of a set-up come from, those of one origin together."""
    parts: dict[str, list[str]] = {}
    for setting, cell in zip(SETTINGS, row.cells, strict=True):
        if cell.origin:
            parts.setdefault(cell.origin, []).append(setting)
    if len(parts) == 1:
        return next(iter(parts))
    return ", ".join(f"{' and '.join(settings)} {origin}" for origin, settings in parts.items())


def _cell(facts: Mapping[str, Any], setting: Setting) -> SetUpCell:
    origin = facts.get("origins", {}).get(setting, "unused")
    resizes = setting in ("interpolation", "antialias")
    text = DASH if resizes and origin == "unused" else "".join(_value(facts, setting))
    warned_of = origin == "assumed" or setting in facts.get("assumed", ())
    return SetUpCell(text, ORIGINS.get(origin, str(origin)), warned_of)


def _value(facts: Mapping[str, Any], setting: Setting) -> Iterator[str]:
    preprocess = facts["preprocess"]
    if setting == "classes":
        yield "each output" if facts["class_match"] == "output" else f"by {facts['class_match']}"
    elif setting == "size":
        yield "as they are" if preprocess["resize"] is None else f"{preprocess['resize']}"
        yield "" if preprocess["crop"] is None else f", crop {preprocess['crop']}"
    elif setting == "antialias":
        yield "yes" if preprocess[setting] else "no"
    elif setting == "interpolation":
        yield preprocess[setting]
    else:
        yield ", ".join(f"{value:.6g}" for value in preprocess[setting])
