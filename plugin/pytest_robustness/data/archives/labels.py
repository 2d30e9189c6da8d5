"""Turn what stands beside the image of each sample of an archive, a ``.cls``, a ``.json``, a ``.txt``, into labels.

What counts is the whole ending, all that follows the name of the sample, as in WebDataset: ``7.pred.cls`` is not the
``.cls`` of ``7.jpg``, and gives the class only where no image has a ``.cls`` and nothing else might be meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core.errors import DataError
from pytest_robustness.core.text import decoded
from pytest_robustness.data.archives.entries import LABEL_ENTRIES, NAME_ENTRIES
from pytest_robustness.data.files.class_folders import shortened
from pytest_robustness.data.files.sample_labels import (
    as_number,
    by_name,
    by_number,
    names_in,
    require_distinct,
    require_no_captions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_robustness.data.archives.contents import ArchiveImage, Archives
    from pytest_robustness.data.files.sample_labels import Labelled

_CLASS_FILES: Final = ("classes.txt", "class_names.txt", "classnames.txt")
_FORMS: Final = ("cls", "json", "txt")
"""The forms of what may give the class, in the order in which they count."""


class _Kind(NamedTuple):
    """What may give the class of each image: the file beside it with an ending, or in such a JSON file an entry."""

    ending: str
    entry: str = ""

    @property
    def form(self) -> str:
        """What kind of file it is: the last part of its ending."""
        return _form(self.ending)

    @property
    def shown(self) -> str:
        """What names it in messages."""
        file = f"its .{decoded(self.ending)}"
        return f"the entry {self.entry} of {file}" if self.entry else file

    def found(self, image: ArchiveImage) -> Any:
        """Return what it says of an image: a text, a number, in a list what can be no class, ``None`` for nothing."""
        found = image.labels.get(self.ending)
        said = (found or {}).get(self.entry) if self.entry else found
        return None if said == "" else said


def labels_of(archives: Archives, images: Sequence[ArchiveImage]) -> Labelled:
    """Return the labels of samples: of the first kind that each of them has.

    Raises
    ------
    DataError
        No kind is in all samples, several may be meant, or one of them names no class.
    """
    beside = _beside(images)
    most, without = -1, 0
    for kind in _kinds(archives, images, beside):
        values = [kind.found(image) for image in images]
        for image, value in zip(images, values, strict=True):
            if isinstance(value, list):
                raise DataError(
                    f"{archives.describe(image)}: {kind.shown} is {value[0]}. Valid: a whole number, or a name; or "
                    f"beside each image a .cls with the class, which counts first."
                )
        lacking = [index for index, value in enumerate(values) if value is None]
        if not lacking:
            found = _from_values(archives, images, kind, [str(value) for value in values], beside)
            note = f"{archives.shown}: the class of an image is {found.notes[0]}{_remark(kind, beside)}."
            return found._replace(notes=(note, *found.notes[1:]))
        if len(images) - len(lacking) > most:
            most, without = len(images) - len(lacking), lacking[0]
    raise DataError(
        f"{archives.describe(images[without])} has no class of the kind that the others have. Valid: beside each image "
        f"a .cls with a number, a .txt with a name, or a .json with one of the entries {', '.join(LABEL_ENTRIES)}, "
        f"{', '.join(NAME_ENTRIES)}. Images without labels are judged with --robustness-labels=none."
    )


def _beside(images: Sequence[ArchiveImage]) -> dict[str, list[str]]:
    """Return the endings of each form that stand beside any of the images, sorted."""
    found = sorted({ending for image in images for ending in image.labels if ending != "files"})
    return {form: [ending for ending in found if _form(ending) == form] for form in _FORMS}


def _form(ending: str) -> str:
    return ending.rpartition(".")[2]


def _kinds(archives: Archives, images: Sequence[ArchiveImage], beside: Mapping[str, Sequence[str]]) -> Iterator[_Kind]:
    """Yield what may give the class: plain endings, or where none of them says anything, the one other of a form."""
    plain = [kind for form in _FORMS if form in beside[form] for kind in _kinds_of(form)]
    yield from plain
    if any(kind.found(image) is not None for kind in plain for image in images):
        return
    for form in _FORMS:
        others = [ending for ending in beside[form] if ending != form]
        speaking = [
            ending
            for ending in others
            if any(kind.found(image) is not None for kind in _kinds_of(ending) for image in images)
        ]
        if len(speaking) > 1:
            one = next(image for image in images if speaking[0] in image.labels)
            endings = shortened([f".{decoded(ending)}" for ending in speaking])
            raise DataError(
                f"{archives.describe(one)} has no class in a .cls, a .json or a .txt, and in {archives.shown} stand "
                f"{endings}: which of them gives it? Write shards in which that one is called .{form}."
            )
        yield from (kind for ending in speaking for kind in _kinds_of(ending))


def _kinds_of(ending: str, entries: Sequence[str] = (*LABEL_ENTRIES, *NAME_ENTRIES)) -> list[_Kind]:
    return [_Kind(ending, entry) for entry in entries] if _form(ending) == "json" else [_Kind(ending)]


def _from_values(
    archives: Archives,
    images: Sequence[ArchiveImage],
    kind: _Kind,
    texts: Sequence[str],
    beside: Mapping[str, Sequence[str]],
) -> Labelled:
    """Return the labels that one kind gives; the first note completes a sentence: what the class of an image is."""
    numbers = [number for text in texts if (number := as_number(text)) is not None]
    if len(numbers) < len(texts):
        what = f".{decoded(kind.ending)} files" if kind.form == "txt" else kind.shown
        require_no_captions(texts, archives.shown, what)
        return by_name(texts)._replace(notes=(f"the name in {kind.shown}",))
    names, namer = _names(archives, images, numbers, beside)
    found = by_number(archives.shown, numbers, names, lambda index: archives.describe(images[index]))
    named = f", named by {namer}" if names else ""
    return found._replace(notes=(f"the number in {kind.shown}{named}", *found.notes))


def _names(
    archives: Archives,
    images: Sequence[ArchiveImage],
    numbers: Sequence[int],
    beside: Mapping[str, Sequence[str]],
) -> tuple[list[str] | None, str]:
    """Return the names of classes that have numbers, and what gives them: a file, or what else stands beside images."""
    for name in _CLASS_FILES:
        listed = archives.containers[0].beside(name)
        text = listed.text_or_none()
        if text is not None:
            names = names_in(text, listed.shown)
            require_distinct(names, listed.shown)
            return names, listed.shown
    endings = [ending for form in ("json", "txt") for ending in _counting(form, beside)]
    for kind in (kind for ending in endings for kind in _kinds_of(ending, NAME_ENTRIES)):
        named: dict[int, str] = {}
        agree = all(
            isinstance(value, str) and as_number(value) is None and named.setdefault(number, value) == value
            for number, value in zip(numbers, map(kind.found, images), strict=True)
        )
        if agree and len(set(named.values())) == len(named) and min(named) >= 0:
            return [named.get(number, str(number)) for number in range(max(named) + 1)], kind.shown
    return None, ""


def _counting(form: str, beside: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Return the plain ending of a form alone where some image has it, else the one other ending of this form."""
    if form in beside[form]:
        return [form]
    return beside[form] if len(beside[form]) == 1 else []


def _remark(kind: _Kind, beside: Mapping[str, Sequence[str]]) -> str:
    """Return what completes the sentence on the class: which endings of the same form do not give it."""
    others = [f".{decoded(ending)}" for ending in beside[kind.form] if ending != kind.ending]
    if kind.ending != kind.form:
        return f", as no image has a .{kind.form}"
    return f"; what stands beside it does not count: {shortened(others)}" if others else ""
