"""Models from the user's own code: a factory, named by its module or its file."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_robustness.core import Model
from pytest_robustness.errors import ModelError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

_FORMS = ("package.module:factory", "path/to/file.py:factory")


class PythonSource:
    """``python:package.module:factory`` and ``python:path/to/file.py:factory``.

    The factory takes no argument and returns a `pytest_robustness.Model`, or a bare ``torch.nn.Module``, which then
    gets images in [0, 1] at the size that the data has. Modules and paths are found from the current directory, as
    ``python -m`` does.
    """

    name = "python"

    def known(self) -> Sequence[str]:
        """Return the two forms of a name."""
        return _FORMS

    def check(self, name: str, weights: str | None) -> None:
        """Raise `OptionError` on a malformed name or a missing file; no code of the user runs."""
        target, _, factory = name.rpartition(":")
        if weights is not None:
            raise OptionError(f"'python:{name}' loads its own weights; leave '@{weights}' out.")
        if not target or not factory.isidentifier():
            raise OptionError(f"'python:{name}' does not name a factory. Write python:{' or python:'.join(_FORMS)}.")
        if _is_file(target) and not Path(target).is_file():
            raise OptionError(f"'python:{name}' names the file {target}, which is not there (from {Path.cwd()}).")

    def load(self, name: str, weights: str | None) -> Model:
        """Import the factory, call it, and return its model with a fingerprint that covers the factory's file."""
        self.check(name, weights)
        target, _, attribute = name.rpartition(":")
        with _current_directory_importable():
            module = _import_file(Path(target)) if _is_file(target) else _import_module(target)
            factory = _attribute(module, target, attribute)
            model = _as_model(factory(), name)
        return _with_fingerprint(model, _defining_file(factory, module))


def _is_file(target: str) -> bool:
    return target.endswith(".py") or "/" in target or "\\" in target


@contextlib.contextmanager
def _current_directory_importable() -> Iterator[None]:
    directory = str(Path.cwd())
    if directory in sys.path:
        yield
        return
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        # A factory may have taken it out itself.
        with contextlib.suppress(ValueError):
            sys.path.remove(directory)


def _import_module(target: str) -> ModuleType:
    try:
        return importlib.import_module(target)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{target}.".startswith(f"{error.name}."):
            raise  # The module is there; something that it imports is not.
        raise ModelError(
            f"There is no module {error.name!r}. Install it, or run from the directory that holds it."
        ) from error


def _import_file(path: Path) -> ModuleType:
    """Import a file once, under a name of its own that pickle and ``inspect`` find again in ``sys.modules``."""
    path = path.resolve()
    name = f"pytest_robustness_factory_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _attribute(module: ModuleType, target: str, attribute: str) -> Callable[[], Any]:
    factory = getattr(module, attribute, None)
    if factory is None:
        functions = sorted(name for name, value in vars(module).items() if callable(value) and not name.startswith("_"))
        raise ModelError(f"{target} has no {attribute!r}. It has: {', '.join(functions) or 'no function'}.")
    if not callable(factory):
        raise ModelError(f"{attribute!r} in {target} is a {type(factory).__name__}, not a function that makes a model.")
    return factory  # type: ignore[no-any-return]


def _as_model(made: object, name: str) -> Model:
    from torch import nn

    if isinstance(made, Model):
        return made
    if isinstance(made, nn.Module):
        return Model(made)
    raise ModelError(
        f"The factory {name} returned a {type(made).__name__}. Return a pytest_robustness.Model or a torch.nn.Module."
    )


def _defining_file(factory: Callable[[], Any], module: ModuleType) -> Path | None:
    try:
        file = inspect.getsourcefile(inspect.unwrap(factory))
    except TypeError:
        file = getattr(module, "__file__", None)
    return None if file is None else Path(file)


def _with_fingerprint(model: Model, file: Path | None) -> Model:
    from pytest_robustness.models.fingerprint import fingerprint

    if model.fingerprint or file is None:
        return model
    return dataclasses.replace(model, fingerprint=fingerprint(model, file.read_bytes()))
