"""Which settings of a model its source had to assume; what depends on the data is in test_assumptions.py."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from pytest_robustness.core import Model, Preprocess
from pytest_robustness.core.errors import ModelError
from pytest_robustness.models import ModelZoo
from pytest_robustness.models.fingerprint import fingerprint

if TYPE_CHECKING:
    from pathlib import Path

ALL = ("mean", "std", "size")
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


@pytest.mark.parametrize(
    ("given", "assumed"),
    [
        ({}, ALL),
        ({"resize": 256, "crop": 224}, ("mean", "std")),
        ({"crop": 28}, ("mean", "std")),
        ({"mean": MEAN}, ("std",)),
        ({"std": STD}, ("mean",)),
        ({"mean": MEAN, "std": STD}, ()),
        ({"mean": [0, 0, 0], "std": [1, 1, 1]}, ()),
        ({"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}, ()),
        ({"resize": 256, "mean": MEAN, "std": STD}, ()),
        ({"interpolation": "bicubic"}, ALL),
    ],
    ids=str,
)
def test_a_preprocess_knows_what_it_was_not_given(given: dict[str, Any], assumed: tuple[str, ...]) -> None:
    preprocess = Preprocess(**given)
    assert preprocess.assumed == assumed
    assert Model(nn.Identity(), preprocess).assumed == assumed
    for copied in (dataclasses.replace(preprocess), copy.deepcopy(preprocess)):
        assert copied.assumed == assumed


def test_what_was_assumed_is_no_part_of_what_keys_are_made_of() -> None:
    given, assumed = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)), Preprocess()
    assert given == assumed
    assert hash(given) == hash(assumed)
    assert repr(given) == repr(assumed)
    assert json.dumps(dataclasses.asdict(given)) == json.dumps(dataclasses.asdict(assumed))
    module = nn.Linear(2, 2)
    assert fingerprint(Model(module, given)) == fingerprint(Model(module, assumed, assumed=["size"]))


def test_a_source_adds_what_it_assumed() -> None:
    assert Model(nn.Identity(), Preprocess(resize=8, mean=MEAN), assumed=["size"]).assumed == ("std", "size")


@pytest.mark.parametrize("name", ["digits:resnet18", "digits:squeezenet1_1"])
def test_of_the_embedded_zoo_nothing_is_assumed(name: str) -> None:
    assert ModelZoo().load(name).assumed == ()


def test_of_torchvisions_weights_nothing_is_assumed(tmp_path: Path) -> None:
    import torchvision

    state = torchvision.models.squeezenet1_1(weights=None).state_dict()
    from safetensors.torch import save_file

    save_file(state, tmp_path / "squeezenet1_1-b8a52dc0.safetensors")
    assert ModelZoo(tmp_path).load("squeezenet1_1").assumed == ()


FACTORIES = """
import torch
from pytest_robustness import Model, Preprocess

class Net(torch.nn.Module):
    def forward(self, images):
        return images.mean((2, 3))

def bare():
    return Net()

def named():
    return Model(Net(), classes=["a", "b", "c"])

def sized():
    return Model(Net(), Preprocess(resize=40, crop=32))

def full():
    return Model(Net(), Preprocess(resize=40, crop=32, mean=(0.5,) * 3, std=(0.2,) * 3), ["a", "b", "c"])
