"""Match a dataset's classes to a model's outputs.

``imagenet_classes.csv`` holds ImageNet-1k's classes in the order of the models' outputs, which is the order of their
WordNet ids, with the names that torchvision (BSD-3-Clause) gives them in ``weights.meta["categories"]``.
"""

from __future__ import annotations

import csv
import functools
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, NoReturn

from pytest_robustness.core import ClassMatch
from pytest_robustness.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import ClassLabel

_SHOWN: Final = 10
_OTHER_WORDINGS: Final = 10


class _Attempt(NamedTuple):
    method: Literal["wordnet id", "name"]
    outputs: tuple[int | None, ...]
    """The one output of each class of the data, or ``None``."""


def match(
    data_classes: Sequence[ClassLabel], outputs: int, model_classes: Sequence[str] | None, model: str
) -> ClassMatch:
    """Find the model output of each class of the data: all by WordNet id, else all by name, else all by position.

    Parameters
    ----------
    data_classes
        The classes of the data.
    outputs
        How many outputs the model has.
    model_classes
        The name or WordNet id of each output. ``None`` matches by position, except that 1000 outputs, or 1001 with a
        background class first, are taken for ImageNet's if the data's classes are ImageNet's.
    model
        The model's name, for messages.

    Raises
    ------
    DataError
        When the class list does not fit the outputs, or a class of the data has no output of its own.
    """
    if model_classes is None:
        return _match_unlisted(data_classes, outputs, model)
    if len(model_classes) != outputs:
        raise DataError(
            f"{model} has {outputs} outputs, but its class list has {len(model_classes)} entries. Give the model one "
            f"class name or WordNet id for each output."
        )
    attempts = (_by_wnid(data_classes, _wnids(model_classes)), _by_name(data_classes, model_classes))
    return _first_complete(attempts) or _refuse(max(attempts, key=_matched), data_classes, model_classes, model)


def display_names(classes: Sequence[ClassLabel]) -> list[str]:
    """Return the name of each class in a report: its own, or ImageNet's if it has only a WordNet id."""
    imagenet = imagenet_classes()
    return [imagenet.get(label.key, label.name) if label.name == label.key else label.name for label in classes]


@functools.cache
def imagenet_classes() -> Mapping[str, str]:
    """Return the name of each of ImageNet's 1000 classes by WordNet id, in the order of the models' outputs."""
    with Path(__file__).with_name("imagenet_classes.csv").open(encoding="utf-8", newline="") as table:
        return {row["wnid"]: row["name"] for row in csv.DictReader(table)}


def _match_unlisted(data_classes: Sequence[ClassLabel], outputs: int, model: str) -> ClassMatch:
    imagenet = [*imagenet_classes()]
    background = outputs - len(imagenet)
    wnids = [None] * background + imagenet if background in (0, 1) else []
    attempt = _by_wnid(data_classes, wnids)
    matched = _first_complete([attempt])
    if matched:
        return matched
    if len(data_classes) == outputs:
        return ClassMatch("position", tuple(range(outputs)))
    if _matched(attempt):
        _refuse(attempt, data_classes, imagenet, model)
    raise DataError(
        f"{model} has {outputs} outputs and no class list, and the data has {len(data_classes)} classes, so that they "
        f"cannot be matched by position. Give the model its class list (Model(..., classes=[...])), or data with "
        f"{outputs} classes."
    )


def _by_wnid(data_classes: Sequence[ClassLabel], wnids: Sequence[str | None]) -> _Attempt:
    place = _unique(wnids)
    return _Attempt("wordnet id", _once([place.get(label.key) for label in data_classes]))


