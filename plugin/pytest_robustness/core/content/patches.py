"""What the user's code has put into PyTorch, torchvision and timm in place of their own: monkeypatches, global hooks.

These libraries count by name or by version, so that nothing else of a key would show it.
"""

from __future__ import annotations

import functools
import operator
import sys
from itertools import chain
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.content.arrays import vars_of
from pytest_robustness.core.content.origin import Origin, origin, origin_of_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    _Part = tuple[str, object]

_LIBRARIES: Final = ("torch", "torchvision", "timm")
# What computes. People replace the rest to load files, or to say that there is no GPU.
_COMPUTING: Final = (
    *("torch.functional", "torch.nn.functional", "torch.nn.modules.", "torch._tensor"),
    *("torchvision.models.", "torchvision.ops.", "torchvision.transforms.", "timm.layers.", "timm.models."),
)
_GLOBAL_HOOKS: Final = ("_global_forward_pre_hooks", "_global_forward_hooks")
# What is known to be no user's, by its number: the libraries' modules import much of one another.
_others: Final[dict[int, object]] = {}
_seen: Final[dict[str, _Seen]] = {}
# Names of modules in which nothing is looked for: there are thousands, to be told apart for each model.
_elsewhere: Final[set[str]] = set()


def patches() -> list[_Part]:
    """Return what of the user's stands in these libraries now, each by where it stands; nothing is imported."""
    found: dict[str, object] = {}
    names = sys.modules.keys() - _elsewhere
    _elsewhere.update(name for name in names if name != "torch" and not f"{name}.".startswith(_COMPUTING))
    for name in sorted(names - _elsewhere):
        module = sys.modules.get(name)
        if isinstance(module, ModuleType):
            found.update(_put_into(name, module))
            # Without their keys, which count all hooks of the process.
            for hooks in _GLOBAL_HOOKS:
                put = list(vars(module).get(hooks, {}).values())
                found.update((f"{hooks} {place}", hook) for place, hook in enumerate(put))
    return sorted(found.items())


def _put_into(name: str, module: ModuleType) -> list[_Part]:
    """Return the user's objects in a module and in its classes: those of before, while the same objects stand there."""
    seen = _seen.get(name)
    if seen is None or seen.has_changed(module):
        seen = _seen[name] = _Seen(name, module)
    return seen.users


class _Seen:
    """What stood in a module and in the classes that it defines, and which of it was the user's."""

    def __init__(self, name: str, module: ModuleType) -> None:
        self._module = module
        classes = {key: item for key, item in list(vars(module).items()) if _defines(name, item)}
        self._spaces: list[Mapping[str, object]] = [vars(module), *map(vars, classes.values())]
        self._keys, self._values = self._entries()
        # Of the package's own names, those of its operators.
        operators = module._C._VariableFunctions if name == "torch" and hasattr(module, "_C") else None
        own = {key: item for key, item in list(vars(module).items()) if operators is None or hasattr(operators, key)}
        spaces = {f"{name}.": own} | {f"{name}.{key}.": vars(item) for key, item in classes.items()}
        self.users: list[_Part] = [
            (f"{place}{key}", item)
            for place, space in spaces.items()
            for key, item in list(space.items())
            if _is_users(item)
        ]

    def has_changed(self, module: ModuleType) -> bool:
        """Return whether it is another module, or another object stands somewhere in it."""
        keys, values = self._entries()
        if module is not self._module or keys != self._keys:
            return True
        # By identity: what users put there may compare in its own way.
        return not all(map(operator.is_, values, self._values))

    def _entries(self) -> tuple[list[str], list[object]]:
        # Twenty thousand in all, for each model: without a line of Python for each.
        values = chain.from_iterable(map(operator.methodcaller("values"), self._spaces))
        return list(chain.from_iterable(self._spaces)), list(values)


def _defines(module: str, item: object) -> bool:
    return isinstance(item, type) and item.__module__ == module


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
