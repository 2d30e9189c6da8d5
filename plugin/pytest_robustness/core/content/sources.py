"""The files of the user's modules: which other modules a text imports, and where these lie.

Nothing is imported for it, and nothing is taken from what happens to be loaded but the place of a module: what a text
imports is the same in every process.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import logging
import os
import sys
from collections import deque
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.content.files import FileContent
from pytest_robustness.core.content.names import ALL, Import, named_by_text
from pytest_robustness.core.content.origin import Origin, module_file, origin, origin_of_file
from pytest_robustness.core.content.packages import package_hash
from pytest_robustness.core.content.plain import Content
from pytest_robustness.core.source_code import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.machinery import ModuleSpec

_log = logging.getLogger(__name__)

# In the text of a package these may reach any of its modules.
_REACHING = (b"__getattr__", b"__path__", b"pkgutil", b"import_module", b"__import__", b"spec_from_file", b"exec(")
_NOT_BUILT_IN = sys.stdlib_module_names - {*sys.builtin_module_names}
_IMPORTING = (b"import_module", b"__import__")


@dataclasses.dataclass(frozen=True)
class Source:
    """A module of the user's that counts by its file, and by the files of what its text imports.

    Parameters
    ----------
    name
        By which it is imported.
    file
        ``None`` for a package without ``__init__.py``.
    folders
        Of a package: where its modules lie.
    whole
        Whether a package counts with all of its modules, because code looks one up.
    """

    name: str
    file: Path | None
    folders: tuple[str, ...] = ()
    whole: bool = False

    @property
    def package(self) -> str:
        """What its relative imports start from."""
        return self.name if self.folders else self.name.rpartition(".")[0]

    @property
    def place(self) -> object:
        """What tells it from other modules, under whatever names it is imported."""
        return self.file or self.folders


def source_of(namespace: Mapping[str, Any], *, whole: bool = False) -> Source | None:
    """Return the source of the module of which ``namespace`` are the globals; ``None`` if it has none."""
    file, folders = namespace.get("__file__"), tuple(str(folder) for folder in namespace.get("__path__") or ())
    path = Path(file) if isinstance(file, str) else None
    if path is not None and not path.is_file():
        path = None
    if path is None and not folders:
        return None
    name = str(namespace.get("__name__") or "")
    package = namespace.get("__package__")
    if name == "__main__" and isinstance(package, str) and package:
        name = f"{package}.__main__"  # python -m package
    return Source(name, path, folders, whole)


def missing(wanted: set[object], source: Source) -> set[object]:
    """Return which of the ``wanted`` places a module and all that it leads to by imports do not have."""
    left, met = set(wanted) - {source.place}, {source}
    pending = deque(met)
    # The nearest first: mostly the module itself imports them all.
    while left and pending:
        parts = (part for _, part in content_of(pending.popleft()).parts)
        found = dict.fromkeys(part for part in parts if isinstance(part, Source) and part not in met)
        left -= {part.place for part in found}
        met.update(found)
        pending.extend(found)
    return left


def content_of(source: Source) -> Content:
    """Return the content of a module's file, and of what its text imports."""
    file = source.file
    text = text_of(file) if file is not None and file.suffix in SOURCE_SUFFIXES else b""
    parts: list[tuple[str, object]] = [("", FileContent(file))] if file is not None else []
    if source.folders and (source.whole or any(word in text for word in _REACHING)):
        within = sorted(_within(source), key=lambda part: (part[0], str(part[1].file)))
        parts += within
    for wanted in _imports(text):
        parts += _wanted(wanted, source.package)
    return Content([b"source", "|".join(name for name, _ in parts).encode(errors="surrogatepass")], parts)


def origin_before_import(module: str) -> Origin:
    """Return whose code the module of that name holds, whether it is imported or not."""
    if module in sys.modules:
        return origin(module)
    top = module.partition(".")[0]
    known = origin(top)
    # A module of the user's may have the name of one of Python's, and come before it.
    if top in sys.modules or (known is not Origin.USER and top not in _NOT_BUILT_IN):
        return known
    spec = _spec(top, None)
    if spec is None:
        return Origin.USER
    if spec.origin in ("built-in", "frozen"):
        return Origin.TRUSTED
    places = [spec.origin] if spec.has_location else list(spec.submodule_search_locations or ())
    return origin_of_file(places[0]) if places and places[0] else Origin.USER


def package_of(whose: Origin, module: str) -> list[bytes]:
    """Return the hash of the package that holds a module, if it is an installed one."""
    return [package_hash(module)] if whose is Origin.INSTALLED else []


