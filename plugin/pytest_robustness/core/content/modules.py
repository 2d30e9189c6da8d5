"""The content of modules: what code names of them, or all of them where it looks names up."""

from __future__ import annotations

import dataclasses
import importlib
import logging
import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.content.files import compiled_file
from pytest_robustness.core.content.names import ALL, FACTS, LOOKING_UP
from pytest_robustness.core.content.origin import Origin, origin
from pytest_robustness.core.content.plain import Content
from pytest_robustness.core.content.sources import Source, missing, origin_before_import, package_of, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_robustness.core.content.names import Import

    _Part = tuple[str, object]

_log = logging.getLogger(__name__)

# What reaches the globals of its own module only by way of ``sys.modules``.
_OF_OBJECTS = frozenset(("getattr", "attrgetter"))


@dataclasses.dataclass(frozen=True, eq=False)
class NamedIn:
    """What some code reads of a module: those of its attributes that the code names."""

    module: ModuleType
    names: frozenset[str]


@dataclasses.dataclass(frozen=True, eq=False)
class Whole:
    """All that a module may give to code that looks names up: its file, what that imports, and what was put into it."""

    namespace: Mapping[str, Any]


def seen_through(value: object, names: frozenset[str]) -> object:
    """Return a module as what code reads of it that has these names; any other object as it is."""
    return NamedIn(value, names) if isinstance(value, ModuleType) else value


def imported(wanted: Import, namespace: Mapping[str, object], names: frozenset[str]) -> Iterator[_Part]:
    """Yield what code reads of a module that it imports when it runs: it is imported now if it is the user's."""
    module = wanted.absolute(str(namespace.get("__package__") or ""))
    whose = origin_before_import(module)
    if whose is not Origin.USER:
        yield module, Content([b"module", module.encode(), *package_of(whose, module)])
        return
    loaded = _import(module)
    if ALL in wanted.names and loaded is not None:
        # Not what the code names of it: the package has those of its modules that were imported so far.
        yield module, Whole(vars(loaded))
        return
    yield module, loaded if loaded is None else NamedIn(loaded, names)
    for name in wanted.names:
        if loaded is not None and hasattr(loaded, "__path__") and not hasattr(loaded, name):
            inner = _import(f"{module}.{name}")
            yield name, inner if inner is None else NamedIn(inner, names)


def _import(module: str) -> ModuleType | None:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit):  # the code may be ready for its absence
        _log.debug("%s cannot be imported", module, exc_info=True)
        return None


def own_module(function: FunctionType, names: frozenset[str]) -> list[_Part]:
    """Return the whole module of a function that looks names up in it."""
    namespace = function.__globals__
    if names.isdisjoint(LOOKING_UP) or origin(namespace.get("__name__") or "__main__") is not Origin.USER:
        return []
    # Where there is no file all is walked: to that it must not lead if an attribute of some object is looked up.
    reaches = not names.isdisjoint(LOOKING_UP - _OF_OBJECTS) or {"sys", "modules"} <= names
    return [("", Whole(namespace))] if reaches or source_of(namespace) else []


def module_content(module: ModuleType) -> Content:
    """Return the content of a module that an object holds."""
    whose = origin(module.__name__)
    if whose is not Origin.USER:
        return Content([b"module", module.__name__.encode(), *package_of(whose, module.__name__)])
    return Content([b"module"], [("", Whole(vars(module)))], lacks=source_of(vars(module)) is None)


def named_content(named: NamedIn) -> Content:
    """Return the content of what code names of a module."""
    module, names = named.module, named.names
    if origin(module.__name__) is not Origin.USER:
        return module_content(module)
    parts: list[_Part] = [
        (name, seen_through(vars(module)[name], names)) for name in sorted(names & vars(module).keys() - FACTS)
    ]
    own = "|".join(name for name, _ in parts).encode(errors="surrogatepass")
    # A module with a ``__getattr__`` of its own makes attributes up.
    if "__getattr__" in vars(module) or not names.isdisjoint(LOOKING_UP) or compiled_file(module):
        parts.append(("", Whole(vars(module))))
    return Content([b"names", own], parts)


def whole_content(whole: Whole) -> Content:
    """Return the content of all that a module may give."""
    source = source_of(whole.namespace, whole=True)
    put_in = list(_put_in(whole.namespace, has_file=source is not None))
    if source is not None:
        # What its text imports counts there, whether or not it has run so far.
        left = missing({part.place for _, part in put_in if isinstance(part, Source)}, source)
        put_in = [(name, part) for name, part in put_in if not isinstance(part, Source) or part.place in left]
    parts: list[_Part] = [*([("", source)] if source else []), *put_in]
    return Content([b"whole", "|".join(name for name, _ in parts).encode(errors="surrogatepass")], parts)


def _put_in(namespace: Mapping[str, Any], *, has_file: bool) -> Iterator[_Part]:
    """Yield the user's functions, classes and modules that a module has from elsewhere, by the files that hold them.

    What comes from no file is walked, and so is what a module without a file has of its own.
    """
    own = str(namespace.get("__name__"))
    for name, value in sorted(namespace.items()):
        if not isinstance(value, FunctionType | type | ModuleType) or name.startswith("__"):
            continue
        home = _home(value)
        module = str(home.get("__name__"))
        # A package has its modules, once anybody imports them: all of them count by their files.
        if origin(module) is not Origin.USER or (isinstance(value, ModuleType) and module.startswith(f"{own}.")):
            continue
        if home is namespace:
            if not has_file:
                yield name, value
            continue
        found = source_of(home)
        yield name, found or (Whole(home) if isinstance(value, ModuleType) else value)


def _home(value: FunctionType | type | ModuleType) -> Mapping[str, Any]:
    """Return the globals of the module that has a function, a class or a module."""
    if isinstance(value, FunctionType):
        return value.__globals__
    module = value if isinstance(value, ModuleType) else sys.modules.get(value.__module__)
    return {"__name__": getattr(value, "__module__", None)} if module is None else vars(module)
