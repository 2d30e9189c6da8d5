"""Read the logits out of what a model returned, and compare two answers to the same images."""

from __future__ import annotations

from typing import Any

import torch

from pytest_robustness.core.errors import ModelError
from pytest_robustness.core.text import counted

# The largest accepted distance of logits from those of eager fp32, relative to their Frobenius norm, by precision.
TOLERANCE = {"fp32": 1e-3, "tf32": 2e-2, "bf16": 1e-1, "fp16": 2e-2}


def logits_of(output: object, images: int) -> torch.Tensor:
    """Return the logits [B, K], floating-point, in what a model returned for ``images`` images.

    ``output`` is a tensor, or an object that holds one: as its attribute or entry ``logits``, or as a tuple of one.

    Raises
    ------
    ModelError
        There are no logits in ``output``, or not one row of them for each image.
    """
    logits = _held(output)
    problem = _problem(logits, images) if isinstance(logits, torch.Tensor) else ""
    if not isinstance(logits, torch.Tensor):
        problem = f"{_described(output)}. Return the logits alone, or an object whose attribute logits holds them"
    if problem or not isinstance(logits, torch.Tensor):
        raise ModelError(
            f"it must return floating-point logits [B, K]; for {counted(images, 'image')} it returned {problem}."
        )
    # A subclass might compute otherwise, or print, or keep the images alive.
    return logits if type(logits) is torch.Tensor else logits.as_subclass(torch.Tensor)


def distance(logits: torch.Tensor, expected: torch.Tensor) -> float:
    """Return how far ``logits`` are from ``expected``, relative to their norm.

    An output that both rule out, by minus infinity, counts for nothing. Where anything else is not finite, it is NaN or
    infinite.
    """
    found, wanted = logits.float(), expected.float()
    ruled_out = (found == -torch.inf) & (wanted == -torch.inf)
    found, wanted = found.masked_fill(ruled_out, 0.0), wanted.masked_fill(ruled_out, 0.0)
    return float((found - wanted).norm() / wanted.norm().clamp_min(1e-12))


def _held(output: Any) -> object:
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, dict) and "logits" in output:
        return output["logits"]
    held = getattr(output, "logits", None)
    if held is not None:
        return held
    return output[0] if isinstance(output, tuple | list) and len(output) == 1 else output


def _problem(logits: torch.Tensor, images: int) -> str:
    shape = f"{logits.dtype} {list(logits.shape)}"
    if logits.is_meta:
        return f"a tensor on the meta device, {shape}, which has no values: load the weights on a real device"
    if logits.layout != torch.strided:
        return f"a tensor of layout {logits.layout}: call to_dense()"
    if logits.ndim == 4 and logits.shape[2:] == (1, 1):
        return f"{shape}: call flatten(1)"
    if logits.ndim == 1 and logits.is_floating_point() and len(logits) == images:
        return f"{shape}: of logits z [B] of the second of two classes make torch.stack([torch.zeros_like(z), z], 1)"
    if logits.ndim != 2 or not logits.is_floating_point() or logits.shape[1] == 0:
        return shape
    return "" if len(logits) == images else f"{shape}, {len(logits)} rows where there must be one for each image"


def _described(output: object) -> str:
    kind = type(output).__name__
    if isinstance(output, dict):
        return f"a {kind} with the keys {', '.join(map(repr, list(output)[:9])) or '(none)'}"
    if isinstance(output, tuple | list):
        return f"a {kind} of {len(output)}"
    return kind
