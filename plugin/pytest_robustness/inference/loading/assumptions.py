"""Say where a model's set-up comes from, once the data is known: where nothing gave it, a default may be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_robustness.core import SETTINGS
from pytest_robustness.inference.loading.class_matching import numbers_of
from pytest_robustness.models.engines.module import EngineModule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.core import ClassLabel, ClassMatch, Model, Origin, Setting

# Images with a shorter side are not photographs to resize and crop, but made for the networks that they go into.
_SMALLEST_PHOTOGRAPH: Final = 64
_OF_INPUTS: Final[tuple[Setting, ...]] = ("mean", "std", "size")


def assumed(
    model: Model,
    match: ClassMatch,
    data_classes: Sequence[ClassLabel],
    canvas: tuple[int, int],
    *,
    retrained: bool = False,
) -> tuple[str, ...]:
    """Return which of ``mean``, ``std``, ``size`` and ``classes`` were assumed.

    ``numbers`` stands for classes that are called by numbers whose order as text is another one: it was assumed which
    of the orders is that of the outputs.

    Parameters
    ----------
    model, match
        The model, and how its outputs were matched with the data.
    data_classes
        The classes of the data.
    canvas
        Height and width of a first image on the model's canvas, in pixels.
    retrained
        Whether the model has other outputs than the weights that its architecture's defaults belong to.
    """
    settings = [name for name in model.assumed if name != "size" or not _fits(model, canvas)]
    defaults = [name for name in _OF_INPUTS if retrained and model.origins.get(name) == "architecture"]
    return (*settings, *defaults, *_order(match, data_classes))


def origins(
    model: Model, match: ClassMatch, guesses: Sequence[str], origin: Origin, *, published: bool
) -> dict[Setting, Origin]:
    """Return where each part of a model's set-up comes from.

    Parameters
    ----------
    model, match
        The model, and how its outputs were matched with the data.
    guesses
        What `assumed` returns of it.
    origin
        Where what was given comes from, if the model says nothing else.
    published
        Whether all of it was published with the weights.
    """
    found = {s: _origin(s, model, guesses, "published" if published else None, origin) for s in SETTINGS}
    if model.preprocess.resize is None:
        found |= {"interpolation": "unused", "antialias": "unused"}
    return found | {"classes": _origin_of_classes(model, match, guesses, origin)}


def _origin(setting: Setting, model: Model, guesses: Sequence[str], published: Origin | None, origin: Origin) -> Origin:
    if setting in guesses:
        # A default of the architecture is named as such, also where it is warned of.
        return "architecture" if model.origins.get(setting) == "architecture" else "assumed"
    if setting in model.assumed or (setting == "size" and setting not in model.preprocess.given):
        return "data"  # the images have the size that the model is made for
    known = model.origins.get(setting, published)
    return known or (origin if setting in model.preprocess.given else "assumed")


def _origin_of_classes(model: Model, match: ClassMatch, guesses: Sequence[str], origin: Origin) -> Origin:
    if match.method == "output":
        return "unused"
    if not {"classes", "numbers"}.isdisjoint(guesses):
        return "assumed"
    if match.method == "number":
        return "data"
    # Without a list a thousand outputs are taken for ImageNet's, in its order.
    return "assumed" if model.classes is None else model.origins.get("classes", origin)


def _fits(model: Model, canvas: tuple[int, int]) -> bool:
    """Return whether an image goes into the model as the data has it, and is of a size made for that."""
    if model.preprocess.resize is not None or model.preprocess.crop is not None:
        return False
    if isinstance(model.module, EngineModule) and None not in model.module.size:
        return model.module.size == canvas
    return min(canvas) < _SMALLEST_PHOTOGRAPH


def _order(match: ClassMatch, classes: Sequence[ClassLabel]) -> tuple[str, ...]:
    numbers = numbers_of(classes)
    ambiguous = ("numbers",) if numbers != sorted(numbers) else ()
    if match.method == "position":
        keys = [label.key for label in classes]
        return ("classes", *ambiguous) if keys == sorted(keys) else ("classes",)
    return ambiguous if match.method == "number" else ()
