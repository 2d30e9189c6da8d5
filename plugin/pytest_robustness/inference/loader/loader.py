"""The loader: read each image of the claimed shards once, and put it on every canvas that some model needs it on."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from pytest_robustness.core import ThreadedSource
from pytest_robustness.core.cores import usable_cores
from pytest_robustness.core.errors import BadImageError
from pytest_robustness.core.threads import divided
from pytest_robustness.data.identity import read_as
from pytest_robustness.inference.loader.hand_over import Pixels
from pytest_robustness.inference.loader.pool import answers
from pytest_robustness.inference.preprocess import to_canvas

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from numpy.typing import NDArray

    from pytest_robustness.core import Canvas, DataSource, Selection, Shard
    from pytest_robustness.inference.jobs import Job


@dataclasses.dataclass(frozen=True, eq=False)
class Portion:
    """Images of one shard that the same jobs lack: ``positions`` in the selection, int64 [n], ascending.

    ``last`` says that no further portion of ``shard`` follows.
    """

    shard: Shard
    positions: NDArray[np.int64]
    jobs: tuple[Job, ...]
    last: bool

    @functools.cached_property
    def canvases(self) -> tuple[Canvas, ...]:
        """The canvases that the jobs need."""
        return tuple(sorted({job.loaded.model.preprocess.canvas for job in self.jobs}, key=str))


class Batch(NamedTuple):
    """Decoded images of one portion, each on every canvas.

    ``last`` says that no further batch of ``portion`` follows. ``positions`` (int64 [B], in the selection) and
    ``canvases`` (uint8 [B, 3, h, w] each) have a row for each readable image; the others are in ``unreadable``, by
    position, so B may be 0. ``misfit`` names an image whose size differs from that of the first image, and both sizes;
    ``canvases`` then lacks those that do not resize.
    """

    portion: Portion
    last: bool
    positions: NDArray[np.int64]
    canvases: dict[Canvas, torch.Tensor]
    unreadable: dict[int, BadImageError]
    misfit: str


# Fewer images than these are decoded in less time than a decoding process takes to start.
_WORTHWHILE = 500
# From this many passes of models over each image, the time to decode it is negligible.
_MANY_PASSES = 20


def default_workers(device: str, images: int, passes: int, processes: int = 1) -> int:
    """Return how many decoding processes suit the work and the machine.

    If models run on an accelerator, all cores but one decode. If they run on the CPU, they need the cores themselves,
    and decoding takes a few percent of the time, unless few models and conditions share an image.

    Parameters
    ----------
    device
        The type of the device that models run on.
    images
        How many images are read.
    passes
        How often each image is used: models times conditions.
    processes
        How many processes like this one share the machine.
    """
    cores = max(1, usable_cores() // processes)
    if images < _WORTHWHILE:
        return 0
    if device != "cpu":
        return cores - 1
    return cores // (8 if passes >= _MANY_PASSES else 2)


def batches(
    selection: Selection,
    portions: Iterable[Portion],
    *,
    batch_size: int,
    workers: int,
    threads: int | None = None,
    refused: Callable[[str], object] | None = None,
) -> Generator[Batch]:
    """Read the images of ``portions`` in order, at most ``batch_size`` at a time and never of two portions at once.

    Parameters
    ----------
    selection
        The images: the position of one in it is what portions count.
    portions
        Taken one at a time, in this process: without workers, once the batches before are consumed; with workers, up to
        two batches per worker ahead.
    batch_size
        At least 1.
    workers
        Decoding processes; 0 decodes in this process, and so does a source in memory. They end with the iterator,
        whether it is exhausted, closed, or interrupted.
    threads
        In how many threads this process decodes the images of a `ThreadedSource`; ``None``: as many as PyTorch has. A
        decoding process has one.
    refused
        Receives why there can be no decoding processes, whereupon this process decodes. ``None``: that is an error.

    Raises
    ------
    DataError
        When the source cannot be sent to a decoding process, a decoding process dies, or an image is not the one that
        it was when the images were chosen.
    """
    source = selection.source
    processes = 0 if source.in_memory else workers
    threads = 1 if processes else threads or torch.get_num_threads()
    reader = _Reader(source, selection.indices, selection.identities, threads)
    taken: deque[Portion] = deque()
    requests = _requests(portions, batch_size, taken)
    with contextlib.closing(answers(reader.read, requests, processes, refused)) as items:
        for item in items:
            yield Batch(
                portion=taken[0],
                last=item.request.last,
                positions=np.asarray(item.positions, np.int64),
                canvases={canvas: torch.from_numpy(pixels.array) for canvas, pixels in item.canvases.items()},
                unreadable=item.unreadable,
                misfit=item.misfit,
            )
            if item.request.last:
                taken.popleft()


def decoded_here(reason: str) -> str:
    """Return the note that the main process decodes, because there can be no decoding processes."""
    return f"images are decoded in the main process, without decoding processes: {reason}"


class _Request(NamedTuple):
    """What a decoding process needs to know of a part of a portion: not the jobs, which hold models."""

    positions: list[int]
    canvases: tuple[Canvas, ...]
    last: bool


class _Read(NamedTuple):
    """The answer to a request, in a form that is cheap to send."""

    request: _Request
    positions: list[int]
    canvases: dict[Canvas, Pixels]
    unreadable: dict[int, BadImageError]
    misfit: str


def _requests(portions: Iterable[Portion], batch_size: int, taken: deque[Portion]) -> Iterator[_Request]:
    """Yield the requests for ``portions``; each portion joins ``taken`` when its first request is taken."""
    for portion in portions:
        taken.append(portion)
        positions = portion.positions.tolist()
        for start in range(0, len(positions), batch_size):
            part = positions[start : start + batch_size]
            yield _Request(part, portion.canvases, last=start + len(part) == len(positions))


class _Size(NamedTuple):
    height: int
    width: int


class _Drawn(NamedTuple):
    """An image: its own size, and itself on each canvas."""

    size: _Size
    canvases: dict[Canvas, torch.Tensor]


class _Reader:
    """Answers requests, in this process or in a decoding process."""

    def __init__(
        self, source: DataSource, indices: NDArray[np.int64], identities: NDArray[np.void], threads: int
    ) -> None:
        self._source = source
        self._indices = indices
        self._identities = identities
        self._threads = threads

    def read(self, request: _Request) -> _Read:
        """Read the images of ``request`` and put each on every canvas."""
        positions: list[int] = []
        unreadable: dict[int, BadImageError] = {}
        misfit = ""
        drawn: dict[Canvas, list[torch.Tensor]] = {canvas: [] for canvas in request.canvases}
        for position, image in zip(request.positions, self._drawn(request), strict=True):
            if isinstance(image, BadImageError):
                unreadable[position] = image
                continue
            positions.append(position)
            if None in {canvas.resize for canvas in drawn}:
                misfit = misfit or self._misfit(position, image.size)
            if misfit:
                drawn = {canvas: images for canvas, images in drawn.items() if canvas.resize is not None}
            for canvas, images in drawn.items():
                images.append(image.canvases[canvas])
        pixels = {canvas: Pixels(self._stack(images, canvas)) for canvas, images in drawn.items()}
        return _Read(request, positions, pixels, unreadable, misfit)

    def _drawn(self, request: _Request) -> list[_Drawn | BadImageError]:
        """Return each image on every canvas, or why it cannot be read."""
        threaded = self._source if isinstance(self._source, ThreadedSource) else None
        fetching = threading.Lock()
        found: dict[int, _Drawn | BadImageError] = {}

        def draw(number: int) -> None:
            position = request.positions[number]
            index, identity = int(self._indices[position]), self._identities[position].tobytes()
            try:
                if threaded is None:
                    image = read_as(self._source, index, identity)
                else:
                    with fetching:
                        decode = threaded.opened_as(index, identity)
                    image = decode()
                size = _Size(*image.shape[-2:])
                found[number] = _Drawn(size, {canvas: to_canvas(image, canvas) for canvas in request.canvases})
            except BadImageError as error:
                found[number] = error

        count = len(request.positions)
        divided(draw, count, 1 if threaded is None else self._threads)
        return [found[number] for number in range(count)]

    def _stack(self, images: list[torch.Tensor], canvas: Canvas) -> NDArray[np.uint8]:
        if images:
            # Decoders differ in their memory layout; everything after this gets the same one.
            batch = np.empty((len(images), *images[0].shape), np.uint8)
            return np.stack([image.numpy() for image in images], out=batch)
        height, width = self._first.size if canvas.resize is None and self._first else (0, 0)
        return np.empty((0, 3, canvas.resize or height, canvas.resize or width), np.uint8)

    @functools.cached_property
    def _first(self) -> _First | None:
        """The first readable image, whose size all others must have for models that do not resize."""
        for index in self._indices:
            with contextlib.suppress(BadImageError):
                return _First(int(index), _Size(*self._source.read(int(index)).shape[-2:]))
        return None

    def _misfit(self, position: int, size: _Size) -> str:
        if self._first is None or size == self._first.size:
            return ""
        first, other = (self._source.describe(i) for i in (self._first.image, int(self._indices[position])))
        (height, width), (own_height, own_width) = self._first.size, size
        return f"{first} is {width}x{height}, {other} is {own_width}x{own_height} (width x height)"


class _First(NamedTuple):
    image: int
    size: _Size
