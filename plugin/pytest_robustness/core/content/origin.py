"""Say whose code it is: the user's, which is read through, or a package's, which counts as a whole."""

from __future__ import annotations

import enum
import functools
import importlib
import logging
import site
import sys
import sysconfig
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

_log = logging.getLogger(__name__)

# Their releases answer alike except for rounding: to install one must not throw a store away.
_TRUSTED = frozenset({"torch", "torchvision", "numpy"})
# What they hold changes from run to run and decides no answer.
_OF_TEST_RUNS = frozenset({"pytest", "_pytest", "pluggy", "xdist", "execnet"})
# The classes of the embedded zoo, and what runs engines; the rest of this package counts by PIPELINE_VERSION.
_OWN_MODELS = ("pytest_robustness.models.digits.", "pytest_robustness.models.engines.")
_OWN = __name__.partition(".")[0]
# Classes that are not part of the interpreter have this flag (Py_TPFLAGS_HEAPTYPE).
_MADE_WHILE_RUNNING = 1 << 9


class Origin(enum.Enum):
    """Where code comes from, and so how much of it counts."""

    USER = "by its code and all that the code names"
    INSTALLED = "by its own code and the files of its package"
    OWN = "by its own code"
    TRUSTED = "by its name"
    TEST_RUN = "not at all"


def origin_of_object(value: object) -> Origin:
    """Return whose class the object is of."""
    whose = origin(type(value).__module__)
    return Origin.USER if whose is Origin.TRUSTED and _is_users_in_a_librarys_name(type(value)) else whose


def _is_users_in_a_librarys_name(kind: type) -> bool:
    """Return whether a class that a library made, and so bears its name, has a base or a function of the user's."""
    if is_what_it_is_called(kind):
        return False
    made = [base for base in kind.__mro__ if not is_what_it_is_called(base)]
    functions = (value for base in made for value in vars(base).values() if isinstance(value, FunctionType))
    modules = [base.__module__ for base in kind.__mro__] + [one.__globals__.get("__name__") for one in functions]
    return any(origin(module) is Origin.USER for module in modules)


def is_what_it_is_called(named: type | FunctionType) -> bool:
    """Return whether a class or a function is what its module has under its name, or was written there.

    ``type(...)``, called in a library, makes a class of the user's that says to be the library's, as each
    parametrization of PyTorch does; ``exec`` may do so with functions.
    """
    if isinstance(named, FunctionType):
        module, file = named.__globals__.get("__name__"), named.__code__.co_filename
        # Functions within functions have a name that leads nowhere, and the file of their module.
        if file.startswith("<frozen ") or file == getattr(sys.modules.get(str(module)), "__file__", None):
            return True
    elif _is_compiled(named):
        return True
    else:
        module = named.__module__
    found: object = _loaded(module) if isinstance(module, str) else None
    # By dictionaries: a module may import, or warn, where an attribute is asked for.
    for name in named.__qualname__.split("."):
        found = getattr(found, "__dict__", {}).get(name)
    return found is named


def origin(module: object) -> Origin:
    """Return whose code the module of that name holds."""
    if not isinstance(module, str):
        return Origin.TRUSTED  # classes that C code makes
    top = module.partition(".")[0]
    if top == _OWN:
        return Origin.OWN if module.startswith(_OWN_MODELS) else Origin.TRUSTED
    if top in _TRUSTED or top in sys.builtin_module_names or top.startswith("_cython_"):
        return Origin.TRUSTED
    if top in _OF_TEST_RUNS:
        return Origin.TEST_RUN
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return Origin.TRUSTED if top in sys.stdlib_module_names else _of_spec(module)
    return origin_of_file(file)


def _of_spec(module: str) -> Origin:
    """Return the origin of a module that has no file: a package without ``__init__.py``, or one made by code."""
    loaded = sys.modules.get(module)
    places = [str(place) for place in getattr(loaded, "__path__", ())]
    return origin_of_file(places[0]) if places else Origin.USER


def _loaded(module: str) -> object:
    """Return a module, imported if need be: whether another part of the process has imported it must not count."""
    return sys.modules.get(module) or _imported(module)


@functools.cache
def _imported(module: str) -> object:
    try:
        return importlib.import_module(module)
    except Exception:  # a name that no module has
        _log.debug("%s cannot be imported", module, exc_info=True)
        return None


def _is_compiled(kind: type) -> bool:
    """Return whether C code made the class: what the user's code makes has no method that is compiled for it alone."""
    return not kind.__flags__ & _MADE_WHILE_RUNNING or any(
        getattr(value, "__objclass__", None) is kind
        or (isinstance(value, BuiltinFunctionType) and value.__self__ is kind)
        or type(value).__name__ == "instancemethod"  # of pybind11
        for value in vars(kind).values()
        if not isinstance(value, GetSetDescriptorType | MemberDescriptorType)
    )


@functools.lru_cache(4096)
def origin_of_file(file: str) -> Origin:
    """Return whose code lies at that path."""
    path = Path(file).absolute()
    if any(path.is_relative_to(folder) for folder in _installed_folders()):
        return Origin.INSTALLED
    return Origin.TRUSTED if any(path.is_relative_to(folder) for folder in _library_folders()) else Origin.USER


@functools.cache
def _installed_folders() -> tuple[Path, ...]:
    names = [sysconfig.get_path(kind) for kind in ("purelib", "platlib")]
    return tuple({Path(name) for name in [*names, *site.getsitepackages(), site.getusersitepackages()]})


@functools.cache
def _library_folders() -> tuple[Path, ...]:
    return tuple({Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib")})


def module_file(module: ModuleType) -> Path | None:
    """Return the file that a module was read from; ``None`` if there is none."""
    file = getattr(module, "__file__", None)
    return Path(file) if isinstance(file, str) and Path(file).is_file() else None