def _within(package: Source) -> Iterator[tuple[str, Source]]:
    """Yield all modules in the folders of a package, each by its name as seen from there."""
    for top in package.folders:
        if origin_of_file(top) is not Origin.USER:
            continue
        met = set()
        for folder, inner, files in os.walk(top, followlinks=True):
            place = os.path.realpath(folder)
            # No name of a module leads elsewhere, and links may lead in circles.
            inner[:] = [name for name in inner if name.isidentifier() and name != "__pycache__" and place not in met]
            met.add(place)
            parents = Path(folder).relative_to(top).parts
            for file in files:
                name, _, suffix = file.partition(".")
                if f".{suffix}" not in _SUFFIXES or not name.isidentifier():
                    continue
                is_package = name == "__init__"
                relative = ".".join([*parents, *([] if is_package else [name])])
                if relative:
                    folders = (folder,) if is_package else ()
                    yield relative, Source(f"{package.name}.{relative}", Path(folder, file), folders)


_SUFFIXES = frozenset((*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES))


def _wanted(wanted: Import, package: str) -> Iterator[tuple[str, object]]:
    """Yield what an import statement reads: modules of the user's, and installed packages by their hash."""
    name = wanted.absolute(package)
    whose = origin_before_import(name) if name else Origin.TRUSTED
    if whose is not Origin.USER:
        if whose is Origin.INSTALLED:
            yield name, Content([b"module", name.encode(), package_hash(name)])
        return
    found = _found(name)
    if found is None:
        return
    yield name, dataclasses.replace(found, whole=ALL in wanted.names and bool(found.folders))
    for inner in wanted.names if found.folders else ():
        module = None if inner == ALL else _found(f"{name}.{inner}")
        if module is not None:
            yield module.name, module


def _found(name: str) -> Source | None:
    """Return where the user's module of that name lies."""
    loaded = sys.modules.get(name)
    if isinstance(loaded, ModuleType):
        folders = tuple(str(folder) for folder in getattr(loaded, "__path__", None) or ())
        file = module_file(loaded)
        return Source(name, file, folders) if file or folders else None
    parent = name.rpartition(".")[0]
    package = _found(parent) if parent else None
    if parent and (package is None or not package.folders):
        return None
    spec = _spec(name, None if package is None else package.folders)
    if spec is None:
        return None
    file = Path(spec.origin) if spec.has_location and spec.origin else None
    return Source(name, file, tuple(spec.submodule_search_locations or ()))


def _spec(name: str, folders: tuple[str, ...] | None) -> ModuleSpec | None:
    """Ask the finders of this process where a module is; its package, which Python would import first, is not run."""
    for finder in list(sys.meta_path):
        try:
            spec = finder.find_spec(name, None if folders is None else list(folders))
        except Exception:  # a finder of another's
            _log.debug("%s cannot be looked for", name, exc_info=True)
            continue
        if spec is not None:
            return spec
    return None


@functools.lru_cache(4096)
def _imports(text: bytes) -> tuple[Import, ...]:
    """Return what the statements of a module's text import, functions' too, and what it names where it imports by name.

    >>> [f"{'.' * found.level}{found.module}" for found in _imports(b"import a.b, c.d as e; from .f import g")]
    ['a', 'a.b', 'c.d', '.f']
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        _log.debug("a text is no Python", exc_info=True)
        return ()
    found: dict[Import, None] = {}
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        for kind in ("body", "orelse", "handlers", "finalbody", "cases"):
            inner = getattr(node, kind, ())
            pending += inner if isinstance(inner, list) else ()
        found |= dict.fromkeys(_of_statement(node))
    if any(word in text for word in _IMPORTING):
        relative = b"__package__" in text or b"__name__" in text
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant):
                found |= dict.fromkeys(_of_text(node.value, relative=relative))
    return tuple(sorted(found))


def _of_statement(node: ast.AST) -> Iterator[Import]:
    if isinstance(node, ast.ImportFrom):
        yield Import(node.level, node.module or "", tuple(alias.name for alias in node.names))
    elif isinstance(node, ast.Import):
        for alias in node.names:
            # Without another name, the packages of a module can be used too.
            yield from _with_packages(alias.name) if alias.asname is None else (Import(0, alias.name, ()),)


def _of_text(text: object, *, relative: bool) -> Iterator[Import]:
    named = named_by_text(text, relative=relative)
    if named is not None:
        yield named._replace(names=(ALL,))
        if not named.level:
            yield from _with_packages(named.module)  # it may end in the name of a function


def _with_packages(name: str) -> Iterator[Import]:
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield Import(0, ".".join(parts[:count]), ())
