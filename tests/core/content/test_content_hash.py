"""Another leaf, another hash; the same content, the same hash in every process; what cannot be read is named."""

from __future__ import annotations

import ast
import collections
import copy
import enum
import importlib.util
import math
import os
import queue
import shutil
import subprocess
import sys
import textwrap
import threading
import types
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from pytest_robustness.core.content import content_hash
from pytest_robustness.core.content.files import compiled_file
from pytest_robustness.core.content.origin import Origin, origin, origin_of_object

if TYPE_CHECKING:
    from collections.abc import Callable

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.binary(),
    st.tuples(st.integers(), st.text()),
    st.frozensets(st.integers()),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4)
        | st.lists(inner, max_size=3).map(collections.deque)
        | st.builds(types.SimpleNamespace, a=inner, b=inner)
        | st.sets(st.integers() | st.text(max_size=3), max_size=5)
        | st.lists(st.floats(), max_size=4).map(np.array)
        | st.lists(st.integers(-9, 9), max_size=4).map(torch.tensor)
    ),
    max_leaves=12,
)


def digest(*values: object) -> bytes:
    hashed = content_hash(*values)
    assert hashed.unhashed == ()
    return hashed.digest


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places in a tree, each as the steps that lead there."""
    if isinstance(tree, list | collections.deque):
        return [found for n, item in enumerate(tree) for found in leaves(item, (*path, n))]
    if isinstance(tree, dict):
        return [found for key, item in tree.items() for found in leaves(item, (*path, key))]
    if isinstance(tree, types.SimpleNamespace):
        return [found for key, item in vars(tree).items() for found in leaves(item, (*path, key))]
    return [path]


def replaced(tree: Any, path: tuple[Any, ...], value: object) -> Any:
    """Return a copy of a tree with another value in one place."""
    if not path:
        return value
    tree, holder = copy.deepcopy(tree), None
    holder = tree
    for step in path[:-1]:
        holder = vars(holder)[step] if isinstance(holder, types.SimpleNamespace) else holder[step]
    if isinstance(holder, types.SimpleNamespace):
        setattr(holder, path[-1], value)
    else:
        holder[path[-1]] = value
    return tree


@given(st.data(), TREES, LEAVES)
def test_another_leaf_is_another_hash(data, tree, value):
    places = leaves(tree)
    assume(places)
    place = data.draw(st.sampled_from(places))
    marked = replaced(tree, place, ["this is drawn by no strategy", value])
    assert digest(marked) != digest(tree)
    assert digest(copy.deepcopy(tree)) == digest(copy.deepcopy(tree))


@given(LEAVES, LEAVES)
def test_two_leaves_have_one_hash_only_if_they_are_the_same(one, other):
    same = type(one) is type(other) and repr(one) == repr(other)
    if same:
        assert digest(one) == digest(other)
    elif not (isinstance(one, frozenset) and one == other) and "nan" not in repr((one, other)):
        assert digest(one) != digest(other)
        assert digest([one]) != digest([other])
        assert digest({one: 1}) != digest({other: 1})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        ("1", 1),
        ("1", b"1"),
        (0.0, -0.0),
        ((), []),
        ([], {}),
        (set(), frozenset()),
        (["ab", "c"], ["a", "bc"]),
        ([[1], 2], [1, [2]]),
        ([[], 1], [[1]]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),  # a sequence of modules is run in this order
        (np.float32(1), np.float64(1)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.zeros(0, "f4"), np.zeros(0, "f8")),
        (np.array(["2001-01-01"], "M8[D]"), np.array(["2001-01-02"], "M8[D]")),
        (np.arange(6).reshape(2, 3), np.arange(6).reshape(2, 3, order="F")),
        (torch.zeros(2), torch.zeros(2, dtype=torch.int32)),
        (torch.zeros(2), np.zeros(2, "f4")),
        (len, sum),
        (int, str),
        (os, sys),
        (Path("a"), Path("b")),
        (enum.Enum("E", "a b").a, enum.Enum("E", "a b").b),
        (lambda: 1, lambda: 2),
        ({1, (2, "x")}, {1, (2, "y")}),
    ],
)
def test_what_looks_alike_is_told_apart(one, other):
    assert digest(one) != digest(other)


class Node:
    def __init__(self, value: object) -> None:
        self.value = value
        self.others: Any = set()


def graph(value: object) -> Node:
    """Return objects that refer to one another through sets, whose order differs between processes."""
    nodes = [Node(n) for n in range(6)]
    for number, node in enumerate(nodes):
        node.others = {nodes[(number + 1) % 6], nodes[(number + 2) % 6]}
    nodes[5].value = value
    return nodes[0]


def test_sets_of_objects_count_by_what_these_hold():
    assert digest(graph(1)) == digest(graph(1)) != digest(graph(2))


def test_sets_that_are_beyond_reason_are_named():
    nodes = [Node(n) for n in range(40)]
    for node in nodes:
        node.others = set(nodes)
    assert content_hash(nodes[0]).unhashed != ()
    deep: Any = Node(0)
    for _ in range(100):
        outer = Node(0)
        outer.others = {deep}
        deep = outer
    assert any("sets within sets" in note for note in content_hash(deep).unhashed)


def test_circles_end_and_long_chains_too():
    circle: list[object] = [1]
    circle.append({"a": (circle, circle)})
    assert digest(circle)
    chain: list[object] = []
    for _ in range(20_000):
        chain = [chain]
    assert digest(chain)


PROGRAM = """
import sys; sys.path[:0] = {path!r}
import collections, datetime, decimal, enum, functools, logging, math, operator, random, re, types
import numpy as np, torch
from pytest_robustness.core.content import content_hash
def made(value):
    def inner(images): return images, value, {{value, "x", "y"}}
    return inner
