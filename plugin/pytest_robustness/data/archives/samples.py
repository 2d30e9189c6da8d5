"""Make a source of the members of tar archives: samples with a class beside each image, or class folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.core.errors import DataError
from pytest_robustness.core.text import decoded
from pytest_robustness.data.archives.contents import archives_of
from pytest_robustness.data.archives.index import indexes
from pytest_robustness.data.archives.labels import labels_of
from pytest_robustness.data.encoded import EncodedSource
from pytest_robustness.data.files.image_files import class_of, find_folders, list_images, notes_of
from pytest_robustness.data.files.listed_tree import ListedTree
from pytest_robustness.data.files.sample_labels import by_name, key_within
from pytest_robustness.data.files.splits import require_no_splits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_robustness.data.archives.contents import ArchiveImage, Archives
    from pytest_robustness.data.archives.members import TarMembers
    from pytest_robustness.data.files.containers import Container


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
    archives = archives_of(decoded(path), containers, statuses, indexes(containers, statuses), folder)
    if not archives.images:
        sentences = " ".join(archives.left_out.sentences(archives.shown))
        raise DataError(f"{archives.shown} holds no image{f' below {folder}' if folder else ''}. {sentences}".rstrip())
    if not labelled:
        return _unlabelled(spec, archives)
    if any(image.labels for image in archives.images):
        return _samples(spec, path, archives)
    return _class_folders(spec, path, archives)


# --- class folders


def _class_folders(spec: str, path: str, archives: Archives) -> EncodedSource:
    top = _common_folders([image.path for image in archives.images])
    by_path: dict[str, ArchiveImage] = {}
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


def _samples(spec: str, path: str, archives: Archives) -> EncodedSource:
    images = list(_one_a_sample(archives))
    top = _common_folders([image.path for image in images])
    places = sorted({image.path[len(top) :].partition("/")[0] for image in images if "/" in image.path[len(top) :]})
    require_no_splits(archives.shown, places, f"tar:{path}#folder={top}{{best}}")
    labelled = labels_of(archives, images)
    classes = [labelled.classes[label] for label in labelled.labels]
    keys = [key_within(image.path, label) for image, label in zip(images, classes, strict=True)]
    notes = (*notes_of(labelled), *archives.left_out.sentences(archives.shown))
    return EncodedSource(decoded(spec), labelled.classes, labelled.labels, archives.members(images, keys), notes)


def _one_a_sample(archives: Archives) -> Iterator[ArchiveImage]:
    """Yield the image of each sample: the one whose name has a single ending, where others have two (``.mask.png``)."""
    samples: dict[tuple[int, int], list[ArchiveImage]] = {}
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


# --- no class at all


def _unlabelled(spec: str, archives: Archives) -> EncodedSource:
    top = _common_folders([image.path for image in archives.images])
    paths = [image.path[len(top) :] for image in archives.images]
    places = [path.rpartition("/")[0].partition("/")[0] for path in paths]
    labelled = by_name(places)
    members = archives.members(archives.images, [path.partition("/")[2] or path for path in paths])
    notes = tuple(archives.left_out.sentences(archives.shown))
    return EncodedSource(decoded(spec), labelled.classes, labelled.labels, members, notes)
