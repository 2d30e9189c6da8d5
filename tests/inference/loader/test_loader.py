"""The loader gives what a plain loop over the images gives, whatever the batch size, the shards and the workers."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.core import Canvas, ClassLabel, DataSource, Selection, Shard
from pytest_robustness.core.errors import BadImageError, DataError
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.data import open_source
from pytest_robustness.data.encoded import EncodedSource
from pytest_robustness.data.identity import identities
from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.inference.loader.loader import Batch, Portion, batches, default_workers
from pytest_robustness.inference.preprocess import center_crop
from tests.data.forms import FORMS
from tests.data.forms import photos as photos_in_forms

SMALL = Canvas(16, 12, "bilinear", antialias=True)
LARGE = Canvas(24, None, "bicubic", antialias=True)
AS_IT_IS = Canvas(None, None, "bilinear", antialias=True)
BAD = {3, 7, 8, 9}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty images of odd sizes in two classes, of which four are damaged."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(5)
    for number in range(20):
        path = root / ("cat" if number < 11 else "dog") / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        height, width = rng.integers(17, 40, 2)
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
        if number in BAD:
            path.write_bytes(path.read_bytes()[:200])
    return root


class Numbered(ArraySource):
    """Images [3, 2, 2] full of their own index; remembers what was read."""

    def read(self, index: int) -> torch.Tensor:
        self.__dict__.setdefault("reads", []).append(index)
        return super().read(index)


def numbered(count: int) -> Numbered:
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 3, 2, 2)).copy()
    return Numbered("numbered", [ClassLabel("a", "a")], np.arange(count) % 7, images, in_memory=False)


def portions(shards: Iterable[Shard], canvases: Sequence[Canvas]) -> Iterator[Portion]:
    """Yield all images of each shard, as jobs that need these canvases lack them."""
    jobs = tuple(
        SimpleNamespace(loaded=SimpleNamespace(model=SimpleNamespace(preprocess=SimpleNamespace(canvas=canvas))))
        for canvas in canvases
    )
    for shard in shards:
        yield Portion(shard, np.arange(*shard), jobs, last=True)


def chosen(source: DataSource, indices: NDArray[np.int64], identities: NDArray[np.void] | None = None) -> Selection:
    """Return a selection, by default of images whose content is not known, so that any will do."""
    unknown = np.zeros(len(indices), (np.void, 16))
    return Selection(source, indices, source.labels[indices], unknown if identities is None else identities)


def cut(total: int, size: int) -> list[Shard]:
    return [Shard(start, min(start + size, total)) for start in range(0, total, size)]


def expected_pixels(path: str, canvas: Canvas) -> torch.Tensor:
    image = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
    mode = tvf.InterpolationMode(canvas.interpolation)
    resized = tvf.resize(image, [canvas.resize], interpolation=mode, antialias=canvas.antialias)
    return tvf.center_crop(resized, [canvas.crop or canvas.resize])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("batch_size", "shard_size"), [(1, 5), (4, 7), (3, 3), (64, 18)])
def test_batches_are_what_a_plain_loop_over_the_images_gives(photos, workers, batch_size, shard_size):
    source = open_source(f"folder:{photos}")
    indices = np.asarray([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 16, 17, 18, 19])
    shards = cut(len(indices), shard_size)
    found = list(
        batches(chosen(source, indices), portions(iter(shards), [SMALL, LARGE]), batch_size=batch_size, workers=workers)
    )

    readable = [position for position, index in enumerate(indices) if index not in BAD]
    assert np.concatenate([batch.positions for batch in found]).tolist() == readable
    assert [error.image for batch in found for error in batch.unreadable.values()] == [
        source.describe(i) for i in sorted(BAD)
    ]
    assert [p for batch in found for p in batch.unreadable] == [3, 7, 8, 9]
    for batch in found:
        assert all(batch.portion.shard.start <= position < batch.portion.shard.stop for position in batch.positions)
        assert len(batch.positions) + len(batch.unreadable) <= batch_size
        for canvas, images in batch.canvases.items():
            assert images.dtype == torch.uint8
            assert images.is_contiguous()
            assert images.shape == (len(batch.positions), 3, canvas.resize, canvas.resize)
            for row, index in enumerate(indices[batch.positions]):
                shown = center_crop(images[row], canvas.crop)
                assert torch.equal(shown, expected_pixels(source.describe(index), canvas))
    assert [batch.portion.shard for batch in found if batch.last] == shards


@settings(deadline=None)
@given(total=st.integers(1, 40), shard_size=st.integers(1, 50), batch_size=st.integers(1, 50))
def test_every_position_comes_once_in_order_and_no_batch_spans_two_shards(total, shard_size, batch_size):
    source = numbered(2 * total)
    indices = np.arange(0, 2 * total, 2)
    shards = cut(total, shard_size)
    canvas = Canvas(2, None, "nearest", antialias=False)
    found = list(batches(chosen(source, indices), portions(shards, [canvas]), batch_size=batch_size, workers=0))
    assert np.concatenate([batch.positions for batch in found]).tolist() == list(range(total))
    assert source.reads == indices.tolist()
    assert [batch.portion.shard for batch in found if batch.last] == shards
    for batch in found:
        assert set(range(*batch.portion.shard)) >= set(batch.positions)
        assert batch.canvases[canvas][:, 0, 0, 0].tolist() == indices[batch.positions].tolist()


def test_shards_in_any_order_and_with_gaps_are_read_as_they_are_claimed():
    shards = [Shard(6, 9), Shard(0, 2), Shard(4, 5)]
    canvas = Canvas(2, None, "nearest", antialias=False)
    found = batches(chosen(numbered(10), np.arange(10)), portions(shards, [canvas]), batch_size=2, workers=0)
    assert [(batch.portion.shard, batch.positions.tolist(), batch.last) for batch in found] == [
        (Shard(6, 9), [6, 7], False),
        (Shard(6, 9), [8], True),
        (Shard(0, 2), [0, 1], True),
        (Shard(4, 5), [4], True),
    ]


@pytest.mark.parametrize("canvas", [SMALL, AS_IT_IS])
def test_a_batch_without_a_readable_image_is_still_given(photos, canvas):
    source = open_source(f"folder:{photos}")
    [batch] = batches(chosen(source, np.asarray([7, 8])), portions([Shard(0, 2)], [canvas]), batch_size=4, workers=0)
    assert batch.last
    assert len(batch.positions) == 0
    side = canvas.resize or 0
    assert batch.canvases[canvas].shape == (0, 3, side, side)
    assert all(isinstance(error, BadImageError) for error in batch.unreadable.values())
    assert len(batch.unreadable) == 2


@pytest.mark.parametrize(("workers", "ahead"), [(0, 0), (2, 4)])
def test_shards_are_claimed_no_further_ahead_than_the_workers_read(photos, workers, ahead):
    claimed: list[Shard] = []

    def claim() -> Iterator[Shard]:
        for shard in cut(20, 1):
            claimed.append(shard)
            yield shard

    source = open_source(f"folder:{photos}")
    for done, _ in enumerate(
        batches(chosen(source, np.arange(20)), portions(claim(), [SMALL]), batch_size=1, workers=workers), start=1
    ):
        assert done <= len(claimed) <= done + ahead
    assert len(claimed) == 20


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batch_size", [1, 20])
def test_images_of_different_size_leave_out_the_canvas_that_does_not_resize(photos, workers, batch_size):
    source = open_source(f"folder:{photos}")
    (_, height, width), (_, other_height, other_width) = source.read(0).shape, source.read(1).shape
    shards, canvases = [Shard(0, 20)], [AS_IT_IS, SMALL]
    found = list(
        batches(chosen(source, np.arange(20)), portions(shards, canvases), batch_size=batch_size, workers=workers)
    )
    assert next(batch.misfit for batch in found if batch.misfit) == (
        f"{photos}/cat/00.png is {width}x{height}, {photos}/cat/01.png is {other_width}x{other_height} (width x height)"
    )
    for batch in found:
        assert (AS_IT_IS in batch.canvases) == (not batch.misfit)
        assert len(batch.canvases[SMALL]) == len(batch.positions)
    assert sum(len(batch.positions) + len(batch.unreadable) for batch in found) == 20


def test_a_source_in_memory_needs_no_processes():
    source = open_source("digits")
    stream = batches(chosen(source, np.arange(50)), portions([Shard(0, 50)], [AS_IT_IS]), batch_size=20, workers=2)
    first = next(stream)
    assert multiprocessing.active_children() == []
    assert torch.equal(first.canvases[AS_IT_IS], torch.stack([source.read(index) for index in range(20)]))


class Watched(EncodedSource):
    """Notes which threads decode, and how many fetch at the most at once; decoding waits for a second thread."""

    def opened_as(self, index: int, identity: bytes) -> Callable[[], torch.Tensor]:
        noted = self.__dict__.setdefault(
            "noted", SimpleNamespace(inside=0, most=0, threads=set(), two=threading.Event())
        )
        noted.inside += 1
        noted.most = max(noted.most, noted.inside)
        decode = super().opened_as(index, identity)
        noted.inside -= 1

        def decoded() -> torch.Tensor:
            noted.threads.add(threading.get_ident())
            if len(noted.threads) > 1:
                noted.two.set()
            noted.two.wait(30)
            return decode()

        return decoded


def test_encoded_images_are_decoded_in_threads_and_fetched_by_one_at_a_time(photos, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    folder = open_source(f"folder:{photos}")
    source = Watched(folder.name, folder.classes, folder.labels, folder.images)
    indices = np.arange(20)
    found, plain = (
        list(batches(chosen(one, indices), portions([Shard(0, 20)], [SMALL, LARGE]), batch_size=20, workers=workers))
        for one, workers in ((source, 0), (folder, 1))
    )
    assert source.noted.most == 1
    assert 2 <= len(source.noted.threads) <= 3
    source.noted.threads.clear()
    list(batches(chosen(source, indices), portions([Shard(0, 20)], [SMALL]), batch_size=20, workers=0, threads=1))
    assert source.noted.threads == {threading.get_ident()}
    assert [str(error) for error in found[0].unreadable.values()] == [str(e) for e in plain[0].unreadable.values()]
    assert found[0].positions.tolist() == plain[0].positions.tolist()
    for canvas, images in found[0].canvases.items():
        assert torch.equal(images, plain[0].canvases[canvas])


def test_a_users_dataset_is_read_in_the_main_thread_alone(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    source = numbered(20)
    threads = []
    monkeypatch.setattr(
        Numbered, "read", lambda self, i: threads.append(threading.get_ident()) or ArraySource.read(self, i)
    )
    list(batches(chosen(source, np.arange(20)), portions([Shard(0, 20)], [SMALL]), batch_size=20, workers=0))
    assert threads == [threading.get_ident()] * 20


@pytest.mark.parametrize("end", [lambda stream: stream.close(), list], ids=["closed", "used up"])
def test_no_process_is_left_when_the_stream_ends(photos, end):
    source = open_source(f"folder:{photos}")
    stream = batches(chosen(source, np.arange(20)), portions(cut(20, 5), [SMALL]), batch_size=2, workers=2)
    next(stream)
    assert len(multiprocessing.active_children()) == 2
    end(stream)
    assert multiprocessing.active_children() == []


def test_no_process_is_left_when_the_stream_is_interrupted(photos):
    def claim() -> Iterator[Shard]:
        yield from cut(20, 5)
        raise KeyboardInterrupt

    source = open_source(f"folder:{photos}")
    with pytest.raises(KeyboardInterrupt) as held:
        list(batches(chosen(source, np.arange(20)), portions(claim(), [SMALL]), batch_size=2, workers=2))
    assert held.traceback[-1].name == "claim"  # so the frames between, which hold the pool, are alive
    assert multiprocessing.active_children() == []


def test_the_users_random_state_is_left_alone(photos):
    source = open_source(f"folder:{photos}")
    before = torch.get_rng_state()
    list(batches(chosen(source, np.arange(4)), portions([Shard(0, 4)], [SMALL]), batch_size=2, workers=1))
    assert torch.equal(torch.get_rng_state(), before)


USERS_FILE = """
import os
import numpy as np, torch

