"""Models that are files and run in an engine of their own, compared with PyTorch. Their sidecars: test_sidecar.py."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import io
import json
import logging
import math
import pickle
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.core import Preprocess
from pytest_robustness.core.errors import ModelError, OptionError
from pytest_robustness.inference.loading.first_answers import first_answers
from pytest_robustness.models import ModelZoo
from pytest_robustness.models.engines.integers import Quantization
from pytest_robustness.models.engines.onnx_graph import external_files
from pytest_robustness.models.present_weights import no_number_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_robustness.core import Model

    Build = Callable[..., Path]

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
openvino = pytest.importorskip("openvino", reason="the extra openvino is not installed")

ENGINES = {"onnx": "onnxruntime", "openvino": "openvino"}
SIDE = 16
CLASSES = 5


class Net(nn.Module):
    """Five classes of images of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.conv(images)).relu().mean((2, 3)))


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    made = Net().eval()
    made.norm.running_mean.normal_()
    return made


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(5, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def exported(net: nn.Module, images: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the net as PyTorch exports it: float32, any batch size."""
    pytest.importorskip("onnxscript", reason="torch.onnx.export needs onnxscript")
    path = tmp_path_factory.mktemp("exported") / "net.onnx"
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        shapes = {"images": {0: torch.export.Dim.DYNAMIC}}
        torch.onnx.export(net, (images,), path, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False)
        logging.disable(logging.NOTSET)
    return path


@pytest.fixture(params=ENGINES)
def source(request: pytest.FixtureRequest) -> str:
    """The name of a source that reads ONNX."""
    return str(request.param)


@pytest.fixture
def load(source: str) -> Callable[..., Model]:
    """Load an ONNX file by each source, beside the keys of a sidecar."""

    def load_with(path: Path, **sidecar: object) -> Model:
        if sidecar:
            Path(f"{path}.json").write_text(json.dumps(sidecar))
        return ModelZoo().load(f"{source}:{path}")

    return load_with


@pytest.fixture
def build(net: Net, tmp_path: Path) -> Build:
    """Write the net as an ONNX file, node by node, with other ends than PyTorch gives it."""

    def write(
        *,
        shape: tuple[Any, ...] = ("N", 3, SIDE, SIDE),
        dtype: str = "float32",
        before: list[tuple[Any, ...]] = (),
        after: list[tuple[Any, ...]] = (),
        out_dtype: str = "float32",
        out_shape: tuple[Any, ...] = ("N", CLASSES),
        constants: dict[str, np.ndarray] | None = None,
        name: str = "built.onnx",
    ) -> Path:
        helper = onnx.helper
        kinds = {name: helper.np_dtype_to_tensor_dtype(np.dtype(name)) for name in (dtype, out_dtype)}
        weights = {name: tensor.numpy() for name, tensor in net.state_dict().items() if tensor.ndim} | (constants or {})
        norm = [f"norm.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
        # What stands before the net turns "in" into "x", and what stands after it turns "logits" into "out".
        nodes = [
            *(before or [("Identity", ["in"], ["x"], {})]),
            ("Conv", ["x", "conv.weight", "conv.bias"], ["c"], {"strides": [2, 2]}),
            ("BatchNormalization", ["c", *norm], ["n"], {}),
            ("Relu", ["n"], ["r"], {}),
            ("GlobalAveragePool", ["r"], ["g"], {}),
            ("Flatten", ["g"], ["f"], {}),
            ("Gemm", ["f", "head.weight", "head.bias"], ["logits"], {"transB": 1}),
            *(after or [("Identity", ["logits"], ["out"], {})]),
        ]
        graph = helper.make_graph(
            [helper.make_node(kind, taken, given, **attributes) for kind, taken, given, attributes in nodes],
            "net",
            [helper.make_tensor_value_info("in", kinds[dtype], shape)],
            [helper.make_tensor_value_info("out", kinds[out_dtype], out_shape)],
            [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=9
        )
        onnx.checker.check_model(model)
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    return write


def assert_same(actual: torch.Tensor, expected: torch.Tensor) -> None:
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


# the same answers as PyTorch's


@torch.no_grad()
@pytest.mark.parametrize("count", [1, 5])
def test_an_exported_net_answers_as_pytorch_does(
    load: Callable[..., Model], source: str, exported: Path, net: nn.Module, images: torch.Tensor, count: int
) -> None:
    model = load(exported)
    assert model.runtime == ENGINES[source]
    assert model.preprocess == Preprocess()
    assert model.classes is None
    assert_same(model.module(images[:count]), net(images[:count]))


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 2])
def test_a_fixed_batch_size_takes_any_number_of_images(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor, batch: int
) -> None:
    reshape = [("Reshape", ["logits", "shape"], ["out"], {})]
    literal = {"shape": np.array([batch, CLASSES])}
    for rest in ({}, {"after": reshape, "constants": literal}):
        path = build(shape=(batch, 3, SIDE, SIDE), out_shape=(batch, CLASSES), **rest)
        assert_same(load(path).module(images), net(images))


@pytest.mark.parametrize("end", ["input", "output"])
def test_a_graph_that_leads_back_to_where_it_began_is_refused(
    load: Callable[..., Model], build: Build, images: torch.Tensor, end: str
) -> None:
    path = build(
        before=[("Identity", ["in"], ["y"], {}), ("Identity", ["y"], ["x"], {})],
        after=[("Identity", ["logits"], ["z"], {}), ("Identity", ["z"], ["out"], {})],
    )
    graph = onnx.load(path)
    (last,) = [node for node in graph.graph.node if node.output[0] == ("x" if end == "input" else "z")]
    if end == "input":
        last.output[0] = "in"
    else:
        last.input[0] = "out"
    onnx.save(graph, path)
    with pytest.raises(ModelError, match=r"built\.onnx"):
        load(path).module(images)


@torch.no_grad()
def test_channels_last_are_told_by_the_shape(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor
) -> None:
    path = build(shape=("N", SIDE, SIDE, 3), before=[("Transpose", ["in"], ["x"], {"perm": [0, 3, 1, 2]})])
    model = load(path)
    assert_same(model.module(images), net(images))


@torch.no_grad()
def test_images_of_another_size_are_resized_to_the_input(
    load: Callable[..., Model], build: Build, net: nn.Module
) -> None:
    large = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    expected = net(tvf.resize(large, [SIDE, SIDE], antialias=True))
    assert_same(load(build()).module(large), expected)
    assert_same(load(build(shape=("N", 3, "H", "W"))).module(large), net(large))


@torch.no_grad()
def test_a_half_precision_input_is_given_halves(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor
) -> None:
    path = build(dtype="float16", before=[("Cast", ["in"], ["x"], {"to": onnx.TensorProto.FLOAT})])
    assert_same(load(path).module(images), net(images.half().float()))


# probabilities

SOFTMAX = [("Softmax", ["logits"], ["p"], {"axis": 1}), ("Reshape", ["p", "shape"], ["out"], {})]
FLAT = {"shape": np.array([-1, CLASSES])}


@torch.no_grad()
def test_the_probabilities_of_a_softmax_become_logits(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor
) -> None:
    logits = load(build(after=SOFTMAX, constants=FLAT)).module(images)
    assert_same(logits, net(images).log_softmax(1))
    passed_on = load(build(after=[("Softmax", ["logits"], ["p"], {"axis": 1}), ("Identity", ["p"], ["out"], {})]))
    assert_same(passed_on.module(images), net(images).log_softmax(1))
    saturated = load(build(after=[("Mul", ["logits", "k"], ["m"], {}), ("Softmax", ["m"], ["out"], {"axis": 1})],
                           constants={"k": np.float32(1e6)})).module(images)  # fmt: skip
    assert saturated.isfinite().all()
    assert_same(saturated.softmax(1), (1e6 * net(images)).softmax(1))


@torch.no_grad()
def test_a_sidecar_decides_whether_outputs_are_probabilities(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor
) -> None:
    assert_same(load(build(after=SOFTMAX, constants=FLAT), probabilities=False).module(images), net(images).softmax(1))
    sigmoid = load(build(after=[("Sigmoid", ["logits"], ["out"], {})]), probabilities=True).module(images)
    assert_same(sigmoid, net(images).sigmoid().log())


# quantized ends

ENDS = {"uint8": (0.02, 128), "int8": (0.03, -7)}


def dequantized(dtype: str) -> dict[str, Any]:
    scale, zero = ENDS[dtype]
    return {
        "dtype": dtype,
        "before": [("DequantizeLinear", ["in", "s", "z"], ["x"], {})],
        "constants": {"s": np.float32(scale), "z": np.array(zero, dtype)},
    }


# Of integer inputs: type, scale and zero point, and what their range says they are.
INTEGERS = {
    "from 0 to 1": ("uint8", 1 / 255, 0, "pixels without negative numbers"),
    "from 0 to 1, signed": ("int8", 1 / 255, -128, "pixels without negative numbers"),
    "from 0 to 255": ("uint8", 1.0, 0, "pixels without negative numbers"),
    "from 0 to 255, signed": ("int8", 1.0, -128, "pixels without negative numbers"),
    "from 0 to 2": ("uint8", 1 / 128, 0, "pixels without negative numbers"),
    "from -1 to 1": ("uint8", 1 / 128, 128, "pixels"),
    "from -1 to 1, signed": ("int8", 2 / 255, 0, "pixels"),
    "from -1 to 1 by 127": ("int8", 1 / 127, 0, "pixels"),
    "from -0.5 to 0.5": ("uint8", 1 / 255, 128, "pixels"),
    "from -128 to 127": ("int8", 1.0, 0, "pixels"),
    "of ImageNet": ("int8", 4.76 / 255, -14, "normalized"),
    "of ImageNet, unsigned": ("uint8", 4.76 / 255, 114, "normalized"),
    "of ImageNet, pixels to 255": ("uint8", 274 / 255, 114, "normalized"),
    "of a narrower calibration": ("int8", 2.4 / 255, 0, "normalized"),
    "of a wider one": ("uint8", 0.02, 128, "normalized"),
}


MOVED = {
    "NCHW": ("Identity", ["in"], ["i"], {}),
    "NHWC": ("Transpose", ["in"], ["i"], {"perm": [0, 3, 1, 2]}),
}


def _standing_for(pixels: torch.Tensor, dtype: str, scale: float, zero: int) -> torch.Tensor:
    """Return the numbers that a graph reads in ``pixels`` from 0 to 255, less 128 where its integers are signed."""
    return (pixels - (128 if dtype == "int8" else 0) - zero) * scale


@torch.no_grad()
@pytest.mark.parametrize("shape", MOVED)
@pytest.mark.parametrize("case", INTEGERS)
def test_without_a_normalization_an_integer_input_takes_pixels_and_its_range_says_whether_that_is_sure(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor, case: str, shape: str
) -> None:
    dtype, scale, zero, meaning = INTEGERS[case]
    path = build(
        shape=("N", 3, SIDE, SIDE) if shape == "NCHW" else ("N", SIDE, SIDE, 3),
        dtype=dtype,
        before=[MOVED[shape], ("DequantizeLinear", ["i", "s", "z"], ["x"], {})],
        constants={"s": np.float32(scale), "z": np.array(zero, dtype)},
    )
    model = load(path)
    pixels = (images * 255).round()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (model.preprocess.mean, model.preprocess.std))
    assert_same(model.module((pixels / 255 - mean) / std), net(_standing_for(pixels, dtype, scale, zero)))
    sure = meaning != "normalized"
    assert {"mean", "std"}.isdisjoint(model.assumed) if sure else {"mean", "std"} <= set(model.assumed)
    assert dict(model.origins) == ({"mean": "file", "std": "file"} if sure else {})
    if not sure:  # the only preprocessing by which black and white are the ends of the range
        ends = [_standing_for(torch.tensor(value), dtype, scale, zero).item() for value in (0.0, 255.0)]
        found = [(value - model.preprocess.mean[0]) / model.preprocess.std[0] for value in (0, 1)]
        assert found == pytest.approx(ends)


@torch.no_grad()
@pytest.mark.parametrize("case", INTEGERS)
def test_with_a_normalization_an_integer_input_takes_its_values_if_its_range_has_negative_ones(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor, case: str
) -> None:
    dtype, scale, zero, meaning = INTEGERS[case]
    path = build(
        dtype=dtype,
        before=[("DequantizeLinear", ["in", "s", "z"], ["x"], {})],
        constants={"s": np.float32(scale), "z": np.array(zero, dtype)},
    )
    given = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    if meaning == "pixels without negative numbers":
        with pytest.raises(ModelError, match="so that it takes pixels, not normalized values"):
            load(path, **given)
        return
    model = load(path, **given)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in given.values())
    values = (images - mean) / std
    limits = torch.iinfo(getattr(torch, dtype))
    written = torch.fake_quantize_per_tensor_affine(values, scale, zero, limits.min, limits.max)
    # An integer apart where a value lies between two: a step of the input, in a few pixels.
    torch.testing.assert_close(model.module(values), net(written), rtol=1e-3, atol=1e-2 * max(scale, 0.05))
    assert dict(model.origins) == {"mean": "sidecar", "std": "sidecar"}


@torch.no_grad()
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_pixels_of_another_size_are_resized_as_pixels(
    load: Callable[..., Model], build: Build, net: nn.Module, dtype: str
) -> None:
    zero = {"uint8": 128, "int8": 0}[dtype]
    path = build(
        dtype=dtype,
        before=[("DequantizeLinear", ["in", "s", "z"], ["x"], {})],
        constants={"s": np.float32(1 / 128), "z": np.array(zero, dtype)},
    )
    large = torch.randint(256, (2, 3, 24, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    small = tvf.resize(large, [SIDE, SIDE], antialias=True).float()
    assert_same(load(path).module(large / 255), net(_standing_for(small, dtype, 1 / 128, zero)))


@torch.no_grad()
@pytest.mark.parametrize("dtype", ENDS)
def test_an_integer_input_takes_normalized_values_by_its_own_scale(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor, dtype: str
) -> None:
    scale, zero = ENDS[dtype]
    model = load(build(**dequantized(dtype)), mean=[0.5, 0.5, 0.5], std=[0.1, 0.1, 0.1])
    assert model.preprocess.mean == (0.5, 0.5, 0.5)
    normalized = (images - 0.5) / 0.1
    limits = torch.iinfo(getattr(torch, dtype))
    integers = (normalized / scale + zero).round().clamp(limits.min, limits.max)
    assert 0 < (integers == limits.max).float().mean() < 1
    assert_same(model.module(normalized), net((integers - zero) * scale))


# The ways in which a graph says what its integers stand for: nodes from "in" to "x", and how a constant is kept.
_LINEAR = ("DequantizeLinear", ["in", "s", "z"], ["x"], {})
_UNCHANGED = ["eye", "one", "none", "s", "z"]  # weights, their scale and zero point, those of what comes out
_INPUTS: dict[str, list[tuple[Any, ...]]] = {
    "a pair": [_LINEAR],
    "its shape is asked for": [_LINEAR, ("Shape", ["in"], ["shape"], {})],
    "reshaped": [("Shape", ["in"], ["t"], {}), ("Reshape", ["in", "t"], ["i"], {}),
                 ("DequantizeLinear", ["i", "s", "z"], ["x"], {})],
    "taken twice": [_LINEAR, ("DequantizeLinear", ["in", "s", "z"], ["y"], {})],
    "a quantized operator": [("QLinearConv", ["in", "s", "z", *_UNCHANGED], ["q"], {}),
                             ("DequantizeLinear", ["q", "s", "z"], ["x"], {})],
}  # fmt: skip


def _moved_constants(path: Path, kept: str) -> None:
    """Keep the numbers ``s`` and ``z`` in another way than as initializers."""
    model = onnx.load(path)
    graph, new = model.graph, []
    for tensor in [tensor for tensor in graph.initializer if tensor.name in ("s", "z")]:
        if kept == "constants":
            graph.initializer.remove(tensor)
            new.append(onnx.helper.make_node("Constant", [], [tensor.name], value=copy.deepcopy(tensor)))
        elif kept == "shared":
            name, tensor.name = tensor.name, f"shared {tensor.name}"
            new.append(onnx.helper.make_node("Identity", [tensor.name], [name]))
        elif kept == "a plain number" and tensor.name == "s":
            graph.initializer.remove(tensor)
            value = float(onnx.numpy_helper.to_array(tensor))
            new.append(onnx.helper.make_node("Constant", [], [tensor.name], value_float=value))
        elif kept == "beside the graph":
            beside = path.with_suffix(".data")
            start = beside.stat().st_size if beside.exists() else 0
            with beside.open("ab") as file:
                length = file.write(onnx.numpy_helper.to_array(tensor).tobytes())
            tensor.ClearField("float_data")
            tensor.ClearField("int32_data")
            tensor.raw_data = b"?"  # which `set_external_data` wants
            onnx.external_data_helper.set_external_data(tensor, beside.name, start, length)
            tensor.ClearField("raw_data")
    nodes = [*new, *map(copy.deepcopy, graph.node)]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, path)


@torch.no_grad()
@pytest.mark.parametrize("kept", ["initializers", "constants", "shared", "a plain number", "beside the graph"])
@pytest.mark.parametrize("form", _INPUTS)
def test_an_integer_input_is_understood_in_each_form_of_a_quantized_graph(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor, form: str, kept: str
) -> None:
    scale, zero = ENDS["uint8"]
    quantized = {"eye": np.eye(3, dtype=np.int8)[..., None, None], "one": np.float32(1), "none": np.int8(0)}
    constants = {**dequantized("uint8")["constants"], **(quantized if form == "a quantized operator" else {})}
    path = build(dtype="uint8", before=_INPUTS[form], constants=constants)
    _moved_constants(path, kept)
    assert {"mean", "std"} <= set(load(path).assumed)
    normalized = (images - 0.5) / 0.1
    integers = (normalized / scale + zero).round().clamp(0, 255)
    found = load(path, mean=[0.5, 0.5, 0.5], std=[0.1, 0.1, 0.1]).module(normalized)
    torch.testing.assert_close(found, net((integers - zero) * scale), rtol=1e-3, atol=1e-3)


_QUANTIZED = ("QuantizeLinear", ["logits", "s", "z"], ["q"], {})
_OUTPUTS: dict[str, list[tuple[Any, ...]]] = {
    "reshaped": [_QUANTIZED, ("Reshape", ["q", "flat"], ["out"], {})],
    "a product": [_QUANTIZED, ("QLinearMatMul", ["q", "s", "z", *_UNCHANGED], ["out"], {})],
    "an operator of ONNX Runtime": [
        _QUANTIZED,
        ("QGemm", ["q", "s", "z", "eye", "one", "none", "", "s", "z"], ["out"], {"domain": "com.microsoft"}),
    ],
}


@torch.no_grad()
@pytest.mark.parametrize("form", _OUTPUTS)
def test_a_quantized_output_is_understood_in_each_form_of_a_quantized_graph(
    build: Build, net: nn.Module, images: torch.Tensor, form: str
) -> None:
    scale, zero = 0.02, 128
    constants = {"s": np.float32(scale), "z": np.uint8(zero), "eye": np.eye(CLASSES, dtype=np.int8)}
    constants |= {"one": np.float32(1), "none": np.int8(0), "flat": np.array([-1, CLASSES])}
    used = {name for _, names, *_ in _OUTPUTS[form] for name in names}
    path = build(
        after=_OUTPUTS[form],
        out_dtype="uint8",
        constants={name: value for name, value in constants.items() if name in used},
    )
    expected = torch.fake_quantize_per_tensor_affine(net(images), scale, zero, 0, 255)
    found = ModelZoo().load(f"onnx:{path}").module(images)
    # A step apart where a value lies between two.
    torch.testing.assert_close(found, expected, rtol=0, atol=scale * 1.01)


@torch.no_grad()
def test_a_quantized_softmax_is_one(build: Build, net: nn.Module, images: torch.Tensor) -> None:
    path = build(
        after=[
            _QUANTIZED,
            ("QLinearSoftmax", ["q", "s", "z", "ps", "pz"], ["p"], {"domain": "com.microsoft", "opset": 13, "axis": 1}),
            ("DequantizeLinear", ["p", "ps", "pz"], ["out"], {}),
        ],
        constants={"s": np.float32(0.02), "z": np.uint8(128), "ps": np.float32(1 / 256), "pz": np.uint8(0)},
    )
    found = ModelZoo().load(f"onnx:{path}").module(images)
    torch.testing.assert_close(found.exp(), net(images).softmax(1), rtol=0, atol=0.01)


@pytest.mark.parametrize("scale", [math.nan, 0.0, -0.02, math.inf])
@pytest.mark.parametrize("end", ["input", "output", "within"])
def test_a_scale_that_is_no_positive_number_is_refused(build: Build, end: str, scale: float) -> None:
    numbers = {"s": np.float32(scale), "z": np.uint8(128)}
    pair = [_QUANTIZED, ("DequantizeLinear", ["q", "s", "z"], ["out"], {})]
    graph = {
        "input": {"dtype": "uint8", "before": [_LINEAR]},
        "output": {"out_dtype": "uint8", "after": [(*_QUANTIZED[:2], ["out"], {})]},
        "within": {"after": pair},
    }[end]
    path = build(**graph, constants=numbers)
    with pytest.raises(ModelError, match=f"scale (s of .* is )?{scale:g}; it must be a positive number"):
        ModelZoo().load(f"onnx:{path}")


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_weight_that_holds_no_number_is_named(load: Callable[..., Model], build: Build, dtype: str) -> None:
    cast = [("Cast", ["odd"], ["k"], {"to": 1}), ("Add", ["logits", "k"], ["out"], {})]
    path = build(after=cast, constants={"odd": np.array([0, np.inf, 1, 0, 0], dtype)})
    assert no_number_text(load(path).module) == ""
    path = build(after=cast, constants={"odd": np.array([0, np.nan, 1, 0, 0], dtype)})
    assert no_number_text(nn.Sequential(load(path).module)).startswith(" The weight odd holds NaN: ")


SCALED_BY_THE_GRAPH: dict[str, tuple[list[tuple[Any, ...]], Callable[[torch.Tensor], torch.Tensor]]] = {
    "divided": ([("Div", ["cast", "large"], ["x"], {})], lambda pixels: pixels / 255),
    "multiplied": ([("Mul", ["cast", "small"], ["x"], {})], lambda pixels: pixels / 255),
    "then shifted": (
        [("Mul", ["cast", "small"], ["moved"], {}), ("Sub", ["moved", "half"], ["x"], {})],
        lambda pixels: pixels / 255 - 0.5,
    ),
    "shifted first": (
        [("Sub", ["cast", "middle"], ["moved"], {}), ("Mul", ["moved", "small"], ["x"], {})],
        lambda pixels: (pixels - 127.5) / 255,
    ),
}


@torch.no_grad()
@pytest.mark.parametrize("case", SCALED_BY_THE_GRAPH)
def test_a_graph_that_scales_pixels_itself_takes_pixels(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor, case: str
) -> None:
    nodes, scaled = SCALED_BY_THE_GRAPH[case]
    constants = {"large": 255.0, "small": 1 / 255, "half": 0.5, "middle": 127.5}
    used = {name for _, names, *_ in nodes for name in names}
    path = build(
        dtype="uint8",
        before=[("Cast", ["in"], ["cast"], {"to": 1}), *nodes],
        constants={name: np.float32(value) for name, value in constants.items() if name in used},
    )
    pixels = (images * 255).round()
    assert_same(load(path).module(pixels / 255), net(scaled(pixels)))
    with pytest.raises(ModelError, match="so that it takes pixels, not normalized values"):
        load(path, mean=[0.5] * 3, std=[0.5] * 3)


@torch.no_grad()
@pytest.mark.parametrize("dtype", ENDS)
def test_a_quantized_output_is_what_its_integers_stand_for(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor, dtype: str
) -> None:
    scale, zero = ENDS[dtype]
    path = build(
        after=[("QuantizeLinear", ["logits", "s", "z"], ["out"], {})],
        out_dtype=dtype,
        constants={"s": np.float32(scale), "z": np.array(zero, dtype)},
    )
    limits = torch.iinfo(getattr(torch, dtype))
    expected = torch.fake_quantize_per_tensor_affine(net(images), scale, zero, limits.min, limits.max)
    torch.testing.assert_close(load(path).module(images), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_quantized_probabilities_keep_a_floor(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor
) -> None:
    path = build(
        after=[
            ("Mul", ["logits", "k"], ["m"], {}),
            ("Softmax", ["m"], ["p"], {"axis": 1}),
            ("QuantizeLinear", ["p", "s", "z"], ["out"], {}),
        ],
        out_dtype="uint8",
        constants={"k": np.float32(30), "s": np.float32(1 / 256), "z": np.uint8(0)},
    )
    found = load(path).module(images)
    assert found.isfinite().all()
    expected = (net(images) * 30).softmax(1).mul(256).round().clamp(0, 255) / 256
    assert (expected == 0).any()
    torch.testing.assert_close(found.exp(), expected, rtol=1e-5, atol=1e-6)


def test_a_quantization_is_undone_by_its_inverse() -> None:
    every = torch.arange(-128, 128, dtype=torch.int8)
    quantization = Quantization(0.037, -11)
    assert torch.equal(quantization.encode(quantization.decode(every), torch.int8), every)


# the outputs that count


@torch.no_grad()
def test_one_of_1001_outputs_is_the_background_and_dropped(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor
) -> None:
    end = {
        "after": [("Concat", ["logits"] + ["logits"] * 200, ["wide"], {"axis": 1}),
                  ("Slice", ["wide", "from", "to", "axis"], ["out"], {})],
        "constants": {"from": np.array([0]), "to": np.array([1001]), "axis": np.array([1])},
        "out_shape": ("N", 1001),
    }  # fmt: skip
    wide = net(images).repeat(1, 201)[:, :1001]
    assert_same(load(build(**end)).module(images), wide[:, 1:])
    listed = load(build(**end), classes=[f"class {number}" for number in range(1001)])
    assert listed.classes[1000] == "class 1000"
    assert_same(listed.module(images), wide)
    assert_same(load(build(**end), output_offset=0).module(images), wide)
    assert_same(load(build(**end), output_offset=999).module(images), wide[:, 999:])


@torch.no_grad()
def test_an_offset_that_leaves_no_output_is_refused(
    load: Callable[..., Model], build: Build, images: torch.Tensor
) -> None:
    path = build()
    with pytest.raises(ModelError) as raised:
        load(path, output_offset=5).module(images)
    assert str(raised.value) == f"{path}.json: output_offset is 5, but the model has 5 outputs."


# batches that fail


@torch.no_grad()
def test_a_batch_that_fails_leaves_the_next_as_it_is(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor
) -> None:
    """The graph holds a batch of one within, and says nothing of it."""
    path = build(
        before=[("Reshape", ["in", "one"], ["x"], {})], constants={"one": np.array([1, 3, SIDE, SIDE], np.int64)}
    )
    module = load(path).module
    for number in (1, 3, 1, 2, 1):
        if number == 1:
            assert_same(module(images[:1]), net(images[:1]))
        else:
            with pytest.raises(Exception, match=r"(?i)reshape"):
                module(images[:number])


def test_a_graph_with_a_batch_of_one_within_is_judged_one_image_at_a_time(
    load: Callable[..., Model], build: Build, net: nn.Module, images: torch.Tensor
) -> None:
    path = build(
        before=[("Reshape", ["in", "one"], ["x"], {})], constants={"one": np.array([1, 3, SIDE, SIDE], np.int64)}
    )
    first = first_answers("mine", load(path), (images[0] * 255).to(torch.uint8))
    assert first.warnings == ("mine takes batches of 1 image alone, and gets those",)
    with torch.no_grad():
        assert_same(first.model.module(images), net(images))


# copies, threads


@torch.no_grad()
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_a_copy_answers_the_same_from_another_directory(
    load: Callable[..., Model],
    exported: Path,
    images: torch.Tensor,
    duplicate: Callable[[nn.Module], nn.Module],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(exported.parent)
    module = load(Path(exported.name)).module
    monkeypatch.chdir(tmp_path)
    assert torch.equal(duplicate(module)(images), module(images))


def test_the_engine_is_started_anew_for_another_number_of_threads(load: Callable[..., Model], exported: Path) -> None:
    module, cpu = load(exported).module, torch.device("cpu")
    first, threads = module.start(cpu), torch.get_num_threads()
    assert module.start(cpu) is first
    torch.set_num_threads(threads + 1)
    try:
        assert module.start(cpu) is not first
    finally:
        torch.set_num_threads(threads)


# fingerprints


def test_the_fingerprint_covers_contents_and_not_the_place(
    load: Callable[..., Model], exported: Path, build: Build, tmp_path: Path
) -> None:
    moved = Path(shutil.copy(exported, tmp_path / "moved.onnx"))
    assert load(moved).fingerprint == load(exported).fingerprint
    prints = [load(path).fingerprint for path in (moved, build())]
    prints += [load(moved, **sidecar).fingerprint for sidecar in ({"crop": 8}, {"output_offset": 1})]
    (tmp_path / "names.txt").write_text("a\nb\nc\nd\ne\n")
    prints.append(load(moved, classes="names.txt").fingerprint)
    (tmp_path / "names.txt").write_text("a\nb\nc\nd\nf\n")
    prints.append(load(moved, classes="names.txt").fingerprint)
    assert len(set(prints)) == len(prints)


def test_the_fingerprint_tells_the_engines_apart(exported: Path) -> None:
    assert len({ModelZoo().load(f"{source}:{exported}").fingerprint for source in ENGINES}) == 2


def test_weights_beside_the_graph_count(load: Callable[..., Model], build: Build, tmp_path: Path) -> None:
    path = tmp_path / "outside.onnx"
    onnx.save(onnx.load(build()), path, save_as_external_data=True, location="weights.data", size_threshold=0)
    before = load(path).fingerprint
    assert load(path).fingerprint == before
    content = bytearray((tmp_path / "weights.data").read_bytes())
    content[0] ^= 1
    (tmp_path / "weights.data").write_bytes(content)
    assert load(path).fingerprint != before


def _outside(name: str, value: float, location: str, dims: tuple[int, ...] = ()) -> onnx.TensorProto:
    """Return a float tensor whose values lie in another file; a new one is appended to what is there."""
    array = np.full(dims, value, np.float32)
    tensor = onnx.numpy_helper.from_array(array, name)
    onnx.external_data_helper.set_external_data(tensor, location, offset=0, length=array.nbytes)
    Path(location).write_bytes(array.tobytes())
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    return tensor


def _constant(location: str, value: float) -> list[onnx.NodeProto]:
    return [onnx.helper.make_node("Constant", [], ["k"], value=_outside("k", value, location))]


def _branch(location: str, value: float) -> list[onnx.NodeProto]:
    helper, info = onnx.helper, [onnx.helper.make_tensor_value_info("b", onnx.TensorProto.FLOAT, [])]
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["b"])], "then", [], info)
    graph.initializer.append(_outside("w", value, location))
    condition = helper.make_node("Constant", [], ["yes"], value=onnx.numpy_helper.from_array(np.array(True)))
    return [condition, helper.make_node("If", ["yes"], ["k"], then_branch=graph, else_branch=graph)]


def _constant_in_a_branch(location: str, value: float) -> list[onnx.NodeProto]:
    helper, info = onnx.helper, [onnx.helper.make_tensor_value_info("b", onnx.TensorProto.FLOAT, [])]
    inner = helper.make_node("Constant", [], ["b"], value=_outside("b", value, location))
    graph = helper.make_graph([inner], "then", [], info)
    condition = helper.make_node("Constant", [], ["yes"], value=onnx.numpy_helper.from_array(np.array(True)))
    return [condition, helper.make_node("If", ["yes"], ["k"], then_branch=graph, else_branch=graph)]


@pytest.mark.parametrize("nodes", [_constant, _branch, _constant_in_a_branch])
def test_a_value_beside_the_graph_counts_wherever_it_is_named(
    nodes: Callable[[str, float], list[onnx.NodeProto]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    made = [*nodes("k.data", 1.0), helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0)]
    graph = helper.make_graph(
        [*made, helper.make_node("Mul", ["m", "k"], ["out"])],
        "net",
        [helper.make_tensor_value_info("x", kind, ["N", 3, 4, 4])],
        [helper.make_tensor_value_info("out", kind, ["N", 3])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), "net.onnx")
    images, found = torch.ones(1, 3, 4, 4), []
    for value in (1.0, 1.0, 2.0):
        Path("k.data").write_bytes(np.float32(value).tobytes())
        model = ModelZoo().load("onnx:net.onnx")
        found.append((model.fingerprint, model.module(images).tolist()))
    assert found[0] == found[1]
    assert found[1][1] != found[2][1]
    assert found[1][0] != found[2][0]


def test_every_tensor_of_a_model_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    helper = onnx.helper
    tensors = iter([_outside(f"t{n}", n, f"{n}.data", (1,)) for n in range(6)])
    body = helper.make_graph([], "body", [], [], [next(tensors)])
    graph = helper.make_graph([helper.make_node("Loop", [], ["y"], body=body)], "net", [], [], [next(tensors)])
    graph.sparse_initializer.append(helper.make_sparse_tensor(next(tensors), next(tensors), [3]))
    listed = helper.make_node("Made", [], ["z"])
    listed.attribute.append(helper.make_attribute("all", [next(tensors)]))
    model = helper.make_model(graph)
    model.functions.append(helper.make_function("own", "F", [], ["z"], [listed], []))
    training = onnx.TrainingInfoProto()
    training.algorithm.initializer.append(next(tensors))
    model.training_info.append(training)
    Path("net.onnx").write_bytes(model.SerializeToString())
    assert external_files(Path("net.onnx")) == [Path(f"{n}.data") for n in range(6)]


def test_a_session_that_a_users_module_holds_counts_by_the_file_that_it_knows(
    build: Build, net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(
        "import onnxruntime, torch\n\nclass Held(torch.nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.session = onnxruntime.InferenceSession('built.onnx')\n"
        "    def forward(self, x): return torch.from_numpy(self.session.run(None, {'in': x.numpy()})[0])\n\n"
        "def make(): return Held()\n"
    )
    images, found, bias = torch.ones(1, 3, SIDE, SIDE), [], net.head.bias.detach().clone()
    for added in (0, 0, 1):
        with torch.no_grad():
            net.head.bias.copy_(bias + added)
        build()
        model = ModelZoo().load("python:nets.py:make")
        assert "session._sess (InferenceSession)" in model.unhashed
        found.append((model.fingerprint, model.module(images).tolist()))
    assert found[0] == found[1]
    assert found[1][1] != found[2][1]
    assert found[1][0] != found[2][0]
    with torch.no_grad():
        net.head.bias.copy_(bias)


# OpenVINO's own form


@torch.no_grad()
def test_an_ir_answers_as_pytorch_does_and_its_weights_count(
    exported: Path, net: nn.Module, images: torch.Tensor, tmp_path: Path
) -> None:
    path = tmp_path / "net.xml"
    openvino.save_model(openvino.Core().read_model(exported), path, compress_to_fp16=False)
    model = ModelZoo().load(f"openvino:{path}")
    assert_same(model.module(images), net(images))
    content = bytearray((tmp_path / "net.bin").read_bytes())
    content[0] ^= 1
    (tmp_path / "net.bin").write_bytes(content)
    assert ModelZoo().load(f"openvino:{path}").fingerprint != model.fingerprint


@pytest.mark.parametrize(("end", "batch"), [(-1, None), (1, 1)])
def test_openvino_takes_a_whole_batch_where_the_graph_allows_it(build: Build, end: int, batch: int | None) -> None:
    path = build(
        shape=(1, 3, SIDE, SIDE),
        out_shape=(1, CLASSES),
        after=[("Reshape", ["logits", "shape"], ["out"], {})],
        constants={"shape": np.array([end, CLASSES])},
    )
    assert ModelZoo().load(f"openvino:{path}").module.engine.signature.input.shape[0] == batch


# files behind links


def _ir(path: Path, source: Path) -> None:
    openvino.save_model(openvino.Core().read_model(source), path, compress_to_fp16=False)


def _external(path: Path, source: Path) -> None:
    onnx.save(onnx.load(source), path, save_as_external_data=True, location="net.data", size_threshold=0)


def _by_openvino(path: Path, images: np.ndarray) -> np.ndarray:
    return openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(images)[0]


def _by_onnxruntime(path: Path, images: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(str(path)).run(None, {"in": images})[0]


# How a model is written, its files, and the engine itself on a path.
LINKED: dict[str, tuple[Callable[[Path, Path], object], list[str], Callable[[Path, np.ndarray], np.ndarray]]] = {
    "openvino": (_ir, ["net.xml", "net.bin"], _by_openvino),
    "onnx": (_external, ["net.onnx", "net.data"], _by_onnxruntime),
    "onnx alone": (lambda path, source: shutil.copy(source, path), ["net.onnx"], _by_onnxruntime),
    "openvino alone": (lambda path, source: shutil.copy(source, path), ["net.onnx"], _by_openvino),
}


@torch.no_grad()
@pytest.mark.parametrize("case", LINKED)
@pytest.mark.parametrize("layout", ["versions", "cache"])
def test_a_model_behind_links_is_what_its_engine_makes_of_the_path(
    build: Build, net: Net, images: torch.Tensor, tmp_path: Path, case: str, layout: str
) -> None:
    """A link may lead to another folder than that beside it, and to a file of any name, as in the hub's cache."""
    write, names, plain = LINKED[case]
    bias = net.head.bias.detach().clone()
    for number, version in enumerate("ab"):
        net.head.bias.copy_(bias + number * torch.arange(CLASSES))
        (tmp_path / version).mkdir()
        write(tmp_path / version / names[0], build())
    net.head.bias.copy_(bias)
    kept = {name: tmp_path / version / name for version, name in zip("ab", names, strict=False)}
    if layout == "cache":
        kept = {name: path.rename(tmp_path / f"blob{number}") for number, (name, path) in enumerate(kept.items())}
    links, whole = tmp_path / "links", tmp_path / "whole"
    links.mkdir()
    whole.mkdir()
    for name, path in kept.items():
        (links / name).symlink_to(Path("..", path.relative_to(tmp_path)))
        shutil.copy(path, whole / name)
    source = case.partition(" ")[0]
    try:
        expected = plain(links / names[0], images[:1].numpy())
    except Exception:  # newer versions of ONNX Runtime refuse weights in another folder than the graph's own
        with pytest.raises(ModelError, match="It is a link: if the engine does not find"):
            ModelZoo().load(f"{source}:{links / names[0]}")
        return
    linked, copied = (ModelZoo().load(f"{source}:{folder / names[0]}") for folder in (links, whole))
    assert_same(linked.module(images[:1]), torch.from_numpy(expected))
    assert linked.fingerprint == copied.fingerprint


def test_what_an_engine_does_not_find_behind_a_link_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("nothing of the kind")
    path = tmp_path / "net.onnx"
    path.symlink_to("elsewhere")
    with pytest.raises(ModelError) as raised:
        ModelZoo().load(f"openvino:{path}")
    assert str(raised.value).endswith(
        "). Replace it, or export it again. It is a link: if the engine does not find what belongs to it, copy all of "
        "its files into one folder."
    )


def test_a_sidecar_that_is_a_link_to_nowhere_is_refused(load: Callable[..., Model], build: Build) -> None:
    path = build()
    Path(f"{path}.json").symlink_to("nowhere")
    with pytest.raises(ModelError, match=r"built\.onnx\.json is not readable as JSON: .*No such file"):
        load(path)


# what is refused


def test_a_broken_file_is_an_error_on_loading(load: Callable[..., Model], source: str, exported: Path) -> None:
    torn = exported.with_name("torn.onnx")
    torn.write_bytes(exported.read_bytes()[:300])
    with pytest.raises(ModelError) as raised:
        load(torn)
    assert str(raised.value).startswith(f"{torn} cannot be loaded as an ONNX model (")
    assert str(raised.value).endswith("). Replace it, or export it again.")


@pytest.mark.parametrize(("suffix", "kind"), [(".xml", "an OpenVINO IR"), (".tflite", "a TensorFlow Lite model")])
def test_a_file_of_another_kind_is_an_error_on_loading(suffix: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_text("nothing of the kind")
    with pytest.raises(ModelError) as raised:
        ModelZoo().load(f"openvino:{path}")
    assert str(raised.value).startswith(f"{path} cannot be loaded as {kind} (")


CAST = [("Cast", ["in"], ["x"], {"to": 1})]


@pytest.mark.parametrize(
    ("graph", "sidecar", "message"),
    [
        (
            {"shape": ("N", 1, SIDE, SIDE), "before": [("Concat", ["in"] * 3, ["x"], {"axis": 1})]},
            {},
            (
                "The input of {path} has the shape [?, 1, 16, 16]; it must be [N, 3, H, W] or [N, H, W, 3], RGB "
                "images. Export the network behind images.mean(1, keepdim=True), which makes one channel of the three."
            ),
        ),
        (
            {"dtype": "int64", "before": CAST},
            {},
            "The input of {path} is int64; images can be given as float16, float32, float64, int8, uint8.",
        ),
        (
            {"dtype": "uint8", "before": CAST},
            {"mean": [0.5, 0.5, 0.5]},
            (
                "The input of {path} is uint8 without a scale, so that it takes pixels, not normalized values. "
                "Leave mean and std out of {path}.json."
            ),
        ),
        (
            {
                "dtype": "int8",
                "before": [("DequantizeLinear", ["in", "s", "z"], ["x"], {})],
                "constants": {"s": np.float32(1 / 255), "z": np.int8(-128)},
            },
            {"std": [0.5, 0.5, 0.5]},
            (
                "The input of {path} is int8 and stands for numbers from 0 to 1, so that it takes pixels, not "
                "normalized values. Leave mean and std out of {path}.json."
            ),
        ),
        (
            {"out_dtype": "uint8", "after": [("Cast", ["logits"], ["out"], {"to": 2})]},
            {},
            (
                "The output of {path} is uint8 without a scale; it must be the logits or the probabilities of the "
                "classes, as floats or quantized."
            ),
        ),
    ],
)
def test_a_graph_that_is_no_classifier_of_images_is_refused(
    load: Callable[..., Model], build: Build, graph: dict[str, Any], sidecar: dict[str, Any], message: str
) -> None:
    path = build(**graph)
    with pytest.raises(ModelError) as raised:
        load(path, **sidecar)
    assert str(raised.value) == message.format(path=path)


ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "squeezed": (
        {
            "shape": (1, 3, SIDE, SIDE),
            "after": [("Squeeze", ["logits", "first"], ["out"], {})],
            "out_shape": (CLASSES,),
        },
        f"[{CLASSES}] for 1 image",
    ),
    "joined": (
        {"after": [("Reshape", ["logits", "all"], ["out"], {})], "out_shape": ("M",)},
        "[?] for any number of images",
    ),
    "joined by two": (
        {"after": [("Reshape", ["logits", "two"], ["out"], {})], "out_shape": ("M", 2 * CLASSES)},
        f"[1, {2 * CLASSES}] for 2 images",
    ),
}


@pytest.mark.parametrize("case", ROWS)
def test_an_output_without_a_row_for_each_image_is_refused_with_its_shape(
    load: Callable[..., Model], build: Build, images: torch.Tensor, case: str
) -> None:
    graph, said = ROWS[case]
    shapes = {"first": np.array([0]), "all": np.array([-1]), "two": np.array([-1, 2 * CLASSES])}
    used = {name for name in shapes if name in graph["after"][0][1]}
    path = build(**graph, constants={name: shapes[name] for name in used})
    with pytest.raises(ModelError) as raised:
        load(path).module(images[:2])
    assert str(raised.value) == (
        f"The output of {path} has the shape {said}; it must be [N, K], a row of K values for each image. Export it "
        f"without what squeezes or joins the rows."
    )


def test_a_graph_with_two_outputs_is_refused(load: Callable[..., Model], build: Build) -> None:
    path = build()
    model = onnx.load(path)
    model.graph.output.append(onnx.helper.make_tensor_value_info("f", onnx.TensorProto.FLOAT, ("N", 8)))
    onnx.save(model, path)
    with pytest.raises(ModelError) as raised:
        load(path)
    # A tensor can have several names, and older versions of OpenVINO give any of them.
    found = re.fullmatch(r"(.*) has 2 outputs \((out|logits), f\); an image classifier has one\. .*", str(raised.value))
    assert found is not None
    assert found[1] == str(path)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("onnx:gone.onnx", "'onnx:gone.onnx' names the file gone.onnx, which is not there (from {here})."),
        ("onnx:net.xml", "'onnx:net.xml' must name a file that ends in .onnx."),
        ("openvino:net.pt", "'openvino:net.pt' must name a file that ends in .xml or .onnx or .tflite."),
        ("onnx:net.onnx@V1", "'onnx:net.onnx' holds its own weights; leave '@V1' out."),
        ("openvino:net.xml@V1", "'openvino:net.xml' holds its own weights; leave '@V1' out."),
    ],
)
def test_a_wrong_name_is_refused_before_anything_is_read(
    spec: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError) as raised:
        ModelZoo().expand([spec])
    assert str(raised.value) == message.format(here=tmp_path)