"""


@pytest.mark.parametrize(
    ("factory", "assumed"), [("bare", ALL), ("named", ALL), ("sized", ("mean", "std")), ("full", ())]
)
def test_of_a_factorys_model_what_it_does_not_give_is_assumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factory: str, assumed: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(FACTORIES)
    assert ModelZoo().load(f"python:nets.py:{factory}").assumed == assumed


# model files


def graph(path: Path, side: int | str, dtype: str = "float32") -> Path:
    """Write an ONNX model of three classes whose input is ``side`` pixels long, or any if that is a text."""
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    helper = onnx.helper
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [
        helper.make_node("Cast", ["in"], ["x"], to=onnx.TensorProto.FLOAT),
        helper.make_node("GlobalAveragePool", ["x"], ["g"]),
        helper.make_node("Flatten", ["g"], ["out"]),
    ]
    taken = helper.make_tensor_value_info("in", kind, ("N", 3, side, side))
    given = helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, ("N", 3))
    made = helper.make_graph(nodes, "net", [taken], [given])
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


FULL = {"resize": 256, "crop": 224, "mean": MEAN, "std": STD}


@pytest.mark.parametrize(
    ("side", "dtype", "sidecar", "assumed"),
    [
        (224, "float32", None, ALL),
        (32, "float32", None, ALL),
        ("H", "float32", None, ALL),
        (224, "float32", FULL, ()),
        ("H", "float32", FULL, ()),
        (224, "float32", {"mean": MEAN, "std": STD}, ("size",)),
        (224, "float32", {"mean": MEAN, "std": STD, "crop": 200}, ("size",)),
        (224, "float32", {"mean": MEAN, "std": STD, "resize": 256}, ()),
        (224, "float32", {"mean": MEAN, "std": STD, "resize": None, "crop": None}, ()),
        ("H", "float32", {"mean": MEAN, "std": STD, "crop": 28}, ()),
        (224, "float32", {"resize": 256, "crop": 224}, ("mean", "std")),
        (224, "float32", {"resize": 256, "crop": 224, "mean": MEAN}, ("std",)),
        (224, "float32", {"classes": ["a", "b", "c"]}, ALL),
        (224, "float32", {"mean": [0, 0, 0], "std": [1, 1, 1], "resize": 256}, ()),
        # A graph of integers takes pixels: there is no normalization to assume.
        (224, "uint8", None, ("size",)),
        (224, "uint8", {"resize": 256}, ()),
        (224, "int8", {"resize": 256, "crop": 224}, ()),
    ],
    ids=str,
)
def test_of_a_model_file_what_neither_it_nor_its_sidecar_says_is_assumed(
    tmp_path: Path, side: int | str, dtype: str, sidecar: dict[str, Any] | None, assumed: tuple[str, ...]
) -> None:
    path = graph(tmp_path / "net.onnx", side, dtype)
    if sidecar is not None:
        (tmp_path / "net.onnx.json").write_text(json.dumps(sidecar))
    assert set(ModelZoo().load(f"onnx:{path}").assumed) == set(assumed)


# timm


class Plain(nn.Module):
    """A module with an attribute."""

    def __init__(self, config: object) -> None:
        super().__init__()
        self.pretrained_cfg = config
        self.num_classes = 3

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


TIMM = """
import timm
from pytest_robustness import Model, Preprocess

def bare():
    return timm.create_model("test_resnet", num_classes=7)

def imagenet():
    return timm.create_model("test_resnet")

def listed():
    return Model(timm.create_model("test_resnet", num_classes=2), classes=["cat", "dog"])

def own():
    return Model(timm.create_model("test_resnet", num_classes=7), Preprocess(mean=(0.1,) * 3, std=(0.2,) * 3))
