"""What changes the answers changes what they are stored by: weights, objects, code, files, transforms, data.

Each mutation is shown to change what the model answers or the transform returns. What did not change is known again.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from pytest_robustness.models import ModelZoo
from pytest_robustness.transforms import Registry
from tests.modules import modules_forgotten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Objects: a value that the factory gets from where no hash looks, hidden in the model. How it is hidden, and read.
OBJECTS = {
    "parameter": ("self.held = nn.Parameter(torch.tensor(v))", "self.held"),
    "plain tensor": ("self.held = torch.tensor(v)", "self.held"),
    "buffer outside the state dict": ("self.register_buffer('held', torch.tensor(v), persistent=False)", "self.held"),
    "sparse tensor": ("self.held = torch.tensor([v]).to_sparse()", "self.held.to_dense()[0]"),
    "complex tensor": ("self.held = torch.tensor([1j * v]).conj()", "-self.held.imag[0]"),
    "module in a list": ("self.held = [layer(v)]", "self.held[0].weight[0, 0]"),
    "module in a tuple of lists": ("self.held = ([layer(v)],)", "self.held[0][0].weight[0, 0]"),
    "module in a dict": ("self.held = {'a': layer(v)}", "self.held['a'].weight[0, 0]"),
    "module in a set": ("self.held = {layer(v), layer(0.0)}", "sum(one.weight[0, 0] for one in self.held)"),
    "module in a deque": ("self.held = collections.deque([layer(v)])", "self.held[0].weight[0, 0]"),
    "module in a default dict": (
        "self.held = collections.defaultdict(list); self.held[0].append(layer(v))",
        "self.held[0][0].weight[0, 0]",
    ),
    "factory of a default dict": ("self.held = collections.defaultdict(lambda: v)", "self.held[0]"),
    "module in a plain object": ("self.held = Plain(layer(v))", "self.held.value.weight[0, 0]"),
    "module in slots": ("self.held = Slots(layer(v))", "self.held.value.weight[0, 0]"),
    "module in a dataclass": ("self.held = Data(layer(v))", "self.held.value.weight[0, 0]"),
    "module in a frozen dataclass with slots": ("self.held = Frozen(layer(v))", "self.held.value.weight[0, 0]"),
    "module in a named tuple": ("self.held = Named(layer(v))", "self.held.value.weight[0, 0]"),
    "module in a simple namespace": ("self.held = types.SimpleNamespace(a=layer(v))", "self.held.a.weight[0, 0]"),
    "module in a partial": ("self.held = functools.partial(torch.mul, layer(v).weight)", "self.held(1)[0, 0]"),
    "keyword of a partial": ("self.held = functools.partial(pow, exp=v)", "self.held(3.0)"),
    "closure": ("self.held = lambda: v", "self.held()"),
    "closure of a closure": ("self.held = (lambda inner: lambda: inner())(lambda: v)", "self.held()"),
    "default argument": ("self.held = lambda given=v: given", "self.held()"),
    "bound method": ("self.held = Plain(v).get", "self.held()"),
    "method of a built-in": ("self.held = {0: v}.get", "self.held(0)"),
    "attribute of a function": ("self.held = lambda: None; self.held.value = v", "self.held.value"),
    "iterator": ("self.held = iter([v] * 9)", "next(self.held)"),
    "array in nested lists": ("self.held = [[np.array([v])]]", "self.held[0][0][0]"),
    "array of objects": ("self.held = np.array([v, None], object)", "self.held[0]"),
    "masked array": ("self.held = np.ma.array([1.0, 2.0], mask=[v > 1, False])", "self.held.sum()"),
    "structured array": ("self.held = np.array([(v, 'a')], dtype='f8,O')", "self.held[0][0]"),
    "subclass of dict": ("self.held = Config(value=v)", "self.held['value']"),
    "subclass of list": ("self.held = Listed([v])", "self.held[0]"),
    "subclass of float": ("self.held = Number(v)", "float(self.held)"),
    "what a pickle leaves out": ("self.held = Forgetful(v)", "self.held.value"),
    "fraction": ("self.held = fractions.Fraction(v)", "float(self.held)"),
    "random generator": ("self.held = np.random.default_rng(int(v))", "self.held.random()"),
    "item getter": ("self.held = operator.itemgetter(int(v))", "self.held([0, 5, 7])"),
    "bytes of a buffer": ("self.held = io.BytesIO(b'%d' % v)", "int(self.held.getvalue())"),
    "weak reference": ("self.kept = Plain(v); self.held = weakref.ref(self.kept)", "self.held().value"),
    "module in a weak mapping": (
        "one = layer(v); self.held = weakref.WeakValueDictionary(a=one); KEPT.append(one)",
        "self.held['a'].weight[0, 0]",
    ),
    "attribute of a thread": ("self.held = threading.local(); self.held.value = v", "self.held.value"),
    "memory view": ("self.held = memoryview(b'%d' % v)", "int(bytes(self.held))"),
    "mapped memory": ("self.held = mmap.mmap(-1, 8); self.held[:3] = b'%.1f' % v", "float(self.held[:3])"),
    "array of the standard library": ("self.held = array.array('d', [v])", "self.held[0]"),
    "array of C": ("self.held = (ctypes.c_float * 1)(v)", "self.held[0]"),
    "table of pandas": ("self.held = pandas.DataFrame({'a': [v]})", "float(self.held['a'][0])"),
    "image of Pillow": ("self.held = Image.new('L', (1, 1), int(v))", "self.held.getpixel((0, 0))"),
    "parametrization": (
        "self.held = layer(1.0); nn.utils.parametrize.register_parametrization(self.held, 'weight', Times(v))",
        "self.held.weight[0, 0]",
    ),
    "forward hook": ("self.register_forward_hook(lambda m, i, out: out * v)", "1"),
    "forward pre-hook": ("self.register_forward_pre_hook(lambda m, given: (given[0] * v,))", "1"),
    "forward of the instance": ("self.held = nn.Identity(); self.held.forward = lambda x: x * v", "self.held(1)"),
    "extra state": ("self.held = Extra(v)", "self.held.value"),
    "cycle": ("self.held = [v]; self.held.append(self.held)", "self.held[1][1][0]"),
    "long chain": ("self.held = chain(v)", "chained(self.held)"),
    "class made on the way": ("self.held = type('Made', (), {'value': v})", "self.held.value"),
    "path": ("self.held = pathlib.Path(str(v))", "float(self.held.name)"),
}
HIDING = """
import array, collections, ctypes, dataclasses, fractions, functools, io, mmap, operator, pathlib, threading, types
import typing, weakref
import numpy as np, pandas, torch, torch.nn.utils.parametrize
from PIL import Image
from torch import nn

