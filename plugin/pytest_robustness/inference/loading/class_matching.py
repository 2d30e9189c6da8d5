"""Match a dataset's classes to a model's outputs.

``imagenet_classes.csv`` holds ImageNet-1k's classes in the order of the models' outputs, which is the order of their
WordNet ids, with the names that torchvision (BSD-3-Clause) gives them in ``weights.meta["categories"]``.
"""

from __future__ import annotations

import csv
import functools
import logging
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from pytest_robustness.core import ClassMatch
from pytest_robustness.core.errors import DataError
from pytest_robustness.core.text import counted
from pytest_robustness.inference.loading.name_forms import first_synonym, name_forms, once, unique

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import ClassLabel, MatchMethod

_log = logging.getLogger(__name__)

_SHOWN: Final = 10
_OTHER_WORDINGS: Final = 10
# Python takes long to read a number of thousands of digits, and refuses it from 4,300 on.
_LONGEST_NUMBER: Final = 9
# The softmax of these two is the sigmoid of the one.
_ONE_LOGIT: Final = (
    "an output for each of the two classes: where z [B, 1] is the logit of the second, let it return "
    "torch.cat([torch.zeros_like(z), z], 1)"
)


class _Attempt(NamedTuple):
    method: MatchMethod
    outputs: tuple[int | None, ...]
    """The one output of each class of the data, or ``None``."""


def match(
    data_classes: Sequence[ClassLabel],
    outputs: int,
    model_classes: Sequence[str] | None,
    model: str,
    *,
    own_labels: bool = False,
) -> ClassMatch:
    """Find the model output of each class of the data: all by WordNet id, else all by name, else by number or position.

    A name is looked for as it is, then with its Unicode normalized, then with case and separators aside, then by the
    first of several synonyms; what a class needs less for, no other class gets.

    Parameters
    ----------
    data_classes
        The classes of the data.
    outputs
        How many outputs the model has.
    model_classes
        The name or WordNet id of each output. ``None`` matches by position, with two exceptions: 1000 outputs, or 1001
        with a background class first, are taken for ImageNet's if the data's classes are ImageNet's; and classes that
        are called 0 to K-1 are matched by their numbers, because as text 10 comes before 2.
    model
        The model's name, for messages.
    own_labels
        Whether the labels are numbers that a user's dataset gives, on which the model was trained: then they count, and
        not the numbers that its classes are called by.

    Raises
    ------
    DataError
        When the class list does not fit the outputs, or a class of the data has no output of its own.
    """
    if model_classes is None:
        return _match_unlisted(data_classes, outputs, model, own_labels)
    _require_one_for_each(outputs, model_classes, model)
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


def _require_one_for_each(outputs: int, model_classes: Sequence[str], model: str) -> None:
    if len(model_classes) == outputs:
        return
    advice = _ONE_LOGIT if (outputs, len(model_classes)) == (1, 2) else "one class name or WordNet id for each output"
    raise DataError(
        f"{model} has {counted(outputs, 'output')}, but its class list has "
        f"{counted(len(model_classes), 'entry', 'entries')}. Give the model {advice}."
    )


def _match_unlisted(data_classes: Sequence[ClassLabel], outputs: int, model: str, own_labels: bool) -> ClassMatch:
    imagenet = [*imagenet_classes()]
    background = outputs - len(imagenet)
    wnids = [None] * background + imagenet if background in (0, 1) else []
    attempt = _by_wnid(data_classes, wnids)
    matched = _first_complete([attempt])
    if matched:
        return matched
    if len(data_classes) == outputs:
        numbers, places = numbers_of(data_classes), list(range(outputs))
        if numbers == places or (sorted(numbers) == places and not own_labels):
            return ClassMatch("number", tuple(numbers))
        return ClassMatch("position", tuple(range(outputs)))
    if _matched(attempt):
        _refuse(attempt, data_classes, imagenet, model)
    known = f"its class list (Model(..., classes=[...])), or data with {counted(outputs, 'class', 'classes')}"
    raise DataError(
        f"{model} has {counted(outputs, 'output')} and no class list, and the data has "
        f"{counted(len(data_classes), 'class', 'classes')}, so that they cannot be matched by position. Give the model "
        f"{_ONE_LOGIT if (outputs, len(data_classes)) == (1, 2) else known}."
    )


