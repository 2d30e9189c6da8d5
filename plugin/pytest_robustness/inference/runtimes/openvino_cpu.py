"""OpenVINO on the CPU: converts the module directly, and computes in bf16 if the processor can."""

from __future__ import annotations

import importlib.util
import itertools
import math
from typing import TYPE_CHECKING, Final, NamedTuple

import torch

from pytest_robustness.core import EngineUsed, Runner
from pytest_robustness.core.extras import pip_install
from pytest_robustness.core.process import interrupts_held, warnings_ignored
from pytest_robustness.inference.runtimes.padding import begun_padded
from pytest_robustness.models.engines.openvino_core import compile_for_cpu

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import openvino

    from pytest_robustness.core import Model, Workload

# Our names of precisions, and those of OpenVINO.
_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}
# Batches that are computed or wait for it at a time: while one is computed, the next is made and put behind it.
_BATCHES: Final = 2
# Pixels of the images of a part: what the first layers make of them fits into a core's cache.
_PART_PIXELS: Final = 2 * 224 * 224
# Up to so many bytes of weights a batch is divided. ResNet-50, of 102 MB, takes as long either way; AlexNet, of 244 MB,
# half as long again (benchmarks/README.md).
_SMALL_WEIGHTS: Final = 64 << 20


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
        """Convert ``model`` for parts of a batch like the example, and compile the result."""
        module, threads = model.module.cpu().float(), torch.get_num_threads()
        division = divide(workload.example.shape, _weights(module), threads)
        # Traced at the size that it will get: code that calls len() on a batch becomes a constant.
        converted = _convert(module, workload.example[: division.images])
        converted.reshape([division.images, *workload.example.shape[1:]])
        compiled = compile_for_cpu(
            converted,
            precision=_PRECISIONS[workload.precision],
            threads=threads,
            NUM_STREAMS=str(min(division.parts, threads)),
        )
        requests = [compiled.create_infer_request() for _ in range(_BATCHES * division.parts)]
        turns = itertools.cycle(range(0, len(requests), division.parts))

        def begin(images: torch.Tensor) -> Callable[[], torch.Tensor]:
            parts = torch.split(images.contiguous(), division.images)
            first = next(turns)
            used = requests[first : first + len(parts)]
            with interrupts_held():
                for request, part in zip(used, parts, strict=True):
                    request.wait()  # for a batch that nobody waited for, after an interrupt
                    request.start_async([part.numpy()], share_inputs=True)  # it holds what it reads

            def answer() -> torch.Tensor:
                with interrupts_held():
                    for request in used:
                        request.wait()
                return torch.cat([torch.from_numpy(request.get_output_tensor(0).data).float() for request in used])

            return answer

        # On a processor without bf16 instructions, OpenVINO computes in fp32 and reports that.
        actual = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        precision = next(ours for ours, theirs in _PRECISIONS.items() if theirs == actual)
        start = begun_padded(begin, division.images)
        return Runner(lambda images: start(images)(), EngineUsed("openvino", precision), start)


class Division(NamedTuple):
    """How a batch is divided: into ``parts``, each of ``images``; the last may be padded."""

    parts: int
    images: int


def divide(shape: Sequence[int], weights: int, threads: int) -> Division:
    """Return how to divide a batch among ``threads`` that each compute a part at a time.

    The layers of a part stay in a core's cache, and no thread waits for another at the end of each layer: a small
    network takes up to a fifth less time, and beside a busy process a quarter (docs/performance.md). Large weights are
    read anew for each part, which costs more than it gains.

    Parameters
    ----------
    shape
        Of a whole batch: [B, 3, H, W].
    weights
        The network's bytes.
    threads
        How many compute.
    """
    batch, _, height, width = shape
    if weights > _SMALL_WEIGHTS:
        return Division(1, batch)
    least = min(2, batch)  # of one image, networks that call squeeze() would lose the dimension
    largest = min(batch, max(least, _PART_PIXELS // (height * width)))

    def cost(images: int) -> tuple[int, int]:
        rounds = math.ceil(math.ceil(batch / images) / threads)
        return rounds * images, -images

    images = min(range(least, largest + 1), key=cost)
    return Division(math.ceil(batch / images), images)


def _weights(module: torch.nn.Module) -> int:
    return sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))


def _convert(module: torch.nn.Module, example: torch.Tensor) -> openvino.Model:
    """Convert by the frontend itself, because ``openvino.convert_model`` sends usage statistics to its maker."""
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    frontend = FrontEndManager().load_by_framework("pytorch")
    with warnings_ignored():  # about tracing; the logits are compared instead
        decoder = TorchScriptPythonDecoder(module, example_input=example)
        return frontend.convert(frontend.load(decoder))
