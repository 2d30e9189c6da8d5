"""ImageNet as it is usually unpacked: one folder of WordNet ids per split."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.errors import DataError, OptionError, unknown
from pytest_robustness.core.files import user_path
from pytest_robustness.data.files.image_files import class_of, find_folders, list_images
from pytest_robustness.data.files.local_files import LocalTree
from pytest_robustness.data.protocol import lacks

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_robustness.core import DataSource

FORMS: Final = {"imagenet:root[:train|val]": "ImageNet in root/val/<WordNet id>/<image>, or root/train; default val"}
_SPLITS: Final = ("train", "val")


def check(spec: str, argument: str) -> None:
    """Raise `OptionError` if the root is missing or there is no such split."""
    root, split = _parse(argument)
    if not root:
        raise OptionError(lacks(spec, "its root", FORMS))
    if split not in _SPLITS:
        raise OptionError(unknown("split of imagenet", split, _SPLITS))


def open_source(spec: str, argument: str, *, download: bool) -> DataSource:  # noqa: ARG001 (ImageNet cannot be downloaded)
    """Return the images of ``root/<split>``, or of ``root`` itself if that holds the WordNet ids."""
    given, split = _parse(argument)
    root = user_path(given).absolute()
    layout = f"{root}/{split}/<WordNet id>/<image>"
    folder, wnids = root, _wnids(root, layout)
    if not wnids:
        folder = root / split
        wnids = _wnids(folder, layout)
    if not wnids:
        raise DataError(f"{folder} holds no folder named by a WordNet id, such as n01440764. Expected {layout}.")
    return list_images(spec, LocalTree(folder), {wnid: class_of(wnid) for wnid in wnids})


def _parse(argument: str) -> tuple[str, str]:
    # A split is a word: in C:\imagenet the colon belongs to the path.
    match = re.fullmatch(r"(.+):(\w*)", argument)
    return (match[1], match[2]) if match else (argument, "val")


def _wnids(folder: Path, layout: str) -> list[str]:
    return [name for name in find_folders(LocalTree(folder), layout) if re.fullmatch(r"n\d{8}", name)]
