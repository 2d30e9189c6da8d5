"""What the user's code has put into PyTorch, torchvision and timm in place of their own: monkeypatches, global hooks.

These libraries count by name or by version, so that nothing else of a key would show it.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.content.arrays import vars_of
from pytest_robustness.core.content.origin import Origin, origin, origin_of_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    _Part = tuple[str, object]

_LIBRARIES: Final = ("torch", "torchvision", "timm")
# What computes. People replace the rest to load files, or to say that there is no GPU.
_COMPUTING: Final = (
    *("torch.functional", "torch.nn.functional", "torch.nn.modules.", "torch._tensor"),
    *("torchvision.models.", "torchvision.ops.", "torchvision.transforms.", "timm.layers.", "timm.models."),
)
_GLOBAL_HOOKS: Final = ("_global_forward_pre_hooks", "_global_forward_hooks")
# What is known to be no user's, by its number: every model asks for the same twenty thousand.
_others: Final[dict[int, object]] = {}


def patches() -> list[_Part]:
    """Return what of the user's stands in these libraries now, each by where it stands; nothing is imported."""
    found: dict[str, object] = {}
    for name, module in sorted(sys.modules.items()):
        if (name == "torch" or f"{name}.".startswith(_COMPUTING)) and isinstance(module, ModuleType):
            found |= _in_module(name, module)
    return sorted(found.items())


def _in_module(name: str, module: ModuleType) -> Iterator[_Part]:
    # Of the package's own names, those of its operators.
    operators = module._C._VariableFunctions if name == "torch" and hasattr(module, "_C") else None
    for key, value in list(vars(module).items()):
        if (operators is None or hasattr(operators, key)) and _is_users(value):
            yield f"{name}.{key}", value
        elif isinstance(value, type) and value.__module__ == name:
            yield from ((f"{name}.{key}.{at}", item) for at, item in list(vars(value).items()) if _is_users(item))
    for hooks in _GLOBAL_HOOKS:
        # Without their keys, which count all hooks of the process.
        yield from ((f"{hooks} {place}", hook) for place, hook in enumerate(vars(module).get(hooks, {}).values()))


def _is_users(value: object) -> bool:
    """Return whether a function, a class or another object that can be called is of the user's code."""
    if _others.get(id(value), _others) is value:
        return False
    users = any(map(_written_by_user, _layers(value)))
    if not users:
        _others[id(value)] = value
    return users


def _written_by_user(value: object) -> bool:
    if isinstance(value, FunctionType):
        module = value.__globals__.get("__name__") or "__main__"
        # What is written nowhere, such as the methods of named tuples, is made by the library itself.
        return not _is_librarys(module) and (module in sys.modules or Path(value.__code__.co_filename).is_file())
    if isinstance(value, type):
        return not _is_librarys(value.__module__)
    return callable(value) and not _is_librarys(type(value).__module__) and origin_of_object(value) is Origin.USER


def _is_librarys(module: object) -> bool:
    # Most of what is asked for is the libraries' own, and there are tens of thousands.
    return str(module).partition(".")[0] in _LIBRARIES or origin(module) is not Origin.USER


def _layers(value: object) -> Iterator[object]:
    """Yield an object and what it calls in the end, of a method, a property, a partial, and what decorates another.

    ``torch.no_grad()``, ``functools.cache`` and ``torch.compile`` make objects of their own modules.
    """
    met: list[object] = []
    while value is not None and not any(value is one for one in met):
        yield value
        met.append(value)
        if isinstance(value, functools.partial | functools.partialmethod):
            value = value.func
        elif isinstance(value, MethodType | staticmethod | classmethod):
            value = value.__func__
        elif isinstance(value, property):
            value = value.fget
        else:
            value = vars_of(value).get("__wrapped__")
