"""Read the sidecar of a model file: ``net.onnx.json`` describes the preprocessing and the outputs of ``net.onnx``."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_robustness.core import Preprocess
from pytest_robustness.core.errors import ModelError, unknown
from pytest_robustness.core.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

# The layout of an input is that of the graph.
_PREPROCESS = tuple(field.name for field in dataclasses.fields(Preprocess) if field.name != "layout")
# Networks with a smaller input are not evaluated on the centre of a resized photograph.
_SMALLEST_CROPPED = 64
_IMAGENET_WITH_BACKGROUND = 1001
# Far more than the names of any classes take.
_LARGEST = 64 << 20


@dataclasses.dataclass(frozen=True)
class Sidecar:
    """Facts about a model that its file does not hold; the defaults are assumed if there is no sidecar.

    Parameters
    ----------
    files
        The sidecar and the list of classes that it names, if they exist: the fingerprint covers them.
    values
        The given arguments of `Preprocess`.
    classes
        The names of the outputs, after those that are dropped.
    output_offset
        How many leading outputs to drop. ``None``: one of 1001, and none otherwise.
    probabilities
        Whether the outputs are probabilities. ``None``: if the graph ends in a softmax.
    """

    files: tuple[Path, ...] = ()
    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    output_offset: int | None = None
    probabilities: bool | None = None

    @property
    def normalizes(self) -> bool:
        """Whether a mean or a standard deviation is given."""
        return not self.values.keys().isdisjoint(("mean", "std"))

    def preprocess(self, side: int | None) -> Preprocess:
        """Return the preprocessing of a model whose input is ``side`` pixels long; ``None`` if it takes any size.

        Raises
        ------
        ModelError
            The sizes contradict each other.
        """
        values = dict(self.values)
        if side is not None and side >= _SMALLEST_CROPPED:
            values.setdefault("crop", side)
        crop = values.get("crop")
        if crop is not None and crop >= _SMALLEST_CROPPED:
            # The classical evaluation: 224 pixels cut from 256.
            values.setdefault("resize", round(crop * 256 / 224))
        try:
            return Preprocess(**values)
        except ValueError as error:
            raise ModelError(f"{self.files[0]}: {error}.") from error

    @property
    def sized(self) -> bool:
        """Whether the size that images get is given, and not derived from the size of the crop or of the input."""
        crop = self.values.get("crop", _SMALLEST_CROPPED)
        return "resize" in self.values or crop is None or crop < _SMALLEST_CROPPED

    def changed(self, changes: Mapping[str, Any]) -> Sidecar:
        """Return the sidecar with these keys in place of its own; ``None`` leaves out a key but those of sizes."""
        given = {key: value for key, value in changes.items() if key in _PREPROCESS}
        left_out = {key for key, value in given.items() if value is None and key not in ("resize", "crop")}
        values = {key: value for key, value in {**self.values, **given}.items() if key not in left_out}
        others = {key: changes[key] for key in ("classes", "output_offset", "probabilities") if key in changes}
        return dataclasses.replace(self, values=values, **others)

    def offset(self, outputs: int) -> int:
        """Return how many of ``outputs`` to drop from the front.

        Raises
        ------
        ModelError
            None would be left.
        """
        if self.output_offset is None:
            listed = self.classes is not None and len(self.classes) == outputs
            return int(outputs == _IMAGENET_WITH_BACKGROUND and not listed)
        if self.output_offset >= outputs:
            raise ModelError(
                f"{self.files[0]}: output_offset is {self.output_offset}, but the model has {outputs} outputs."
            )
        return self.output_offset


def read_sidecar(model: Path) -> Sidecar:
    """Return the sidecar of the model file ``PATH``, which is ``PATH.json``.

    Raises
    ------
    ModelError
        It is not a JSON object, has an unknown key, or a value that is not valid for its key.
    """
    path = model.with_name(f"{model.name}.json")
    if not path.exists() and not path.is_symlink():  # a link to nowhere was meant to say something
        return Sidecar()
    content = _read_object(path)
    for key, value in content.items():
        if key not in _KEYS:
            raise ModelError(f"{path}: {unknown('sidecar key', key, _KEYS)}")
        if not _KEYS[key].holds(value):
            raise ModelError(f"{path}: {key} is {json.dumps(value)}; it must be {_KEYS[key].rule}.")
    classes, files = content.get("classes"), [path]
    if isinstance(classes, str):
        files.append(path.parent / classes)
        classes = _read_lines(path, files[-1])
    return Sidecar(
        files=tuple(files),
        values={key: content[key] for key in _PREPROCESS if key in content},
        classes=None if classes is None else tuple(classes),
        output_offset=content.get("output_offset"),
        probabilities=content.get("probabilities"),
    )


class _Key(NamedTuple):
    holds: Callable[[Any], bool]
    rule: str


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _are_three(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))


def _is_list_of_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) and name.strip() for name in value)


_SIZE = _Key(lambda value: value is None or _is_count(value, 1), "a number of pixels, or null")
_FLAG = _Key(lambda value: isinstance(value, bool), "true or false")
_KEYS = {
    "resize": _SIZE,
    "crop": _SIZE,
    "mean": _Key(_are_three, "a list of three numbers, one per channel, for pixel values in [0, 1]"),
    "std": _Key(
        lambda value: _are_three(value) and 0 not in value,
        "a list of three numbers, one per channel and none of them 0, for pixel values in [0, 1]",
    ),
    "interpolation": _Key(
        lambda value: value in ("bicubic", "bilinear", "nearest", "nearest-exact"),
        '"bicubic", "bilinear", "nearest" or "nearest-exact"',
    ),
    "antialias": _FLAG,
    "squash": _FLAG,
    "channels": _Key(lambda value: value in ("RGB", "BGR"), '"RGB" or "BGR", the order that the network gets'),
    "classes": _Key(
        lambda value: _is_list_of_names(value) or (isinstance(value, str) and bool(value)),
        "a list of names, or the path of a text file with one name a line, from the sidecar's folder",
    ),
    "output_offset": _Key(lambda value: _is_count(value, 0), "the number of leading outputs to drop"),
    "probabilities": _FLAG,
}


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_regular(path, _LARGEST).decode())
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is not readable as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} must hold an object with some of the keys {', '.join(sorted(_KEYS))}.")
    return content


def _read_lines(sidecar: Path, path: Path) -> list[str]:
    try:
        names = [line.strip() for line in read_regular(path, _LARGEST).decode().splitlines()]
    except (OSError, ValueError) as error:
        raise ModelError(f"{sidecar}: classes names {path}, which is not a readable text file: {error}.") from error
    if not _is_list_of_names(names):
        raise ModelError(f"{sidecar}: classes names {path}, which must hold one name a line and no empty line.")
    return names
