"""Labelled images: open them by name, and select those that a run reads.

A dataset is named ``kind[:argument]``. A new kind is one module that follows `DatasetKind`, and its line in the table
below. Heavy libraries are imported when a dataset is opened, so that checking an option costs nothing.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.errors import OptionError, unknown
from pytest_robustness.data import cifar10, digits, factory, folder, hf, imagenet, imagenette, parquet, tar
from pytest_robustness.data.identity import identities as identities
from pytest_robustness.data.identity import keys as keys
from pytest_robustness.data.protocol import UnlabelledKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import DataSource
    from pytest_robustness.data.protocol import DatasetKind

KINDS: Final[Mapping[str, DatasetKind]] = {
    "digits": digits,
    "cifar10": cifar10,
    "imagenette": imagenette,
    "imagenet": imagenet,
    "folder": folder,
    "tar": tar,
    "parquet": parquet,
    "hf": hf,
    "python": factory,
}

_BY_PIXELS: Final = frozenset({"digits", "cifar10", "python"})


def known() -> dict[str, str]:
    """Return every form of a dataset's name, with one line of explanation."""
    return {form: text for kind in KINDS.values() for form, text in kind.FORMS.items()}


def check(spec: str) -> None:
    """Raise `OptionError` unless ``spec`` names a kind of dataset with the parts that it needs; no file is read."""
    kind, argument = _parse(spec)
    kind.check(spec, argument)


def open_source(spec: str, *, download: bool = False, labelled: bool = True) -> DataSource:
    """Open the dataset that ``spec`` names.

    Parameters
    ----------
    spec
        One of the forms of `known`, e.g. ``folder:photos``.
    download
        Download the data if it is absent; only ``cifar10`` and ``imagenette`` can be downloaded.
    labelled
        Whether the labels are needed. Without them a folder of images needs no class folders.

    Raises
    ------
    OptionError
        ``spec`` names no dataset, or lacks a part.
    DataError
        The data is absent, unreadable, or not laid out as expected.
    """
    kind, argument = _parse(spec)
    kind.check(spec, argument)
    if not labelled and isinstance(kind, UnlabelledKind):
        return kind.open_unlabelled(spec, argument, download=download)
    return kind.open_source(spec, argument, download=download)


def select(source: DataSource, limit: int | None, seed: int) -> NDArray[np.int64]:
    """Draw at most ``limit`` images of each class; where a source has no classes, of each folder.

    Parameters
    ----------
    source
        The images.
    limit
        Images per class; ``None`` takes them all.
    seed
        Not negative. An image is drawn by what names it within its class, so that a smaller draw is part of a larger
        one, and one more image displaces at most one.

    Returns
    -------
    The indices of the images drawn, ascending: int64 [n].
    """
    import numpy as np

    labels = source.labels
    if limit is None:
        return np.arange(len(labels), dtype=np.int64)
    ranks = [hashlib.sha256(b"%d:%s" % (seed, key)).digest() for key in keys(source)]
    drawn = []
    for label in np.unique(labels):
        members = sorted(np.flatnonzero(labels == label).tolist(), key=ranks.__getitem__)
        drawn.append(np.array(members[:limit], np.int64))
    return np.sort(np.concatenate([np.empty(0, np.int64), *drawn]))


def why_apart(one: str, other: str) -> str:
    """Return why the same images may share no identity in data of these two names; empty where that is no reason.

    A name is all that is kept of data. One that is no spec is that of a dataset that was given as an object.
    """
    kinds = (name.partition(":")[0] for name in (one, other))
    first, second = (kind in _BY_PIXELS or kind not in KINDS for kind in kinds)
    if first == second:
        return ""
    return (
        "If these are the same images: those of digits, cifar10, python: and of datasets given as objects are known by "
        "their pixels, those of files by their bytes, so that one is not found in the other"
    )


def _parse(spec: str) -> tuple[DatasetKind, str]:
    name, _, argument = spec.partition(":")
    if name not in KINDS:
        raise OptionError(unknown("dataset", name, known()))
    return KINDS[name], argument
