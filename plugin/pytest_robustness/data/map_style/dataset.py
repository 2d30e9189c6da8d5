"""Adapt map-style datasets, as torchvision has them, to `DataSource`."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any, Final, cast

from pytest_robustness.core import ClassLabel
from pytest_robustness.core.errors import BadImageError, DataError
from pytest_robustness.core.text import quoted
from pytest_robustness.data.decoding.pillow_settings import PillowSettings, strictly
from pytest_robustness.data.decoding.pixels import PixelRangeError, to_rgb
from pytest_robustness.data.faults import retried
from pytest_robustness.data.map_style.classes import classes_of
from pytest_robustness.data.map_style.labels import check_labels, labels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import DataSource

_SOURCE_MEMBERS: Final = ("name", "classes", "labels", "in_memory", "read", "describe")
_VALID: Final = (
    "Valid: an object with the members of pytest_robustness.DataSource, or a dataset with __len__, __getitem__ -> "
    "(image, label), and classes."
)
_TABLES: Final = {
    "datasets": " A dataset of Hugging Face can be saved: dataset.save_to_disk(FOLDER) makes what hf:FOLDER names.",
    "pandas": "",
    "polars": "",
}
_VALID_IMAGES: Final = (
    "Valid: a PIL image, a uint8 tensor [3, H, W] or [1, H, W], or a uint8 array [H, W, 3], [H, W, 1] or [H, W]; leave "
    "scaling and normalizing to the model's Preprocess."
)

_log = logging.getLogger(__name__)


def adapt(spec: str, dataset: Any) -> DataSource:
    """Return ``dataset``, which ``spec`` names, as a `DataSource`.

    Raises
    ------
    DataError
        It is neither a source nor a map-style dataset, its labels are not positions in its classes, or the type of its
        first image is not valid.
    """
    if all(hasattr(dataset, member) for member in _SOURCE_MEMBERS):
        return _checked(spec, cast("DataSource", dataset))
    is_table = _library(dataset) in _TABLES  # a column called classes is none of a dataset
    is_dataset = not is_table and all(hasattr(dataset, member) for member in ("__len__", "__getitem__"))
    found = classes_of(spec, dataset) if is_dataset else None
    if found is None:
        raise DataError(f"{spec} is {_article(dataset)}. {_VALID}{_TABLES.get(_library(dataset), '')}")
    classes = tuple(_class_label(spec, entry) for entry in found.entries)
    labels, notes = labels_of(spec, dataset, len(classes))
    if found.notes and notes:
        # Items that are labelled anew need not follow the numbers of what they are made from.
        raise DataError(f"{' '.join((*found.notes, *notes))} Set targets, classes and class_to_idx to what items have.")
    source = MapStyleSource(spec, classes, labels, dataset, PillowSettings.current(), notes=(*found.notes, *notes))
    with contextlib.suppress(BadImageError):  # a bad image is reported when the sweep reaches it
        source.read(0)
    return source


@dataclasses.dataclass(frozen=True, eq=False)
class MapStyleSource:
    """A `DataSource` over a dataset whose items are ``(image, label)``.

    ``pillow`` holds the settings that the dataset was opened under. They hold in decoding processes too, and whatever a
    model's file sets later.
    """

    name: str
    classes: Sequence[ClassLabel]
    labels: NDArray[np.int64]
    dataset: Any
    pillow: PillowSettings
    in_memory: bool = False
    notes: tuple[str, ...] = ()

    def read(self, index: int) -> torch.Tensor:
        """Return image ``index`` as uint8 RGB [3, H, W].

        Raises
        ------
        BadImageError
            The dataset raises an exception, of any type: readers of files and archives have many.
        DataError
            The type of the image is not valid.
        """
        try:
            with self.pillow.applied():
                image = retried(lambda: self.dataset[index][0])
        except Exception as error:
            _log.debug("%s cannot be read", self.describe(index), exc_info=True)
            # It may be gone the next time: what the dataset reads, and from where, is not known.
            raise BadImageError(self.describe(index), str(error) or type(error).__name__, content=False) from error
        return _to_rgb(image, self.describe(index))

    def describe(self, index: int) -> str:
        """Return the dataset's name with the index: ``python:module:factory[12]``."""
        return f"{self.name}[{index}]"


def _class_label(spec: str, entry: object) -> ClassLabel:
    # torchvision's Imagenette lists all synonyms of a class, the common one first.
    name = entry[0] if isinstance(entry, tuple) and entry else entry
    if not isinstance(name, str):
        raise DataError(f"{spec} has {quoted(entry)} among its classes. Valid: one name, a text, for each class.")
    return ClassLabel(name, name)


def _checked(spec: str, source: DataSource) -> DataSource:
    import numpy as np

    if isinstance(source.classes, Set | Mapping):
        raise DataError(
            f"{spec} has a {type(source.classes).__name__} of classes. Valid: a list or tuple of "
            f"pytest_robustness.ClassLabel(key, name), in the order of the labels."
        )
    wrong = [entry for entry in source.classes if not isinstance(entry, ClassLabel)]
    if wrong:
        raise DataError(
            f"{spec} has {quoted(wrong[0])} among its classes. Valid: pytest_robustness.ClassLabel(key, name)."
        )
    if not isinstance(source.labels, np.ndarray) or source.labels.ndim != 1:
        raise DataError(f"{spec} has labels that are {_article(source.labels)}. Valid: an int64 array [N].")
    check_labels(spec, source.labels, len(source.classes))
    return source


def _to_rgb(image: Any, describe: str) -> torch.Tensor:
    import numpy as np
    import torch
    from PIL import Image

    pixels = image
    if isinstance(image, Image.Image):
        try:
            with strictly():
                pixels = to_rgb(image)
        except PixelRangeError as error:
            raise BadImageError(describe, str(error)) from error
    if isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim in (2, 3):
        # A copy, because torch takes no array that is read-only or has negative strides.
        pixels = torch.from_numpy(np.array(pixels.reshape(*pixels.shape[:2], -1), order="C")).permute(2, 0, 1)
    if isinstance(pixels, torch.Tensor) and pixels.dtype == torch.uint8 and pixels.ndim == 3 and len(pixels) in (1, 3):
        return pixels.expand(3, -1, -1)
    raise DataError(f"{describe} is {_article(image)}. {_VALID_IMAGES}")


def _article(value: object) -> str:
    import numpy as np
    import torch

    kind = type(value).__name__
    article = "an" if kind[0].lower() in "aeiou" else "a"
    # Tables have a shape without a type; a DataFrame would take a column called dtype for one.
    if not isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return f"{article} {kind}"
    return f"{article} {kind} of {value.dtype} {list(value.shape)}"


def _library(value: object) -> str:
    return type(value).__module__.partition(".")[0]
