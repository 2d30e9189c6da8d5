"""Start a dataset's fingerprint with the part that all sources share."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import ClassLabel


def start_hash(classes: Sequence[ClassLabel], labels: NDArray[np.int64]) -> hashlib._Hash:
    """Return a SHA-256 of the class keys and the selected ``labels`` (int64 [n])."""
    digest = hashlib.sha256(json.dumps([label.key for label in classes]).encode())
    digest.update(labels.astype("<i8").tobytes())
    return digest
