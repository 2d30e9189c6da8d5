"""OpenVINO on the CPU: converts the module directly, and computes in bf16 if the processor can."""

from __future__ import annotations

import importlib.util
import warnings
from typing import TYPE_CHECKING

import torch

from pytest_robustness.core import EngineUsed, Runner
from pytest_robustness.core.extras import pip_install
from pytest_robustness.inference.runtimes.padding import padded
from pytest_robustness.models.engines.openvino_core import compile_for_cpu

if TYPE_CHECKING:
    import openvino

    from pytest_robustness.core import Model, Workload

# Our names of precisions, and those of OpenVINO.
_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoRuntime:
    """Converts by tracing the module, which follows only one branch of an ``if`` on values of the images."""

    def obstacle(self, device: torch.device, precision: str) -> str | None:
        """Return an obstacle if the package is missing, the device is not the CPU, or the precision is another."""
        if device.type != "cpu":
            return f"openvino is used on the CPU only, not on {device}: choose compile or eager."
        if precision not in _PRECISIONS:
            return f"openvino runs models in {' or '.join(_PRECISIONS)}, not in {precision}: choose compile or eager."
        if importlib.util.find_spec("openvino") is None:
            return f"openvino is not installed: {pip_install('openvino')}."
        return None

    def prepare(self, model: Model, workload: Workload) -> Runner:
        """Convert ``model`` for batches of the example's shape and compile the result."""
        converted = _convert(model.module.cpu().float(), workload.example)
        converted.reshape(list(workload.example.shape))
        compiled = compile_for_cpu(
            converted, precision=_PRECISIONS[workload.precision], threads=torch.get_num_threads()
        )
        request = compiled.create_infer_request()

        def run(images: torch.Tensor) -> torch.Tensor:
            answer = request.infer([images.contiguous().numpy()], share_inputs=True)[0]
            return torch.from_numpy(answer).float()

        # On a processor without bf16 instructions, OpenVINO computes in fp32 and reports that.
        actual = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        precision = next(ours for ours, theirs in _PRECISIONS.items() if theirs == actual)
        return Runner(padded(run, len(workload.example)), EngineUsed("openvino", precision))


def _convert(module: torch.nn.Module, example: torch.Tensor) -> openvino.Model:
    """Convert by the frontend itself, because ``openvino.convert_model`` sends usage statistics to its maker."""
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    frontend = FrontEndManager().load_by_framework("pytorch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about tracing; the logits are compared instead
        decoder = TorchScriptPythonDecoder(module, example_input=example)
        return frontend.convert(frontend.load(decoder))
