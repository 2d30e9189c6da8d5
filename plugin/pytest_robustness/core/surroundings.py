"""The modules beside a user's file: each file imports its own, whatever modules of the same name others have imported.

Python has one module for each name in a process. Two factories in two folders that both ``import utils`` would share
the first one's. Here a file's folder comes first while its code runs, as for a script, and the modules that it imports
from there are put aside when the code has run.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_robustness.core.source_code import SourceFinder

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from types import ModuleType

# Where modules are that belong to no user: the standard library's, installed ones, and this package.
_INSTALLED: Final = (
    *(os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    str(Path(__file__).resolve().parents[1]),
)
_FINDER: Final = SourceFinder(_INSTALLED)


class Surroundings:
    """What the code of one file, or of one module, imports from.

    Parameters
    ----------
    directory
        Where modules are searched that all code shares, as ``python -m`` does.
    folder
        The file's own folder, searched before; the same as ``directory``, or ``None`` for a module, if there is none.

    Attributes
    ----------
    added
        The folders that the code itself put on ``sys.path``.
    """

    def __init__(self, directory: str, folder: str | None = None) -> None:
        self._directory = directory
        self._folder = folder if folder != directory else None
        self.added: list[str] = []
        self._modules: dict[str, ModuleType] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._inside = False

    @contextlib.contextmanager
    def entered(self) -> Generator[None]:
        """Import from these surroundings in the block; afterwards the process has its own modules again.

        What the block adds to ``sys.path`` stays there, and is put there again in the next block.
        """
        if self._inside:
            yield
            return
        outside = list(sys.path)
        placed = [*self._roots(), *([] if self._directory in outside else [self._directory])]
        hidden = self._hidden()
        before = _imported()
        # Ctrl-C may come after any call, and leaves neither the process nor this object half changed.
        try:
            self._inside = True
            sys.path[:0] = placed
            for key in hidden:
                del sys.modules[key]
            sys.modules.update(self._modules)
            before = _imported()
            with _FINDER.asked():
                yield
        finally:
            try:
                self._leave(before, placed, outside)
            except BaseException:  # of a signal's handler, in the midst
                self._leave(before, placed, outside)
                raise
            finally:
                self._inside = False
                sys.modules.update(hidden)

    def _leave(self, before: _Imported, placed: list[str], outside: list[str]) -> None:
        fresh = _fresh(before)
        while placed:
            with contextlib.suppress(ValueError):  # the code may have removed it itself
                sys.path.remove(placed[0])
            del placed[0]
        self.added += [path for path in dict.fromkeys(sys.path) if path not in (*outside, *self.added)]
        self._put_aside(fresh, outside)

    def _roots(self) -> list[str]:
        """Return the folders whose modules are this code's own."""
        return [*self.added, *([] if self._folder is None else [self._folder])]

    def _hidden(self) -> dict[str, ModuleType]:
        """Return the modules of other users' code whose names the roots have too."""
        hidden: dict[str, ModuleType] = {}
        roots = tuple(map(_real, self._roots()))
        for root in roots:
            for name in self._names_in(root):
                module = sys.modules.get(name)
                if module is None or name in hidden:
                    continue
                place = _place_of(module)
                if place and not _below(place, _INSTALLED) and not _below(place, roots):
                    hidden |= {key: sys.modules[key] for key in _with_parts(name)}
        return hidden

    def _names_in(self, root: str) -> frozenset[str]:
        """Return the names of the modules that can be imported from ``root``."""
        if root not in self._names:
            try:
                entries = [entry.name.partition(".") for entry in os.scandir(root)]
            except OSError:
                entries = []
            suffixes = {".py", "", *EXTENSION_SUFFIXES}
            self._names[root] = frozenset(
                stem for stem, dot, rest in entries if stem.isidentifier() and dot + rest in suffixes
            )
        return self._names[root]

    def _put_aside(self, fresh: Iterable[str], outside: list[str]) -> None:
        """Remember the modules of the roots, and remove them from the process unless they can be imported there too."""
        roots = tuple(map(_real, self._roots()))
        if not roots:
            return
        compiled = {
            key.partition(".")[0]
            for key in fresh
            if str(getattr(sys.modules[key], "__file__", "")).endswith(tuple(EXTENSION_SUFFIXES))
        }
        for key in fresh:
            # A compiled module cannot be loaded twice.
            if key.partition(".")[0] not in compiled and _below(_place_of(sys.modules[key]), roots):
                self._modules[key] = sys.modules[key]
        reachable = {_real(path) for path in outside if path not in self.added}
        for key, module in self._modules.items():
            top = self._modules.get(key.partition(".")[0], module)
            if not _importable_from(_place_of(top), reachable) and sys.modules.get(key) is module:
                del sys.modules[key]


def _place_of(module: ModuleType) -> str:
    """Return the path of a module's file, or of a package's folder; empty for one that has none."""
    place = getattr(module, "__file__", None)
    if not isinstance(place, str):
        try:
            place = next(iter(getattr(module, "__path__", ())), "")
        except (TypeError, ValueError):
            place = ""
    return _real(place) if isinstance(place, str) and place else ""


class _Imported(NamedTuple):
    """What the process had imported when it had ``number`` modules and ``newest`` was the last of them."""

    number: int
    newest: str
    names: frozenset[str]


_seen = _Imported(0, "", frozenset())


def _imported() -> _Imported:
    """Return what the process has imported: the same object as before, if that is nothing new.

    A call of user code asks twice, and there is one for each image; to list thousands of modules takes longer than to
    read a small image.
    """
    global _seen  # noqa: PLW0603 (there is one ``sys.modules``)
    state = len(sys.modules), next(reversed(sys.modules), "")
    if state != _seen[:2]:
        _seen = _Imported(*state, frozenset(sys.modules))
    return _seen


def _fresh(before: _Imported) -> list[str]:
    """Return the names of the modules that were imported since the process had those of ``before``."""
    return [] if _imported() is before else [name for name in sys.modules if name not in before.names]


def _real(path: str) -> str:
    return _resolved(os.path.abspath(path))  # noqa: PTH100 (in every call of user code: it must be quick)


@functools.lru_cache(maxsize=4096)
def _resolved(path: str) -> str:
    return os.path.realpath(path)


def _below(place: str, folders: Iterable[str]) -> bool:
    return any(place.startswith(folder + os.sep) for folder in folders)


def _importable_from(place: str, folders: set[str]) -> bool:
    """Return whether the top-level module at ``place`` lies directly in one of ``folders``."""
    folder, file = os.path.split(place)
    return folder in folders or (file.startswith("__init__.") and os.path.split(folder)[0] in folders)


def _with_parts(name: str) -> Iterator[str]:
    yield name
    if hasattr(sys.modules[name], "__path__"):
        yield from [key for key in sys.modules if key.startswith(f"{name}.")]
