"""What all tests of the analysis share."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="module")
def nothing_to_collect() -> Iterator[None]:
    """Let the garbage collector pass over what is there: statsmodels' Holm runs it on each call."""
    gc.freeze()
    yield
    gc.unfreeze()