class Photos:
    classes = ["a", "b"]
    targets = [0, 1, 0, 1]
    def __len__(self): return 4
    def __getitem__(self, index): return np.full((4, 5), index, np.uint8), self.targets[index]

class Locked(Photos):
    def __init__(self): self.transform = lambda image: image

class Deadly(Photos):
    def __getitem__(self, index):
        import multiprocessing
        if index == 2 and multiprocessing.parent_process(): os._exit(3)
        return super().__getitem__(index)

class Scaled(Photos):
    def __getitem__(self, index): return (torch.rand(3, 4, 5) if index else np.zeros((4, 5), np.uint8)), 0

class Processes(Photos):
    def __getitem__(self, index): return np.full((4, 8), list(os.getpid().to_bytes(8, "big")), np.uint8), 0

class Threads(Photos):
    def __getitem__(self, index): return np.full((4, 5), torch.get_num_threads(), np.uint8), 0
"""


@pytest.fixture
def read_users(tmp_path):
    """Read the four images of a class in a user's file, in two processes."""
    file = tmp_path / "photos.py"
    file.write_text(USERS_FILE)

    def read(factory: str) -> list[Batch]:
        source = open_source(f"python:{file}:{factory}")
        return list(batches(chosen(source, np.arange(4)), portions([Shard(0, 4)], [AS_IT_IS]), batch_size=1, workers=2))

    return read


