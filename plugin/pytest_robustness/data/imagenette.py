"""Imagenette's validation split: ten easy classes of ImageNet, listed by torchvision."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from pytest_robustness.core import ClassLabel
from pytest_robustness.core.errors import DataError
from pytest_robustness.data.downloads import absent, dataset_root
from pytest_robustness.data.files.image_files import list_images
from pytest_robustness.data.files.local_files import LocalTree

if TYPE_CHECKING:
    from pytest_robustness.core import DataSource

FORMS: Final = {"imagenette[:root]": "Imagenette's 3,925 validation images; root defaults to the user's cache"}
_log = logging.getLogger(__name__)


def check(spec: str, argument: str) -> None:
    """Accept any root."""


def open_source(spec: str, argument: str, *, download: bool) -> DataSource:
    """Return the validation split of the full-size archive; the class folders are WordNet ids."""
    from torchvision.datasets import Imagenette

    root = dataset_root(argument, "imagenette")
    split = root / "imagenette2" / "val"
    try:
        dataset = Imagenette(root, split="val", download=download)
    except (RuntimeError, OSError) as error:
        _log.debug("Imagenette cannot be read from %s", root, exc_info=True)
        message = absent("Imagenette", split.parent, "imagenette2.tgz", download=download, reason=error)
        raise DataError(message) from error
    named = zip(dataset.wnids, dataset.classes, strict=True)
    return list_images(spec, LocalTree(split), {wnid: ClassLabel(wnid, names[0]) for wnid, names in named})
