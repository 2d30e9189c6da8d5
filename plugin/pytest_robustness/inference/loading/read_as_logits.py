"""Notice that the logits of a model look like probabilities: then every figure on its probabilities is wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.errors import ModelError
from pytest_robustness.core.files import short_path
from pytest_robustness.models.engines.module import EngineModule

if TYPE_CHECKING:
    import torch

    from pytest_robustness.core import Model

# How far numbers may be from what they would be without rounding: half floats.
_ROUNDING: Final = 1e-3
_HOLD: Final = "and they are read as logits: answers and accuracies hold"


def probability_text(name: str, model: Model, logits: torch.Tensor) -> str | None:
    """Return the warning of ``logits`` [B, K] that look like probabilities; ``None`` where they do not.

    Nothing is converted: a model may have logits in that range, and there the warning is right all the same, because
    the softmax of such numbers is nearly even.
    """
    rows = logits.double()
    if rows.shape[1] < 2:
        return None
    total = _total(logits)
    # A model that answers the same to every image has a sum of its own, too.
    if total is not None and (total == 1 or not bool((rows == rows[0]).all())):
        return (
            f"{name} returns probabilities (each row of its outputs sums to {total:.6g}), {_HOLD}, but every figure on "
            f"its probabilities is wrong. {_sidecar(model) or 'Give it as Model(..., probabilities=True)'}, or return "
            f"the logits."
        )
    if not bool((rows >= 0).all() and (rows <= 1 + _ROUNDING).all()):
        return None
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


def require_probabilities(name: str, outputs: torch.Tensor, *, whole: bool) -> None:
    """Raise `ModelError` unless ``outputs`` [B, K], said to be probabilities, are some, or as many percent.

    They lie between 0 and 1, as after a softmax or a sigmoid, or have one sum, as a softmax times 100 has; where they
    are not the ``whole`` of a row, their sum says nothing.
    """
    least, most = float(outputs.min()), float(outputs.max())
    if least < -_ROUNDING or (whole and most > 1 + _ROUNDING and _total(outputs) is None):
        raise ModelError(
            f"{name} is said to return probabilities, but it returned numbers from {least:.3g} to {most:.3g}. Leave "
            f"probabilities=True out of its Model."
        )


def _total(outputs: torch.Tensor) -> float | None:
    """Return what each row of ``outputs`` [B, K] sums to, if none is negative and all sums are the same; 1 if about 1.

    ``None`` stands for all others.
    """
    import torch

    rounding = max(_ROUNDING, torch.finfo(outputs.dtype).eps)
    rows = outputs.double()
    sums = rows.sum(dim=1)
    total = float(sums.mean())
    if bool((rows < 0).any()) or not 0 < total < math.inf or bool(((sums / total - 1).abs() > rounding).any()):
        return None
    return 1.0 if abs(total - 1) <= rounding else total


def _sidecar(model: Model) -> str:
    """Return what to write for a model file; nothing for another model."""
    if not isinstance(model.module, EngineModule):
        return ""
    path = model.module.engine.path
    return f'Write "probabilities": true into {short_path(path.with_name(f"{path.name}.json"))}'
