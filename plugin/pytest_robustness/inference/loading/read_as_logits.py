"""Notice that the logits of a model look like probabilities: then every figure on its probabilities is wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.files import short_path
from pytest_robustness.errors import ModelError
from pytest_robustness.models.engines.module import EngineModule

if TYPE_CHECKING:
    import torch

    from pytest_robustness.core import Model

# How far the sum of a row of probabilities may be from 1: half floats.
_ROUNDING: Final = 1e-3
_HOLD: Final = "and they are read as logits: answers and accuracies hold"


def probability_text(name: str, model: Model, logits: torch.Tensor) -> str | None:
    """Return the warning of ``logits`` [B, K] that look like probabilities; ``None`` where they do not.

    Nothing is converted: a model may have logits in that range, and there the warning is right all the same, because
    the softmax of such numbers is nearly even.
    """
    rows = logits.double()
    if rows.shape[1] < 2 or not bool((rows >= 0).all() and (rows <= 1 + _ROUNDING).all()):
        return None
    if bool(((rows.sum(dim=1) - 1).abs() <= _ROUNDING).all()):
        return (
            f"{name} returns probabilities (each row of its outputs sums to 1), {_HOLD}, but every figure on its "
            f"probabilities is wrong. {_sidecar(model) or 'Give it as Model(..., probabilities=True)'}, or return the "
            f"logits."
        )
    # A sigmoid gives no 0, as a rectifier does; and equal numbers are no answer.
    if bool((rows == 0).any()) or bool((rows == rows[0, 0]).all()):
        return None
    most = 1 / (1 + (rows.shape[1] - 1) * math.exp(-1))
    if isinstance(model.module, EngineModule):
        advice = "Export the graph without its sigmoid"
    else:
        advice = "Return what goes into the sigmoid (torch.logit takes it back)"
    return (
        f"{name} returns numbers between 0 and 1 alone, as after a sigmoid, {_HOLD}, but no probability can be more "
        f"than {most:.2g}. {advice}."
    )


def require_probabilities(name: str, outputs: torch.Tensor) -> None:
    """Raise `ModelError` unless ``outputs`` [B, K], which are said to be probabilities, lie between 0 and 1."""
    least, most = float(outputs.min()), float(outputs.max())
    if least < -_ROUNDING or most > 1 + _ROUNDING:
        raise ModelError(
            f"{name} is said to return probabilities, but it returned numbers from {least:.3g} to {most:.3g}. Leave "
            f"probabilities=True out of its Model."
        )


def _sidecar(model: Model) -> str:
    """Return what to write for a model file; nothing for another model."""
    if not isinstance(model.module, EngineModule):
        return ""
    path = model.module.engine.path
    return f'Write "probabilities": true into {short_path(path.with_name(f"{path.name}.json"))}'