class Mode(enum.Enum): A = 1; B = 2
class Kind:
    names = {{"a", "b", "c"}}
    def __init__(self): self.me = self; self.tags = {{"p", "q", ("r", 1)}}
    def run(self): return Mode.A, {{"u", "v"}}, math.pi
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
net[0].register_forward_hook(made(1))
values = [made("a"), Kind(), Kind().run, Mode.B, {{Kind, Mode, int}}, re.compile("a+"), decimal.Decimal("1.5"),
    datetime.date(2020, 1, 1), functools.partial(made, 3), operator.itemgetter(1), logging.getLogger("x"), net,
    random.Random(3), np.random.default_rng(3), collections.OrderedDict(a=1), types.MappingProxyType({{"a": 1}}),
    range(3), np.sin, torch.relu, torch.float32, object(), slice(1, 2), {{"k"}}.union, frozenset({{"a", ("b",)}})]
hashed = content_hash(*values)
print(hashed.digest.hex(), hashed.unhashed)
"""


def _run(program: str, seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.slow
def test_every_process_finds_the_same_hash():
    program = PROGRAM.format(path=sys.path[:2])
    found = {_run(program, seed) for seed in ("1", "2")}
    assert len(found) == 1
    assert found.pop().split(" ", 1)[1] == "()\n"


@settings(max_examples=40)
@given(st.lists(st.recursive(LEAVES, lambda i: st.lists(i) | st.dictionaries(st.text(), i), max_leaves=8), max_size=20))
def test_plain_structures_have_the_hash_of_their_text(trees):
    text = repr(trees)
    assume("nan" not in text and "inf" not in text and "j" not in text and "frozenset" not in text)
    assert digest(ast.literal_eval(text)) == digest(ast.literal_eval(text)) == digest(copy.deepcopy(trees))


def test_what_the_interpreter_shares_does_not_count():
    one = [(1, 2), (1, 2), "long text, long text", "long text, long text"]
    other = [tuple(int(n) for n in "12") for _ in range(2)] + ["".join(["long text, ", "long text"]) for _ in range(2)]
    assert one[0] is one[1]
    assert other[0] is not other[1]
    assert digest(one) == digest(other)


def test_a_function_that_was_run_often_has_the_hash_that_it_had():
    def busy(n: float) -> float:
        return sum(n * index + len([index]) for index in range(50))

    before = digest(busy)
    for _ in range(200):
        busy(3.0)
    assert digest(busy) == before


def test_docstrings_of_classes_places_and_unused_globals_do_not_count():
    def compiled(text: str) -> Callable[[], object]:
        namespace: dict[str, Any] = {"__name__": "users_own"}
        exec(text, namespace)
        return namespace["run"]

    one = compiled("A = 1\nB = 2\ndef run(x):\n    return x + A\n")
    same = compiled("A = 1\nB = 3\n\n\n# moved\ndef run(x):\n    return (x\n        + A)\n")
    other = compiled("A = 2\nB = 2\ndef run(x):\n    return x + A\n")
    assert digest(one) == digest(same) != digest(other)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"jobs": queue.SimpleQueue()}, "jobs (SimpleQueue)"),
        (types.SimpleNamespace(rows=(n for n in "ab")), "rows (generator)"),
        ([nn.Sequential(nn.Identity())], "0.0.session (SimpleQueue)"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_place(value, named):
    if isinstance(value, list):
        value[0][0].session = queue.SimpleQueue()
    assert content_hash(value).unhashed == (named,)


def test_the_configuration_of_a_test_run_cannot_be_part_of_a_hash(request):
    assert content_hash({"config": request.config}).unhashed == ("config (Config)",)


def test_locks_hold_nothing():
    assert digest([threading.Lock(), threading.RLock(), threading.Condition()])


def test_what_raises_when_it_is_asked_what_it_holds_is_named():
    class Failing(nn.Module):
        def get_extra_state(self) -> object:
            raise RuntimeError("not now")

    assert content_hash(nn.Sequential(Failing())).unhashed == ("0 (Failing)",)


@pytest.mark.parametrize(
    ("module", "whose"),
    [
        ("json.decoder", Origin.TRUSTED),
        ("sys", Origin.TRUSTED),
        ("torch.nn", Origin.TRUSTED),
        ("numpy", Origin.TRUSTED),
        ("hypothesis.strategies", Origin.INSTALLED),
        ("PIL.Image", Origin.INSTALLED),
        ("_pytest.config", Origin.TEST_RUN),
        ("pytest_robustness.core.model", Origin.TRUSTED),
        ("pytest_robustness.models.digits.architectures", Origin.OWN),
        (__name__, Origin.USER),
        ("users_own", Origin.USER),
    ],
)
def test_whose_code_it_is(module, whose):
    assert origin(module) is whose
    assert origin_of_object(np.zeros(1)) is Origin.TRUSTED


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('def run(x):\n    "Turn."\n    return x + 1', 'def run(x):\n    "Turn it round."\n    return x + 1', True),
        ("async def run(x):\n    'Turn.'\n    return x", "async def run(x):\n    'Turn it.'\n    return x", True),
        ("def run(x):\n    def inner():\n        'A'\n        return x\n    return inner",
         "def run(x):\n    def inner():\n        'B'\n        return x\n    return inner", True),
        # What a function reads is no mere docstring, whatever it looks like.
        ("def run(x):\n    'A'\n    return 'A'", "def run(x):\n    'B'\n    return 'B'", False),
        ("def run(x):\n    'A'\n    return run.__doc__", "def run(x):\n    'B'\n    return run.__doc__", False),
        ("def run(x):\n    return 'A' + x", "def run(x):\n    return 'B' + x", False),
        ("run = lambda x: 'A'", "run = lambda x: 'B'", False),
        ("def run(x):\n    return ['A' for _ in x]", "def run(x):\n    return ['B' for _ in x]", False),
        ("def run(x):\n    return list('A' for _ in x)", "def run(x):\n    return list('B' for _ in x)", False),
        ("def run(x):\n    class Inner:\n        y = 'A'\n    return Inner",
         "def run(x):\n    class Inner:\n        y = 'B'\n    return Inner", False),
    ],
)  # fmt: skip
def test_a_docstring_is_no_code_and_every_other_text_is(one, other, same):
    def compiled(text):
        namespace: dict[str, Any] = {"__name__": "users_own"}
        exec(text, namespace)
        return namespace["run"]

    assert (digest(compiled(one)) == digest(compiled(other))) == same


@pytest.fixture
def native(tmp_path, monkeypatch):
    """A module of compiled code that a user made: one of Python's own, copied to a folder of theirs."""
    theirs = pytest.importorskip("_json")
    if not getattr(theirs, "__file__", None):
        pytest.skip("Python was built with this module in it")
    path = Path(shutil.copy(theirs.__file__, tmp_path))
    spec = importlib.util.spec_from_file_location("_json", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "_json", module)
    shared = types.ModuleType(CYTHON.__module__)  # where Cython keeps the types that all its modules share
    setattr(shared, CYTHON.__name__, CYTHON)
    monkeypatch.setitem(sys.modules, CYTHON.__module__, shared)
    spec.loader.exec_module(module)
    return module


