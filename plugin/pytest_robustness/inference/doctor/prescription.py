"""Say what to write, and where, for a model to be set up otherwise."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core.files import short_path
from pytest_robustness.models.engines.module import EngineModule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_robustness.core import Model, Preprocess

_LEFT_OUT: Final = {
    "resize": None,
    "crop": None,
    "interpolation": "bilinear",
    "antialias": True,
    "squash": False,
    "channels": "RGB",
    "layout": "NCHW",
}


class Prescription(NamedTuple):
    """What to write: ``line`` is to be pasted, ``place`` says where, as the beginning of a sentence."""

    place: str
    line: str

    @property
    def text(self) -> str:
        """Both."""
        return f"{self.place}: {self.line}"


def prescription(name: str, model: Model, changes: Mapping[str, Any]) -> Prescription:
    """Return what to write for ``model`` to be set up with ``changes``.

    For a model file it is the whole sidecar, as JSON; for another model arguments of `Model`.
    """
    if isinstance(model.module, EngineModule):
        path = _sidecar(model.module.engine.path)
        return Prescription(f"Write into {short_path(path)}", json.dumps(_content(path, changes), ensure_ascii=False))
    line = _arguments(model, changes)
    if name.startswith("python:"):
        return Prescription("Let its factory return Model(module, ...) with", line)
    return Prescription("Return Model(module, ...) from a factory (python:FILE:FUNCTION), with", line)


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _content(path: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the sidecar is to hold: what it holds now, with the changes."""
    own: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    content = {**own, **changes}
    return {key: value for key, value in content.items() if value is not None or key in ("resize", "crop")}


def _arguments(model: Model, changes: Mapping[str, Any]) -> str:
    settings = {name: value for name, value in changes.items() if hasattr(model.preprocess, name)}
    written = []
    if settings:
        written.append(f"preprocess={_call(dataclasses.replace(model.preprocess, **settings))}")
    if "classes" in changes:
        written.append(f"classes={changes['classes']!r}")
    if "output_offset" in changes:
        written.append(f"output_offset={changes['output_offset']}")
    return ", ".join(written)


def _call(preprocess: Preprocess) -> str:
    values = dataclasses.asdict(preprocess)
    shown = [f"{name}={value!r}" for name, value in values.items() if value != _LEFT_OUT.get(name, ())]
    return f"Preprocess({', '.join(shown)})"
