"""List what of a model's set-up nothing gave, once the data is known: a default stands for it, and may be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_robustness.inference.class_matching import numbers_of
from pytest_robustness.models.engines.module import EngineModule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.core import ClassLabel, ClassMatch, Model

# Images with a shorter side are not photographs to resize and crop, but made for the networks that they go into.
_SMALLEST_PHOTOGRAPH: Final = 64


def assumed(
    model: Model, match: ClassMatch, data_classes: Sequence[ClassLabel], canvas: tuple[int, int]
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
    """
    settings = [name for name in model.assumed if name != "size" or not _fits(model, canvas)]
    return (*settings, *_order(match, data_classes))


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
        return ("classes", *ambiguous)
    return ambiguous if match.method == "number" else ()
