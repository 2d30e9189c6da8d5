"""Import the user's code: a function named ``package.module:factory`` or ``path/to/file.py:factory``.

Models and datasets share this loader, so that a file which defines both runs once in a process, and what its module
holds is shared between them. A file that is named by its path and also imported by its module's name is two modules, as
it is in Python.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import importlib
import importlib.util
import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core import source_code
from pytest_robustness.core.errors import RobustnessError, unknown
from pytest_robustness.core.files import user_path
from pytest_robustness.core.source_code import SourceLoader
from pytest_robustness.core.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import ModuleType

FORMS: Final = ("package.module:factory", "path/to/file.py:factory")
_log = logging.getLogger(__name__)


class FunctionName(NamedTuple):
    """The parts of ``target:function``, where ``target`` is a module or a file."""

    target: str
    function: str


def parse(name: str) -> FunctionName | None:
    """Split ``target:function``; return ``None`` where ``name`` has another form.

    >>> parse("nets/tiny.py:make")
    FunctionName(target='nets/tiny.py', function='make')
    >>> parse("nets/tiny.py") is None
    True
    """
    target, _, function = name.rpartition(":")
    return FunctionName(target, function) if target and function.isidentifier() else None


@dataclasses.dataclass(frozen=True)
class UserModule:
    """A module of the user's code, by the name that the user gave it.

    Pickled, it is a name and the folders that it imports from; unpickling it imports the module. Objects that are
    pickled after it can therefore be restored in any process, in the context of `importable`, even if their classes
    come from a file that no ``import`` would find.

    Parameters
    ----------
    target
        A module's name, or the path of a file.
    directory
        Where relative paths start, and where modules are searched first.
    """

    target: str
    directory: str = dataclasses.field(default_factory=lambda: str(Path.cwd()))

    @functools.cached_property
    def file(self) -> Path | None:
        """The absolute path of the file; ``None`` if the target is the name of a module."""
        if not self.target.endswith(".py") and not re.search(r"[/\\]", self.target):
            return None
        return Path(self.directory, user_path(self.target)).resolve()

    @property
    def name(self) -> str:
        """The module's name in ``sys.modules``, the same in every process."""
        if self.file is None:
            return self.target
        # pickle looks up whatever precedes a dot as a package, and a file may be called like an installed module.
        stem = re.sub(r"\W", "_", self.file.stem)
        return f"robustness_user_{stem}_{hashlib.sha256(str(self.file).encode()).hexdigest()[:12]}"

    def importable(self) -> AbstractContextManager[None]:
        """Return a context in which the module's code finds what it imports.

        A file's own folder is searched first, as for a script, then the directory, as ``python -m`` does. Modules of
        the same name in other folders are out of its way.
        """
        return self._surroundings.entered()

    @functools.cached_property
    def _surroundings(self) -> Surroundings:
        key = self.target if self.file is None else str(self.file), self.directory
        if key not in _surroundings:
            folder = None if self.file is None else str(self.file.parent)
            _surroundings[key] = Surroundings(self.directory, folder)
        return _surroundings[key]

    def load(self, error: type[RobustnessError] = RobustnessError) -> ModuleType:
        """Import the module, or return it if it has been imported.

        Parameters
        ----------
        error
            The class of the error to raise.

        Raises
        ------
        RobustnessError
            There is no such module or file. An exception of the module's own code is not caught: only the caller can
            say what the module was needed for.
        """
        with self.importable():
            return self._import_module(error) if self.file is None else self._import_file(self.file, error)

    def function(self, name: str, error: type[RobustnessError] = RobustnessError) -> Callable[[], Any]:
        """Return the function ``name`` of the module; any callable will do.

        Raises
        ------
        RobustnessError
            As `load`; or the module has no such function, in which case the message lists those that it has.
        """
        module = self.load(error)
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        function = getattr(module, name, None)
        if callable(function):
            return function  # type: ignore[no-any-return]
        if function is not None:
            raise error(f"{name!r} in {self.target} is not a function but a value of type {type(function).__name__}.")
        if not functions:
            raise error(f"{self.target} has no function {name!r}, nor any other.")
        raise error(unknown(f"function of {self.target}", name, functions))

    def _import_module(self, error: type[RobustnessError]) -> ModuleType:
        try:
            return importlib.import_module(self.target)
        except ModuleNotFoundError as missing:
            if missing.name is None or not f"{self.target}.".startswith(f"{missing.name}."):
                raise  # The module exists; something that it imports does not.
            _log.debug("%s cannot be imported", self.target, exc_info=True)
            raise error(
                f"There is no module {missing.name!r}. Install it, or run from the directory that holds it."
            ) from missing

    def _import_file(self, file: Path, error: type[RobustnessError]) -> ModuleType:
        if self.name in sys.modules:
            return sys.modules[self.name]
        if not file.is_file():
            raise error(f"There is no file {file}. Name a Python file that defines the factory.")
        loader = SourceLoader(self.name, str(file)) if file.suffix == ".py" else None
        spec = importlib.util.spec_from_file_location(self.name, file, loader=loader)
        if spec is None or spec.loader is None:
            raise error(f"{file} is not a Python file: its name must end in .py.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(self.name, None)
            raise
        return module

    def __reduce__(self) -> tuple[Callable[..., UserModule], tuple[str, str, list[str]]]:
        return _restore, (self.target, self.directory, self._surroundings.added)


# By file or module, and directory: each has its own.
_surroundings: dict[tuple[str, str], Surroundings] = {}


@functools.lru_cache
def _module(target: str, directory: str) -> UserModule:
    return UserModule(target, directory)


def forget_changed() -> None:
    """Forget the user's modules if the text of one is another than when it was compiled; they are imported anew then.

    In a notebook, a file is edited and judged again in one process. All are forgotten, because any may hold what the
    edited one defined.
    """
    if not source_code.changed():
        return
    source_code.forget(sys.modules)
    _surroundings.clear()
    _module.cache_clear()


def code_of(name: str) -> AbstractContextManager[None]:
    """Return the context in which the code of a model or dataset finds what it imports; ``name`` is its name.

    >>> with code_of("resnet18"):  # no user's code
    ...     pass
    """
    source, _, factory = name.partition(":")
    named = parse(factory) if source == "python" else None
    return contextlib.nullcontext() if named is None else _module(named.target, str(Path.cwd())).importable()


def _restore(target: str, directory: str, added: list[str]) -> UserModule:
    """Import a module whose objects are about to be unpickled."""
    module = UserModule(target, directory)
    module._surroundings.added = added
    if module.name not in sys.modules:
        module.load()
    return module
