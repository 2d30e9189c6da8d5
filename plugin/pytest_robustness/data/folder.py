"""The user's own images: one folder per class, read as torchvision's ImageFolder does; on this machine or at a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_robustness.core.errors import OptionError
from pytest_robustness.data.files import storage
from pytest_robustness.data.files.image_files import class_of, find_folders, list_images, list_unlabelled
from pytest_robustness.data.files.local_files import LocalTree
from pytest_robustness.data.files.remote_files import remote_tree
from pytest_robustness.data.files.splits import require_no_splits
from pytest_robustness.data.protocol import lacks

if TYPE_CHECKING:
    from pytest_robustness.core import DataSource
    from pytest_robustness.data.files.image_files import Tree

FORMS: Final = {
    "folder:path": "images in path/<class>/<image>, one folder per class; without labels, images anywhere below path",
    "folder:url": "the same at s3://bucket/photos, https://host/photos/, ...: any URL that fsspec can list",
}


def check(spec: str, argument: str) -> None:
    """Raise `OptionError` if the path is missing."""
    if not argument:
        raise OptionError(lacks(spec, "its path", FORMS))


def open_source(spec: str, argument: str, *, download: bool) -> DataSource:  # noqa: ARG001 (nothing to download)
    """Return the images below each class folder; classes and images are sorted by name.

    Raises
    ------
    DataError
        The folder is missing or holds no images in class folders, or its folders are splits: ``train``, ``val``; or
        its storage cannot be read.
    """
    tree = _tree(argument, "{}/<class>/<image>")
    folders = find_folders(tree, f"{tree.shown}/<class>/<image>")
    require_no_splits(tree.shown, folders)
    return list_images(spec, tree, {folder: class_of(folder) for folder in folders})


def open_unlabelled(spec: str, argument: str, *, download: bool) -> DataSource:  # noqa: ARG001 (nothing to download)
    """Return all images in a folder, at any depth: folders are no classes, but places to draw from.

    Raises
    ------
    DataError
        The folder is missing or holds no images, or its storage cannot be read.
    """
    return list_unlabelled(spec, _tree(argument, "images below {}"))


def _tree(argument: str, layout: str) -> Tree:
    path = storage.local_path(argument)
    return remote_tree(argument, layout.format(argument.rstrip("/"))) if path is None else LocalTree(path)
