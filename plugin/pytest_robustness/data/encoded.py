"""Labelled images that are encoded as files are, wherever they lie: in a folder, an archive, a table, a storage."""

from __future__ import annotations

import dataclasses
import functools
import io
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from pytest_robustness.core.errors import BadImageError, DataError
from pytest_robustness.core.file_hashes import content_digest
from pytest_robustness.data.faults import reason_of, retried
from pytest_robustness.data.identity import UNREADABLE, as_array

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from typing import BinaryIO

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import ClassLabel
    from pytest_robustness.core.file_hashes import FileHashes

_Found = TypeVar("_Found")
_log = logging.getLogger(__name__)


class EncodedImages(Protocol):
    """The bytes of images, by index; whoever has no better way to read headers inherits this one.

    It is sent to decoding processes and to other machines: it pickles small, and opens files and connections in each
    process on its own.
    """

    @property
    def in_memory(self) -> bool:
        """Whether this process alone has the images, so that no other can decode them."""

    @property
    def at_a_time(self) -> int:
        """How many images to ask for at a time: 1, or more where each takes a while to arrive."""
        return 1

    def content(self, index: int) -> bytes:
        """Return the encoded bytes of image ``index``; raise `OSError` where they cannot be read."""

    def header(self, index: int) -> BinaryIO:
        """Open image ``index`` for reading its header; raise `OSError` where it cannot be read."""
        return io.BytesIO(self.content(index))

    def describe(self, index: int) -> str:
        """Return what names the image to a user; it ends as the name of the image's file does, where it has one."""

    def key(self, index: int) -> str:
        """Return the path of the image below the folder of its class."""

    def digests(self, indices: NDArray[np.int64], hashes: FileHashes) -> Sequence[bytes | OSError]:
        """Return the hash of the bytes of each image, or the error that kept them from being read."""


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedSource:
    """A `DataSource` over encoded images."""

    name: str
    classes: Sequence[ClassLabel]
    labels: NDArray[np.int64]
    images: EncodedImages
    notes: tuple[str, ...] = ()
    """What a user should know about the data: what was left out, which class has no image."""
    sorts_names: ClassVar[bool] = True
    """The names of class folders, say, are put in order, and a label is the place of one."""

    @property
    def in_memory(self) -> bool:
        """Whether no other process can decode the images."""
        return self.images.in_memory

    def read(self, index: int) -> torch.Tensor:
        """Return image ``index`` as uint8 RGB [3, H, W]; raise `BadImageError` if it cannot be read or decoded."""
        return self._decoded(self._content(index), index)

    def read_as(self, index: int, identity: bytes) -> torch.Tensor:
        """Read image ``index``, whose encoded bytes have the hash ``identity``; see `VerifyingSource`."""
        return self.opened_as(index, identity)()

    def opened_as(self, index: int, identity: bytes) -> Callable[[], torch.Tensor]:
        """Read the bytes of image ``index`` and return what decodes them; see `ThreadedSource`."""
        data = self._content(index)

        def decoded() -> torch.Tensor:
            if identity not in (UNREADABLE, content_digest(data)):
                raise DataError(
                    f"{self.describe(index)} has changed since the run began. Run again when nothing writes to the "
                    f"data; what was computed is kept."
                )
            return self._decoded(data, index)

        return decoded

    def _content(self, index: int) -> bytes:
        try:
            return retried(lambda: self.images.content(index))
        except (OSError, MemoryError) as error:
            _log.debug("%s cannot be read", self.describe(index), exc_info=True)
            raise BadImageError(self.describe(index), reason_of(error), content=False) from error

    def _decoded(self, data: bytes, index: int) -> torch.Tensor:
        from pytest_robustness.data.decoding.decode import decode

        return decode(data, self.describe(index))

    def describe(self, index: int) -> str:
        """Return what names the image to a user: the path of its file, or its place in an archive or a table."""
        return self.images.describe(index)

    def key(self, index: int) -> str:
        """Return the path of the image below the folder of its class, or the whole where it lies in no folder."""
        return self.images.key(index)

    def identities(self, indices: NDArray[np.int64], hashes: FileHashes) -> NDArray[np.void]:
        """Return the hash of the encoded bytes of each image: V16 [n]; zeros where they cannot be read."""
        found = self.images.digests(indices, hashes)
        return as_array(UNREADABLE if isinstance(digest, OSError) else digest for digest in found)

    def orientations(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the EXIF code that is still to be obeyed in each image: uint8 [n], 1 to 8."""
        import numpy as np

        from pytest_robustness.data.decoding.headers import header_traits

        return np.array([one.orientation for one in self.in_headers(indices, header_traits)], np.uint8)

    def in_headers(
        self, indices: NDArray[np.int64], look: Callable[[Callable[[], BinaryIO], str], _Found]
    ) -> list[_Found]:
        """Return what ``look`` finds in the header of each image; it gets what opens the image, and its name."""
        if self.images.at_a_time == 1:
            return [look(functools.partial(self.images.header, int(i)), self.describe(int(i))) for i in indices]
        # Pillow's settings belong to the process: images arrive in threads, and are looked at one after the other.
        arrived: deque[Future[BinaryIO]] = deque()
        found: list[_Found] = []
        with ThreadPoolExecutor(self.images.at_a_time) as pool:
            for index in indices:
                arrived.append(pool.submit(self.images.header, int(index)))
                if len(arrived) > 2 * self.images.at_a_time:
                    found.append(look(arrived.popleft().result, self.describe(int(indices[len(found)]))))
            found += [look(one.result, self.describe(int(indices[len(found) + i]))) for i, one in enumerate(arrived)]
        return found
