"""Whether a size or an order of classes was assumed depends on the data."""

from __future__ import annotations

import copy
import dataclasses
from types import SimpleNamespace

import pytest
from torch import nn

from pytest_robustness.core import SETTINGS, ClassLabel, ClassMatch, Model, Preprocess
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.inference.loading.assumptions import assumed, origins
from pytest_robustness.inference.loading.class_matching import imagenet_classes, match
from pytest_robustness.models.engines.integers import Port
from pytest_robustness.models.engines.module import EngineModule, Signature, engine_model
from pytest_robustness.models.engines.sidecar import Sidecar
from pytest_robustness.models.fingerprint import fingerprint

NORMALIZED = {"mean": (0.5,) * 3, "std": (0.25,) * 3}
ANIMALS = ("ant", "bee", "cat")


def labels(*keys):
    return [ClassLabel(key, key) for key in keys]


def engine(height, width):
    signature = Signature(Port("in", (None, 3, height, width), "float32"), Port("out", (None, 3), "float32"), False)
    return EngineModule(SimpleNamespace(path="net.onnx", signature=signature), Sidecar())


def found(model, canvas=(8, 8), classes=ANIMALS, outputs=3):
    data = labels(*classes)
    return assumed(model, match(data, outputs, model.classes, "net"), data, canvas)


@pytest.mark.parametrize(
    ("model", "canvas", "size"),
    [
        (Model(nn.Identity(), classes=ANIMALS), (8, 8), False),
        (Model(nn.Identity(), classes=ANIMALS), (32, 32), False),
        (Model(nn.Identity(), classes=ANIMALS), (63, 500), False),
        (Model(nn.Identity(), classes=ANIMALS), (64, 64), True),
        (Model(nn.Identity(), classes=ANIMALS), (375, 500), True),
        (Model(nn.Identity(), Preprocess(**NORMALIZED), ANIMALS), (375, 500), False),
        (Model(nn.Identity(), Preprocess(256, 224), ANIMALS), (256, 256), False),
        (Model(engine(32, 32), classes=ANIMALS), (32, 32), False),
        (Model(engine(32, 32), classes=ANIMALS), (28, 28), True),
        (Model(engine(96, 96), classes=ANIMALS), (96, 96), False),
        (Model(engine(None, None), classes=ANIMALS), (28, 28), False),
        (Model(engine(None, None), classes=ANIMALS), (375, 500), True),
        (Model(engine(224, 224), Preprocess(256, 224), ANIMALS, assumed=("size",)), (256, 256), True),
        (Model(engine(224, 224), Preprocess(256, 224, **NORMALIZED), ANIMALS, assumed=("size",)), (256, 256), True),
    ],
)
def test_images_that_go_in_as_they_are_and_are_small_have_no_assumed_size(model, canvas, size):
    assert ("size" in found(model, canvas)) is size
    assert set(found(model, canvas)) - {"size"} == set(model.assumed) - {"size"}


@pytest.mark.parametrize(
    ("classes", "listed", "outputs", "order"),
    [
        (ANIMALS, None, 3, True),
        (ANIMALS, ANIMALS, 3, False),
        (ANIMALS, ("cat", "ant", "bee"), 3, False),
        (("0", "1", "2"), None, 3, False),
        (("00", "01", "02"), None, 3, False),
        (("1", "2", "3"), None, 3, True),
        (tuple(imagenet_classes())[:3], None, 1000, False),
        (tuple(imagenet_classes())[:3], None, 1001, False),
        (tuple(imagenet_classes())[:3], tuple(imagenet_classes()), 1000, False),
        (tuple(imagenet_classes())[:3], None, 3, True),
    ],
    ids=str,
)
def test_an_order_is_assumed_where_neither_names_nor_numbers_prove_it(classes, listed, outputs, order):
    model = Model(nn.Identity(), Preprocess(**NORMALIZED), listed)
    assert found(model, classes=classes, outputs=outputs) == (("classes",) if order else ())


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        # As text, "10" stands before "2": the position of a folder is not its number.
        (("0", "1", "10", "2"), ("classes", "numbers")),
        (("1", "10", "2", "3", "4", "5", "6", "7", "8", "9"), ("classes", "numbers")),
        (("0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9"), ("numbers",)),
        (("00", "01", "02"), ()),
        (("10", "x", "2"), ("classes",)),
        # In no order of names: then nothing is said of 10 and 2.
        (("3", "1", "2"), ("classes",)),
    ],
)
def test_numbers_that_sort_otherwise_as_text_are_warned_of(classes, expected):
    model = Model(nn.Identity(), Preprocess(**NORMALIZED), None)
    assert found(model, classes=classes, outputs=len(classes)) == expected


def from_where(model, origin="factory", *, published=False, canvas=(300, 300), classes=ANIMALS, outputs=3):
    """Return where the six settings come from, as words."""
    data = labels(*classes)
    matched = match(data, outputs, model.classes, "net")
    guesses = assumed(model, matched, data, canvas)
    known = origins(model, matched, guesses, origin, published=published)
    assert list(known) == list(SETTINGS)
    assert {setting for setting in ("mean", "std", "size") if known[setting] == "assumed"} == set(guesses) - {
        "classes",
        "numbers",
    }
    return " ".join(known.values())


def other(text):
    """Return an equal text that is another object, as one that was read from a file."""
    return bytes(text, "ascii").decode()


