"""The content of code: functions with what they name, close over and default to; classes; modules."""

from __future__ import annotations

import dataclasses
import dis
import functools
import importlib
import importlib.util
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

from pytest_robustness.core.content.files import FileContent, compiled, compiled_file
from pytest_robustness.core.content.names import Import, names_in
from pytest_robustness.core.content.origin import (
    Origin,
    is_what_it_is_called,
    module_file,
    origin,
    origin_of_file,
)
from pytest_robustness.core.content.packages import package_hash
from pytest_robustness.core.content.plain import Content, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    _Part = tuple[str, object]

_log = logging.getLogger(__name__)

# Where a module or a class lies, what it is called, and what decorators keep for themselves.
_OF_MODULES = (
    "__file__",
    "__name__",
    "__spec__",
    "__loader__",
    "__package__",
    "__path__",
    "__builtins__",
    "__cached__",
)
_OF_CLASSES = (
    "__module__",
    "__qualname__",
    "__dict__",
    "__weakref__",
    "__firstlineno__",
    "__static_attributes__",
    "_abc_impl",
)
_OF_TYPING = ("__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__orig_bases__")
_OF_GENERICS = ("__doc__", "__parameters__", "__type_params__", "__dataclass_fields__", "__dataclass_params__")
_FACTS = frozenset((*_OF_MODULES, *_OF_CLASSES, *_OF_TYPING, *_OF_GENERICS))
# Code that looks up names while it runs may use all of its file.
_LOOKING_UP = frozenset(
    ("getattr", "vars", "globals", "eval", "exec", "__import__", "import_module", "__dict__", "attrgetter")
)
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


@dataclasses.dataclass(frozen=True, eq=False)
class NamedIn:
    """What some code reads of a module: those of its attributes that the code names."""

    module: ModuleType
    names: frozenset[str]


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
        return Content([b"function", _full_name(module, function), *_package(whose, module)], parts)
    parts += [part for part in vars(function).items() if part[0] not in _FACTS]
    named = list(_named_by(function))
    text = "|".join(name for name, _ in [*parts, *named])
    return Content([b"function", text.encode(errors="surrogatepass")], [*parts, *named])


def _closure(function: FunctionType) -> Iterator[_Part]:
    attributes = names_in(function.__code__).attributes
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield name, _seen_through(_contents(cell), attributes)


def _contents(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return None


def _named_by(function: FunctionType) -> Iterator[_Part]:
    """Yield the globals that a function names, and the modules that it imports when it runs."""
    names = names_in(function.__code__)
    for name in names.globals:
        if name in function.__globals__ and name not in _FACTS:
            yield name, _seen_through(function.__globals__[name], names.attributes)
    for wanted in names.imports:
        yield from _imported(wanted, function.__globals__, names.attributes)
    if not names.attributes.isdisjoint(_LOOKING_UP):
        file = function.__globals__.get("__file__")
        loaded = sys.modules.get(function.__globals__.get("__name__", ""))
        if isinstance(file, str) and loaded is not None and (path := module_file(loaded)):
            yield "", FileContent(path)


def _seen_through(value: object, names: frozenset[str]) -> object:
    return NamedIn(value, names) if isinstance(value, ModuleType) else value


def _imported(wanted: Import, namespace: Mapping[str, object], names: frozenset[str]) -> Iterator[_Part]:
    """Yield what code reads of a module that it imports when it runs: it is imported now if it is the user's."""
    module = wanted.absolute(str(namespace.get("__package__") or ""))
    if _origin_before_import(module) is not Origin.USER:
        yield module, Content([b"module", module.encode(), *_package(_origin_before_import(module), module)])
        return
    loaded = _import(module)
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


def _origin_before_import(module: str) -> Origin:
    if module in sys.modules:
        return origin(module)
    top = module.partition(".")[0]
    known = origin(top)
    if known is not Origin.USER or top in sys.modules:
        return known
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        _log.debug("%s cannot be looked for", top, exc_info=True)
        return Origin.USER
    if spec is None:
        return Origin.USER
    places = [spec.origin] if spec.has_location else list(spec.submodule_search_locations or ())
    return origin_of_file(places[0]) if places and places[0] else Origin.USER


def _module(module: ModuleType) -> Content:
    whose = origin(module.__name__)
    if whose is not Origin.USER:
        return Content([b"module", module.__name__.encode(), *_package(whose, module.__name__)])
    path = module_file(module)
    return Content([b"module"], [("", FileContent(path))] if path else [], lacks=path is None)


def _named_in(named: NamedIn) -> Content:
    module, names = named.module, named.names
    if origin(module.__name__) is not Origin.USER:
        return _module(module)
    parts: list[_Part] = [
        (name, _seen_through(vars(module)[name], names)) for name in sorted(names & vars(module).keys() - _FACTS)
    ]
    own = "|".join(name for name, _ in parts).encode(errors="surrogatepass")
    path = module_file(module)
    # A module with a ``__getattr__`` of its own makes attributes up.
    if path and ("__getattr__" in vars(module) or not names.isdisjoint(_LOOKING_UP) or compiled_file(module)):
        parts.append(("", FileContent(path)))
    return Content([b"names", own], parts)


def _class(kind: type) -> Content:
    whose = origin(kind.__module__)
    if whose in _BY_NAME and is_what_it_is_called(kind):
        return Content([b"class", _full_name(kind.__module__, kind)])
    members = [(name, value) for name, value in vars(kind).items() if name not in _FACTS]
    if whose not in (Origin.USER, *_BY_NAME):
        # Its tables and registers are its package's affair.
        members = [(name, value) for name, value in members if isinstance(value, _CODE) or plain(value) is not None]
    parts: list[_Part] = [("", base) for base in kind.__bases__] + members
    if type(kind) is not type:
        parts.append(("", type(kind)))
    parts += compiled(kind.__module__)
    name = kind.__qualname__.encode() if whose is Origin.USER else _full_name(kind.__module__, kind)
    listed = "|".join(name for name, _ in members).encode(errors="surrogatepass")
    return Content([b"class", name, listed, *_package(whose, kind.__module__)], parts)


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


def _package(whose: Origin, module: str) -> list[bytes]:
    return [package_hash(module)] if whose is Origin.INSTALLED else []


_KINDS: list[tuple[tuple[type, ...], Callable[[Any], Content]]] = [
    ((FunctionType,), _function),
    ((CodeType,), _code),
    ((type,), _class),
    ((NamedIn,), _named_in),
    ((ModuleType,), _module),
    ((Content,), lambda content: content),
    ((MethodType,), lambda method: Content([b"method"], [("", method.__self__), ("", method.__func__)])),
    ((CellType,), lambda cell: Content([b"cell"], [("", _contents(cell))])),
    ((property,), lambda found: Content([b"property"], [("", found.fget), ("", found.fset), ("", found.fdel)])),
    ((staticmethod, classmethod), lambda found: Content([type(found).__name__.encode()], [("", found.__func__)])),
    ((functools._lru_cache_wrapper,), lambda found: Content([b"cached"], [("", found.__wrapped__)])),
    ((BuiltinFunctionType, MethodWrapperType), _builtin),
    (_DESCRIPTORS, _descriptor),
]
