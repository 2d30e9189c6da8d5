"""Refuse modules whose weights have no value yet, and name those whose value is no number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.core.errors import ModelError
from pytest_robustness.models.engines.module import EngineModule

if TYPE_CHECKING:
    from torch import nn


def require_weights(name: str, module: nn.Module) -> None:
    """Raise `ModelError` where a weight of the model called ``name`` has no value yet."""
    from torch.nn.parameter import is_lazy

    for called, tensor in (*module.named_parameters(), *module.named_buffers()):
        if is_lazy(tensor):
            raise ModelError(
                f"{name}: the weight {called} of a lazy module has no value yet. Load its weights in the factory, or "
                f"run the module there once and load them then."
            )
        if tensor.is_meta:
            raise ModelError(
                f"{name}: the weight {called} is on the meta device and has no value. Load its weights in the factory: "
                f"module.to_empty(device='cpu') first, or load_state_dict(..., assign=True)."
            )


def no_number_text(module: nn.Module) -> str:
    """Return a sentence that names the first weight of ``module`` that holds NaN; empty where none does."""
    for called, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_floating_point() and bool(tensor.isnan().any()):
            return _no_number(called)
    for part in module.modules():
        if isinstance(part, EngineModule) and (called := part.engine.without_number()):
            return _no_number(called)
    return ""


def _no_number(called: str) -> str:
    return f" The weight {called} holds NaN: take weights from before that, or export them again."