@pytest.mark.parametrize(
    ("preprocess", "canvas", "expected"),
    [
        (Preprocess(), (300, 300), "assumed assumed assumed unused unused"),
        (Preprocess(), (8, 8), "assumed assumed data unused unused"),
        (Preprocess(**NORMALIZED), (300, 300), "factory factory data unused unused"),
        (Preprocess(256, 224), (256, 256), "assumed assumed factory assumed assumed"),
        (Preprocess(256, 224, **NORMALIZED), (256, 256), "factory factory factory assumed assumed"),
        (Preprocess(256, 224, antialias=False), (256, 256), "assumed assumed factory assumed factory"),
        (Preprocess(256, 224, interpolation="bicubic"), (256, 256), "assumed assumed factory factory factory"),
        (Preprocess(256, 224, interpolation="bilinear"), (256, 256), "assumed assumed factory factory factory"),
        (Preprocess(256, 224, interpolation=other("bilinear")), (256, 256), "assumed assumed factory factory factory"),
        (Preprocess(crop=224, **NORMALIZED), (256, 256), "factory factory factory unused unused"),
    ],
)
def test_what_a_factory_leaves_out_was_assumed_and_what_it_writes_is_its_own(preprocess, canvas, expected):
    model = Model(nn.Identity(), preprocess, ANIMALS)
    assert from_where(model, canvas=canvas) == f"{expected} factory"
    # A copy knows the same; and what is published is so as a whole.
    again = dataclasses.replace(model, preprocess=dataclasses.replace(copy.deepcopy(preprocess)))
    assert from_where(again, canvas=canvas) == f"{expected} factory"
    whole = Model(nn.Identity(), Preprocess(256, 224, **NORMALIZED), ANIMALS)
    assert from_where(whole, "published", published=True) == " ".join(["published"] * 6)


@pytest.mark.parametrize("retrained", [False, True])
@pytest.mark.parametrize("lacking", [(), ("size",), ("mean", "std")], ids=str)
def test_defaults_of_the_architecture_are_assumed_where_the_outputs_are_others(retrained, lacking):
    known = dict.fromkeys(set(SETTINGS) - {*lacking, "classes"}, "architecture")
    model = Model(nn.Identity(), Preprocess(256, 224, **NORMALIZED), ANIMALS, assumed=lacking, origins=known)
    data = labels(*ANIMALS)
    matched = match(data, 3, ANIMALS, "net")
    guesses = assumed(model, matched, data, (256, 256), retrained=retrained)
    assert sorted(guesses) == (["mean", "size", "std"] if retrained else sorted(lacking))
    assert origins(model, matched, guesses, "factory", published=False) == {
        setting: "assumed" if setting in lacking else "factory" if setting == "classes" else "architecture"
        for setting in SETTINGS
    }


@pytest.mark.parametrize(
    ("sidecar", "dtype", "side", "expected"),
    [
        (Sidecar(), "float32", 224, "assumed assumed assumed assumed assumed assumed"),
        (Sidecar(), "uint8", 224, "file file assumed assumed assumed assumed"),
        (Sidecar(), "float32", 32, "assumed assumed data unused unused assumed"),
        (Sidecar(values={"resize": 256, "crop": 224}), "uint8", 224, "file file sidecar assumed assumed assumed"),
        (Sidecar(values=NORMALIZED), "float32", 224, "sidecar sidecar assumed assumed assumed assumed"),
        (
            Sidecar(values={"resize": 256, "interpolation": "bicubic", "antialias": True}, classes=ANIMALS),
            "float32",
            224,
            "assumed assumed sidecar sidecar sidecar sidecar",
        ),
    ],
)
def test_a_file_and_its_sidecar_say_what_they_gave(sidecar, dtype, side, expected):
    signature = Signature(Port("in", (None, 3, side, side), dtype), Port("out", (None, 3), "float32"), False)
    engine = SimpleNamespace(path="net.onnx", signature=signature, start=lambda *_: None)
    model = engine_model(engine, [], sidecar, "onnxruntime", FileHashes())
    assert from_where(model, "published", canvas=(side, side)) == expected


@pytest.mark.parametrize(
    ("classes", "listed", "outputs", "expected"),
    [
        (ANIMALS, ANIMALS, 3, "factory"),
        (ANIMALS, None, 3, "assumed"),
        (("0", "1", "2"), None, 3, "data"),
        (("0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9"), None, 11, "assumed"),
        (tuple(imagenet_classes())[:3], None, 1000, "assumed"),
        (tuple(imagenet_classes())[:3], tuple(imagenet_classes()), 1000, "factory"),
    ],
    ids=str,
)
def test_the_order_of_classes_is_given_by_a_list_or_by_numbers_or_was_assumed(classes, listed, outputs, expected):
    model = Model(nn.Identity(), Preprocess(256, 224, **NORMALIZED), listed)
    assert from_where(model, classes=classes, outputs=outputs).split()[-1] == expected


def test_without_labels_no_order_of_classes_is_used():
    model = Model(nn.Identity(), Preprocess(**NORMALIZED))
    known = origins(model, ClassMatch("output", (0, 1)), (), "factory", published=False)
    assert known["classes"] == "unused"


def test_where_settings_come_from_changes_neither_fingerprint_nor_preprocessing():
    plain = Model(nn.Linear(2, 2), Preprocess(256, 224))
    known = dataclasses.replace(plain, origins={"mean": "sidecar"})
    written = dataclasses.replace(plain, preprocess=Preprocess(256, 224, interpolation=other("bilinear")))
    assert fingerprint(plain) == fingerprint(known) == fingerprint(written)
    assert plain.preprocess == written.preprocess
    assert dataclasses.asdict(plain.preprocess) == dataclasses.asdict(written.preprocess)
