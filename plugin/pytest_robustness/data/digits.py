"""The embedded default: half of scikit-learn's handwritten digits, which ``digits12`` was not trained on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from pytest_robustness.core import ClassLabel
from pytest_robustness.core.errors import DataError, OptionError
from pytest_robustness.core.extras import pip_install
from pytest_robustness.data.in_memory import ArraySource

if TYPE_CHECKING:
    from pytest_robustness.core import DataSource

FORMS: Final = {"digits": "898 handwritten digits, 8x8 pixels, embedded: needs no network"}
_log = logging.getLogger(__name__)


def check(spec: str, argument: str) -> None:
    """Raise `OptionError` if anything follows the name."""
    if argument:
        raise OptionError(f"{spec!r} has a part too many: {argument!r}. Valid: {', '.join(FORMS)}.")


def open_source(spec: str, argument: str, *, download: bool) -> DataSource:  # noqa: ARG001 (nothing to download)
    """Return the images with odd indices; the embedded models are trained on the even ones.

    The data's grey levels 0 to 16 become ``round(value * 255 / 16)`` in three equal channels: uint8 [898, 3, 8, 8].
    """
    import numpy as np

    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        _log.debug("scikit-learn cannot be imported", exc_info=True)
        raise DataError(
            f"The digits come with scikit-learn, which is not installed. Run: {pip_install('digits')}"
        ) from error
    pixels, targets = load_digits(return_X_y=True)
    grey = np.rint(pixels[1::2] * 255 / 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    classes = tuple(ClassLabel(str(digit), str(digit)) for digit in range(10))
    return ArraySource(spec.rstrip(":"), classes, targets[1::2].astype(np.int64), np.repeat(grey, 3, axis=1))