KEPT = []

class Times(nn.Module):
    def __init__(self, by):
        super().__init__()
        self.by = by
    def forward(self, x): return x * self.by

def layer(v):
    made = nn.Linear(1, 1)
    nn.init.constant_(made.weight, v)
    nn.init.zeros_(made.bias)
    return made

class Plain:
    def __init__(self, value): self.value = value
    def get(self): return self.value

class Slots:
    __slots__ = ("value",)
    def __init__(self, value): self.value = value

@dataclasses.dataclass
class Data:
    value: object

@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    value: object

class Named(typing.NamedTuple):
    value: object

class Config(dict): pass
class Listed(list): pass
class Number(float): pass

class Forgetful:
    def __init__(self, value): self.value = value
    def __getstate__(self): return {}

class Extra(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value
    def get_extra_state(self): return {"value": self.value}
    def set_extra_state(self, state): self.value = state["value"]

def chain(v):
    link = [v]
    for _ in range(5000): link = [link]
    return link

def chained(link):
    while isinstance(link, list): link = link[0]
    return link

class Net(nn.Module):
    def __init__(self, v):
        super().__init__()
        HIDE

    def forward(self, x):
        return x.mean((2, 3)) * (READ)
"""
HIDING_FACTORY = "import os, hiding\ndef make():\n    return hiding.Net(float(os.environ['HIDDEN_VALUE']))\n"

# Code: 1.0 becomes 2.0 in a module beside that of the factory.
CODE = {
    "forward": "def scale(self): return 1.0",
    "global constant": "def scale(self): return STRENGTH\n\nSTRENGTH = 1.0",
    "global table": "def scale(self): return TABLE['a'][0]\n\nTABLE = {'a': [1.0]}",
    "global array": "def scale(self): return TABLE[0]\n\nimport numpy\nTABLE = numpy.array([1.0])",
    "global module": (
        "def scale(self): return HEAD.weight[0, 0]\n\nHEAD = nn.Linear(1, 1, False)\n"
        "nn.init.constant_(HEAD.weight, 1.0)"
    ),
    "function": "def scale(self): return helper()\n\ndef helper(): return 1.0",
    "function of a function": (
        "def scale(self): return a()\n\ndef a(): return b()\ndef b(n=2): return a() if n == 0 else 1.0"
    ),
    "inner function": "def scale(self):\n        def inner(): return 1.0\n        return inner()",
    "comprehension": "def scale(self): return sum([1.0 for _ in range(3)])",
    "default": "def scale(self, value=1.0): return value",
    "keyword default": "def scale(self, *, value=1.0): return value",
    "class attribute": "strength = 1.0\n    def scale(self): return self.strength",
    "attribute of a base class": (
        "def scale(self): return Kid.strength\n\nclass Base: strength = 1.0\nclass Kid(Base): pass"
    ),
    "property": "@property\n    def value(self): return 1.0\n    def scale(self): return self.value",
    "static method": "@staticmethod\n    def value(): return 1.0\n    def scale(self): return self.value()",
    "class method": "@classmethod\n    def value(cls): return 1.0\n    def scale(self): return self.value()",
    "nested class": "class Inner: strength = 1.0\n    def scale(self): return self.Inner.strength",
    "enumeration": "def scale(self): return Mode.A.value\n\nimport enum\nclass Mode(enum.Enum): A = 1.0",
    "field of a dataclass": (
        "def scale(self): return Options().a\n\nimport dataclasses\n@dataclasses.dataclass\n"
        "class Options: a: float = 1.0"
    ),
    "factory of a field": (
        "def scale(self): return Options().a\n\nimport dataclasses\n@dataclasses.dataclass\n"
        "class Options: a: float = dataclasses.field(default_factory=lambda: 1.0)"
    ),
    "metaclass": (
        "def scale(self): return Made.value\n\nclass Meta(type):\n    @property\n    def value(cls): return 1.0\n"
        "class Made(metaclass=Meta): pass"
    ),
    "decorator": (
        "def scale(self): return inner()\n\nimport functools\ndef decorated(f):\n    @functools.wraps(f)\n"
        "    def wrapper(): return f() * 1.0\n    return wrapper\n@decorated\ndef inner(): return 3"
    ),
    "cached property": (
        "def scale(self): return Kept().value\n\nimport functools\nclass Kept:\n    @functools.cached_property\n"
        "    def value(self): return 1.0"
    ),
    "partial method": (
        "def scale(self): return Kept().value()\n\nimport functools\nclass Kept:\n    def of(self, v): return v\n"
        "    value = functools.partialmethod(of, 1.0)"
    ),
    "descriptor": (
        "def scale(self): return Kept.value\n\nclass Found:\n    def __get__(self, *_): return 1.0\n"
        "class Kept: value = Found()"
    ),
    "cached function": "def scale(self): return inner()\n\nimport functools\n@functools.cache\ndef inner(): return 1.0",
    "dispatched function": (
        "def scale(self): return inner(3)\n\nimport functools\n@functools.singledispatch\ndef inner(given): return 0\n"
        "@inner.register\ndef _(given: int): return 1.0"
    ),
    "lambdas on one line": "def scale(self): return PAIR[0]()\n\nPAIR = [lambda: 1.0, lambda: 2.0, lambda: 1.0]",
    "context manager": (
        "def scale(self):\n        with inner() as value: return value\n\nimport contextlib\n"
        "@contextlib.contextmanager\ndef inner(): yield 1.0"
    ),
    "without gradients": "def scale(self): return inner()\n\n@torch.no_grad()\ndef inner(): return 1.0",
    "condition": "def scale(self): return 5 if 1.5 < 1.0 else 3",
    "set of constants": "def scale(self): return 5 if 2.0 in {1.0, 3.0} else 3",
}
CODE_NET = """
import torch
from torch import nn

class Net(nn.Module):
    def forward(self, x): return x.mean((2, 3)) * self.scale()
    BODY
"""
# How the module with the constant is reached from that of the class.
REACHED = {
    "from": ("from cfg import STRENGTH", "STRENGTH"),
    "attribute": ("import cfg", "cfg.STRENGTH"),
    "alias": ("import cfg as options", "options.STRENGTH"),
    "submodule": ("import package.cfg", "package.cfg.STRENGTH"),
    "submodule by from": ("from package import cfg", "cfg.STRENGTH"),
    "function": ("from cfg import strength", "strength()"),
    "in the function": ("def read():\n    import cfg\n    return cfg.STRENGTH", "read()"),
    "in the function, by from": ("def read():\n    from cfg import STRENGTH\n    return STRENGTH", "read()"),
    "in the function, from a package": ("def read():\n    from package import cfg\n    return cfg.STRENGTH", "read()"),
    "by its text": ("import importlib", "importlib.import_module('cfg').STRENGTH"),
    "by its text alone": ("", "__import__('cfg').STRENGTH"),
    "looked up": ("import cfg", "getattr(cfg, 'STRE' + 'NGTH')"),
    "object that holds it": ("import cfg\nHELD = [cfg]", "vars(HELD[0])['STRENGTH']"),
}


def loaded(fresh: Callable[[], None], factory: str = "python:nets.py:make") -> tuple[str, np.ndarray]:
    """Return fingerprint and answers of a model that is loaded as a new process would."""
    fresh()
    model = ModelZoo().load(factory)
    assert list(model.unhashed) == []
    with torch.no_grad():
        return model.fingerprint, model.module(torch.full((1, 3, 4, 4), 0.5)).numpy()


@pytest.fixture
def fresh(tmp_path, monkeypatch) -> Iterator[Callable[[], None]]:
    """A function that lets Python forget the modules of the current directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    with modules_forgotten(tmp_path) as forget:
        yield forget


def assert_noticed(load: Callable[[], tuple[str, np.ndarray]], mutate: Callable[[], object]) -> None:
    before, answers = load()
    assert load()[0] == before
    mutate()
    after, others = load()
    assert not np.array_equal(answers, others), "the mutation changes no answer"
    assert after != before
    assert load()[0] == after


@pytest.mark.parametrize("case", OBJECTS)
def test_a_value_anywhere_in_a_model_counts(case, fresh, tmp_path, monkeypatch):
    hide, read = OBJECTS[case]
    (tmp_path / "hiding.py").write_text(HIDING.replace("HIDE", hide).replace("READ", read))
    (tmp_path / "nets.py").write_text(HIDING_FACTORY)
    monkeypatch.setenv("HIDDEN_VALUE", "1.0")
    assert_noticed(lambda: loaded(fresh), lambda: monkeypatch.setenv("HIDDEN_VALUE", "2.0"))


@pytest.mark.parametrize("case", CODE)
def test_code_counts_wherever_it_is_reached_from_a_model(case, fresh, tmp_path):
    text = CODE_NET.replace("BODY", CODE[case])
    (tmp_path / "parts.py").write_text(text)
    (tmp_path / "nets.py").write_text("import parts\ndef make():\n    return parts.Net()\n")
    assert_noticed(lambda: loaded(fresh), lambda: (tmp_path / "parts.py").write_text(text.replace("1.0", "2.0", 1)))


@pytest.mark.parametrize("case", CODE)
def test_code_counts_wherever_it_is_reached_from_a_transform(case, fresh, tmp_path):
    text = CODE_NET.replace("BODY", CODE[case])
    (tmp_path / "parts.py").write_text(text)
    (tmp_path / "conftest.py").write_text(
        "import torch, parts\ndef pytest_robustness_register(registry):\n    @registry.transform('own')\n"
        "    def own(images): return (images * parts.Net().scale()).to(torch.uint8)\n"
    )
    assert_noticed(
        lambda: transformed(fresh), lambda: (tmp_path / "parts.py").write_text(text.replace("1.0", "2.0", 1))
    )


def transformed(fresh: Callable[[], None]) -> tuple[str, np.ndarray]:
    """Return the key of the transform in ``conftest.py``, and what it makes of an image."""
    fresh()
    registry = Registry()
    spec = importlib.util.spec_from_file_location("conftest", Path("conftest.py").absolute())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patched, torch.no_grad():
        patched.setitem(sys.modules, "conftest", module)
        spec.loader.exec_module(module)
        module.pytest_robustness_register(registry)
        own = registry.get("own")
        images = torch.full((1, 3, 4, 4), 40, dtype=torch.uint8)
        return own.key(None), own(images, None, np.zeros(1, "V16"), 0).numpy()


@pytest.mark.parametrize("case", REACHED)
@pytest.mark.parametrize("kind", ["model", "transform"])
def test_a_constant_of_an_imported_module_counts(kind, case, fresh, tmp_path):
    how, read = REACHED[case]
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").touch()
    constants = [tmp_path / "cfg.py", tmp_path / "package/cfg.py"]

    def write(value: str) -> None:
        for path in constants:
            path.write_text(f"STRENGTH = {value}\nUNUSED = 5\ndef strength(): return STRENGTH\n")

    write("1.0")
    net = f"def forward(self, x): return x.mean((2, 3)) * {read}\n"
    (tmp_path / "parts.py").write_text(f"{how}\nfrom torch import nn\nclass Net(nn.Module):\n    {net}")
    (tmp_path / "nets.py").write_text("import parts\ndef make():\n    return parts.Net()\n")
    (tmp_path / "conftest.py").write_text(
        f"import torch\n{how}\ndef pytest_robustness_register(registry):\n    @registry.transform('own')\n"
        f"    def own(images): return (images * {read}).to(torch.uint8)\n"
    )
    assert_noticed(lambda: loaded(fresh) if kind == "model" else transformed(fresh), lambda: write("2.0"))


@pytest.mark.parametrize("kind", ["model", "transform"])
def test_what_a_module_makes_up_when_it_is_asked_counts(kind, fresh, tmp_path):
    lazy = "_VALUES = {'STRENGTH': 1.0}\ndef __getattr__(name):\n    return _VALUES[name]\n"
    (tmp_path / "cfg.py").write_text(lazy)
    net = "def forward(self, x): return x.mean((2, 3)) * cfg.STRENGTH\n"
    (tmp_path / "nets.py").write_text(
        f"import cfg\nfrom torch import nn\nclass Net(nn.Module):\n    {net}\ndef make():\n    return Net()\n"
    )
    (tmp_path / "conftest.py").write_text(
        "import cfg, torch\ndef pytest_robustness_register(registry):\n    @registry.transform('own')\n"
        "    def own(images): return (images * cfg.STRENGTH).to(torch.uint8)\n"
    )
    assert_noticed(
        lambda: loaded(fresh) if kind == "model" else transformed(fresh),
        lambda: (tmp_path / "cfg.py").write_text(lazy.replace("1.0", "2.0")),
    )


TRANSFORMS = {
    "constant of conftest.py": "STRENGTH = 1.0\ndef own(images): return images * STRENGTH",
    "table of conftest.py": "TABLE = torch.full((256,), 1.0)\ndef own(images): return TABLE[images.int()]",
    "partial": "import functools\ndef full(images, by): return images * by\nown = functools.partial(full, by=1.0)",
    "object with a state": (
        "class Times:\n    def __init__(self, by): self.by = by\n    def __call__(self, x): return x * self.by\n"
        "own = Times(1.0)"
    ),
    "bound method": (
        "class Times:\n    def __init__(self, by): self.by = by\n    def run(self, images): return images * self.by\n"
        "own = Times(1.0).run"
    ),
    "module": (
        "class Times(torch.nn.Module):\n    def __init__(self, by):\n        super().__init__()\n"
        "        self.by = torch.nn.Parameter(torch.tensor(by))\n    def forward(self, x): return x * self.by\n"
        "own = Times(1.0)"
    ),
    "torchvision's own": (
        "from torchvision.transforms import v2\n"
        "own = v2.Compose([v2.ToDtype(torch.float32), v2.Lambda(lambda x: x * 1.0)])"
    ),
    "torchvision's setting": (
        "from torchvision.transforms import v2\n"
        "own = v2.Compose([v2.ToDtype(torch.float32), v2.Normalize([0.0] * 3, [1.0] * 3)])"
    ),
    "closure of a lambda": "def times(by): return lambda images: images * by\nown = times(1.0)",
}


@pytest.mark.parametrize("case", TRANSFORMS)
def test_whatever_a_transform_uses_counts(case, fresh, tmp_path):
    register = (
        "def pytest_robustness_register(registry):\n    torch.manual_seed(0)\n    registry.transform('own')(rounded)\n"
        "def rounded(images): return own(images).to(torch.uint8)\n"
    )
    text = f"import torch\n{TRANSFORMS[case]}\n{register}"
    (tmp_path / "conftest.py").write_text(text)
    assert_noticed(
        lambda: transformed(fresh), lambda: (tmp_path / "conftest.py").write_text(text.replace("1.0", "2.0"))
    )


# Files that the factory, or the import of its modules, opens. The model reads them again when it runs.
LAZY = """
import json, pathlib, sqlite3, torch, numpy
from torch import nn

class Net(nn.Module):
    def forward(self, x):
        return x.mean((2, 3)) * self.read()
"""
FILES = {
    "text": (
        "value.txt",
        "    read = staticmethod(lambda: float(open('value.txt').read()))",
        "open('value.txt').close()",
    ),
    "json": (
        "value.txt",
        "    read = staticmethod(lambda: json.load(open('value.txt')))",
        "json.load(open('value.txt'))",
    ),
    "path": (
        "value.txt",
        "    read = staticmethod(lambda: float(pathlib.Path('value.txt').read_text()))",
        "pathlib.Path('value.txt').read_bytes()",
    ),
    "os": (
        "value.txt",
        "    read = staticmethod(lambda: float(open('value.txt').read()))",
        "os.open('value.txt', os.O_RDONLY)",
    ),
    "numpy": (
        "value.npy",
        "    read = staticmethod(lambda: float(numpy.load('value.npy')))",
        "numpy.load('value.npy')",
    ),
    "mapped": (
        "value.npy",
        "    read = staticmethod(lambda: float(numpy.load('value.npy')))",
        "numpy.load('value.npy', mmap_mode='r')",
    ),
    "torch": ("value.pt", "    read = staticmethod(lambda: torch.load('value.pt'))", "torch.load('value.pt')"),
    "torch, mapped": (
        "value.pt",
        "    read = staticmethod(lambda: torch.load('value.pt'))",
        "torch.load('value.pt', mmap=True)",
    ),
    "sqlite": (
        "value.db",
        "    read = staticmethod(lambda: sqlite3.connect('value.db').execute('SELECT v FROM t').fetchone()[0])",
        "sqlite3.connect('value.db').close()",
    ),
}


def _write(file: Path, value: float) -> None:
    if file.suffix == ".npy":
        np.save(file, np.array(value))
    elif file.suffix == ".pt":
        torch.save(torch.tensor(value), file)
    elif file.suffix == ".db":
        import sqlite3

        file.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("CREATE TABLE t (v)")
            connection.execute("INSERT INTO t VALUES (?)", (value,))
    else:
        file.write_text(str(value))


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("where", ["factory", "import", "import of a helper, first by another factory"])
@pytest.mark.parametrize("case", FILES)
def test_a_file_that_a_factory_opens_counts(case, where, fresh, tmp_path):
    name, read, opens = FILES[case]
    (tmp_path / "parts.py").write_text(f"{LAZY}{read}\n")
    at_import, in_factory = (opens, "") if where == "import" else ("", opens)
    helped = where.startswith("import of")
    (tmp_path / "helper.py").write_text(f"import json, numpy, os, pathlib, sqlite3, torch\n{opens if helped else ''}\n")
    (tmp_path / "nets.py").write_text(
        f"import json, numpy, os, pathlib, sqlite3, torch, parts, helper\n{at_import}\n"
        f"def make():\n    {in_factory if where == 'factory' else 'pass'}\n    return parts.Net()\n"
    )
    (tmp_path / "others.py").write_text("import helper, parts\ndef make(): return parts.Net()\n")

    def load() -> tuple[str, np.ndarray]:
        fresh()
        if helped:
            ModelZoo().load("python:others.py:make")
        return loaded((lambda: None) if helped else fresh)

    _write(tmp_path / name, 1.0)
    assert_noticed(load, lambda: _write(tmp_path / name, 2.0))


def test_what_only_one_of_two_models_uses_leaves_the_other_alone(fresh, tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(f"import parts_{name}\ndef make(): return parts_{name}.Net()\n")
        (tmp_path / f"parts_{name}.py").write_text(CODE_NET.replace("BODY", CODE["global constant"]))

    def both() -> list[str]:
        return [loaded(fresh, f"python:{name}.py:make")[0] for name in ("one", "two")]

    before = both()
    text = (tmp_path / "parts_two.py").read_text()
    (tmp_path / "parts_two.py").write_text(text.replace("1.0", "2.0"))
    after = both()
    assert after[0] == before[0]
    assert after[1] != before[1]
    (tmp_path / "parts_two.py").write_text(text + "\nUNUSED = 3\n# and a comment\n")
    assert both() == before


def test_what_a_model_writes_and_remembers_is_no_part_of_it(fresh, tmp_path):
    (tmp_path / "parts.py").write_text(
        "import threading\nfrom torch import nn\nCALLS = 0\nLOCK = threading.Lock()\n"
        "class Net(nn.Module):\n    def forward(self, x):\n        global CALLS\n        CALLS += 1\n"
        "        with LOCK, open('log.txt', 'a') as file: print(CALLS, file=file)\n        return x.mean((2, 3))\n"
    )
    (tmp_path / "nets.py").write_text(
        "import parts\ndef make():\n    with open('made.txt', 'a') as file: print(1, file=file)\n"
        "    return parts.Net()\n"
    )
    first = loaded(fresh)[0]
    assert [loaded(lambda: None)[0], loaded(fresh)[0]] == [first, first]
    assert (tmp_path / "log.txt").read_text().split() == ["1", "2", "1"]


def test_a_project_that_is_moved_is_known_again(fresh, tmp_path, monkeypatch):
    prints = []
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "parts.py").write_text(
            "import pathlib\nfrom torch import nn\nHERE = pathlib.Path(__file__).parent\n"
            "class Net(nn.Module):\n    def forward(self, x): return x.mean((2, 3)) * len(str(HERE))\n"
        )
        (folder / "v.txt").write_text("2")
        (folder / "nets.py").write_text(
            "import parts\ndef make():\n    open('v.txt').close()\n    return parts.Net()\n"
        )
        monkeypatch.chdir(folder)
        prints.append(loaded(fresh)[0])
    assert prints[0] == prints[1]


# whole runs: a warm store gives what a fresh store gives


ENSEMBLE = '''
import json, torch
from pathlib import Path
from pytest_robustness import Model
from helper import sharpened

class Member(torch.nn.Module):
    def __init__(self, name):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.load(name))

    def forward(self, images):
        top, bottom = images.chunk(2, dim=2)
        return self.weight * (top - bottom).mean(dim=(1, 2, 3))

class Ensemble(torch.nn.Module):
    """Keeps its members where PyTorch does not look."""

    def __init__(self):
        super().__init__()
        self.members = [Member("a.pt"), Member("b.pt")]
        self.sign = Path("sign.json")

    def forward(self, images):
        up = sharpened(sum(member(images) for member in self.members)) * json.loads(self.sign.read_text())
        return torch.stack([-up, up], dim=1)

def ensemble():
    json.loads(Path("sign.json").read_text())
    return Model(Ensemble(), classes=["down", "up"])
'''
REGISTERED = """
STRENGTH = 0
def pytest_robustness_register(registry):
    @registry.transform("turned")
    def turned(images):
        return images.flip(-2) if STRENGTH else images
"""


def _relabel(project) -> None:
    project.image("up", 3).rename(project.path / "photos/down/99.bmp")


def _repaint(project) -> None:
    """Turn an image round in its middle: same size, same ends."""
    path = project.image("up", 5)
    content = bytearray(path.read_bytes())
    body = np.frombuffer(content, np.uint8)[54:]
    body[:] = body.reshape(8, -1)[::-1].reshape(-1)
    path.write_bytes(content)


RUNS: dict[str, Callable] = {
    "weights of a hidden member": lambda project: torch.save(torch.tensor(-9.0), project.path / "b.pt"),
    "a json that the factory reads": lambda project: project.write("sign.json", "-1"),
    "a helper's constant": lambda project: project.write("helper.py", "BY = -1\ndef sharpened(up): return BY * up\n"),
    "a constant in conftest.py": lambda project: project.write("conftest.py", REGISTERED.replace("= 0", "= 1")),
    "a relabelled file": _relabel,
    "a repainted image": _repaint,
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("case", RUNS)
def test_a_warm_store_gives_a_fresh_stores_figures(case, project, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for label, number in itertools.product(("down", "up"), range(20)):
        with Image.open(project.image(label, number)) as image:
            image.save(project.image(label, number).with_suffix(".bmp"))
        project.image(label, number).unlink()
    project.image = lambda label, number: project.path / "photos" / label / f"{number:02}.bmp"
    project.write("nets.py", ENSEMBLE)
    project.write("helper.py", "BY = 1\ndef sharpened(up): return BY * up\n")
    project.write("conftest.py", REGISTERED)
    project.write("sign.json", "1")
    for name in ("a.pt", "b.pt"):
        torch.save(torch.tensor(1.0), project.path / name)
    project.configure(robustness_models="python:nets.py:ensemble", robustness_transforms="turned")

    def figures(store: str) -> str:
        sys.modules.pop("helper", None)
        project.judge(f"--robustness-store={store}")
        return (project.path / "reports/latest/accuracy.csv").read_text()

    before = figures("warm.sqlite")
    assert figures("warm.sqlite") == before
    RUNS[case](project)
    fresh = figures("fresh.sqlite")
    assert fresh != before, "the mutation changes no figure"
    assert figures("warm.sqlite") == fresh