@pytest.mark.parametrize(
    ("spec", "absent", "message"),
    [
        (
            "onnx:net.onnx",
            ["onnxruntime"],
            "'onnx:net.onnx' needs onnxruntime, which is not installed: pip install onnx onnxruntime onnxscript",
        ),
        (
            "onnx:net.onnx",
            ["onnx", "onnxruntime"],
            (
                "'onnx:net.onnx' needs onnx and onnxruntime, which is not installed: "
                "pip install onnx onnxruntime onnxscript"
            ),
        ),
        (
            "openvino:net.xml",
            ["openvino"],
            "'openvino:net.xml' needs openvino, which is not installed: pip install onnx openvino",
        ),
        (
            "openvino:net.onnx",
            ["onnx"],
            "'openvino:net.onnx' needs onnx, which is not installed: pip install onnx openvino",
        ),
    ],
)
def test_an_extra_that_is_not_installed_is_named(
    spec: str, absent: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / spec.partition(":")[2]).touch()
    for package in absent:
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(OptionError) as raised:
        ModelZoo().expand([spec])
    assert str(raised.value) == message


def test_checking_a_name_imports_nothing_heavy(tmp_path: Path) -> None:
    for name in ("net.onnx", "net.tflite"):
        (tmp_path / name).touch()
    code = (
        "import sys; from pytest_robustness.models import ModelZoo; "
        "ModelZoo().expand(['onnx:net.onnx', 'openvino:net.onnx', 'openvino:net.tflite']); "
        "print([name for name in ('torch', 'numpy', 'onnx', 'onnxruntime', 'openvino') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "[]\n"


def test_a_port_of_any_rank_is_shown(load: Callable[..., Model], exported: Path) -> None:
    module = load(exported).module
    flat = dataclasses.replace(module.engine.signature.input, shape=(None, 48))
    broken = dataclasses.replace(module.engine, signature=dataclasses.replace(module.engine.signature, input=flat))
    with pytest.raises(ModelError, match=r"has the shape \[\?, 48\]; it must be"):
        type(module)(broken, module.sidecar)
