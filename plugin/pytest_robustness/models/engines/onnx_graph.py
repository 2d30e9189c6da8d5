"""Run ONNX files in ONNX Runtime, and read from the graph how to call it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.errors import ModelError
from pytest_robustness.models.engines.integers import Port, Quantization
from pytest_robustness.models.engines.module import ONE_EACH, Signature
from pytest_robustness.models.engines.onnx_scales import Scales
from pytest_robustness.models.engines.onnxruntime_session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import onnx
    import torch

    from pytest_robustness.models.engines.module import Arrays

    _Makers = Mapping[str, onnx.NodeProto]

# Operators that leave the output of a softmax as it is, except for rounding.
_KEEPING = frozenset(
    {"Cast", "DequantizeLinear", "Flatten", "Identity", "QuantizeLinear", "Reshape", "Squeeze", "Unsqueeze"}
)
_SOFTMAX = frozenset({"Softmax", "QLinearSoftmax"})


@dataclasses.dataclass(frozen=True)
class OnnxEngine:
    """A graph in an ONNX file."""

    path: Path
    signature: Signature

    @classmethod
    def read(cls, path: Path) -> OnnxEngine:
        """Return the engine for the file ``path``; it can be started from any directory."""
        # Not where a link leads: what belongs to the model lies beside the path that was given.
        return cls(path.absolute(), _signature(path, _graph(path)))

    def without_number(self) -> str:
        """Return the name of the first tensor in the file that holds NaN; those beside it are not looked at."""
        from onnx import TensorProto, numpy_helper
        from onnx.external_data_helper import uses_external_data

        floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
        for tensor in _tensors(_model(self.path)):
            if tensor.data_type in floats and not uses_external_data(tensor):
                values = numpy_helper.to_array(tensor)
                if (values != values).any():
                    return str(tensor.name)
        return ""

    def start(self, device: torch.device, threads: int) -> Callable[[Arrays], Arrays]:
        """Open a session on ``device``: on the CPU, unless the device is CUDA and this ONNX Runtime supports it."""
        import onnxruntime

        providers: list[Any] = ["CPUExecutionProvider"]
        if device.type == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": device.index or 0, "use_tf32": 0}))
        session = open_session(self.path, threads, providers)
        name = self.signature.input.name
        return lambda batches: [session.run(None, {name: batch})[0] for batch in batches]


def external_files(path: Path) -> list[Path]:
    """Return the other files that hold tensors of the ONNX model ``path``, wherever in the model they are named.

    A tensor may be a weight, dense or sparse, the value of a constant, part of a branch or of a loop's body, of a
    function, or of what the model was trained with.
    """
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    stored = {ExternalDataInfo(tensor).location for tensor in _tensors(_model(path)) if uses_external_data(tensor)}
    return [path.parent / location for location in sorted(stored)]


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield every tensor of a model: all that is a message within a message is looked at."""
    import onnx

    pending: list[Any] = [model]
    while pending:
        message = pending.pop()
        if isinstance(message, onnx.TensorProto):
            yield message
            continue
        for field, value in message.ListFields():
            if field.message_type is not None:
                pending += [value] if hasattr(value, "ListFields") else list(value)


def _model(path: Path) -> onnx.ModelProto:
    import onnx

    model: onnx.ModelProto = onnx.load(path, load_external_data=False)
    return model


def _graph(path: Path) -> onnx.GraphProto:
    graph: onnx.GraphProto = _model(path).graph
    return graph


def _signature(path: Path, graph: onnx.GraphProto) -> Signature:
    constants = {tensor.name for tensor in graph.initializer}  # older files list them among the inputs
    inputs = [port for port in graph.input if port.name not in constants]
    for kind, ports in (("input", inputs), ("output", graph.output)):
        if len(ports) != 1:
            names = ", ".join(port.name for port in ports)
            raise ModelError(f"{path} has {len(ports)} {kind}s ({names}); {ONE_EACH}")
    taken, given = inputs[0], graph.output[0]
    makers = {name: node for node in graph.node for name in node.output}
    scales = Scales.of(path, graph)
    return Signature(
        _port(taken, scales.taken(taken.name)),
        _port(given, scales.given(given.name)),
        _ends_in_softmax(makers, given.name),
    )


def _port(described: onnx.ValueInfoProto, quantization: Quantization | None) -> Port:
    from onnx import helper

    kind = described.type.tensor_type
    shape = tuple(side.dim_value if side.dim_value > 0 else None for side in kind.shape.dim)
    return Port(described.name, shape, helper.tensor_dtype_to_np_dtype(kind.elem_type).name, quantization)


def _ends_in_softmax(makers: _Makers, name: str) -> bool:
    node = makers.get(name)
    for _ in makers:  # a damaged graph may lead back to where it began
        if node is None or node.op_type not in _KEEPING:
            break
        node = makers.get(node.input[0])
    return node is not None and node.op_type in _SOFTMAX
