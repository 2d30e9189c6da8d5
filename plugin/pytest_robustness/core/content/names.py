"""The names that compiled code uses: globals, attributes, and modules that it imports when it runs."""

from __future__ import annotations

import dis
import functools
import importlib.util
import logging
from types import CodeType
from typing import NamedTuple, TypeGuard

_log = logging.getLogger(__name__)

# What imports the module that a text names.
_IMPORTERS = frozenset(("__import__", "import_module"))
_STORES = ("STORE_GLOBAL", "DELETE_GLOBAL")


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


def _is_module_name(text: object) -> TypeGuard[str]:
    return isinstance(text, str) and all(part.isidentifier() for part in text.split("."))


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
            imports.update(Import(0, text, ()) for text in current.co_consts if _is_module_name(text))
    return Names(tuple(sorted(read - stored)), frozenset(attributes), tuple(sorted(imports)))