def function_of_the_users(text: str, **names: object) -> types.FunctionType:
    namespace = {"__name__": "no_module_of_that_name", **names}
    exec(textwrap.dedent(text), namespace)
    return namespace["f"]


class Scan:
    strict, object_hook, object_pairs_hook = True, None, None
    parse_float, parse_int, parse_constant = float, int, float


NATIVE = {
    "a function": lambda module: module.encode_basestring,
    "a class": lambda module: module.make_scanner,
    "an object": lambda module: [module.make_scanner(Scan)],
    "a method": lambda module: module.make_scanner(Scan).__call__,
    "the module": lambda module: module,
    "code that names the module": lambda module: function_of_the_users(
        "def f(x): return native.encode_basestring(x)", native=module
    ),
    "code that names nothing of it": lambda module: function_of_the_users(
        "def f(x): return native.made_up(x)", native=module
    ),
    "code that names the function": lambda module: function_of_the_users(
        "def f(x): return encode(x)", encode=module.encode_basestring
    ),
    "code that imports it": lambda module: function_of_the_users(
        """
        def f(x):
            from _json import encode_basestring
            return encode_basestring(x)
        """
    ),
    "what Cython makes of a function": lambda module: CYTHON("f", module.__name__),
}


class _Made:
    """Says of itself what a function says that Cython compiled."""

    def __init__(self, name: str, module: str) -> None:
        self.__qualname__, self.__module__ = name, module

    def __reduce__(self) -> str:
        return self.__qualname__


