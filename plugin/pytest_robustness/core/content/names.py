"""The names that compiled code uses: globals, attributes, and modules that it imports when it runs."""

from __future__ import annotations

import dis
import functools
import importlib.util
import logging
from types import CodeType
from typing import NamedTuple

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
FACTS = frozenset((*_OF_MODULES, *_OF_CLASSES, *_OF_TYPING, *_OF_GENERICS))
# Code that looks up names while it runs may use all of its module.
LOOKING_UP = frozenset(
    ("getattr", "vars", "globals", "eval", "exec", "__import__", "import_module", "__dict__", "attrgetter")
)
# What a module says of itself, and an import may be relative to.
_PACKAGE = frozenset(("__package__", "__name__"))
# What imports the module that a text names.
_IMPORTERS = frozenset(("__import__", "import_module"))
_STORES = ("STORE_GLOBAL", "DELETE_GLOBAL")


# What ``from package import *`` imports: any of its modules may be used.
ALL = "*"


class Import(NamedTuple):
    """An ``import`` statement within a function: ``from <level dots><module> import <names>``."""

    level: int
    module: str
    names: tuple[str, ...]

    def absolute(self, package: str) -> str:
        """Return the module's name, seen from a module of ``package``."""
        if not self.level:
            return self.module
        try:
            return importlib.util.resolve_name("." * self.level + self.module, package)
        except ImportError:
            _log.debug("a relative import outside a package", exc_info=True)
            return self.module


class Names(NamedTuple):
    """What some code and the functions within it name.

    ``globals`` are those that it reads and never assigns: one that it assigns is its memory, and not what it was given.
    ``attributes`` are all names, because an attribute of a module may follow after any of them.
    """

    globals: tuple[str, ...]
    attributes: frozenset[str]
    imports: tuple[Import, ...]


def named_by_text(text: object, *, relative: bool) -> Import | None:
    """Return the import that a text stands for, where it is given to a function that imports; ``None`` if for none.

    The text may be the beginning of a name: of ``f"ops.{kind}"`` the package is known.

    Parameters
    ----------
    text
        Any constant of the code.
    relative
        Whether the code says what a name is relative to, so that dots alone may be the beginning of one.

    >>> named_by_text("ops.", relative=False), named_by_text("..fog", relative=False)
    (Import(level=0, module='ops', names=('*',)), Import(level=2, module='fog', names=()))
    >>> named_by_text(".", relative=True), named_by_text(".", relative=False), named_by_text("a b", relative=True)
    (Import(level=1, module='', names=('*',)), None, None)
    """
    if not isinstance(text, str):
        return None
    name = text.lstrip(".")
    level, begins = len(text) - len(name), not name or name.endswith(".")
    name = name.removesuffix(".")
    if all(part.isidentifier() for part in name.split(".")) or (level and relative and not name):
        return Import(level, name, (ALL,) if begins else ())
    return None


@functools.lru_cache(4096)
def names_in(code: CodeType) -> Names:
    """Return the names of ``code`` and of all code within it, in order."""
    read: set[str] = set()
    stored: set[str] = set()
    attributes: set[str] = set()
    imports: set[Import] = set()
    pending = [code]
    while pending:
        current = pending.pop()
        pending += [constant for constant in current.co_consts if isinstance(constant, CodeType)]
        attributes.update(current.co_names)
        instructions = list(dis.get_instructions(current))
        for position, instruction in enumerate(instructions):
            name = instruction.opname
            if name == "LOAD_NAME" or (name.startswith("LOAD_") and name.endswith("GLOBAL")) or "OR_GLOBALS" in name:
                read.add(instruction.argval)
            elif name in _STORES:
                stored.add(instruction.argval)
            elif name == "IMPORT_NAME":
                level, names = (before.argval for before in instructions[position - 2 : position])
                imports.add(Import(int(level or 0), instruction.argval, tuple(names or ())))
        if not _IMPORTERS.isdisjoint(current.co_names):
            relative = not _PACKAGE.isdisjoint(current.co_names)
            named = (named_by_text(text, relative=relative) for text in current.co_consts)
            imports.update(one for one in named if one is not None)
    return Names(tuple(sorted(read - stored)), frozenset(attributes), tuple(sorted(imports)))
