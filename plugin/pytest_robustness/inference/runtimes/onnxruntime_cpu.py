"""ONNX Runtime on the CPU: the model is exported to ONNX and optimized there."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pytest_robustness.core import EngineUsed, Runner
from pytest_robustness.core.extras import pip_install
from pytest_robustness.core.process import warnings_ignored
from pytest_robustness.inference.runtimes.padding import padded
from pytest_robustness.models.engines.onnxruntime_session import open_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_robustness.core import Model, Workload

_PACKAGES = ("onnx", "onnxruntime", "onnxscript")


class OnnxRuntime:
    """Exports with ``torch.onnx.export`` and runs with ONNX Runtime's CPU provider."""

    def obstacle(self, device: torch.device, precision: str) -> str | None:
        """Return an obstacle if packages are missing, the device is not the CPU, or the precision is not fp32."""
        if device.type != "cpu":
            return f"onnxruntime is used on the CPU only, not on {device}: choose compile or eager."
        if precision != "fp32":
            return f"onnxruntime runs models in fp32 here, not in {precision}: choose openvino, compile or eager."
        missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            return f"{', '.join(missing)} is not installed: {pip_install('onnx')}."
        return None

    def prepare(self, model: Model, workload: Workload) -> Runner:
        """Export ``model`` for batches of the example's shape and load the result."""
        with tempfile.TemporaryDirectory(prefix="robustness-onnx-") as folder:
            path = Path(folder) / "model.onnx"
            with _quiet():
                torch.onnx.export(model.module.cpu().float(), (workload.example,), path, dynamo=True, verbose=False)
            session = open_session(path, torch.get_num_threads())
        name = session.get_inputs()[0].name

        def run(images: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(session.run(None, {name: images.contiguous().numpy()})[0])

        return Runner(padded(run, len(workload.example)), EngineUsed("onnxruntime", "fp32"))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which reports its progress on standard output, in warnings and in the log."""
    level, stdout = logging.root.manager.disable, sys.stdout
    try:
        logging.disable(logging.WARNING)
        sys.stdout = io.StringIO()  # not by contextlib: where Ctrl-C keeps that from its end, nothing is shown any more
        with warnings_ignored():
            yield
    finally:
        sys.stdout = stdout
        logging.disable(level)
