"""Values that were read lately, as many as fit into a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Keeps the values that were asked for last; together they have at most ``bound`` bytes."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._held = 0
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """Return the value under ``key``; ``None`` where it is not kept."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: Key, value: Value, size: int) -> None:
        """Keep ``value``, of ``size`` bytes, in place of the values that were not asked for longest."""
        if key in self._values:
            self._held -= self._values.pop(key)[1]
        if size > self._bound:
            return
        self._values[key] = value, size
        self._held += size
        while self._held > self._bound:
            self._held -= self._values.popitem(last=False)[1][1]
