"""The content of all other objects: containers, and what their attributes or their pickle hold."""

from __future__ import annotations

import contextlib
import copyreg
import io
import logging
import sys
import threading
import weakref
from collections import OrderedDict
from contextvars import Context, ContextVar
from pathlib import Path, PurePath
from types import MappingProxyType, MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING

from pytest_robustness.core.content.arrays import vars_of
from pytest_robustness.core.content.files import FileContent, compiled
from pytest_robustness.core.content.origin import Origin, origin, origin_of_object
from pytest_robustness.core.content.plain import Content, plain
from pytest_robustness.core.generators import is_global
from pytest_robustness.core.process import warnings_ignored

if TYPE_CHECKING:
    from collections.abc import Iterator

    _Part = tuple[str, object]

_log = logging.getLogger(__name__)

_CONTAINERS: tuple[type, ...] = (
    list,
    tuple,
    dict,
    set,
    frozenset,
    OrderedDict,
    MappingProxyType,
    type({}.keys()),
    type({}.values()),
)
# They order threads.
_WITHOUT_CONTENT = (
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Event,
    threading.Semaphore,
)
_WEAK_MAPPINGS = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary)
_PICKLING = ("__reduce_ex__", "__reduce__", "__getstate__")


def content_of(value: object) -> Content | None:
    """Return the content of an object; ``None`` if nothing of it can be read."""
    kind = type(value)
    if kind in _CONTAINERS:
        return Content([kind.__name__.encode()], list(_items(value)))
    # What draws from a global generator is seeded before each call, or refused; SciPy's distributions merely hold one.
    if isinstance(value, _WITHOUT_CONTENT) or is_global(value):
        return Content([b"nothing"])
    if isinstance(value, weakref.ref):
        return Content([b"weak"], [("", value())])
    if isinstance(value, _WEAK_MAPPINGS):
        return Content([b"weak"], list(_items(dict(value.items()))))
    if isinstance(value, weakref.WeakSet):
        return Content([b"weak"], [("", set(value))])
    if isinstance(value, ContextVar | threading.local):
        return _of_context(value)
    if isinstance(value, PurePath):
        return Content([b"path", _place(value).encode(errors="surrogateescape")])
    if isinstance(value, io.IOBase) and not isinstance(value, io.BytesIO | io.StringIO):
        return _stream(value)
    whose = origin_of_object(value)
    if whose is Origin.TEST_RUN:
        return None
    return _users(value) if whose is Origin.USER else _of_library(value, whose)


def _of_context(value: ContextVar[object] | threading.local) -> Content:
    """Return what each thread or context has of its own: of a variable the default, for what was set is its memory."""
    if isinstance(value, threading.local):
        return Content([b"local"], [("", type(value)), *_items(vars_of(value))])
    default, now = Context().run(_held_by, value), _held_by(value)
    same = now is default or (plain(now) is not None and plain(now) == plain(default))
    # Its name may hold an address.
    return Content([b"context"], [("", default)], lacks=not same)


def _held_by(variable: ContextVar[object]) -> object:
    try:
        return variable.get()
    except LookupError:  # it was never set, and has no default
        return None


def _items(value: object) -> Iterator[_Part]:
    if isinstance(value, dict | MappingProxyType):
        for key, item in value.items():
            name = key if isinstance(key, str) else ""
            yield "", key
            yield name, item
    elif isinstance(value, list | tuple | type({}.keys()) | type({}.values())):
        for number, item in enumerate(value):
            yield str(number), item


def _users(value: object) -> Content:
    """Return all attributes, whatever a pickle would leave out, and what a built-in base holds."""
    attributes = [*vars_of(value).items(), *_slots(value)]
    parts: list[_Part] = [("", type(value)), *attributes, *_items(value)]
    lacks = False
    if not isinstance(value, list | tuple | dict | set | frozenset) and not _pickles_itself(type(value)):
        reduced = _reduced(value)
        lacks = reduced is None
        parts += reduced or []
    text = "|".join(name for name, _ in attributes)
    return Content([b"object", text.encode(errors="surrogatepass")], parts, lacks)


