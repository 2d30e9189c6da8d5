"""Compile the user's modules from their text, whatever bytecode lies beside them.

Python takes the bytecode in ``__pycache__`` for that of a file whose size and time of change, in whole seconds, are
those that it notes. A file that is changed twice within a second, and files that all bear one date, as in images of
containers that are built reproducibly, would be judged by the code that they had before.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from types import CodeType, ModuleType


# What each file held when it was compiled.
_texts: dict[str, bytes] = {}


def text_of(file: str | Path) -> bytes:
    """Return the text that a module was compiled from, whatever its file holds by now; of others, the file's.

    Raises
    ------
    OSError
        The file was not compiled here, and cannot be read.
    """
    known = _texts.get(str(file))
    return Path(file).read_bytes() if known is None else known


def was_compiled(file: str | Path) -> bool:
    """Return whether the file's text is known from compiling it."""
    return str(file) in _texts


def changed() -> list[str]:
    """Return the files whose text is another than when they were compiled, or that are gone."""
    return [file for file, text in _texts.items() if _now(file) != text]


def forget(modules: dict[str, ModuleType]) -> None:
    """Remove from ``modules``, which is ``sys.modules``, all that were compiled from their text."""
    for name, module in list(modules.items()):
        if isinstance(getattr(getattr(module, "__spec__", None), "loader", None), SourceLoader):
            del modules[name]
    _texts.clear()


def _now(file: str) -> bytes | None:
    try:
        return Path(file).read_bytes()
    except OSError:
        return None


class SourceLoader(SourceFileLoader):
    """Loads a module from its text; neither reads nor writes bytecode."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the module's text."""
        path = self.get_filename(fullname)
        _texts[path] = self.get_data(path)
        return self.source_to_code(_texts[path], path)


class SourceFinder:
    """Finds modules where Python's own finder does, and has those outside of ``installed`` compiled from their text.

    Parameters
    ----------
    installed
        Real paths of folders whose modules are imported as ever: bytecode saves their time, and nobody edits them.
    """

    def __init__(self, installed: tuple[str, ...]) -> None:
        self._installed = tuple(folder + os.sep for folder in installed)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the module is, or ``None`` to leave it to the next finder."""
        spec = PathFinder.find_spec(fullname, path, target)
        # No loader that is derived from Python's own is replaced: what else it does is not known here.
        if spec is None or type(spec.loader) is not SourceFileLoader:
            return None
        if os.path.realpath(spec.loader.path).startswith(self._installed):
            return None
        spec.loader = SourceLoader(spec.loader.name, spec.loader.path)
        return spec

    @contextlib.contextmanager
    def asked(self) -> Generator[None]:
        """Ask this finder in the block, just before Python's own."""
        if self in sys.meta_path:
            yield
            return
        at = next((place for place, finder in enumerate(sys.meta_path) if finder is PathFinder), len(sys.meta_path))
        try:
            sys.meta_path.insert(at, self)
            yield
        finally:
            if self in sys.meta_path:  # the code may have removed it itself
                sys.meta_path.remove(self)
