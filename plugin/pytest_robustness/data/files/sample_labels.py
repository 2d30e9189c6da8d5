"""Turn what stands beside each image, numbers or names of classes, into labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_robustness.core import ClassLabel
from pytest_robustness.core.errors import DataError
from pytest_robustness.data.files.class_folders import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

_MOST_CLASSES: Final = 1_000_000


class Labelled(NamedTuple):
    """The classes, the label of each image (int64 [N]), and what a user should know about them."""

    classes: tuple[ClassLabel, ...]
    labels: NDArray[np.int64]
    notes: tuple[str, ...] = ()


def by_name(names: Sequence[str]) -> Labelled:
    """Return the labels of images whose class is given by its name; classes are sorted as class folders are."""
    import numpy as np

    known, labels = np.unique(np.asarray(names, object).astype(str), return_inverse=True)
    return Labelled(tuple(ClassLabel(str(name), str(name)) for name in known), labels.astype(np.int64))


def by_number(
    where: str, numbers: Sequence[int], names: Sequence[str] | None, describe: Callable[[int], str]
) -> Labelled:
    """Return the labels of images whose class is given by its number.

    Parameters
    ----------
    where
        The data as users write it.
    numbers
        The class of each image.
    names
        The names of the classes; without them, they are called by their numbers.
    describe
        Names an image for messages.

    Raises
    ------
    DataError
        A number is negative, or has no name.
    """
    import numpy as np

    labels = np.asarray(numbers, np.int64)
    most = len(names) if names is not None else _MOST_CLASSES
    wrong = np.flatnonzero((labels < 0) | (labels >= most))
    if len(wrong):
        which = f"{describe(int(wrong[0]))} has the class {labels[wrong[0]]}"
        valid = f"0 to {most - 1}, of which the {most} classes have names" if names is not None else "0 and above"
        raise DataError(
            f"{which}, one of {len(wrong)} labels of {where} that name no class. Valid: integers from {valid}. Images "
            f"without labels are judged with --robustness-labels=none."
        )
    if names is not None:
        return Labelled(tuple(ClassLabel(name, name) for name in names), labels)
    count = int(labels.max(initial=-1)) + 1
    note = f"{where} names no classes: they are called by their numbers, 0 to {count - 1}."
    return Labelled(tuple(ClassLabel(str(number), str(number)) for number in range(count)), labels, (note,))


def names_in(text: str, where: str) -> list[str]:
    """Return the names of classes in the file ``where``, which has one on each line; empty lines may end it.

    Raises
    ------
    DataError
        It is empty, or has an empty line before a name: nothing says whether that line counts.
    """
    # Of what str.splitlines() takes for the end of a line, other characters may be part of a name.
    names = [line.strip() for line in re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff").rstrip())]
    if "" in names:
        line = names.index("") + 1
        empty = f"its line {line} is empty, of {len(names)}" if len(names) > 1 else "it is empty"
        raise DataError(
            f"{where} must hold one name a line and no empty line: {empty}. The line says the number of the class, "
            f"from 0 on: remove the line, or give that class a name."
        )
    return names


def require_distinct(names: Sequence[str], where: str) -> None:
    """Raise `DataError` where two classes have one name."""
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(f"{where} gives several classes one name: {shortened(twice)}. Each class needs its own.")


def require_no_captions(names: Sequence[str], where: str, what: str) -> None:
    """Raise `DataError` where texts are so many that they describe images, and name no classes."""
    different = len(set(names))
    if len(names) >= 20 and different * 2 > len(names):
        raise DataError(
            f"{where} has {different} different texts in {what} for {len(names)} images: these are captions, and no "
            f"classes. Images without labels are judged with --robustness-labels=none."
        )


def as_number(text: str) -> int | None:
    """Return the whole number that a text writes; ``None`` where it is a name.

    >>> as_number("007"), as_number("3.0"), as_number("3.5"), as_number("owl")
    (7, 3, None, None)
    """
    match = re.fullmatch(r"([+-]?\d{1,18})(?:\.0+)?", text)
    return int(match[1]) if match else None


def key_within(path: str, label: ClassLabel | None) -> str:
    """Return what follows the folder of the class in a path; without one, the path, or the name of an absolute one.

    >>> cat = ClassLabel("cat", "cat")
    >>> key_within("cat/deep/1.png", cat), key_within("/data/cat/1.png", cat), key_within("/data/1.png", cat)
    ('deep/1.png', '1.png', '1.png')
    """
    *folders, name = path.split("/")
    absolute = path.startswith("/") or "://" in path or "\\" in path
    places = [i for i, folder in enumerate(folders) if label is not None and folder in (label.key, label.name)]
    if places:
        return "/".join([*folders[places[-1 if absolute else 0] + 1 :], name])
    return name.rpartition("\\")[2] if absolute else path
