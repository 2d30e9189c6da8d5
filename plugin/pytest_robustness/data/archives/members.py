"""Images that are members of tar archives."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.core.text import decoded
from pytest_robustness.data.encoded import EncodedImages
from pytest_robustness.data.files.containers import Container

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core.file_hashes import FileHashes, FileStatus


class Hashed(NamedTuple):
    """What is known for hashing: the status of each archive, and the hash of each image that has been read already."""

    statuses: tuple[FileStatus | None, ...]
    digests: Sequence[bytes | None]


@dataclasses.dataclass(frozen=True, eq=False)
class TarMembers(EncodedImages):
    """`EncodedImages` in tar archives.

    Of each image: ``archives`` the number of its archive in ``texts``, int32 [N], ``offsets`` and ``sizes`` its place
    there, int64 [N], ``names`` the member's name, bytes [N], of which the first ``prefixes`` bytes, int32 [N], are the
    folder of its class. ``hashed`` is not sent to other processes.
    """

    texts: tuple[str, ...]
    archives: NDArray[np.int32]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    names: NDArray[np.bytes_]
    prefixes: NDArray[np.int32]
    hashed: Hashed | None = None

    @property
    def in_memory(self) -> bool:
        """Whether no other process can read the archives."""
        return Container(self.texts[0]).in_memory

    @property
    def at_a_time(self) -> int:
        """How many images to ask for at a time."""
        return Container(self.texts[0]).at_a_time

    def content(self, index: int) -> bytes:
        """Return the content of the member."""
        return self._archive(index).part(int(self.offsets[index]), int(self.sizes[index]))

    def describe(self, index: int) -> str:
        """Return the archive and, below it as if it were a folder, the member."""
        return f"{self._archive(index).shown}/{decoded(os.fsdecode(self.names[index]))}"

    def key(self, index: int) -> str:
        """Return the member's name below the folder of its class."""
        name: bytes = self.names[index]
        return decoded(os.fsdecode(name[int(self.prefixes[index]) :]))

    def digests(self, indices: NDArray[np.int64], hashes: FileHashes) -> Sequence[bytes | OSError]:
        """Return the hash of each member, or why it cannot be read."""
        if self.hashed is None:
            known, statuses = [None] * len(indices), [None] * len(indices)
        else:
            known = [self.hashed.digests[index] for index in indices]
            statuses = [self.hashed.statuses[self.archives[index]] for index in indices]
        unknown = [position for position, digest in enumerate(known) if digest is None]
        places = [
            os.fsencode(f"{self.texts[self.archives[index]]}/{self.offsets[index]}") for index in indices[unknown]
        ]
        found = hashes.remembered(
            places,
            [statuses[position] for position in unknown],
            lambda item: self.content(int(indices[unknown[item]])),
            threads=max(self.at_a_time, os.cpu_count() or 1),
        )
        read = iter(found)
        return [next(read) if digest is None else digest for digest in known]

    def _archive(self, index: int) -> Container:
        return Container(self.texts[self.archives[index]])

    def __reduce__(self) -> tuple[Callable[..., TarMembers], tuple[object, ...]]:
        return TarMembers, (self.texts, self.archives, self.offsets, self.sizes, self.names, self.prefixes)