def _by_wnid(data_classes: Sequence[ClassLabel], wnids: Sequence[str | None]) -> _Attempt:
    place = unique(wnids)
    return _Attempt("wordnet id", once([place.get(label.key) for label in data_classes]))


def numbers_of(classes: Sequence[ClassLabel]) -> list[int]:
    """Return the number that each class is called by; none where one is called otherwise."""
    keys = [label.key for label in classes]
    return [int(key) for key in keys] if all(key.isdecimal() and len(key) <= _LONGEST_NUMBER for key in keys) else []


def _by_name(data_classes: Sequence[ClassLabel], model_classes: Sequence[str]) -> _Attempt:
    imagenet = imagenet_classes()
    names = [imagenet.get(entry, entry) for entry in model_classes]
    shown = zip(data_classes, display_names(data_classes), strict=True)
    texts = [(label.key, label.name, name) for label, name in shown]
    found: dict[int, int] = {}
    method: MatchMethod = "name"
    for looser, forms, places in name_forms(names):
        left = [number for number in range(len(texts)) if number not in found]
        candidates = [_first(places, [form(text) for text in texts[number] for form in forms]) for number in left]
        # An output that a closer form took is not free for a looser one.
        taken = set(found.values())
        free = once([output if output not in taken else None for output in candidates])
        gained = {number: output for number, output in zip(left, free, strict=True) if output is not None}
        if gained:
            found, method = found | gained, looser
    return _Attempt(method, tuple(found.get(number) for number in range(len(texts))))


def _first(places: Mapping[str, int], forms: Sequence[str]) -> int | None:
    return next((places[form] for form in forms if form in places), None)


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
    table = [first_synonym(name) for name in imagenet_classes().values()]
    names = [first_synonym(name) for name in model_classes]
    counts = Counter(names)
    strangers = [name for name, own in zip(names, table, strict=True) if name != own]
    return len(strangers) <= _OTHER_WORDINGS and all(counts[name] > 1 or name not in table for name in strangers)


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
        f"{len(missing):,} of {counted(len(data_classes), 'class', 'classes')} of the data have no output of "
        f"{model} to themselves: {shown}. "
        f"Name their folders by WordNet id or as the model names its classes (it begins with "
        f"{'; '.join(model_classes[:3])}), or leave them out of the data."
    )


def output_names(
    outputs: int,
    model_classes: Sequence[str] | None,
    data_classes: Sequence[ClassLabel],
    model: str,
    *,
    own_labels: bool = False,
) -> tuple[str, ...]:
    """Return a name for each output, where outputs are the classes because the images have no labels.

    It is the model's own, else that of the class of the data that the output would be matched with, else its number.

    Parameters
    ----------
    outputs
        How many outputs the model has.
    model_classes
        The name or WordNet id of each output, where the model has a list.
    data_classes
        The classes of the data, whose labels do not count.
    model
        The model's name, for messages.
    own_labels
        Whether the places of the classes are the numbers that a user's dataset gives to them.

    Raises
    ------
    DataError
        When the class list does not fit the outputs.
    """
    import numpy as np  # here: listing what is known needs none

    imagenet = imagenet_classes()
    if model_classes is not None:
        _require_one_for_each(outputs, model_classes, model)
        return tuple(imagenet.get(entry, entry) for entry in model_classes)
    try:
        found = _match_unlisted(data_classes, outputs, model, own_labels)
    except DataError:
        _log.debug("the classes of the data do not name the outputs of %s", model, exc_info=True)
        found = ClassMatch("position", ())
    # By their order alone folders name nothing: without labels they may be any.
    named = data_classes if found.method != "position" else ()
    name = answer_naming(np.array(found.outputs, np.int64)[: len(named)], named, display_names(named))
    return tuple(map(name, range(outputs)))


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
