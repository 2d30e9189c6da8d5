"""Say whose code it is: the user's, which is read through, or a package's, which counts as a whole."""

from __future__ import annotations

import enum
import functools
import hashlib
import importlib.metadata
import logging
import site
import sys
import sysconfig
from pathlib import Path
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


class Origin(enum.Enum):
    """Where code comes from, and so how much of it counts."""

    USER = "by its code and all that the code names"
    INSTALLED = "by its own code and the files of its package"
    OWN = "by its own code"
    TRUSTED = "by its name"
    TEST_RUN = "not at all"


def origin_of_object(value: object) -> Origin:
    """Return whose class the object is of."""
    return origin(type(value).__module__)


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


@functools.cache
def package_hash(module: str) -> bytes:
    """Return a hash of the files of the installed package that holds ``module``, as its installer listed them.

    A package that no installer listed counts by its version.
    """
    distribution = _distribution(module.partition(".")[0])
    if distribution is None:
        return str(getattr(sys.modules.get(module.partition(".")[0]), "__version__", "")).encode()
    listed = [line for line in (distribution.read_text("RECORD") or "").splitlines() if _is_content(line)]
    text = "\n".join([distribution.version, *sorted(listed)])
    return hashlib.sha256(text.encode()).digest()


def _is_content(line: str) -> bool:
    # What the installer adds differs between machines: compiled files have no hash, its own notes name paths.
    return ",sha256=" in line and ".dist-info/" not in line


def _distribution(top: str) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(top)
    except importlib.metadata.PackageNotFoundError:
        _log.debug("no distribution is called %s; all are searched for it", top, exc_info=True)
    names = importlib.metadata.packages_distributions().get(top)
    return importlib.metadata.distribution(names[0]) if names else None


def module_file(module: ModuleType) -> Path | None:
    """Return the file that a module was read from; ``None`` if there is none."""
    file = getattr(module, "__file__", None)
    return Path(file) if isinstance(file, str) and Path(file).is_file() else None
