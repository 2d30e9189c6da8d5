"""The images of opened archives, whichever archive they lie in, and what is left out of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_robustness.core.text import decoded
from pytest_robustness.data.archives.members import Hashed, TarMembers
from pytest_robustness.data.decoding.formats import extension
from pytest_robustness.data.files.class_folders import LeftOut, is_hidden

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_robustness.core.file_hashes import FileStatus
    from pytest_robustness.data.archives.index import TarIndex
    from pytest_robustness.data.files.containers import Container


class ArchiveImage(NamedTuple):
    """A member that is an image: where it lies, its name below the chosen folder, and what stands beside it."""

    archive: int
    offset: int
    size: int
    name: str
    path: str
    sample: int
    labels: dict[str, Any]
    digest: bytes | None


class Archives(NamedTuple):
    """The opened archives of a data set; ``shown`` is how messages call it."""

    shown: str
    containers: Sequence[Container]
    statuses: tuple[FileStatus | None, ...]
    images: list[ArchiveImage]
    left_out: LeftOut

    def describe(self, image: ArchiveImage) -> str:
        """Return the archive and, below it as if it were a folder, the member."""
        return f"{self.containers[image.archive].shown}/{decoded(image.name)}"

    def members(self, images: Sequence[ArchiveImage], keys: Iterable[str]) -> TarMembers:
        """Return what reads ``images``, each of which is called by its key within its class."""
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


def archives_of(
    shown: str,
    containers: Sequence[Container],
    statuses: tuple[FileStatus | None, ...],
    found: Sequence[TarIndex],
    folder: str,
) -> Archives:
    """Return the images below ``folder`` of archives that ``found`` indexes, and what else is there."""
    left_out = LeftOut()
    images: list[ArchiveImage] = []
    for archive, index in enumerate(found):
        left_out.irregular += [decoded(name) for name in index.irregular if name.startswith(folder)]
        for name in index.others:
            if any(map(is_hidden, name.split("/"))) or name.startswith("__"):
                left_out.hidden += name.startswith(folder)
            elif name.startswith(folder):
                left_out.endings[decoded(extension(name))] += 1
        digests: Sequence[bytes | None] = [*map(bytes.fromhex, index.digests)] or [None] * len(index.names)
        images += [
            ArchiveImage(archive, offset, size, name, name[len(folder) :], sample, index.labels.get(sample, {}), digest)
            for offset, size, name, sample, digest in zip(
                index.offsets, index.sizes, index.names, index.samples, digests, strict=True
            )
            if name.startswith(folder)
        ]
    return Archives(shown, containers, statuses, images, left_out)
