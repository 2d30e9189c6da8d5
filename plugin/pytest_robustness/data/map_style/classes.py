"""Read what the labels of map-style datasets mean: their ``classes``, by the numbers in ``class_to_idx``."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pytest_robustness.core.class_names import in_order, whole_number
from pytest_robustness.core.errors import DataError
from pytest_robustness.data.map_style.labels import is_subset, parts_of

_log = logging.getLogger(__name__)


class Classes(NamedTuple):
    """What label 0, 1, ... means; ``notes`` say that ``classes`` of the dataset have another order."""

    entries: tuple[object, ...]
    notes: tuple[str, ...] = ()


class _Numbers(NamedTuple):
    """The number of each name; ``transformed`` has others, those after the dataset's ``target_transform``."""

    listed: Mapping[str, int]
    transformed: Mapping[str, int] | None = None


def classes_of(spec: str, dataset: Any) -> Classes | None:
    """Return the classes of ``dataset``, of what it is a subset of, or of its parts; ``None`` where it has none.

    The parts of a concatenation must all have the same.

    Raises
    ------
    DataError
        The classes have no order, or another than ``class_to_idx`` that is no order of them either, or parts of a
        concatenation number the same classes in different ways.
    """
    if hasattr(dataset, "classes"):
        try:
            entries = in_order(dataset.classes)
        except TypeError as error:
            raise DataError(f"{spec} must have a list of names as its classes; got {error}.") from error
        numbers = _numbers(spec, dataset)
        return Classes(entries) if numbers is None else _numbered(spec, entries, numbers)
    if is_subset(dataset):
        return classes_of(spec, dataset.dataset)
    parts = [part for part in (classes_of(spec, each) for each in parts_of(dataset)) if part is not None]
    if not parts or len(parts) != len(parts_of(dataset)):
        return None
    _require_same_numbers(
        spec,
        [
            {name: at for at, entry in enumerate(part.entries) for name in _names(entry)}
            for part in parts
            if _comparable(part.entries)
        ],
        whole=True,
    )
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return Classes(parts[0].entries, notes) if all(part.entries == parts[0].entries for part in parts) else None


def _numbers(spec: str, dataset: Any) -> _Numbers | None:
    """Return the numbers that the names of ``dataset`` have; those of what it passes items on from, if it has none."""
    from torch.utils.data import ConcatDataset, Subset

    own = _listed(dataset)
    if own is not None:
        transform = getattr(dataset, "target_transform", None)
        transformed = None if transform is None else _transformed(own, transform)
        return _Numbers(own, None if transformed == own else transformed)
    # A subclass may give its items other labels.
    reader = getattr(type(dataset), "__getitem__", None)
    if reader is Subset.__getitem__:
        return _numbers(spec, dataset.dataset)
    if reader is not ConcatDataset.__getitem__:
        return None
    parts = [part for part in (_numbers(spec, each) for each in dataset.datasets) if part is not None]
    _require_same_numbers(spec, [part.listed for part in parts if part.transformed is None])
    return parts[0] if parts and all(part == parts[0] for part in parts) else None


def _listed(dataset: Any) -> Mapping[str, int] | None:
    """Return ``class_to_idx`` where it maps names to whole numbers; ``None`` where it is absent or something else."""
    try:
        found = getattr(dataset, "class_to_idx", None)
        pairs = {name: whole_number(number) for name, number in found.items()} if isinstance(found, Mapping) else {}
    except Exception:  # a user's attribute may raise anything
        _log.debug("class_to_idx cannot be read", exc_info=True)
        return None
    numbers = {name: number for name, number in pairs.items() if isinstance(name, str) and number is not None}
    return numbers if numbers and len(numbers) == len(pairs) else None


def _transformed(numbers: Mapping[str, int], transform: Any) -> Mapping[str, int]:
    """Return the numbers after ``transform``, without those that it makes something else of."""
    found = {}
    for name, number in numbers.items():
        try:
            label = whole_number(transform(number))
        except Exception:  # a user's function may raise anything, on a class without an image, say
            _log.debug("the number %d cannot be transformed", number, exc_info=True)
            continue
        if label is not None:
            found[name] = label
    return found


def _numbered(spec: str, entries: tuple[object, ...], numbers: _Numbers) -> Classes:
    """Return ``entries`` in the order of their numbers, where these can be compared with their places."""
    listed = numbers.listed
    if not _comparable(entries) or not all(name in listed for entry in entries for name in _names(entry)):
        return Classes(entries)
    contrary = _contrary(entries, listed)
    # Whoever transforms the labels may have written either mapping, that of before or that of after.
    if contrary is None or (numbers.transformed is not None and _contrary(entries, numbers.transformed) is None):
        return Classes(entries)
    name, place = contrary
    says = f"{name!r} is number {place} of its classes and {listed[name]} in its class_to_idx"
    by_number = {listed[_names(entry)[0]]: entry for entry in entries if len({listed[n] for n in _names(entry)}) == 1}
    if numbers.transformed is not None or sorted(by_number) != list(range(len(entries))):
        raise DataError(
            f"{spec} does not say what its labels mean: {says}. Valid: class_to_idx has each number from 0 to "
            f"{len(entries) - 1} once, or the place that each name has in classes. Set both to what the labels of its "
            f"items mean."
        )
    note = f"{spec} has classes in another order than its labels: {says}. class_to_idx was used."
    return Classes(tuple(by_number[number] for number in range(len(entries))), (note,))


def _contrary(entries: Sequence[object], numbers: Mapping[str, int]) -> tuple[str, int] | None:
    """Return the first name whose number is not its place, with a place of it; ``None`` where there is none.

    A name may belong to several classes, as "crane" does in ImageNet: one number cannot be that of all.
    """
    places: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        for name in _names(entry):
            places.setdefault(name, []).append(place)
    return next(((name, at[0]) for name, at in places.items() if numbers.get(name) not in at), None)


def _require_same_numbers(spec: str, parts: Sequence[Mapping[str, int]], *, whole: bool = False) -> None:
    """Raise `DataError` where a name has two numbers; ``whole``: of parts that have the same names alone."""
    for index, part in enumerate(parts):
        shared = part.keys() & parts[0].keys()
        if whole and not (len(shared) == len(part) == len(parts[0])):
            continue
        name = next((name for name in parts[0] if name in shared and part[name] != parts[0][name]), None)
        if name is not None:
            raise DataError(
                f"{spec} joins datasets that number their classes in different ways: {name!r} is {parts[0][name]} in "
                f"the first and {part[name]} in number {index + 1}. Give all the same class_to_idx."
            )


def _comparable(entries: Sequence[object]) -> bool:
    return all(_names(entry) and all(isinstance(name, str) for name in _names(entry)) for entry in entries)


def _names(entry: object) -> tuple[Any, ...]:
    """Return all names of a class: torchvision's Imagenette and ImageNet list synonyms."""
    return entry if isinstance(entry, tuple) else (entry,)