def _of_library(value: object, whose: Origin) -> Content | None:
    """Return what an object's pickle holds, or else its attributes."""
    attributes = vars_of(value)
    reduced = [] if isinstance(value, set | frozenset) else _reduced(value)
    if reduced is None and not attributes:
        held = _buffer(value)
        return None if held is None else Content([b"buffer", held])
    parts: list[_Part] = [("", type(value)), *(reduced or attributes.items())]
    if whose is Origin.INSTALLED:
        # An engine that holds its model where Python cannot see it often knows the file.
        parts += [(name, FileContent(file)) for name, text in attributes.items() if (file := _file(text))]
    parts += compiled(getattr(value, "__module__", None))  # a function that Cython made
    own = "|".join(name for name, _ in parts).encode(errors="surrogatepass")
    return Content([b"object", own], parts, lacks=reduced is not None and _is_lost(value, reduced))


def _is_lost(value: object, reduced: list[_Part]) -> bool:
    """Return whether all that a pickle holds is a name under which no module has the object.

    NumPy writes so of any ufunc: ``np.add`` can be found, and what ``np.frompyfunc`` made of a user's function cannot.
    """
    if len(reduced) != 1 or type(value).__module__ == "typing":
        return False
    first, *rest = str(reduced[0][1]).split(".")
    for module in list(sys.modules.values()):
        found = vars(module).get(first) if isinstance(module, ModuleType) else None
        for name in rest:
            found = getattr(found, name, None)
        if found is value:
            return False
    return True


def _pickles_itself(kind: type) -> bool:
    """Return whether the user's code says what a pickle holds: it may leave things out, and do anything."""
    for name in _PICKLING:
        owner = next((base for base in kind.__mro__ if name in vars(base)), object)
        if origin(owner.__module__) is Origin.USER:
            return True
    return False


def _reduced(value: object) -> list[_Part] | None:
    try:
        with warnings_ignored():
            registered = copyreg.dispatch_table.get(type(value))
            reduced = value.__reduce_ex__(4) if registered is None else registered(value)
    except Exception:
        _log.debug("an object of type %s cannot be pickled", type(value), exc_info=True)
        return None
    if isinstance(reduced, str):
        return [("", reduced)]
    function, arguments, state, items, pairs = [*reduced, None, None, None][:5]
    parts: list[_Part] = [("", function), ("", arguments)]
    if isinstance(state, dict):
        parts += [("", "state"), *_items(state)]
    elif isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
        parts += [("", "slots"), ("", state[0]), *_items(state[1])]
    else:
        parts.append(("", state))
    return [*parts, ("", list(items or ())), ("", list(pairs or ()))]


def _buffer(value: object) -> bytes | None:
    """Return the memory that an object lends, if it lends any."""
    try:
        return memoryview(value).tobytes()  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):
        _log.debug("an object of type %s lends no memory", type(value), exc_info=True)
        return None


def _slots(value: object) -> Iterator[_Part]:
    for base in type(value).__mro__:
        for name, member in vars(base).items():
            if isinstance(member, MemberDescriptorType) and origin(base.__module__) is Origin.USER:
                with contextlib.suppress(AttributeError):
                    yield name, member.__get__(value)


def _place(path: PurePath) -> str:
    """Return a path as seen from the current directory, if it lies there: a project may be moved."""
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()


def _stream(value: io.IOBase) -> Content:
    """Return the file that is open for reading; what is written to decides nothing."""
    name = getattr(value, "name", None)
    readable = not value.closed and value.readable()
    file = _file(name) if readable else None
    return Content([b"stream"], [("", FileContent(file))] if file else [])


def _file(text: object) -> Path | None:
    if not isinstance(text, str | PurePath) or not 0 < len(str(text)) < 4096:
        return None
    try:
        path = Path(text)
        return path if path.is_file() else None
    except (OSError, ValueError):
        _log.debug("%.80r names no file", text, exc_info=True)
        return None
