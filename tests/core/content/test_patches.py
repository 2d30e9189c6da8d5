"""What the user's code puts into PyTorch and torchvision counts in keys, of published models too."""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import torchvision

from pytest_robustness.core import ClassLabel, Model, Preprocess, Selection
from pytest_robustness.core.content import patches
from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.inference.loading.model_facts import ModelFacts
from pytest_robustness.inference.remembered import Remembered
from pytest_robustness.inference.store.store import Store
from pytest_robustness.models import ModelZoo
from pytest_robustness.models.fingerprint import fingerprint
from tests.identities import identified

if TYPE_CHECKING:
    from pathlib import Path

functional, resnet = torch.nn.functional, torchvision.models.resnet


def negative(*given, **_):
    return -given[-1]


def other(scale):
    return lambda *given, **_: given[-1] * scale


class Block(resnet.BasicBlock):
    pass


class Negative:
    def __call__(self, images):
        return -images


# Where something is put, and what.
PATCHES = {
    "a method of a module": (torch.nn.ReLU, "forward", negative),
    "a method that was wrapped": (torch.nn.Conv2d, "forward", functools.wraps(torch.nn.Conv2d.forward)(other(2.0))),
    "a method of tensors": (torch.Tensor, "relu", negative),
    "a static method": (torch.nn.BatchNorm2d, "_check_input_dim", staticmethod(negative)),
    "a property": (torch.nn.Linear, "weight", property(negative)),
    "a function": (functional, "relu", negative),
    "an operator": (torch, "relu", negative),
    "a partial": (functional, "gelu", functools.partial(negative, 1)),
    "a partial method": (torch.nn.ReLU, "forward", functools.partialmethod(negative)),
    "what computes without gradients": (torch.nn.ReLU, "forward", torch.no_grad()(negative)),
    "what is cached": (functional, "relu", functools.cache(negative)),
    "what is compiled": (functional, "relu", torch.compile(negative)),
    "a property without gradients": (torch.nn.Linear, "weight", property(torch.inference_mode()(negative))),
    "an object": (functional, "silu", Negative()),
    "a bound method": (functional, "elu", types.MethodType(negative, 1)),
    "a class": (resnet, "BasicBlock", Block),
    "a function of torchvision": (torchvision.transforms.functional, "rotate", negative),
}
# What people replace, and no answer depends on; and what a library puts in its own place.
HARMLESS = {
    "how files are loaded": (torch, "load", functools.partial(torch.load, weights_only=False)),
    "whether there is a GPU": (torch.cuda, "is_available", lambda: False),
    "a function of PyTorch's": (functional, "relu", functional.relu6),
    "a class of torchvision's": (resnet, "BasicBlock", resnet.Bottleneck),
    "a decorated function of PyTorch's": (functional, "relu", torch.no_grad()(functional.relu)),
}
MODEL = Model(torch.nn.ReLU(), Preprocess())


def put(monkeypatch, place, name, value) -> None:
    monkeypatch.setattr(place, name, value, raising=False)


@pytest.mark.parametrize("patch", PATCHES)
def test_a_patch_is_another_model(monkeypatch, patch):
    before = fingerprint(MODEL)
    with monkeypatch.context() as context:
        put(context, *PATCHES[patch])
        patched = fingerprint(MODEL)
        assert patched == fingerprint(MODEL)
    assert patched != before == fingerprint(MODEL)


@pytest.mark.parametrize("patch", HARMLESS)
def test_what_computes_nothing_and_what_is_the_librarys_own_are_no_patches(monkeypatch, patch):
    put(monkeypatch, *HARMLESS[patch])
    assert patches() == []


def test_the_code_of_a_patch_counts(monkeypatch):
    found = set()
    for scale in (1.0, 2.0):
        put(monkeypatch, torch.nn.ReLU, "forward", other(scale))
        found.add(fingerprint(MODEL))
    assert len(found) == 2


@pytest.mark.parametrize(
    "register",
    [
        torch.nn.modules.module.register_module_forward_pre_hook,
        torch.nn.modules.module.register_module_forward_hook,
    ],
)
def test_hooks_of_all_modules_count(register):
    before = fingerprint(MODEL)
    hook = register(negative)
    try:
        assert fingerprint(MODEL) != before
    finally:
        hook.remove()
    assert fingerprint(MODEL) == before


def test_what_is_remembered_of_a_published_model_is_of_its_library_as_it_was(tmp_path: Path, monkeypatch):
    source = ArraySource("photos", [ClassLabel("a", "a")], np.zeros(1, np.int64), np.zeros((1, 3, 2, 2), np.uint8))
    selection = Selection(source, np.arange(1), source.labels, identified(range(1)))
    store = Store(tmp_path / "store.sqlite")
    remembered = Remembered(store, ModelZoo(tmp_path))
    remembered.put_model("digits:resnet18", selection, ModelFacts("f" * 64, "name", (0,), Preprocess()), [])
    assert remembered.model("digits:resnet18", selection) is not None
    with monkeypatch.context() as context:
        put(context, torch.nn.ReLU, "forward", negative)
        assert remembered.model("digits:resnet18", selection) is None
    assert remembered.model("digits:resnet18", selection) is not None
    store.close()
