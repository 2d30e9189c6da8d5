"""The content of code: functions with what they name, close over and default to; classes; modules."""

from __future__ import annotations

import dis
import functools
import inspect
import logging
import sys
import weakref
from types import (
    BuiltinFunctionType,
    CellType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.content.files import compiled
from pytest_robustness.core.content.modules import (
    NamedIn,
    Whole,
    imported,
    module_content,
    named_content,
    own_module,
    seen_through,
    whole_content,
)
from pytest_robustness.core.content.names import FACTS, names_in
from pytest_robustness.core.content.origin import Origin, is_what_it_is_called, origin
from pytest_robustness.core.content.plain import Content, plain
from pytest_robustness.core.content.sources import Source, package_of
from pytest_robustness.core.content.sources import content_of as source_content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    _Part = tuple[str, object]

_log = logging.getLogger(__name__)

_DESCRIPTORS = (
    ClassMethodDescriptorType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    WrapperDescriptorType,
)
_CODE = (FunctionType, staticmethod, classmethod, property)
# Of code that is what it is called.
_BY_NAME = (Origin.TRUSTED, Origin.TEST_RUN)
_HAS_DOCSTRING = 0x4000000


def content_of(value: object) -> Content | None:
    """Return the content of a function, a method, a class, a module; ``None`` for any other object."""
    for kinds, describe in _KINDS:
        if isinstance(value, kinds):
            return describe(value)
    return None


def _function(function: FunctionType) -> Content:
    module = function.__globals__.get("__name__") or "__main__"
    whose = origin(module)
    closure = list(_closure(function))
    if whose in _BY_NAME and is_what_it_is_called(function):
        # What a dispatcher of the standard library remembers of earlier calls is weak.
        held = [(name, value) for name, value in closure if not isinstance(value, weakref.WeakKeyDictionary)]
        return Content([b"function", _full_name(module, function)], held)
    parts: list[_Part] = [("", function.__code__), ("", function.__defaults__), ("", function.__kwdefaults__), *closure]
    if whose not in (Origin.USER, *_BY_NAME):
        return Content([b"function", _full_name(module, function), *package_of(whose, module)], parts)
    parts += [part for part in vars(function).items() if part[0] not in FACTS]
    named = list(_named_by(function))
    text = "|".join(name for name, _ in [*parts, *named])
    return Content([b"function", text.encode(errors="surrogatepass")], [*parts, *named])


def _closure(function: FunctionType) -> Iterator[_Part]:
    attributes = names_in(function.__code__).attributes
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield name, seen_through(_contents(cell), attributes)


def _contents(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return None


def _named_by(function: FunctionType) -> Iterator[_Part]:
    """Yield the globals that a function names, and the modules that it imports when it runs."""
    names = names_in(function.__code__)
    for name in names.globals:
        if name in function.__globals__ and name not in FACTS:
            yield name, seen_through(function.__globals__[name], names.attributes)
    for wanted in names.imports:
        yield from imported(wanted, function.__globals__, names.attributes)
    yield from own_module(function, names.attributes)


def _class(kind: type) -> Content:
    whose = origin(kind.__module__)
    if whose in _BY_NAME and is_what_it_is_called(kind):
        return Content([b"class", _full_name(kind.__module__, kind)])
    members = [(name, value) for name, value in vars(kind).items() if name not in FACTS]
    if whose not in (Origin.USER, *_BY_NAME):
        # Its tables and registers are its package's affair. Some are made from sets, in an order that is by chance.
        members = sorted(
            (part for part in members if isinstance(part[1], _CODE) or plain(part[1]) is not None),
            key=lambda part: part[0],
        )
    parts: list[_Part] = [("", base) for base in kind.__bases__] + members
    if type(kind) is not type:
        parts.append(("", type(kind)))
    parts += compiled(kind.__module__)
    name = kind.__qualname__.encode() if whose is Origin.USER else _full_name(kind.__module__, kind)
    listed = "|".join(name for name, _ in members).encode(errors="surrogatepass")
    return Content([b"class", name, listed, *package_of(whose, kind.__module__)], parts)


def _code(code: CodeType) -> Content:
    """Return instructions, names and constants; not where they stand, nor local variables' names, nor the docstring."""
    arguments = code.co_argcount + code.co_kwonlyargcount
    facts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    texts = repr((facts, code.co_names, code.co_varnames[:arguments]))
    own = [b"code", code.co_code, code.co_exceptiontable, texts.encode(errors="surrogatepass")]
    constants = [None, *code.co_consts[1:]] if _begins_with_docstring(code) else code.co_consts
    return Content(own, [("", constant) for constant in constants])


def _begins_with_docstring(code: CodeType) -> bool:
    """Whether the first constant is the docstring of a function, and nothing that its code reads."""
    # Classes, modules and comprehensions have no docstring among their constants, or read it.
    function = code.co_flags & inspect.CO_OPTIMIZED and not code.co_name.startswith("<")
    # From Python 3.14 on, a flag tells a docstring from another text.
    told = sys.version_info < (3, 14) or code.co_flags & _HAS_DOCSTRING
    if not function or not told or not isinstance(next(iter(code.co_consts), None), str):
        return False
    loads = (one.arg for one in dis.get_instructions(code) if one.opcode in dis.hasconst)
    return 0 not in loads and "__doc__" not in names_in(code).attributes


def _builtin(function: BuiltinFunctionType | MethodWrapperType) -> Content:
    bound = getattr(function, "__self__", None)
    module = getattr(function, "__module__", None)
    parts = compiled(bound if isinstance(bound, ModuleType) else module)
    # Of compiled code that counts by its file, what it is bound to may be a capsule, which nobody can read.
    if not isinstance(bound, ModuleType | None) and not parts:
        parts = [("", bound)]
    return Content([b"builtin", _full_name(module, function)], parts)


def _descriptor(found: object) -> Content:
    return Content([b"descriptor", repr((getattr(found, "__name__", ""), type(found).__name__)).encode()])


def _full_name(module: object, named: object) -> bytes:
    name = getattr(named, "__qualname__", None) or getattr(named, "__name__", "")
    return f"{module}.{name}".encode(errors="surrogatepass")


_KINDS: list[tuple[tuple[type, ...], Callable[[Any], Content]]] = [
    ((FunctionType,), _function),
    ((CodeType,), _code),
    ((type,), _class),
    ((NamedIn,), named_content),
    ((Whole,), whole_content),
    ((Source,), source_content),
    ((ModuleType,), module_content),
    ((Content,), lambda content: content),
    ((MethodType,), lambda method: Content([b"method"], [("", method.__self__), ("", method.__func__)])),
    ((CellType,), lambda cell: Content([b"cell"], [("", _contents(cell))])),
    ((property,), lambda found: Content([b"property"], [("", found.fget), ("", found.fset), ("", found.fdel)])),
    ((staticmethod, classmethod), lambda found: Content([type(found).__name__.encode()], [("", found.__func__)])),
    ((functools._lru_cache_wrapper,), lambda found: Content([b"cached"], [("", found.__wrapped__)])),
    ((BuiltinFunctionType, MethodWrapperType), _builtin),
    (_DESCRIPTORS, _descriptor),
]
