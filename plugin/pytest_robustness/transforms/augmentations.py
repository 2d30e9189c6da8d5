"""Augmentation policies: which transforms to train a class with, as values and as ``augmentations.yaml``."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FORMAT = 1
"""Version of the file's format."""

_HEAD = """\
# Augmentations for training, proposed by pytest-robustness: each class gets the transforms under which models lose it.
# An image is changed by one of its class's transforms at most, each drawn by its probability, at a magnitude drawn
# between the two numbers of its range. Change or remove lines freely; left_out is for information only.
# Load it: pytest_robustness.transforms.load_augmentations("augmentations.yaml")
"""
# JSON leaves these as they are in a string, and YAML does not take them so.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """One transform for the images of one class.

    Parameters
    ----------
    transform
        Its name.
    probability
        With which an image of the class gets it, above 0; those of a class add up to 1 at most.
    magnitudes
        Between which two its magnitude is drawn; ``None`` for a transform with a single level.
    change
        The change of the class's accuracy under it, in points, that it was proposed for.
    """

    transform: str
    probability: float
    magnitudes: tuple[float, float] | None = None
    change: float | None = None


@dataclasses.dataclass(frozen=True)
class ClassAugmentations:
    """The augmentations of one class, by its index and name in the data that was judged."""

    index: int
    name: str
    augmentations: tuple[Augmentation, ...]


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A transform that would turn images of a class into images of another: its name, and that of the other class.

    ``share`` is the share of the models' answers, under the transform, that name the other class.
    """

    index: int
    name: str
    transform: str
    becomes: str
    share: float


@dataclasses.dataclass(frozen=True)
class AugmentationPolicy:
    """Which transforms to train each class with; ``class_count`` counts all classes of the data."""

    class_count: int
    classes: tuple[ClassAugmentations, ...]
    left_out: tuple[LeftOut, ...] = ()


def yaml_text(policy: AugmentationPolicy, source: Iterable[str] = ()) -> str:
    """Return ``policy`` as YAML; `read_augmentations` reads it. ``source`` are lines of comment: where it comes from.

    Examples
    --------
    >>> flip = Augmentation("hflip", 0.5, change=-12.3)
    >>> policy = AugmentationPolicy(10, (ClassAugmentations(6, "six", (flip,)),))
    >>> print(yaml_text(policy).partition("version")[2])
    : 1
    class_count: 10
    classes:
    - index: 6
      name: "six"
      augmentations:
      - {transform: "hflip", probability: 0.5, change: -12.3}
    left_out: []
    <BLANKLINE>
    """
    lines = [f"version: {FORMAT}", f"class_count: {policy.class_count}"]
    lines += _listed("classes", (line for of_class in policy.classes for line in _class_lines(of_class)))
    lines += _listed("left_out", map(_left_out_line, policy.left_out))
    return _HEAD + "\n".join([*(f"# {line}" for line in source), *lines, ""])


def _listed(key: str, lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return [f"{key}:", *found] if found else [f"{key}: []"]


def _class_lines(of_class: ClassAugmentations) -> Sequence[str]:
    lines = [f"- index: {of_class.index}", f"  name: {_quoted(of_class.name)}", "  augmentations:"]
    return lines + [f"  - {{{', '.join(_entries(augmentation))}}}" for augmentation in of_class.augmentations]


def _entries(augmentation: Augmentation) -> Iterable[str]:
    yield f"transform: {_quoted(augmentation.transform)}"
    if augmentation.magnitudes is not None:
        yield f"range: [{', '.join(map(_number, augmentation.magnitudes))}]"
    yield f"probability: {_number(augmentation.probability)}"
    if augmentation.change is not None:
        yield f"change: {_number(augmentation.change)}"


def _left_out_line(left: LeftOut) -> str:
    what = f"index: {left.index}, name: {_quoted(left.name)}, transform: {_quoted(left.transform)}"
    return f"- {{{what}, becomes: {_quoted(left.becomes)}, share: {_number(left.share)}}}"


def _number(value: float) -> str:
    """Return the shortest text that reads back as the same number, in YAML 1.1 too, which wants a point before an e."""
    text = repr(float(value)).removesuffix(".0")
    return re.sub(r"^(-?\d+)e", r"\1.0e", text)


def _quoted(text: str) -> str:
    """Return ``text`` as a string of both JSON and YAML."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))
