"""Tell whether a folder is locked for one run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def locked(folder: Path) -> bool:
    """Return whether another process would have to wait for the folder."""
    fcntl = pytest.importorskip("fcntl", reason="the system locks no folder")
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