"""


@pytest.mark.parametrize("factory", ["bare", "imagenet", "listed", "own"])
def test_a_factorys_module_of_timm_is_preprocessed_as_timm_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factory: str
) -> None:
    timm = pytest.importorskip("timm", reason="the extra timm is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(TIMM)
    model = ModelZoo().load(f"python:nets.py:{factory}")
    assert model.assumed == ()
    assert model.classes == (("cat", "dog") if factory == "listed" else None)
    if factory == "own":
        assert model.preprocess == Preprocess(mean=(0.1,) * 3, std=(0.2,) * 3)
        return
    pipeline = timm.data.create_transform(**timm.data.resolve_model_data_config(model.module))
    resize, crop = pipeline.transforms[:2]
    assert model.preprocess == Preprocess(
        resize=resize.size if isinstance(resize.size, int) else resize.size[0],
        crop=crop.size[0],
        mean=pipeline.transforms[-1].mean.tolist(),
        std=pipeline.transforms[-1].std.tolist(),
        interpolation=resize.interpolation.value,
    )


@pytest.mark.parametrize(
    ("config", "assumed", "classes"),
    [
        (None, ALL, None),
        ({}, ALL, None),
        ({"anything": 1}, ALL, None),
        ({"input_size": (3, 32, 32), "crop_pct": 1.0, "mean": MEAN, "std": STD}, (), None),
        ({"mean": MEAN, "std": STD}, ("size",), None),
        ({"input_size": (3, 32, 32)}, ("mean", "std"), None),
        ({"mean": MEAN, "std": STD, "label_names": ["a", "b", "c"], "input_size": (3, 8, 8)}, (), ("a", "b", "c")),
        ({"mean": MEAN, "std": STD, "label_names": ["a", "b"], "input_size": (3, 8, 8)}, (), None),
        (
            {"mean": MEAN, "std": STD, "label_names": {1: "b", 0: "a", 2: "c"}, "input_size": (3, 8, 8)},
            (),
            tuple("abc"),
        ),
        (
            {"mean": MEAN, "std": STD, "label_names": {"c": 2, "a": 0, "b": 1}, "input_size": (3, 8, 8)},
            (),
            tuple("abc"),
        ),
    ],
    ids=str,
)
def test_what_a_pretrained_cfg_lacks_is_assumed(
    config: object, assumed: tuple[str, ...], classes: tuple[str, ...] | None
) -> None:
    pytest.importorskip("timm", reason="the extra timm is not installed")
    from pytest_robustness.models.pretrained_cfg import completed

    model = completed(Model(Plain(config)))
    assert (model.assumed, model.classes) == (assumed, classes)


@pytest.mark.parametrize("names", [{1: "a", 2: "b", 3: "c"}, {"a", "b", "c"}, "abc"], ids=["from 1", "set", "text"])
def test_names_without_an_order_in_a_pretrained_cfg_are_refused(names: object) -> None:
    pytest.importorskip("timm", reason="the extra timm is not installed")
    from pytest_robustness.models.pretrained_cfg import completed

    config = {"input_size": (3, 32, 32), "mean": MEAN, "std": STD, "label_names": names}
    with pytest.raises(ModelError, match="label_names of the pretrained_cfg of Plain must be a list of names, one for"):
        completed(Model(Plain(config)))


def test_a_pretrained_cfg_may_be_an_object_of_timm() -> None:
    pytest.importorskip("timm", reason="the extra timm is not installed")
    from timm.models import PretrainedCfg

    from pytest_robustness.models.pretrained_cfg import completed

    model = completed(Model(Plain(PretrainedCfg(input_size=(3, 48, 48), crop_pct=0.75, mean=MEAN, std=STD))))
    assert model.preprocess == Preprocess(64, 48, MEAN, STD, "bicubic")
    assert model.assumed == ()


# Of each argument of Preprocess a value that neither its default nor timm's configuration below has.
GIVEN: dict[str, dict[str, Any]] = {
    "resize": {"resize": 70},
    "crop": {"crop": 40},
    "mean": {"mean": (0.1, 0.2, 0.3)},
    "std": {"std": (0.4, 0.5, 0.6)},
    "interpolation": {"interpolation": "nearest"},
    "antialias": {"antialias": False},
    "squash": {"squash": True, "resize": 70},
    "channels": {"channels": "BGR"},
    "layout": {"layout": "NHWC"},
}
CONFIG = {"input_size": (3, 48, 48), "crop_pct": 0.75, "mean": MEAN, "std": STD, "interpolation": "bicubic"}


ARGUMENTS = [field.name for field in dataclasses.fields(Preprocess)]


@pytest.mark.parametrize(
    ("way", "name"),
    # A graph says its layout itself.
    [("timm", name) for name in ARGUMENTS] + [("sidecar", name) for name in ARGUMENTS if name != "layout"],
)
def test_no_argument_of_a_preprocess_that_was_given_is_lost_where_the_others_are_completed(
    way: str, name: str, tmp_path: Path
) -> None:
    given = GIVEN[name]
    if way == "timm":
        pytest.importorskip("timm", reason="the extra timm is not installed")
        from pytest_robustness.models.pretrained_cfg import completed

        found = completed(Model(Plain(CONFIG), Preprocess(**given))).preprocess
    else:
        from pytest_robustness.models.engines.sidecar import read_sidecar

        (tmp_path / "net.onnx.json").write_text(json.dumps(given))
        found = read_sidecar(tmp_path / "net.onnx").preprocess(None)
    assert {key: getattr(found, key) for key in given} == given


@pytest.mark.parametrize("given", [{}, *(GIVEN[name] for name in ("interpolation", "antialias", "channels", "layout"))])
def test_what_a_preprocess_leaves_out_is_timms_and_called_that(given: dict[str, Any]) -> None:
    pytest.importorskip("timm", reason="the extra timm is not installed")
    from pytest_robustness.models.pretrained_cfg import completed

    brought = Preprocess(**given)
    model = completed(Model(Plain(CONFIG), brought, ["a", "b", "c"], unhashed=["a handle"], output_offset=1))
    timms = {"resize": 64, "crop": 48, "mean": MEAN, "std": STD, "interpolation": "bicubic"}
    assert model.preprocess == Preprocess(**timms | given)
    settings = {"mean", "std", "size", "interpolation", "antialias"} - brought.given
    assert model.origins == dict.fromkeys(settings, "architecture")
    assert (model.assumed, model.unhashed, model.output_offset) == ((), ["a handle"], 1)


@pytest.mark.parametrize("name", ["resize", "crop", "mean", "std", "squash"])
def test_a_preprocess_with_a_size_or_a_normalization_is_the_whole_preprocessing(name: str) -> None:
    pytest.importorskip("timm", reason="the extra timm is not installed")
    from pytest_robustness.models.pretrained_cfg import completed

    model = Model(Plain(CONFIG), Preprocess(**GIVEN[name]))
    assert completed(model) is model
