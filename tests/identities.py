"""Identities of imagined images, for tests that have no files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable


def identified(numbers: Iterable[int]) -> np.ndarray:
    """Return an identity for each number: V16 [n]."""
    return np.frombuffer(b"".join(int(number).to_bytes(16, "big") for number in numbers), "V16")
