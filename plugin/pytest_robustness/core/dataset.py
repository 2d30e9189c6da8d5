"""Labelled images, and how their classes meet a model's outputs."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from typing import TYPE_CHECKING, Final, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core.file_hashes import FileHashes


UNLABELLED: Final = -1
"""The label of an image without one."""


@dataclasses.dataclass(frozen=True)
class ClassLabel:
    """One class of a dataset: ``key`` as the data names it (a folder, a WordNet id), ``name`` as people do."""

    key: str
    name: str


class DataSource(Protocol):
    """Labelled images, read one at a time; picklable, because decoding happens in worker processes."""

    @property
    def name(self) -> str:
        """What the user asked for, e.g. ``folder:photos``."""

    @property
    def classes(self) -> Sequence[ClassLabel]:
        """The classes; a label is a position in this sequence."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The label of every image: int64 [N]."""

    @property
    def in_memory(self) -> bool:
        """Whether ``read`` is so cheap that decoding processes would not pay."""

    def read(self, index: int) -> torch.Tensor:
        """Return image ``index`` as uint8 RGB [3, H, W]; raise `BadImageError` naming it where it cannot be read."""

    def describe(self, index: int) -> str:
        """Return what names the image to a user: its path, or ``digits[12]``."""


@runtime_checkable
class IdentifiedSource(Protocol):
    """What a `DataSource` may offer besides, so that its images are known without being decoded.

    Without it an image is identified by its pixels, all of which are read at the start, and chosen by its index.
    """

    def key(self, index: int) -> str:
        """Return what names an image within its class and stays when the data is moved or grows: a file's path there.

        With ``--robustness-limit`` the images are drawn by it.
        """

    def identities(self, indices: NDArray[np.int64], hashes: FileHashes) -> NDArray[np.void]:
        """Return the hash of the encoded content of each image: V16 [n]; zeros where it cannot be read.

        Predictions are stored under it, and random draws depend on it: equal bytes are one image, in any place and
        form.
        """


@runtime_checkable
class VerifyingSource(Protocol):
    """What a `DataSource` that hashes its images in a way of its own may offer besides."""

    def read_as(self, index: int, identity: bytes) -> torch.Tensor:
        """Return image ``index`` as ``read`` does: uint8 RGB [3, H, W], of the content whose hash is ``identity``.

        Raises
        ------
        BadImageError
            It cannot be read.
        DataError
            The content is another than when it was hashed.
        """


@runtime_checkable
class ThreadedSource(Protocol):
    """What a `DataSource` whose images may be decoded in several threads at once may offer besides."""

    def opened_as(self, index: int, identity: bytes) -> Callable[[], torch.Tensor]:
        """Return what decodes image ``index`` as `VerifyingSource.read_as` does, with its errors, in any thread.

        The image is fetched here, which one thread does at a time.
        """


@runtime_checkable
class OrientedSource(Protocol):
    """What a `DataSource` of image files may offer besides: their EXIF orientations."""

    def orientations(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the code, 1 to 8, that each image carries and `read` does not obey: uint8 [n]; 1 where there is none.

        It must be a function of the bytes that the image's identity is the hash of.
        """


def has_own_labels(source: DataSource) -> bool:
    """Return whether the labels are numbers that a user's dataset gives, and not places of names that we sorted.

    A source says ``sorts_names`` where they are such places; a model that was trained elsewhere need not have them.
    """
    return not getattr(source, "sorts_names", False)


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """The images that a run judges on.

    ``indices`` into ``source`` (int64 [N], ascending), ``labels`` (int64 [N]), and the hash of each image's content
    (V16 [N]; zeros where it cannot be read). Where a run goes without labels, all are `UNLABELLED`, and there are no
    ``classes``, whatever the source has.
    """

    source: DataSource
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    identities: NDArray[np.void]

    @property
    def labelled(self) -> bool:
        """Whether the images have labels."""
        return bool((self.labels != UNLABELLED).any())

    @property
    def classes(self) -> tuple[ClassLabel, ...]:
        """The classes that the labels name."""
        return tuple(self.source.classes) if self.labelled else ()

    @functools.cached_property
    def fingerprint(self) -> str:
        """The hash of the classes, the labels and the content of the images."""
        digest = hashlib.sha256(json.dumps([label.key for label in self.classes]).encode())
        digest.update(self.labels.astype("<i8").tobytes())
        digest.update(self.identities.tobytes())
        return digest.hexdigest()


MatchMethod = Literal[
    "wordnet id",
    "name",
    "name, Unicode-normalized",
    "name, case-folded",
    "first synonym",
    "number",
    "position",
    "output",
]


@dataclasses.dataclass(frozen=True)
class ClassMatch:
    """How a dataset's classes meet a model's outputs.

    ``outputs[c]`` is the model output that stands for class ``c`` of the data (int64 [C]). ``method`` is the loosest
    that one of the classes needed; ``output`` where the images have no labels, and each output is a class.
    """

    method: MatchMethod
    outputs: tuple[int, ...]
