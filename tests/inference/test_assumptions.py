"""Whether a size or an order of classes was assumed depends on the data."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from torch import nn

from pytest_robustness.core import ClassLabel, Model, Preprocess
from pytest_robustness.inference.assumptions import assumed
from pytest_robustness.inference.class_matching import imagenet_classes, match
from pytest_robustness.models.engines.module import EngineModule, Port, Signature
from pytest_robustness.models.engines.sidecar import Sidecar

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
    ],
)
def test_numbers_that_sort_otherwise_as_text_are_warned_of(classes, expected):
    model = Model(nn.Identity(), Preprocess(**NORMALIZED), None)
    assert found(model, classes=classes, outputs=len(classes)) == expected