def _by_name(data_classes: Sequence[ClassLabel], model_classes: Sequence[str]) -> _Attempt:
    imagenet = imagenet_classes()
    names = [imagenet.get(entry, entry) for entry in model_classes]
    # The whole entry decides before its first synonym: "crane" and "crane, bird" are two classes.
    place = _unique([_first_synonym(name) for name in names]) | _unique([_plain(name) for name in names])
    outputs = []
    for label, shown in zip(data_classes, display_names(data_classes), strict=True):
        texts = (label.key, label.name, shown)
        forms = [form(text) for text in texts for form in (_plain, _first_synonym)]
        outputs.append(next((place[form] for form in forms if form in place), None))
    return _Attempt("name", _once(outputs))


def _wnids(model_classes: Sequence[str]) -> Sequence[str | None]:
    imagenet = imagenet_classes()
    background = len(model_classes) - len(imagenet)
    if background in (0, 1) and _in_imagenet_order(model_classes[background:]):
        return [None] * background + [*imagenet]
    return [entry if re.fullmatch(r"n\d{8}", entry) else None for entry in model_classes]


def _in_imagenet_order(model_classes: Sequence[str]) -> bool:
    """Return whether these are ImageNet's 1000 names in order.

    Published lists differ in the wording of a few classes, and have two classes called ``crane`` and two ``maillot``. A
    name that belongs to exactly one other place shows that the list is in another order.
    """
    table = [_first_synonym(name) for name in imagenet_classes().values()]
    names = [_first_synonym(name) for name in model_classes]
    counts = Counter(names)
    strangers = [name for name, own in zip(names, table, strict=True) if name != own]
    return len(strangers) <= _OTHER_WORDINGS and all(counts[name] > 1 or name not in table for name in strangers)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _first_synonym(name: str) -> str:
    return _plain(name.partition(",")[0])


def _unique(entries: Sequence[str | None]) -> dict[str, int]:
    counts = Counter(entries)
    return {entry: place for place, entry in enumerate(entries) if entry is not None and counts[entry] == 1}


def _once(outputs: Sequence[int | None]) -> tuple[int | None, ...]:
    counts = Counter(outputs)
    return tuple(output if counts[output] == 1 else None for output in outputs)


def _matched(attempt: _Attempt) -> int:
    return len(attempt.outputs) - attempt.outputs.count(None)


def _first_complete(attempts: Sequence[_Attempt]) -> ClassMatch | None:
    for method, outputs in attempts:
        complete = tuple(output for output in outputs if output is not None)
        if len(complete) == len(outputs):
            return ClassMatch(method, complete)
    return None


def _refuse(
    attempt: _Attempt, data_classes: Sequence[ClassLabel], model_classes: Sequence[str], model: str
) -> NoReturn:
    missing = [label.key for label, output in zip(data_classes, attempt.outputs, strict=True) if output is None]
    shown = ", ".join(missing[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
    raise DataError(
        f"{len(missing)} of {len(data_classes)} classes of the data have no output of {model} to themselves: {shown}. "
        f"Name their folders by WordNet id or as the model names its classes (it begins with "
        f"{'; '.join(model_classes[:3])}), or leave them out of the data."
    )


def answer_naming(
    targets: NDArray[np.int64], classes: Sequence[ClassLabel], names: Sequence[str]
) -> Callable[[int], str]:
    """Return a function that names a model's outputs: by the data's class, else by ImageNet's, else by number.

    Parameters
    ----------
    targets
        The output that stands for each class: int64 [C].
    classes, names
        The classes of the data, and their names in reports.
    """
    imagenet = imagenet_classes()
    known: dict[int, str] = {}
    places = {wnid: place for place, wnid in enumerate(imagenet)}
    offsets = {int(t) - places[c.key] if c.key in places else None for t, c in zip(targets, classes, strict=True)}
    offset = offsets.pop() if len(offsets) == 1 else None
    if offset is not None:
        # The outputs follow ImageNet's order, perhaps behind a background class: so do those of classes without images.
        known = dict(enumerate(imagenet.values(), start=offset))
    known |= dict(zip(targets.tolist(), names, strict=True))
    return lambda output: known.get(output, f"output {output}")
