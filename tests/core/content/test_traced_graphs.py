"""A traced graph counts by its code and by everything of the user's that this calls, wherever it is defined."""

from __future__ import annotations

import contextvars
import copy
import operator
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import fx, nn

from pytest_robustness.core.content import content_hash

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Way = Callable[[float], nn.Module]

IMAGES = torch.full((2, 3), 5.0)
# What registers an operator has to live as long as the operator is called.
KEPT: list[object] = []


def users(factor: float, source: str = "def fog(x): return x * FACTOR", name: str = "fog") -> Any:
    """Return what a module of the user's defines; the factor stands in its code alone."""
    namespace: dict[str, Any] = {"__name__": "users_own", "torch": torch, "fx": fx}
    exec(source.replace("FACTOR", str(factor)), namespace)
    return namespace[name]


def graph(target: Callable[..., Any], *given: object, root: nn.Module | None = None, kind: Any = fx.GraphModule) -> Any:
    """Return a traced graph that calls ``target`` with the images after ``given``."""
    made = fx.Graph()
    made.output(made.call_function(target, (*given, made.placeholder("x"))))
    return kind(root or nn.Module(), made)


def nested(factor: float) -> nn.Module:
    made, root = fx.Graph(), nn.Module()
    root.inner = graph(users(factor))
    made.output(made.call_module("inner", (made.placeholder("x"),)))
    return fx.GraphModule(root, made)


def branch(factor: float) -> nn.Module:
    made, root = fx.Graph(), nn.Module()
    root.yes, root.no = graph(users(factor)), graph(torch.neg)
    x = made.placeholder("x")
    branches = made.get_attr("yes"), made.get_attr("no")
    made.output(made.call_function(torch.ops.higher_order.cond, (True, *branches, (x,))))
    return fx.GraphModule(root, made)


def operated(factor: float, on_cpu: float | None = None) -> Any:
    """Return an operator that the user defines, with a kernel of its own for the CPU or without one."""
    source = "def fog(x: torch.Tensor) -> torch.Tensor: return x * FACTOR"
    made = torch.library.custom_op("users_own::fog", users(factor, source), mutates_args=())
    made.register_fake(torch.empty_like)
    if on_cpu is not None:
        made.register_kernel("cpu")(users(on_cpu, source))
    KEPT.append(made)
    return torch.ops.users_own.fog


class Holder(nn.Module):
    def __init__(self, held: object) -> None:
        super().__init__()
        self.held = held

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.held(x)


def exported(factor: float) -> nn.Module:
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return operated_on(x)

    operated_on = operated(factor).default
    return torch.export.export(Net(), (IMAGES,)).module()


def traced(factor: float) -> nn.Module:
    fog = users(factor)
    return fx.GraphModule(root := nn.Identity(), _tracer(fog).trace(_calling(root, fog)))


def _tracer(leaf: Any) -> fx.Tracer:
    return fx.Tracer(autowrap_functions=(leaf,))


def _calling(root: nn.Module, leaf: Any) -> nn.Module:
    # The function is found among the globals of the code that is traced.
    source = "class Net(torch.nn.Module):\n    def forward(self, x): return fog(x)"
    namespace: dict[str, Any] = {"__name__": "users_own", "torch": torch, "fog": leaf}
    exec(source, namespace)
    made: nn.Module = namespace["Net"]()
    return made


def held(factor: float) -> nn.Module:
    return nn.Sequential(nn.Identity(), graph(users(factor)))


ENUM = "import enum\nclass Limit(enum.Enum):\n    HIGH = FACTOR"
WRAPPER = "class Own(fx.GraphModule):\n    def __call__(self, x): return super().__call__(x) * FACTOR"
WAYS: dict[str, Way] = {
    "a leaf": traced,
    "a function": lambda factor: graph(users(factor)),
    "what a function calls": lambda factor: graph(
        users(factor, "def fog(x): return x * FACTOR\ndef call(x): return fog(x)", "call")
    ),
    "a member of an enumeration": lambda factor: graph(
        users(0, "def call(limit, x): return x * limit.value", "call"), users(factor, ENUM, "Limit").HIGH
    ),
    "a graph in a graph": nested,
    "a branch": branch,
    "an operator": lambda factor: graph(operated(factor).default),
    "an operator of any overload": lambda factor: graph(operated(factor)),
    "an operator of a device": lambda factor: graph(operated(0, factor).default),
    "an operator as it was defined": lambda factor: Holder(operated(factor) and KEPT[-1]),
    "an exported operator": exported,
    "a class of graphs": lambda factor: graph(torch.neg, kind=users(factor, WRAPPER, "Own")),
    "a graph in a module": held,
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_traced_graph_calls_counts(way: str) -> None:
    found = []
    for factor in (2.0, 2.0, 3.0):
        module = WAYS[way](factor)
        with torch.no_grad():
            found.append((content_hash(module), module(IMAGES).tolist()))
        if "operator" not in way:  # a copy of an operator is the operator
            assert content_hash(copy.deepcopy(module)) == found[-1][0]
    assert found[0] == found[1]
    assert found[1][1] != found[2][1]
    assert found[1][0] != found[2][0]
    assert [hashed.unhashed for hashed, _ in found] == [()] * 3


def test_what_pytorch_keeps_of_an_operator_does_not_count() -> None:
    before = [content_hash(graph(target)) for target in (torch.ops.aten.neg, torch.ops.aten.neg.default)]
    torch.ops.aten.neg(IMAGES)
    torch.export.export(graph(torch.neg), (IMAGES,)).run_decompositions()
    assert [content_hash(graph(target)) for target in (torch.ops.aten.neg, torch.ops.aten.neg.default)] == before
    assert len({hashed.digest for hashed in before} | {content_hash(graph(torch.ops.aten.relu)).digest}) == 3


class Net(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x)


def test_of_an_exported_program_nothing_is_left_out() -> None:
    program = torch.export.export(Net(), (IMAGES,), dynamic_shapes=({0: torch.export.Dim("n")},))
    assert content_hash(program.module()).unhashed == ()
    other = torch.export.export(graph(operator.neg), (IMAGES,), dynamic_shapes=({0: torch.export.Dim("n")},))
    assert content_hash(other.module()) != content_hash(program.module())


@pytest.mark.slow
def test_every_process_finds_the_same_hash_of_an_exported_program(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(Net(), (IMAGES,)), tmp_path / "net.pt2")
    code = (
        "import sys, torch\nfrom pytest_robustness.core.content import content_hash\n"
        "module = torch.export.load(sys.argv[1]).module()\n"
        "if sys.argv[2] == 'run': module(torch.ones(2, 3)), module(torch.ones(2, 3))\n"
        "print(content_hash(module).digest.hex(), content_hash(module).unhashed)"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "net.pt2"), how], capture_output=True, text=True, check=True
        ).stdout
        for how in ("run", "load")
    ]
    assert found[0] == found[1]
    assert found[0].endswith(" ()\n")


def test_a_context_variable_counts_by_its_default_and_what_was_set_is_named() -> None:
    def made(**default: object) -> contextvars.ContextVar[object]:
        return contextvars.ContextVar("limit", **default)

    found = [content_hash(made(default=1)), content_hash(made(default=2)), content_hash(made())]
    assert len({hashed.digest for hashed in found}) == 3
    assert all(hashed.unhashed == () for hashed in found)
    variable = made(default=1)
    for value, unhashed in ((1, ()), (5, ("limit (ContextVar)",)), (1, ())):
        variable.set(value)
        assert content_hash({"limit": variable}).unhashed == unhashed
        assert content_hash(variable).digest == found[0].digest
