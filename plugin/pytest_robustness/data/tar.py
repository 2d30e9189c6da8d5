"""Images in tar archives: WebDataset's shards, or class folders that were packed."""

from __future__ import annotations

import dataclasses
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.errors import OptionError
from pytest_robustness.data import spec_options
from pytest_robustness.data.files.shards import find
from pytest_robustness.data.protocol import lacks

if TYPE_CHECKING:
    from pytest_robustness.core import DataSource

FORMS: Final = {
    "tar:path": "tar archives at a path or URL, also shard-{000..012}.tar, *.tar or a folder: WebDataset's shards, in "
    "which a .cls, .json or .txt beside each image has its class, or class folders"
}
_OPTIONS: Final = ("folder",)
_ENDINGS: Final = (".tar",)


def check(spec: str, argument: str) -> None:
    """Raise `OptionError` if the path is missing, or an option behind it is not valid."""
    if not spec_options.split(spec, argument, _OPTIONS)[0]:
        raise OptionError(lacks(spec, "its path", FORMS))


def open_source(spec: str, argument: str, *, download: bool) -> DataSource:  # noqa: ARG001 (nothing to download)
    """Return the images of all archives, in their order; those of class folders in the order of the classes.

    Raises
    ------
    DataError
        An archive is missing or damaged, or an image has no class.
    """
    return _open(spec, argument, labelled=True)


def open_unlabelled(spec: str, argument: str, *, download: bool) -> DataSource:  # noqa: ARG001 (nothing to download)
    """Return the images of all archives, whatever stands beside them: folders are places to draw from.

    Raises
    ------
    DataError
        An archive is missing or damaged, or none holds an image.
    """
    return _open(spec, argument, labelled=False)


def _open(spec: str, argument: str, *, labelled: bool) -> DataSource:
    from pytest_robustness.data.archives.samples import source_of

    path, options = spec_options.split(spec, argument, _OPTIONS)
    shards = find("tar", path, _ENDINGS, "tar archive")
    folder = str(PurePosixPath(options["folder"])) + "/" if "folder" in options else ""
    source = source_of(spec, path, shards.containers, folder, labelled=labelled)
    return dataclasses.replace(source, notes=(*source.notes, *shards.notes))
