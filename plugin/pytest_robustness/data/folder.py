"""The user's own images: one folder per class, read as torchvision's ImageFolder does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_robustness.core.files import user_path
from pytest_robustness.data.class_folders import require_no_splits
from pytest_robustness.data.image_files import class_of, find_folders, list_images, list_unlabelled
from pytest_robustness.data.protocol import lacks
from pytest_robustness.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.core import DataSource

_FORMS: Final = {
    "folder:path": "images in path/<class>/<image>, one folder per class; without labels, images anywhere below path"
}


def known() -> Mapping[str, str]:
    """Return the form of a name, with one line of explanation."""
    return _FORMS


def check(spec: str, argument: str) -> None:
    """Raise `OptionError` if the path is missing."""
    if not argument:
        raise OptionError(lacks(spec, "its path", _FORMS))


def open_source(spec: str, argument: str, *, download: bool) -> DataSource:  # noqa: ARG001 (nothing to download)
    """Return the images below each class folder; classes and images are sorted by name.

    Raises
    ------
    DataError
        The folder is missing or holds no images in class folders, or its folders are splits: ``train``, ``val``.
    """
    root = user_path(argument).absolute()
    folders = find_folders(root, f"{root}/<class>/<image>")
    require_no_splits(root, folders)
    return list_images(spec, root, {folder: class_of(folder) for folder in folders})


def open_unlabelled(spec: str, argument: str) -> DataSource:
    """Return all images in a folder, at any depth: folders are no classes, but places to draw from.

    Raises
    ------
    DataError
        The folder is missing or holds no images.
    """
    return list_unlabelled(spec, user_path(argument).absolute())