def test_a_dataset_from_a_users_file_is_read_in_processes(read_users):
    found = read_users("Photos")
    assert [batch.canvases[AS_IT_IS].unique().tolist() for batch in found] == [[0], [1], [2], [3]]


def test_a_decoding_process_uses_one_thread(read_users):
    assert [batch.canvases[AS_IT_IS].max() for batch in read_users("Threads")] == [1, 1, 1, 1]


def test_an_error_of_the_dataset_keeps_its_message_on_the_way_out_of_a_process(read_users):
    with pytest.raises(
        DataError, match=r"^python:\S+photos.py:Scaled\[1\] is a Tensor of torch.float32 \[3, 4, 5\]. Valid: "
    ):
        read_users("Scaled")


def test_a_dataset_that_cannot_be_pickled_is_an_error_that_says_so(read_users):
    with pytest.raises(DataError) as caught:
        read_users("Locked")
    text = str(caught.value)
    assert text.startswith("Images cannot be decoded in processes: the dataset cannot be sent to one: Can't pickle ")
    assert text.endswith(
        ". Make it picklable (no lambda, no open file). Or decode in the main process (--robustness-workers=0, in "
        "Python workers=0)."
    )
    assert multiprocessing.active_children() == []


def test_a_process_that_dies_is_an_error_that_says_so(read_users):
    with pytest.raises(DataError) as caught:
        read_users("Deadly")
    assert str(caught.value) == (
        "A decoding process died. Where memory is short, use fewer. Or decode in the main process "
        "(--robustness-workers=0, in Python workers=0), and see where it fails."
    )
    assert multiprocessing.active_children() == []


