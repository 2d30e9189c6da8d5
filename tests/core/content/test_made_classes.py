"""A class or function of the user's that a library made counts by its code, whatever module it says to be of."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import subprocess
import sys
import types
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from pytest_robustness.core.content import content_hash
from pytest_robustness.core.content.origin import Origin, is_what_it_is_called, origin_of_object

if TYPE_CHECKING:
    from collections.abc import Callable


def layer(factor: float, base: str = "Linear") -> nn.Module:
    """Return a layer of a class of the user's, whose code alone has the factor."""
    namespace: dict[str, Any] = {"__name__": "users_own"}
    body = f"    def forward(self, x): return super().forward(x) * {factor}"
    exec(f"from torch import nn\nclass Head(nn.{base}):\n{body}\n", namespace)
    torch.manual_seed(0)
    made: nn.Module = namespace["Head"](3, 3, 1) if base == "Conv2d" else namespace["Head"](3, 3)
    return made


def function(factor: float) -> Callable[..., Any]:
    namespace: dict[str, Any] = {"__name__": "users_own"}
    exec(f"def fog(self, x=None): return x // {factor}", namespace)
    made: Callable[..., Any] = namespace["fog"]
    return made


class Symmetric(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.triu() + weight.triu(1).transpose(-1, -2)


def symmetric(factor: float) -> nn.Module:
    module = layer(factor)
    parametrize.register_parametrization(module, "weight", Symmetric())
    return module


def named(value: Any, module: str, name: str | None = None) -> Any:
    value.__module__ = module
    value.__qualname__ = name or value.__qualname__
    return value


def executed(factor: float, home: types.ModuleType) -> Any:
    """Return a function that runs in a library's names, and that the library does not have."""
    made: dict[str, Any] = {}
    exec(f"def fog(x): return x // {factor}", vars(home), made)
    return made["fog"]


def in_slots(factor: float) -> object:
    """Return an object whose pickle leaves out what it holds, by a function that the class was made with."""
    kind = types.new_class("C", (), {}, lambda body: body.update(__getstate__=lambda self: {}))
    made = kind()
    made.factor = factor
    return made


class LeavesOut:
    def __getstate__(self) -> dict[str, Any]:
        return {}


def of_users_base(factor: float) -> object:
    made = dataclasses.make_dataclass("C", [("factor", float)], bases=(LeavesOut,))(factor)
    type(made).__module__ = "types"
    return made


MADE: dict[str, Callable[[float], object]] = {
    "weight_norm": lambda n: parametrizations.weight_norm(layer(n)),
    "spectral_norm": lambda n: parametrizations.spectral_norm(layer(n)),
    "orthogonal": lambda n: parametrizations.orthogonal(layer(n)),
    "a parametrized convolution": lambda n: parametrizations.weight_norm(layer(n, "Conv2d")),
    "a parametrization of the user's": symmetric,
    "two parametrizations": lambda n: parametrizations.weight_norm(parametrizations.spectral_norm(layer(n)), dim=1),
    "deep in a model": lambda n: nn.Sequential(nn.ReLU(), nn.ModuleList([parametrizations.weight_norm(layer(n))])),
    "the class alone": lambda n: type(parametrizations.weight_norm(layer(n))),
    "make_dataclass": lambda n: dataclasses.make_dataclass("C", [], namespace={"fog": function(n)})(),
    "a default of make_dataclass": lambda n: dataclasses.make_dataclass("C", [("n", float, n)]),
    "a default in slots": lambda n: dataclasses.make_dataclass("C", [("n", float, n)], slots=True),
    "new_class": lambda n: types.new_class("C", (), {}, lambda body: body.update(fog=function(n)))(),
    "a table of new_class": lambda n: types.new_class("C", (), {}, lambda body: body.update(table=[n])),
    "a base of new_class": lambda n: types.new_class("C", (type(layer(n)),)),
    "a class that says to be PyTorch's": lambda n: named(type(layer(n)), "torch.nn.modules.linear"),
    "one that bears the name of PyTorch's": lambda n: named(type(layer(n)), "torch.nn", "Linear"),
    "one within a class": lambda n: named(type(layer(n)), "torch.nn", "Linear.Head"),
    "one of a module that is not there": lambda n: named(type(layer(n)), "torch.no_such_module"),
    "one that says to be of a test run": lambda n: named(type(layer(n)), "pytest"),
    "a function that says to be NumPy's": lambda n: named(function(n), "numpy", "abs"),
    "a function that wraps PyTorch's": lambda n: functools.wraps(torch.nn.functional.relu)(function(n)),
    "a function made in a library": lambda n: executed(n, math),
    "what a pickle leaves out": in_slots,
    "what a base of the user's leaves out": of_users_base,
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_what_a_library_made_of_the_users_code_counts_by_that_code(make):
    one, same, other = content_hash(make(2)), content_hash(make(2)), content_hash(make(3))
    assert one.unhashed == other.unhashed == ()
    assert one == same != other


@pytest.mark.parametrize(
    "theirs",
    [
        nn.Linear,
        nn.modules.linear.Identity,
        np.ndarray,
        np.recarray,  # of a module that need not be loaded
        OrderedDict,
        int,
        type(None),
        type(len),
        nn.functional.relu,
        torch.no_grad()(nn.functional.relu),  # a function within a function
        os.path.join,
        parametrize.register_parametrization,
        type(iter([])),
        type(sys.stdin),
        type(torch._C._get_tracing_state),
    ],
)
def test_what_is_a_librarys_own_counts_by_its_name(theirs):
    assert is_what_it_is_called(theirs)


def test_a_class_that_a_library_made_of_its_own_ends_at_its_bases_name():
    made = parametrizations.weight_norm(nn.Linear(3, 3))
    assert not is_what_it_is_called(type(made))
    assert origin_of_object(made) is Origin.TRUSTED
    assert origin_of_object(parametrizations.weight_norm(layer(2))) is Origin.USER
    assert content_hash(made).unhashed == ()


PROGRAM = """
import sys; sys.path[:0] = {path!r}
{first}
import torch
from torch.nn.utils import parametrizations
from pytest_robustness.core.content import content_hash
import numpy as np
class Head(torch.nn.Linear):
    def forward(self, x): return super().forward(x) * 2
torch.manual_seed(0)
print(content_hash(parametrizations.weight_norm(Head(3, 3)), parametrizations.orthogonal(Head(3, 3)), np.recarray))
"""


@pytest.mark.slow
def test_every_process_finds_the_same_hash_whatever_else_it_has_imported():
    found = set()
    for seed, first in (("1", ""), ("2", "import numpy.rec, torch.fx, unittest.mock")):
        program = PROGRAM.format(path=sys.path[:2], first=first)
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1
