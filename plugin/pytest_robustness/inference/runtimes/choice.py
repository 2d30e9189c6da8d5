"""Choose the runtime of each model: the one that the user named, or the fastest whose compilation pays off."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

import torch

from pytest_robustness.core.errors import ModelError, OptionError, message
from pytest_robustness.inference.logits import TOLERANCE, distance
from pytest_robustness.inference.memory import is_out_of_memory
from pytest_robustness.inference.runtimes import load_runtime
from pytest_robustness.inference.runtimes.eager import run_unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_robustness.core import Model, Runner, Workload

_log = logging.getLogger(__name__)

# What auto tries on each device, the fastest first; docs/performance.md has the figures.
_PREFERRED = {"cpu": ("openvino", "onnxruntime", "compile"), "cuda": ("compile",)}
# Pixels of input from which on a model's compilation pays off. Measured on a CPU; on CUDA an estimate, much higher
# because eager PyTorch is fast there.
_WORTHWHILE = {"cpu": 256 * 224 * 224, "cuda": 2**18 * 224 * 224}


class RuntimeChoice:
    """Prepares models with the named runtime; under ``auto``, with the fastest one that pays off and works.

    Eager PyTorch runs what no runtime can run.

    Parameters
    ----------
    name
        ``auto``, or a name of `RUNTIMES`.
    note
        Called with a message for the user when a runtime failed on a model.
    """

    def __init__(self, name: str, note: Callable[[str], None]) -> None:
        self._name = name
        self._note = note

    def prepare(self, name: str, model: Model, workload: Workload) -> Runner:
        """Return what runs ``model``; ``name`` is its name, for messages.

        Raises
        ------
        Exception
            Any error of the model.
        """
        if model.runtime:
            return run_unchanged(model, workload.example.device)
        # Compilers and exporters refuse tensors that were created in inference mode.
        with torch.inference_mode(False), torch.no_grad():
            own = dataclasses.replace(workload, example=workload.example.clone())
            return self._fastest(name, model, own)

    def _fastest(self, name: str, model: Model, workload: Workload) -> Runner:
        candidates = _candidates(workload) if self._name == "auto" else [self._name]
        for candidate in candidates:
            if candidate == "eager":
                break
            if candidate == "compile":
                self._note(f"{name}: compiling it, once, which takes as long as some batches")
            try:
                return _checked(candidate, model, workload)
            except Exception as error:  # compilers fail in many ways, and eager PyTorch remains
                _log.debug("%s cannot run %s", candidate, name, exc_info=True)
                if is_out_of_memory(error) and len(workload.example) > 1:
                    raise  # the sweep tries a smaller batch
                reason = message(error).partition("\n")[0] or type(error).__name__
                self._note(f"{name}: {candidate} cannot run it ({reason}); going on without")
        return load_runtime("eager").prepare(model, workload)


def require(name: str, device: torch.device, precision: str) -> None:
    """Raise `OptionError` unless the runtime called ``name`` can run models on ``device`` at ``precision``.

    ``auto`` always can.
    """
    obstacle = None if name == "auto" else load_runtime(name).obstacle(device, precision)
    if obstacle is not None:
        raise OptionError(f"--robustness-runtime={name}: {obstacle}")


def _candidates(workload: Workload) -> list[str]:
    """Return the available runtimes whose compilation pays off for ``workload``, the fastest first."""
    device = workload.example.device
    if workload.passes * workload.example.shape[-2:].numel() < _WORTHWHILE.get(device.type, 0):
        return []
    return [
        name
        for name in _PREFERRED.get(device.type, ())
        if load_runtime(name).obstacle(device, workload.precision) is None
    ]


def _checked(runtime: str, model: Model, workload: Workload) -> Runner:
    """Prepare ``model`` and compare its logits with those of eager PyTorch in fp32.

    Engines have bugs, and a compiler that traces a module misses branches that depend on the images: those show only on
    other images than the example.

    Raises
    ------
    ModelError
        When the logits differ by more than the precision explains.
    """
    reference = load_runtime("eager").prepare(model, dataclasses.replace(workload, precision="fp32"))
    probes = (workload.example, _others(workload.example))
    answers = [reference.run(images) for images in probes]
    runner = load_runtime(runtime).prepare(model, workload)
    for images, expected in zip(probes, answers, strict=True):
        with torch.inference_mode():
            logits = runner.run(images.clone())
        off = distance(logits, expected)
        if not off <= TOLERANCE[workload.precision]:
            raise ModelError(f"its logits are not those of eager PyTorch: they differ by {off:.2g} of their size")
    return runner


def _others(images: torch.Tensor) -> torch.Tensor:
    """Return variants of ``images``: in reverse order, with half the contrast, inverted, and with more, in turn."""
    factors = torch.tensor([0.5, -1.0, 1.5], device=images.device)[torch.arange(len(images)) % 3]
    return images.flip(0) * factors[:, None, None, None]