CYTHON = type("cython_function_or_method", (_Made,), {"__module__": "_cython_3_0_0"})


@pytest.mark.parametrize("how", NATIVE)
def test_compiled_code_of_the_users_counts_by_its_file(native, how):
    made = NATIVE[how](native)
    before = content_hash(made).digest
    assert content_hash(made).digest == before
    with Path(native.__file__).open("ab") as file:
        file.write(b"another build")
    assert content_hash(made).digest != before


def test_compiled_code_of_python_and_its_packages_counts_by_its_name():
    for module in (math, np._core._multiarray_umath if hasattr(np, "_core") else math, torch._C):
        assert compiled_file(module) is None
    assert compiled_file("tests.core") is compiled_file(__name__) is None
    assert digest(math.sin) == digest(math.sin) != digest(math.cos)


NAMES = {
    "a ufunc": (np.add, False),
    "one of a function": (np.frompyfunc(lambda x: x + 1, 1, 1), True),
    "one of a builtin function": (np.frompyfunc(len, 1, 1), True),
    "a dtype": (torch.float32, False),
    "a memory format": (torch.contiguous_format, False),
    "a layout": (torch.strided, False),
    "a form of typing": (typing.Any, False),
    "a type variable": (typing.TypeVar("Local"), False),
    "a class": (np.float32, False),
    "a vectorized function": (np.vectorize(len), False),
}


@pytest.mark.parametrize(("value", "lost"), NAMES.values(), ids=NAMES)
def test_what_is_but_a_name_that_leads_nowhere_is_not_covered(value, lost):
    assert bool(content_hash([value]).unhashed) == lost
    assert content_hash([value]).unhashed == (("0 (ufunc)",) if lost else ())


def test_a_ufunc_of_another_package_is_found():
    special = pytest.importorskip("scipy.special")
    assert digest(special.expit) != digest(special.logit)
