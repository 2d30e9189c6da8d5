"""Image files in one folder per class, at any depth, on this machine or elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_robustness.core import ClassLabel
from pytest_robustness.core.errors import DataError
from pytest_robustness.core.text import decoded
from pytest_robustness.data.decoding.formats import readable
from pytest_robustness.data.encoded import EncodedSource
from pytest_robustness.data.files.class_folders import LeftOut, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_robustness.data.encoded import EncodedImages
    from pytest_robustness.data.files.sample_labels import Labelled


class Tree(Protocol):
    """Folders that hold images: on a disk, in a storage, in an archive."""

    @property
    def shown(self) -> str:
        """The root as users write it."""

    def folders(self, layout: str) -> list[str]:
        """Return the names of the folders in the root, sorted; those that are hidden or a system's do not count.

        Raises
        ------
        DataError
            The root cannot be read. The message says that ``layout`` was expected.
        """

    def files(self, folder: str, left_out: LeftOut, *, nested: bool = True) -> list[str]:
        """Return the images of ``folder``, each by its path below the root; count in ``left_out`` what is none.

        Without ``nested``, those in the folder itself alone; the folder "" is the root. They are in the order of
        torchvision's ImageFolder: by the path of their folder, then by name.
        """

    def require_apart(self, folders: Sequence[str]) -> None:
        """Raise `DataError` where two of the ``folders`` hold the same files."""

    def images(self, paths: Sequence[str]) -> EncodedImages:
        """Return the images at ``paths``."""


def find_folders(tree: Tree, layout: str) -> list[str]:
    """Return the names of the folders in ``tree``, sorted; those that are hidden or a system's do not count.

    Raises
    ------
    DataError
        The root of ``tree`` cannot be read, or holds no folder; the message says that ``layout`` was expected. Or it
        holds none but a link that leads nowhere.
    """
    names = tree.folders(layout)
    if not names:
        tree.files("", LeftOut(), nested=False)  # which names a link that leads nowhere
        raise DataError(decoded(f"{tree.shown} holds no class folder. Expected {layout}."))
    return names


def class_of(folder: str) -> ClassLabel:
    """Return the class that is called as its folder."""
    return ClassLabel(decoded(folder), decoded(folder))


def list_images(spec: str, tree: Tree, folders: Mapping[str, ClassLabel]) -> EncodedSource:
    """Return the source of all images below ``folders``; a class without images keeps its label, and a note names it.

    What lies beside the folders is left out and counted, images too, and so are other folders with images.

    Parameters
    ----------
    spec
        The data as the user names it.
    tree
        What holds the class folders.
    folders
        The class of each folder, in the order of the labels.

    Raises
    ------
    DataError
        A folder cannot be read, holds images of another class by a link, or no class has an image.
    """
    import numpy as np

    tree.require_apart([*folders])
    shown, left_out = tree.shown, LeftOut()
    left_out.loose = len(tree.files("", left_out, nested=False))
    files = [tree.files(folder, left_out) for folder in folders]
    others = [folder for folder in tree.folders(f"class folders in {shown}") if folder not in folders]
    images = {decoded(folder): len(tree.files(folder, LeftOut())) for folder in others}
    left_out.unnamed = {folder: count for folder, count in images.items() if count}
    paths = [file for part in files for file in part]
    if not paths:
        raise DataError(
            f"The class folders in {shown} hold no image. Expected {shown}/<class>/<image>, with one of the extensions "
            f"{', '.join(sorted(readable().extensions))}. {' '.join(left_out.sentences(shown))}".rstrip()
        )
    counts = [len(part) for part in files]
    labels = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    notes = (*empty_notes([*folders.values()], counts), *left_out.sentences(shown))
    return EncodedSource(decoded(spec), tuple(folders.values()), labels, tree.images(paths), notes)


def list_unlabelled(spec: str, tree: Tree) -> EncodedSource:
    """Return the source of all images in ``tree``, at any depth; labels number the folders in it, then its root.

    Parameters
    ----------
    spec
        The data as the user names it.
    tree
        What holds the images.

    Raises
    ------
    DataError
        A folder cannot be read, or holds no image.
    """
    import numpy as np

    shown, left_out = tree.shown, LeftOut()
    folders = tree.folders(f"images below {shown}")
    tree.require_apart(folders)
    files = [tree.files(folder, left_out) for folder in folders]
    files.append(tree.files("", left_out, nested=False))
    paths = [file for part in files for file in part]
    if not paths:
        raise DataError(
            f"{shown} holds no image. Expected images at any depth, with one of the extensions "
            f"{', '.join(sorted(readable().extensions))}. {' '.join(left_out.sentences(shown))}".rstrip()
        )
    labels = np.repeat(np.arange(len(files), dtype=np.int64), [len(part) for part in files])
    places = tuple(map(class_of, [*folders, ""]))
    return EncodedSource(decoded(spec), places, labels, tree.images(paths), (*left_out.sentences(shown),))


def notes_of(labelled: Labelled) -> tuple[str, ...]:
    """Return what a user should know about labels, and a sentence that names the classes without an image."""
    import numpy as np

    counts = np.bincount(labelled.labels, minlength=len(labelled.classes))
    return (*labelled.notes, *empty_notes(labelled.classes, counts.tolist()))


def empty_notes(classes: Sequence[ClassLabel], counts: Sequence[int]) -> Iterator[str]:
    """Yield a sentence that names the classes without an image, if any."""
    empty = [label.name for label, count in zip(classes, counts, strict=True) if not count]
    if empty:
        hold, take = ("class holds", "takes") if len(empty) == 1 else ("classes hold", "take")
        yield f"{len(empty)} {hold} no image and {take} no part: {shortened(empty)}."
