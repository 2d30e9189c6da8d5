"""Which runtime runs which model: the one that was asked for, or the one that pays."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from pytest_robustness.errors import ModelError, OptionError
from pytest_robustness.inference.runtimes.compiled import CompiledRuntime
from pytest_robustness.inference.runtimes.eager import EagerRuntime, run_as_it_is
from pytest_robustness.inference.runtimes.onnxruntime_cpu import OnnxRuntime
from pytest_robustness.inference.runtimes.openvino_cpu import OpenVinoRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_robustness.core import Model, Runner, Runtime, Workload

RUNTIMES: Mapping[str, Callable[[], Runtime]] = {
    "eager": EagerRuntime,
    "compile": CompiledRuntime,
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVinoRuntime,
}
# What auto tries, by device and precision, the fastest first; docs/performance.md has the figures.
_PREFERRED = {"cpu": ("openvino", "onnxruntime", "compile"), "cuda": ("compile",)}
# Pixels of input that a model must see for its compilation to pay. Measured on a CPU; on CUDA an estimate, much higher
# because eager PyTorch is fast there.
_WORTHWHILE = {"cpu": 256 * 224 * 224, "cuda": 2**18 * 224 * 224}
# How far the logits may be from those of eager fp32, relative to their size (Frobenius norms), by precision.
_TOLERANCE = {"fp32": 1e-3, "tf32": 2e-2, "bf16": 1e-1, "fp16": 2e-2}


class RuntimeChoice:
    """Makes models ready by the runtime of that name, or under ``auto`` by the fastest that pays and works.

    Parameters
    ----------
    name
        ``auto``, or a name of `RUNTIMES`.
    note
        Told what the user should know: a runtime that failed on a model, under ``auto``.
    """

    def __init__(self, name: str, note: Callable[[str], None]) -> None:
        self._name = name
        self._note = note

    def prepare(self, name: str, model: Model, workload: Workload) -> Runner:
        """Make the model called ``name`` ready.

        Raises
        ------
        ModelError
            When the runtime that was asked for answers otherwise than eager PyTorch does.
        Exception
            Whatever that runtime raises.
        """
        if model.runtime:
            return run_as_it_is(model, workload.example.device)
        # Compilers and exporters refuse tensors that are made in inference mode.
        with torch.inference_mode(False), torch.no_grad():
            own = dataclasses.replace(workload, example=workload.example.clone())
            if self._name == "auto":
                return self._fastest(name, model, own)
            if self._name == "eager":
                return EagerRuntime().prepare(model, own)
            return _checked(self._name, model, own)

    def _fastest(self, name: str, model: Model, workload: Workload) -> Runner:
        for candidate in _candidates(workload):
            try:
                return _checked(candidate, model, workload)
            except Exception as error:  # compilers fail in their own ways, and eager PyTorch is there for all of them
                reason = str(error).partition("\n")[0] or type(error).__name__
                self._note(f"{name}: {candidate} cannot run it ({reason}); going on without")
        return EagerRuntime().prepare(model, workload)


def require(name: str, device: torch.device, precision: str) -> None:
    """Raise `OptionError` unless the runtime of that name can run models so here; ``auto`` always can."""
    obstacle = None if name == "auto" else RUNTIMES[name]().obstacle(device, precision)
    if obstacle is not None:
        raise OptionError(f"--robustness-runtime={name}: {obstacle}")


def _candidates(workload: Workload) -> list[str]:
    """Return the runtimes that pay for ``workload`` and are there, the fastest first."""
    device = workload.example.device
    if workload.passes * workload.example.shape[-2:].numel() < _WORTHWHILE.get(device.type, 0):
        return []
    return [
        name
        for name in _PREFERRED.get(device.type, ())
        if RUNTIMES[name]().obstacle(device, workload.precision) is None
    ]


def _checked(runtime: str, model: Model, workload: Workload) -> Runner:
    """Prepare ``model`` and compare its answers with those of eager PyTorch in fp32.

    An engine may have a fault; and a compiler that traces a module misses what depends on the values of a batch, which
    shows on other images than the example alone.

    Raises
    ------
    ModelError
        When they differ by more than the precision explains.
    """
    reference = EagerRuntime().prepare(model, dataclasses.replace(workload, precision="fp32"))
    probes = (workload.example, _others(workload.example))
    answers = [reference.run(images) for images in probes]
    runner = RUNTIMES[runtime]().prepare(model, workload)
    for images, expected in zip(probes, answers, strict=True):
        with torch.inference_mode():
            found = runner.run(images.clone())
        distance = float((found - expected).norm() / expected.norm().clamp_min(1e-12))
        if not distance <= _TOLERANCE[workload.precision]:
            raise ModelError(
                f"{runtime} computes other logits than eager PyTorch: they differ by {distance:.2g} of their size. "
                f"Choose --robustness-runtime=eager for this model."
            )
    return runner


def _others(images: torch.Tensor) -> torch.Tensor:
    """Return other images: in another order, and in turn with half the contrast, inverted, and with more."""
    factors = torch.tensor([0.5, -1.0, 1.5], device=images.device)[torch.arange(len(images)) % 3]
    return images.flip(0) * factors[:, None, None, None]
