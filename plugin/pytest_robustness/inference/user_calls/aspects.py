"""All state of the process that is put back after a user's code, and after Ctrl-C."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_robustness.core.process_state import ASPECTS

if TYPE_CHECKING:
    from pytest_robustness.core.process_state import Aspect


def every_aspect() -> tuple[Aspect, ...]:
    """Return all state of the process that is put back, PyTorch's where it is imported."""
    if "torch" not in sys.modules:
        return ASPECTS
    from pytest_robustness.inference.user_calls import torch_state

    return (*ASPECTS, *torch_state.ASPECTS)