CHANGING = """
import numpy as np

class Photos:
    classes = ["a", "b"]
    targets = [0, 1, 0, 1]
    asked = 0
    def __len__(self): return 4
    def __getitem__(self, index):
        Photos.asked += index == 2
        return np.full((4, 5), index + 10 * CHANGES, np.uint8), self.targets[index]
"""


IN_A_CHILD = "(index == 3) * (__import__('multiprocessing').parent_process() is not None)"


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("changes", ["(index == 2) * (Photos.asked - 1)", IN_A_CHILD])
def test_a_dataset_that_gives_other_pixels_than_were_hashed_is_an_error(tmp_path, workers, changes):
    if not workers and changes == IN_A_CHILD:
        pytest.skip("there is one process")
    file = tmp_path / "photos.py"
    file.write_text(CHANGING.replace("CHANGES", changes))
    source = open_source(f"python:{file}:Photos")
    if workers and "asked" in changes:
        source.read(2)  # where the decoding process begins to count
    selection = chosen(source, np.arange(4), identities(source, np.arange(4), FileHashes()))
    with pytest.raises(DataError, match=r"Photos\[[23]\] gave other pixels than when the run began\. Turn off"):
        list(batches(selection, portions([Shard(0, 4)], [AS_IT_IS]), batch_size=1, workers=workers))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("form", [form for form in FORMS if form != "memory"])
