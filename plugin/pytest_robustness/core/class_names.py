"""Take class lists as users have them: sequences, and mappings between names and numbers."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, MappingView, Sequence, Set

_SHOWN = 80


def in_order(classes: object) -> tuple[object, ...]:
    """Return the entries of a class list, in order; those of a mapping by their numbers.

    A mapping is ``{name: number}``, as torchvision's ``class_to_idx``, or ``{number: name}``, as ``id2label`` of
    transformers.

    Raises
    ------
    TypeError
        Its entries have no order. The message goes on after "got".
    """
    if isinstance(classes, str | bytes):
        raise TypeError(f"the text {classes!r}")
    if isinstance(classes, Mapping):
        return _by_number(classes)
    # The views of a mapping count as sets, and have its order.
    if isinstance(classes, Set) and not isinstance(classes, MappingView | Sequence):
        raise TypeError(
            f"a {type(classes).__name__}, which has no order: it may be another in the next run. Write a list"
        )
    if not isinstance(classes, Iterable) and not hasattr(classes, "__getitem__"):
        raise TypeError(f"a value of type {type(classes).__name__}")
    return tuple(classes)  # type: ignore[arg-type]  # what has items by number alone can be iterated over, too


def whole_number(value: object) -> int | None:
    """Return an integer of any library as one of Python; ``None`` for anything else, such as a boolean."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def _by_number(classes: Mapping[object, object]) -> tuple[object, ...]:
    keys, values = list(classes.keys()), list(classes.values())
    for numbers, entries in ((keys, values), (values, keys)):
        order = [whole_number(number) for number in numbers]
        known = [number for number in order if number is not None]
        if sorted(known) == list(range(len(order))):
            return tuple(entry for _, entry in sorted(zip(known, entries, strict=True), key=operator.itemgetter(0)))
    raise TypeError(
        f"the {type(classes).__name__} {repr(dict(classes))[:_SHOWN]}. Valid: a list, or {{name: number}} or "
        f"{{number: name}} with each of the integers from 0 to {len(keys) - 1} once"
    )
