"""Eager PyTorch: the runtime that needs nothing else, and the reference for the others."""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, NamedTuple

import torch

from pytest_robustness.core import EngineUsed, Runner
from pytest_robustness.inference.logits import TOLERANCE, distance, logits_of
from pytest_robustness.inference.user_calls.deadline import deadline

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pytest_robustness.core import Model, Workload

_log = logging.getLogger(__name__)

_DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# As many images show whether a form of a model gives its logits.
_PROBE = 4


class EagerRuntime:
    """Runs the module without compiling it, channels last where it takes that."""

    def obstacle(self, device: torch.device, precision: str) -> str | None:  # noqa: ARG002
        """Return ``None``: eager PyTorch always runs."""
        return None

    def prepare(self, model: Model, workload: Workload) -> Runner:
        """Move ``model`` to the device, at the precision, and return what runs it."""
        placed = place(model, workload)
        return Runner(placed.call(placed.module), placed.engine("eager"))


class Placed(NamedTuple):
    """A module on its device, in the form that images must be given to it: number format and memory layout."""

    module: torch.nn.Module
    precision: str
    channels_last: bool

    def call(self, forward: Callable[[torch.Tensor], object]) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what calls ``forward``, the module or its compiled form, and returns its float32 logits."""
        dtype = _DTYPES[self.precision]
        layout = torch.channels_last if self.channels_last else torch.contiguous_format

        def run(images: torch.Tensor) -> torch.Tensor:
            # Copied: other models get the same images, and a module may write into its input.
            logits = logits_of(forward(images.to(dtype, memory_format=layout, copy=True)), len(images))
            return logits.to(images.device, torch.float32)

        return run

    def engine(self, runtime: str) -> EngineUsed:
        """Return what reports say of ``runtime`` running the module in this form."""
        return EngineUsed(runtime, self.precision, "" if self.channels_last else "contiguous")


def place(model: Model, workload: Workload) -> Placed:
    """Return the module of ``model`` on the device of ``workload``, in the fastest form that gives its logits.

    Channels last and a lower precision are optimizations: code that views images as contiguous, weights of five
    dimensions or constants in fp32 may not bear them. Each is compared with the contiguous module in fp32, on a few
    images, and left where it fails or answers otherwise.
    """
    plain = Placed(_contiguous(model.module.to(workload.example.device)), "fp32", False)
    probe = workload.example[:_PROBE]
    with _limited(workload):
        expected = plain.call(plain.module)(probe)
    for precision, channels_last in _forms(plain.module, workload.precision):
        try:
            form = _in_form(plain.module, precision, channels_last)
            with _limited(workload):
                answers = form.call(form.module)(probe)
            if distance(answers, expected) <= TOLERANCE[precision]:
                return form
        except Exception:  # the user's code may fail in any way
            _log.debug("a module cannot run in %s, channels last: %s", precision, channels_last, exc_info=True)
    _contiguous(plain.module)
    return plain._replace(precision="tf32") if workload.precision == "tf32" else plain


def _limited(workload: Workload) -> AbstractContextManager[None]:
    return deadline(workload.timeout, "a model that is being prepared")


def plain_runner(model: Model, device: torch.device) -> Runner:
    """Return what runs ``model`` without any optimization."""
    plain = Placed(_contiguous(model.module.to(device)), "fp32", False)
    return Runner(plain.call(plain.module), plain.engine("eager"))


def run_unchanged(model: Model, device: torch.device) -> Runner:
    """Return what runs a model whose module contains its own inference engine."""
    module = model.module.to(device)
    return Runner(
        lambda images: logits_of(module(images.clone()), len(images)).float(), EngineUsed(model.runtime, "native")
    )


def _forms(module: torch.nn.Module, precision: str) -> list[tuple[str, bool]]:
    """Return the forms to try, the fastest first: a precision, and whether channels last."""
    if _DTYPES[precision] == torch.float32:
        return [(precision, True)]
    # Weights that are constants of a program stay as they are; at another precision, some programs crash.
    weights = any(tensor.is_floating_point() for tensor in (*module.parameters(), *module.buffers()))
    return [*([(precision, True), (precision, False)] if weights else []), ("fp32", True)]


def _in_form(module: torch.nn.Module, precision: str, channels_last: bool) -> Placed:
    """Return ``module`` in a form; a copy of it at another precision, because the model keeps its weights."""
    dtype = _DTYPES[precision]
    if dtype != torch.float32:
        module = copy.deepcopy(module).to(dtype)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return Placed(_laid_out(module, layout), precision, channels_last)


def _contiguous(module: torch.nn.Module) -> torch.nn.Module:
    return _laid_out(module, torch.contiguous_format)


def _laid_out(module: torch.nn.Module, layout: torch.memory_format) -> torch.nn.Module:
    """Lay the weights of four dimensions out in memory; those of five have no channels last."""
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.layout == torch.strided and tensor.dim() == 4 and not tensor.is_contiguous(memory_format=layout):
                tensor.data = tensor.data.contiguous(memory_format=layout)
    return module
