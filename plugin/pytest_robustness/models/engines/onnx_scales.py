"""Read from an ONNX graph what the integers at its input and its output stand for, in whichever form it is quantized.

A graph of pairs (QDQ) has a ``QuantizeLinear`` or a ``DequantizeLinear`` there; one of quantized operators has a
``QLinearConv``, a ``QGemm`` and their like, which hold the scales of what they take and give.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.errors import ModelError
from pytest_robustness.core.files import open_regular
from pytest_robustness.models.engines.integers import Quantization

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np
    import onnx
    from numpy.typing import NDArray

# Operators that leave the values of a tensor as they are.
_MOVING: Final = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
# Operators that take the size of a tensor, and no value.
_MEASURING: Final = frozenset({"Shape", "Size"})
# Among the inputs of these a tensor of integers is followed by its scale and its zero point.
_TAKING: Final = frozenset({"DequantizeLinear", "QGemm"})
_LINEAR: Final = "QLinear"
# Where among its inputs an operator has the scale of what it gives; the zero point follows.
_GIVING: Final[Mapping[str, int]] = {
    "QuantizeLinear": 1,
    "QLinearConv": 6,
    "QLinearMatMul": 6,
    "QLinearAdd": 6,
    "QLinearMul": 6,
    "QGemm": 7,
    "QLinearConcat": 0,
    "QLinearAveragePool": 3,
    "QLinearGlobalAveragePool": 3,
    "QLinearLeakyRelu": 3,
    "QLinearReduceMean": 3,
    "QLinearSigmoid": 3,
    "QLinearSoftmax": 3,
}


@dataclasses.dataclass(frozen=True)
class Scales:
    """The scales and zero points in a graph, wherever it keeps its constants."""

    path: Path
    graph: onnx.GraphProto
    constants: Mapping[str, onnx.TensorProto]

    @classmethod
    def of(cls, path: Path, graph: onnx.GraphProto) -> Scales:
        """Return those of ``graph`` in the file ``path``.

        Raises
        ------
        ModelError
            One is no number that a tensor could be quantized by: the graph would answer, and mean nothing.
        """
        held = {tensor.name: tensor for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                if (tensor := _tensor_of(node.attribute[0])) is not None:
                    held[node.output[0]] = tensor
            elif node.op_type == "Identity" and node.input[0] in held:  # exporters name a number that recurs so
                held[node.output[0]] = held[node.input[0]]
        scales = cls(path, graph, held)
        scales._require_numbers()
        return scales

    def taken(self, name: str) -> Quantization | None:
        """Return what the values of the tensor ``name`` stand for, by all operators that take them."""
        found = set(self._taken(name))
        return found.pop() if len(found) == 1 else None

    def given(self, name: str) -> Quantization | None:
        """Return what the values of the tensor ``name`` stand for, by the operator that gives them."""
        makers = {output: node for node in self.graph.node for output in node.output}
        node = makers.get(name)
        for _ in makers:  # a damaged graph may lead back to where it began
            if node is None or node.op_type not in _MOVING:
                break
            node = makers.get(node.input[0])
        return None if node is None or node.op_type not in _GIVING else self._at(node, _GIVING[node.op_type])

    def _taken(self, name: str) -> Iterator[Quantization | None]:
        """Yield what each operator that takes ``name`` says of it."""
        pending, seen = [name], set[str]()
        while pending:
            taken = pending.pop()
            seen.add(taken)
            for node in self.graph.node:
                if taken not in node.input or node.op_type in _MEASURING:
                    continue
                if node.op_type in _MOVING:
                    pending += [output for output in node.output if output not in seen]
                elif _quantized(node):
                    yield self._at(node, list(node.input).index(taken) + 1)
                else:
                    yield None

    def _at(self, node: onnx.NodeProto, place: int) -> Quantization | None:
        """Return the scale at ``place`` of the inputs of ``node``, and the zero point after it, one for all values."""
        values = [self._constant(name) for name in node.input[place : place + 2] if name]
        if not values or any(value is None or value.size != 1 for value in values):
            return None
        return Quantization(*(float(value.reshape(-1)[0]) for value in values if value is not None))

    def _constant(self, name: str) -> NDArray[np.generic] | None:
        from onnx import numpy_helper

        tensor = self.constants.get(name)
        return None if tensor is None else numpy_helper.to_array(self._with_values(tensor))

    def _with_values(self, tensor: onnx.TensorProto) -> onnx.TensorProto:
        """Return a tensor with its values, read from where they lie beside the graph.

        onnx itself reads none through the links of which the cache of a hub is made; the engines do.
        """
        from onnx import TensorProto
        from onnx.external_data_helper import ExternalDataInfo, uses_external_data

        if not uses_external_data(tensor):
            return tensor
        place = ExternalDataInfo(tensor)
        with open_regular(self.path.parent / place.location) as file:
            file.seek(place.offset or 0)
            values = file.read(-1 if place.length is None else place.length)
        return TensorProto(dims=tensor.dims, data_type=tensor.data_type, raw_data=values)

    def _is_float(self, name: str) -> bool:
        """Whether a constant holds floats. Its values, which may be all weights of a layer, are not read."""
        from onnx import helper

        tensor = self.constants.get(name)
        return tensor is not None and helper.tensor_dtype_to_np_dtype(tensor.data_type).kind == "f"

    def _require_numbers(self) -> None:
        """Raise `ModelError` where a scale is not finite, or something is divided by one that is not above 0.

        All that a quantized operator takes as a float is a scale, but what is to be quantized.
        """
        for node in self.graph.node:
            if node.op_type != "QuantizeLinear" and not _quantized(node):
                continue
            divisor = _GIVING.get(node.op_type)
            for place, name in enumerate(node.input):
                value = self._constant(name) if self._is_float(name) else None
                if value is None or (node.op_type == "QuantizeLinear" and place == 0):
                    continue
                odd = [
                    x for x in map(float, value.reshape(-1)) if not math.isfinite(x) or (place == divisor and x <= 0)
                ]
                if odd:
                    raise ModelError(
                        f"The scale {name} of {self.path} is {odd[0]:g}; it must be a positive number, or the graph "
                        f"answers the same to every image. Quantize the network again, and look at the images that "
                        f"it is calibrated with."
                    )


def _tensor_of(kept: onnx.AttributeProto) -> onnx.TensorProto | None:
    """Return what a ``Constant`` holds, of the forms in which it may hold a scale or a zero point."""
    import numpy as np
    from onnx import numpy_helper

    if kept.name == "value":
        return kept.t
    if kept.name in ("value_float", "value_floats"):
        found = kept.f if kept.name == "value_float" else list(kept.floats)
        return numpy_helper.from_array(np.array(found, np.float32))
    return None


def _quantized(node: onnx.NodeProto) -> bool:
    return node.op_type in _TAKING or node.op_type.startswith(_LINEAR)
