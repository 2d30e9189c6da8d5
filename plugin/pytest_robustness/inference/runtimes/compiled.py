"""PyTorch's own compiler: frozen weights on the CPU, CUDA graphs on a GPU."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
from typing import TYPE_CHECKING, Any

import torch

from pytest_robustness.core import Runner
from pytest_robustness.inference.runtimes.eager import place
from pytest_robustness.inference.runtimes.padding import padded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_robustness.core import Model, Workload

# Compiled variants of one forward method that dynamo keeps: all ResNets share one method, and a run has many models.
_VARIANTS = 1024


class CompiledRuntime:
    """``torch.compile`` with the inductor backend."""

    def obstacle(self, device: torch.device, precision: str) -> str | None:  # noqa: ARG002
        """Return an obstacle if inductor's backend is missing: a C++ compiler for the CPU, Triton for CUDA."""
        if device.type == "cuda":
            triton = importlib.util.find_spec("triton")
            return None if triton else "torch.compile needs Triton for CUDA: pip install triton."
        compilers = (os.environ.get("CXX", "g++"), "g++", "clang++", "cl")
        if any(shutil.which(compiler) for compiler in compilers):
            return None
        return "torch.compile needs a C++ compiler for the CPU: install g++."

    def prepare(self, model: Model, workload: Workload) -> Runner:
        """Compile ``model`` for batches of the example's shape."""
        placed = place(model, workload)
        options: dict[str, Any] = {"freezing": True}
        if workload.example.is_cuda:
            options["triton.cudagraphs"] = True
        run = placed.call(torch.compile(placed.module, dynamic=False, options=options))
        # In inference mode, as in the sweep: for other tensors it would be compiled a second time.
        with (
            torch.inference_mode(),
            torch._dynamo.config.patch(recompile_limit=_VARIANTS, accumulated_recompile_limit=_VARIANTS),
            _without_trace(),
        ):
            run(workload.example.clone())
        return Runner(padded(run, len(workload.example)), placed.engine("compile"))


@contextlib.contextmanager
def _without_trace() -> Iterator[None]:
    """Keep the compiler's trace, hundreds of lines without text, out of what pytest shows of a test that fails.

    ``TORCH_TRACE`` asks for it.
    """
    trace = logging.getLogger("torch.__trace")
    before = trace.disabled
    trace.disabled = before or "TORCH_TRACE" not in os.environ
    try:
        yield
    finally:
        trace.disabled = before
