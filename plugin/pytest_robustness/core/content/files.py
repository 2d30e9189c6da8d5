"""Files that count by their content: those that objects name, and compiled code of the user's own."""

from __future__ import annotations

import dataclasses
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType
from typing import TYPE_CHECKING

from pytest_robustness.core.content.origin import Origin, module_file, origin

if TYPE_CHECKING:
    from pathlib import Path


@dataclasses.dataclass(frozen=True)
class FileContent:
    """A file that counts by its content."""

    path: Path


def compiled(module: object) -> list[tuple[str, object]]:
    """Return the file of compiled code of the user's own as a part; nothing for any other code.

    ``module`` is the module that holds the code, or its name.
    """
    path = compiled_file(module)
    return [("", FileContent(path))] if path else []


def compiled_file(module: object) -> Path | None:
    """Return the file of a module of the user's that is compiled code, of which nothing else can be read.

    ``module`` is the module or its name; ``None`` is returned where it is another's, or Python's code.
    """
    loaded = sys.modules.get(module) if isinstance(module, str) else module
    if not isinstance(loaded, ModuleType) or origin(loaded.__name__) is not Origin.USER:
        return None
    path = module_file(loaded)
    return path if path is not None and path.name.endswith(tuple(EXTENSION_SUFFIXES)) else None
