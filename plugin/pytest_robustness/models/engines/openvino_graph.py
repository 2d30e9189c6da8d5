"""Run graphs in OpenVINO, and read from the graph how to call it."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.errors import ModelError
from pytest_robustness.models.engines import openvino_core
from pytest_robustness.models.engines.integers import Port, Quantization
from pytest_robustness.models.engines.module import ONE_EACH, Signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import openvino
    import torch

    from pytest_robustness.models.engines.module import Arrays

# Operators that leave the output of a softmax as it is, except for rounding.
_KEEPING = frozenset({"Convert", "FakeQuantize", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
# Those between an input or an output and what says how its integers are to be read.
_MOVING = frozenset({"Convert", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})


@dataclasses.dataclass(frozen=True)
class OpenVinoEngine:
    """A graph in a file that OpenVINO reads, run with any batch size if the graph allows that."""

    path: Path
    signature: Signature

    @classmethod
    def read(cls, path: Path) -> OpenVinoEngine:
        """Return the engine for the file ``path``; it can be started from any directory."""
        signature = _signature(path, openvino_core.read(path))
        size, *rest = signature.input.shape or (None,)
        squeezed = len(signature.output.shape) == 1  # of a batch of its own size alone
        if size is not None and not squeezed and _takes_batches_of(openvino_core.read(path), size + 1):
            shape = (None, *rest)
            signature = dataclasses.replace(signature, input=dataclasses.replace(signature.input, shape=shape))
        # Not where a link leads: what belongs to the model lies beside the path that was given.
        return cls(path.absolute(), signature)

    def without_number(self) -> str:
        """Return the name of the first constant that holds NaN."""
        for node in openvino_core.read(self.path).get_ops():
            if node.get_type_name() == "Constant" and node.data.dtype.kind == "f":
                values = node.data
                if (values != values).any():
                    return str(node.get_friendly_name())
        return ""

    def start(self, device: torch.device, threads: int) -> Callable[[Arrays], Arrays]:  # noqa: ARG002 (always the CPU)
        """Compile the graph for the CPU."""
        model, one_size = openvino_core.read(self.path), self.signature.input.shape[0] is not None
        if not one_size:
            _set_batch(model, -1)
        # Batches of a fixed size are computed in parallel.
        hint = "THROUGHPUT" if one_size else "LATENCY"
        compiled = openvino_core.compile_for_cpu(model, precision="f32", threads=threads, PERFORMANCE_HINT=hint)
        return _Queue(compiled).infer


def _set_batch(model: openvino.Model, size: int) -> None:
    import openvino

    _, *rest = model.inputs[0].get_partial_shape()
    model.reshape(openvino.PartialShape([openvino.Dimension(size), *rest]))


def _takes_batches_of(model: openvino.Model, size: int) -> bool:
    """Return whether ``size`` images give as many answers: in many graphs a reshape holds the batch size."""
    with contextlib.suppress(RuntimeError):
        _set_batch(model, size)
        return int(model.outputs[0].get_partial_shape()[0].get_max_length()) == size
    return False


class _Queue:
    """Runs batches side by side on one compiled graph."""

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        self._compiled = compiled
        self._requests = self._made()

    def infer(self, batches: Arrays) -> Arrays:
        """Return the graph's output for each of ``batches``."""
        answers: list[Any] = [None] * len(batches)
        requests = self._requests
        try:
            requests.set_callback(
                lambda request, place: answers.__setitem__(place, request.get_output_tensor().data.copy())
            )
            for place, batch in enumerate(batches):
                requests.start_async([batch], place)
            requests.wait_all()
        except BaseException:
            # OpenVINO's queue keeps the error of a batch, and raises it again for each later one.
            self._requests = self._made()
            raise
        return answers

    def _made(self) -> openvino.AsyncInferQueue:
        import openvino

        return openvino.AsyncInferQueue(self._compiled)


def _signature(path: Path, model: openvino.Model) -> Signature:
    for kind, ports in (("input", model.inputs), ("output", model.outputs)):
        if len(ports) != 1:
            names = ", ".join(port.any_name if port.names else "unnamed" for port in ports)
            raise ModelError(f"{path} has {len(ports)} {kind}s ({names}); {ONE_EACH}")
    return Signature(
        _port(model.inputs[0], _input_quantization(model.inputs[0])),
        _port(model.outputs[0], _output_quantization(model.outputs[0])),
        _ends_in_softmax(model.outputs[0]),
    )


def _port(port: Any, quantization: Quantization | None) -> Port:
    shape = port.get_partial_shape()
    sides = () if shape.rank.is_dynamic else tuple(None if side.is_dynamic else side.get_length() for side in shape)
    return Port(port.any_name if port.names else "", sides, port.get_element_type().to_dtype().name, quantization)


def _source(node: Any, place: int = 0) -> Any:
    return node.input(place).get_source_output().get_node()


def _input_quantization(port: Any, zero: float = 0.0) -> Quantization | None:
    """Read the scale from a FakeQuantize (TensorFlow Lite), or from a Subtract and a Multiply (ONNX, IR).

    A graph that takes pixels and scales them itself begins as one whose input was quantized. No zero point lies between
    two integers: such a graph takes pixels. ``zero`` is what has been subtracted before ``port``.
    """
    nodes = [taker.get_node() for taker in port.get_target_inputs()]
    found = {_quantization_by(node, zero) for node in nodes if node.get_type_name() != "ShapeOf"}
    return found.pop() if len(found) == 1 else None


def _quantization_by(node: Any, zero: float) -> Quantization | None:
    """Return what a node that takes an input, less ``zero``, says of it."""
    kind = node.get_type_name()
    if kind == "FakeQuantize":
        return _of_fake_quantize(node, quantized=(1, 2), real=(3, 4))
    if kind in ("Subtract", "Multiply") and (value := _constant(_source(node, 1))) is not None:
        if kind == "Subtract":
            return _input_quantization(node.output(0), value)
        return Quantization(value, zero) if zero.is_integer() else None
    return _input_quantization(node.output(0), zero) if kind in _MOVING else None


def _output_quantization(port: Any) -> Quantization | None:
    node = _source(port.get_node())
    while node.get_type_name() in _MOVING:
        node = _source(node)
    return _of_fake_quantize(node, quantized=(3, 4), real=(1, 2)) if node.get_type_name() == "FakeQuantize" else None


def _of_fake_quantize(node: Any, quantized: tuple[int, int], real: tuple[int, int]) -> Quantization | None:
    """Return the quantization that maps the range at the inputs ``quantized`` of ``node`` to the range at ``real``."""
    low, high, real_low, real_high = (_constant(_source(node, place)) for place in (*quantized, *real))
    if low is None or high is None or real_low is None or real_high is None or high == low:
        return None
    scale = (real_high - real_low) / (high - low)
    return Quantization(scale, low - real_low / scale)


def _constant(node: Any) -> float | None:
    """Return the number in ``node`` if it is a constant of one element, converted or not."""
    while node.get_type_name() == "Convert":
        node = _source(node)
    return float(node.data.item()) if node.get_type_name() == "Constant" and node.data.size == 1 else None


def _ends_in_softmax(port: Any) -> bool:
    node = _source(port.get_node())
    while node.get_type_name() in _KEEPING:
        node = _source(node)
    return bool(node.get_type_name().lower() == "softmax")
