"""CIFAR-10's test split, read by torchvision."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from pytest_robustness.core import ClassLabel
from pytest_robustness.core.errors import DataError
from pytest_robustness.core.process import warnings_ignored
from pytest_robustness.data.downloads import absent, dataset_root
from pytest_robustness.data.in_memory import ArraySource

if TYPE_CHECKING:
    from pytest_robustness.core import DataSource

FORMS: Final = {"cifar10[:root]": "CIFAR-10's 10,000 test images, 32x32 pixels; root defaults to the user's cache"}
_log = logging.getLogger(__name__)


def check(spec: str, argument: str) -> None:
    """Accept any root."""


def open_source(spec: str, argument: str, *, download: bool) -> DataSource:
    """Return the test split, in memory: uint8 [10000, 3, 32, 32]."""
    import numpy as np
    from torchvision.datasets import CIFAR10

    root = dataset_root(argument, "cifar10")
    try:
        # The published files are pickles of an old numpy, of which numpy 2.4.0 to 2.4.4 warn to no purpose.
        with warnings_ignored(np.exceptions.VisibleDeprecationWarning):
            dataset = CIFAR10(root, train=False, download=download)
    except (RuntimeError, OSError) as error:
        _log.debug("CIFAR-10 cannot be read from %s", root, exc_info=True)
        where = root / CIFAR10.base_folder
        raise DataError(absent("CIFAR-10", where, CIFAR10.filename, download=download, reason=error)) from error
    classes = tuple(ClassLabel(name, name) for name in dataset.classes)
    images = np.ascontiguousarray(dataset.data.transpose(0, 3, 1, 2))
    return ArraySource(spec, classes, np.asarray(dataset.targets, np.int64), images)
