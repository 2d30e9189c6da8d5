"""A dataset that the user's own code makes: ``python:package.module:factory`` or ``python:path/to/file.py:factory``."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from pytest_robustness.data.protocol import lacks
from pytest_robustness.data.torch_dataset import adapt
from pytest_robustness.errors import DataError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import ClassLabel, DataSource

FORMS: Final = {
    "python:package.module:factory": "what a function returns: a DataSource or a torchvision-style dataset",
    "python:path/to/file.py:factory": "the same, from a file",
}


def check(spec: str, argument: str) -> None:
    """Raise `OptionError` where the module or the factory is missing."""
    target, _, factory = argument.rpartition(":")
    if not argument:
        raise OptionError(lacks(spec, "its module", FORMS))
    if not target or not factory.isidentifier():
        raise OptionError(lacks(spec, "the name of its factory", FORMS))


def open_source(spec: str, argument: str, *, download: bool) -> DataSource:  # noqa: ARG001 (the factory fetches)
    """Call the factory, without an argument, and return what it made as a `DataSource`.

    Raises
    ------
    DataError
        Where the module or the factory cannot be found, the factory fails, or what it returns is no dataset.
    """
    target, _, name = argument.rpartition(":")
    if target.endswith(".py"):
        target = str(Path(target).expanduser().absolute())
    try:
        made = _factory(target, name)()
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{spec}: {name}() failed: {type(error).__name__}: {error}") from error
    return FactorySource(target, adapt(spec, made))


@dataclasses.dataclass(frozen=True, eq=False)
class FactorySource:
    """A user's dataset with the module it came from, which a decoding process must load before it can unpickle it."""

    target: str
    dataset: DataSource

    def __reduce__(self) -> tuple[type[FactorySource], tuple[_Loaded, DataSource]]:
        # pickle restores the arguments in this order: first the module, then what needs it.
        return FactorySource, (_Loaded(self.target), self.dataset)

    @property
    def name(self) -> str:
        """What the user asked for."""
        return self.dataset.name

    @property
    def classes(self) -> Sequence[ClassLabel]:
        """The dataset's classes."""
        return self.dataset.classes

    @property
    def labels(self) -> NDArray[np.int64]:
        """The label of every image: int64 [N]."""
        return self.dataset.labels

    @property
    def in_memory(self) -> bool:
        """Whether reading needs no decoding process."""
        return self.dataset.in_memory

    def read(self, index: int) -> torch.Tensor:
        """Return image ``index`` as uint8 RGB [3, H, W]."""
        return self.dataset.read(index)

    def describe(self, index: int) -> str:
        """Return what names the image to a user."""
        return self.dataset.describe(index)

    def fingerprint(self, indices: NDArray[np.int64]) -> str:
        """Return the dataset's own fingerprint."""
        return self.dataset.fingerprint(indices)


class _Loaded(str):
    """A module's name or path that, once unpickled, stands for a module that is loaded."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[[str], _Loaded], tuple[str]]:
        return _load_first, (str(self),)


def _load_first(target: str) -> _Loaded:
    _load(target)
    return _Loaded(target)


def _factory(target: str, name: str) -> Callable[[], Any]:
    module = _load(target)
    factory = getattr(module, name, None)
    if not callable(factory):
        found = ", ".join(sorted(key for key, value in vars(module).items() if callable(value) and key[0] != "_"))
        raise DataError(f"{target} has no function {name!r}. Its functions: {found or 'none'}.")
    return factory  # type: ignore[no-any-return]


def _load(target: str) -> ModuleType:
    if target.endswith(".py"):
        return _load_file(Path(target))
    try:
        return importlib.import_module(target)
    except ImportError as error:
        raise DataError(
            f"{target} cannot be imported: {error}. Valid: a module that Python finds (installed, or on pytest's "
            f"pythonpath), or a path that ends in .py."
        ) from error


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise DataError(f"{path} does not exist. Expected a Python file with the dataset's factory.")
    # The name must be the same in every process, and must shadow no module that is called like the file.
    name = f"robustness_data_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    loader = SourceFileLoader(name, str(path))
    spec = cast("ModuleSpec", importlib.util.spec_from_file_location(name, path, loader=loader))
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise DataError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    return module
