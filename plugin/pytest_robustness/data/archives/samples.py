"""Make a source of the members of tar archives: samples with a class beside each image, or class folders."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core.text import decoded
from pytest_robustness.data.archives.index import indexes
from pytest_robustness.data.archives.members import Hashed, TarMembers
from pytest_robustness.data.decoding.formats import extension
from pytest_robustness.data.encoded import EncodedSource
from pytest_robustness.data.files.class_folders import LeftOut, is_hidden, require_no_splits
from pytest_robustness.data.files.image_files import class_of, find_folders, list_images, notes_of
from pytest_robustness.data.files.listed_tree import ListedTree
from pytest_robustness.data.files.sample_labels import (
    as_number,
    by_name,
    by_number,
    key_within,
    names_in,
    require_distinct,
    require_no_captions,
)
from pytest_robustness.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_robustness.core.file_hashes import FileStatus
    from pytest_robustness.data.archives.index import TarIndex
    from pytest_robustness.data.files.containers import Container
    from pytest_robustness.data.files.sample_labels import Labelled

_CLASS_FILES: Final = ("classes.txt", "class_names.txt", "classnames.txt")
_LABEL_ENTRIES: Final = ("cls", "class", "label", "target", "category", "class_id", "label_id")
_NAME_ENTRIES: Final = ("class_name", "classname", "label_name", "category_name", "name", "synset", "wnid")


class _Image(NamedTuple):
    """A member that is an image: where it lies, its name below the chosen folder, and what stands beside it."""

    archive: int
    offset: int
    size: int
    name: str
    path: str
    sample: int
    labels: dict[str, Any]
    digest: bytes | None


class _Archives(NamedTuple):
    """The opened archives of a data set; ``shown`` is how messages call it."""

    shown: str
    containers: Sequence[Container]
    statuses: tuple[FileStatus | None, ...]
    images: list[_Image]
    left_out: LeftOut

    def describe(self, image: _Image) -> str:
        return f"{self.containers[image.archive].shown}/{decoded(image.name)}"

    def members(self, images: Sequence[_Image], keys: Iterable[str]) -> TarMembers:
        import numpy as np

        names = [os.fsencode(image.name) for image in images]
        prefixes = [len(name) - len(os.fsencode(key)) for name, key in zip(names, keys, strict=True)]
        return TarMembers(
            tuple(container.text for container in self.containers),
            np.array([image.archive for image in images], np.int32),
            np.array([image.offset for image in images], np.int64),
            np.array([image.size for image in images], np.int64),
            np.asarray(names),
            np.array(prefixes, np.int32),
            Hashed(self.statuses, [image.digest for image in images]),
        )


def source_of(spec: str, path: str, containers: Sequence[Container], folder: str, *, labelled: bool) -> EncodedSource:
    """Return the images of archives.

    Parameters
    ----------
    spec, path
        The data, and the archives, as the user names them.
    containers
        The archives.
    folder
        Members below it alone count; it ends with a slash, or is empty.
    labelled
        Whether each image needs a class.

    Raises
    ------
    DataError
        An archive cannot be read, none holds an image, or an image has no class.
    """
    statuses = tuple(container.status() for container in containers)
    archives = _archives(decoded(path), containers, statuses, indexes(containers, statuses), folder)
    if not archives.images:
        sentences = " ".join(archives.left_out.sentences(archives.shown))
        raise DataError(f"{archives.shown} holds no image{f' below {folder}' if folder else ''}. {sentences}".rstrip())
    if not labelled:
        return _unlabelled(spec, archives)
    if any(image.labels for image in archives.images):
        return _samples(spec, archives)
    return _class_folders(spec, path, archives)


def _archives(
    shown: str,
    containers: Sequence[Container],
    statuses: tuple[FileStatus | None, ...],
    found: Sequence[TarIndex],
    folder: str,
) -> _Archives:
    left_out = LeftOut()
    images: list[_Image] = []
    for archive, index in enumerate(found):
        left_out.irregular += [decoded(name) for name in index.irregular if name.startswith(folder)]
        for name in index.others:
            if any(map(is_hidden, name.split("/"))) or name.startswith("__"):
                left_out.hidden += name.startswith(folder)
            elif name.startswith(folder):
                left_out.endings[decoded(extension(name))] += 1
        digests: Sequence[bytes | None] = [*map(bytes.fromhex, index.digests)] or [None] * len(index.names)
        images += [
            _Image(archive, offset, size, name, name[len(folder) :], sample, index.labels.get(sample, {}), digest)
            for offset, size, name, sample, digest in zip(
                index.offsets, index.sizes, index.names, index.samples, digests, strict=True
            )
            if name.startswith(folder)
        ]
    return _Archives(shown, containers, statuses, images, left_out)


# --- class folders


def _class_folders(spec: str, path: str, archives: _Archives) -> EncodedSource:
    top = _common_folders([image.path for image in archives.images])
    by_path: dict[str, _Image] = {}
    for image in archives.images:
        other = by_path.setdefault(image.path[len(top) :], image)
        if other is not image:
            raise DataError(f"{archives.describe(other)} and {archives.describe(image)} are two images of one name.")

    def opened(paths: Sequence[str]) -> TarMembers:
        return archives.members([by_path[one] for one in paths], [one.partition("/")[2] for one in paths])

    tree = ListedTree(archives.shown, [*by_path], opened)
    folders = find_folders(
        tree, "a class beside each image (.cls, .json, .txt), or images in class folders: <class>/<image>"
    )
    require_no_splits(archives.shown, folders, f"tar:{path}#folder={top}{{best}}")
    source = list_images(spec, tree, {folder: class_of(folder) for folder in folders})
    common = (f"The folder {decoded(top)} of {archives.shown} holds all others, and counts as no class.",)
    return EncodedSource(
        source.name,
        source.classes,
        source.labels,
        source.images,
        (*(common if top else ()), *source.notes, *archives.left_out.sentences(archives.shown)),
    )


def _common_folders(paths: Sequence[str]) -> str:
    """Return the folders that hold all others, with a slash at the end: ``photos/`` of ``photos/cat/1.png``."""
    top = ""
    while True:
        rest = [path[len(top) :].split("/", 2) for path in paths]
        if len({parts[0] for parts in rest}) != 1 or any(len(parts) < 3 for parts in rest):
            return top
        top += f"{rest[0][0]}/"


# --- a class beside each image


def _samples(spec: str, archives: _Archives) -> EncodedSource:
    images = list(_one_a_sample(archives))
    labelled = _labels(archives, images)
    classes = [labelled.classes[label] for label in labelled.labels]
    keys = [key_within(image.path, label) for image, label in zip(images, classes, strict=True)]
    notes = (*notes_of(labelled), *archives.left_out.sentences(archives.shown))
    return EncodedSource(decoded(spec), labelled.classes, labelled.labels, archives.members(images, keys), notes)


def _one_a_sample(archives: _Archives) -> Iterator[_Image]:
    """Yield the image of each sample: the one whose name has a single ending, where others have two (``.mask.png``)."""
    samples: dict[tuple[int, int], list[_Image]] = {}
    for image in archives.images:
        samples.setdefault((image.archive, image.sample), []).append(image)
    for images in samples.values():
        plain = [image for image in images if image.name.rpartition("/")[2].count(".") == 1]
        if len(images) > 1 and len(plain) != 1:
            raise DataError(
                f"{archives.describe(images[0])} and {decoded(images[1].name)} belong to one sample: which of them is "
                f"to be judged? Write shards with one image a sample, or with one that has a single ending."
            )
        chosen = plain[0] if len(images) > 1 else images[0]
        for image in images:
            if image is not chosen:
                archives.left_out.endings[decoded(f".{image.name.rpartition('/')[2].partition('.')[2]}")] += 1
        yield chosen


def _labels(archives: _Archives, images: Sequence[_Image]) -> Labelled:
    """Return the labels of samples: of the first kind that each of them has."""
    kinds = ["cls", *(f"json {entry}" for entry in (*_LABEL_ENTRIES, *_NAME_ENTRIES)), "txt"]
    for kind in kinds:
        values = [_value(image, kind) for image in images]
        if all(value is not None for value in values):
            break
    else:
        without = next((image for image in images if not image.labels), images[0])
        raise DataError(
            f"{archives.describe(without)} has no class of the kind that the others have. Valid: beside each image a "
            f".cls with a number, a .txt with a name, or a .json with one of the entries {', '.join(_LABEL_ENTRIES)}, "
            f"{', '.join(_NAME_ENTRIES)}. Images without labels are judged with --robustness-labels=none."
        )
    source = f"the entry {kind[5:]} of its .json" if kind.startswith("json ") else f"its .{kind}"
    texts = [str(value) for value in values]
    numbers = [as_number(text) for text in texts]
    whole = [number for number in numbers if number is not None]
    if len(whole) < len(numbers):
        require_no_captions(texts, archives.shown, f"{source[4:]} files" if kind == "txt" else source)
        note = f"{archives.shown}: the class of an image is the name in {source}."
        return by_name(texts)._replace(notes=(note,))
    names, namer = _names(archives, images, whole)
    found = by_number(archives.shown, whole, names, lambda index: archives.describe(images[index]))
    named = f", named by {namer}" if names else ""
    note = f"{archives.shown}: the class of an image is the number in {source}{named}."
    return found._replace(notes=(note, *found.notes))


def _value(image: _Image, kind: str) -> str | int | None:
    if kind.startswith("json "):
        value: str | int | None = image.labels.get("json", {}).get(kind[5:])
        return value
    text: str | None = image.labels.get(kind)
    return text or None


def _names(archives: _Archives, images: Sequence[_Image], numbers: Sequence[int]) -> tuple[list[str] | None, str]:
    """Return the names of classes that have numbers, and what gives them: a file, or what else stands beside images."""
    for name in _CLASS_FILES:
        beside = archives.containers[0].beside(name)
        text = beside.text_or_none()
        if text is not None:
            names = names_in(text, beside.shown)
            require_distinct(names, beside.shown)
            return names, beside.shown
    for kind in (*(f"json {entry}" for entry in _NAME_ENTRIES), "txt"):
        named: dict[int, str] = {}
        values = [_value(image, kind) for image in images]
        agree = all(
            isinstance(value, str) and as_number(value) is None and named.setdefault(number, value) == value
            for number, value in zip(numbers, values, strict=True)
        )
        if agree and len(set(named.values())) == len(named) and min(named) >= 0:
            names = [named.get(number, str(number)) for number in range(max(named) + 1)]
            return names, f"the entry {kind[5:]} of its .json" if kind.startswith("json ") else "its .txt"
    return None, ""


# --- no class at all


def _unlabelled(spec: str, archives: _Archives) -> EncodedSource:
    top = _common_folders([image.path for image in archives.images])
    paths = [image.path[len(top) :] for image in archives.images]
    places = [path.rpartition("/")[0].partition("/")[0] for path in paths]
    labelled = by_name(places)
    members = archives.members(archives.images, [path.partition("/")[2] or path for path in paths])
    notes = tuple(archives.left_out.sentences(archives.shown))
    return EncodedSource(decoded(spec), labelled.classes, labelled.labels, members, notes)