def test_an_image_that_changed_after_it_was_hashed_is_an_error(tmp_path, form, workers):
    source = open_source(FORMS[form](tmp_path / "data", photos_in_forms(6)))
    known = identities(source, np.arange(6), FileHashes()).copy()

    def stream() -> Iterator[Batch]:
        selection = chosen(source, np.arange(6), known)
        return batches(selection, portions([Shard(0, 6)], [SMALL]), batch_size=2, workers=workers)

    assert sum(len(batch.positions) for batch in stream()) == 6
    known[4] = known[5]  # as if the content were that of another image now
    with pytest.raises(DataError, match=r"has changed since the run began\. Run again"):
        list(stream())


INTERRUPTED = """
import contextlib, itertools, os, signal, sys
from types import SimpleNamespace
import numpy as np
from pytest_robustness.data import open_source
from pytest_robustness.inference.loader.loader import Portion, batches
from pytest_robustness.core import Canvas, Selection, Shard

def go_on_once(*_):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.write(1, b"noted\\n")  # print might be at work in the code that was interrupted, and refuse

if __name__ == "__main__":
    signal.signal(signal.SIGINT, go_on_once)
    source = open_source(sys.argv[1])
    canvas = Canvas(None, None, "bilinear", True)
    job = SimpleNamespace(loaded=SimpleNamespace(model=SimpleNamespace(preprocess=SimpleNamespace(canvas=canvas))))
    endless = itertools.repeat(Portion(Shard(0, 4), np.arange(4), (job,), True))
    chosen = Selection(source, np.arange(4), source.labels, np.zeros(4, "V16"))
    stream = batches(chosen, endless, batch_size=1, workers=2)
    try:
        with contextlib.closing(stream):
            processes = set()
            while len(processes) < 2:  # until both are at work
                processes.add(bytes(next(stream).canvases[canvas][0, 0, 0].tolist()))
            print("reading", flush=True)
            while signal.getsignal(signal.SIGINT) is go_on_once:
                next(stream)
            for _ in range(20):
                next(stream)
            print("still reading", flush=True)
            for _ in stream:
                pass
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="sends a terminal's Ctrl-C, to a process group")
def test_ctrl_c_in_a_terminal_is_left_to_the_main_process(tmp_path):
    script, users = tmp_path / "run.py", tmp_path / "photos.py"
    script.write_text(INTERRUPTED)
    users.write_text(USERS_FILE)
    with subprocess.Popen(
        [sys.executable, "-W", "error", str(script), f"python:{users}:Processes"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = threading.Timer(240, process.kill)  # what waits for its output then sees the end of it
        deadline.daemon = True
        deadline.start()
        assert process.stdout.readline() == "reading\n"
        os.killpg(process.pid, signal.SIGINT)
        noted, reading = process.stdout.readline(), process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        printed, complaints = process.communicate()
        deadline.cancel()
    assert complaints == ""
    assert (noted, reading, printed) == ("noted\n", "still reading\n", "interrupted\n")
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("device", "images", "passes", "processes", "expected"),
    [
        ("cuda", 10_000, 120, 1, 15),
        ("cuda", 10_000, 120, 4, 3),
        ("cuda", 10_000, 120, 32, 0),
        ("cuda", 100, 120, 1, 0),
        ("cpu", 10_000, 120, 1, 2),
        ("cpu", 10_000, 2, 1, 8),
        ("cpu", 10_000, 2, 8, 1),
        ("cpu", 100, 2, 1, 0),
    ],
)
def test_decoding_processes_follow_the_cores_and_what_else_needs_them(
    monkeypatch, device, images, passes, processes, expected
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert default_workers(device, images, passes, processes) == expected
