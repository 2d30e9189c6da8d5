"""The sweep fills the store with what a plain loop over single images gives, whatever happens on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import weakref
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.core import (
    CONTROL,
    Canvas,
    Cell,
    ClassLabel,
    ClassMatch,
    Condition,
    EngineUsed,
    Model,
    Predictions,
    Preprocess,
    Runner,
    Selection,
)
from pytest_robustness.core.errors import BadImageError, DataError, StoreError
from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.inference.device import pixels_at_once, to_device
from pytest_robustness.inference.jobs import Job, job
from pytest_robustness.inference.loading.loaded_model import LoadedModel
from pytest_robustness.inference.preprocess import to_canvas
from pytest_robustness.inference.store.cells import StoredCells
from pytest_robustness.inference.store.store import Store
from pytest_robustness.inference.sweep import batch_runner, unsaved
from pytest_robustness.inference.sweep import sweep as sweep_module
from pytest_robustness.inference.sweep.claims import ShardClaims
from pytest_robustness.inference.sweep.executors.local import LocalExecutor
from pytest_robustness.inference.sweep.scoring import Fetched
from pytest_robustness.inference.sweep.settings import SweepSettings
from pytest_robustness.inference.sweep.sweep import Sweep
from pytest_robustness.transforms import builtin
from tests import warm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_robustness.core import Shard, Workload
    from pytest_robustness.inference.sweep.scoring import Scores

REGISTRY = builtin()
CLASSES = 3
RESIZED = Preprocess(resize=9, crop=6, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
WHOLE = Preprocess(resize=9, mean=(0.1, 0.1, 0.1))
AS_IT_IS = Preprocess()
ROTATION = Condition("rotation", 3)
VFLIP = Condition("vflip")


@dataclasses.dataclass(frozen=True, eq=False)
class Images(ArraySource):
    """Random images in memory, some of which cannot be read; counts what was read."""

    bad: frozenset[int] = frozenset()
    reads: Counter[int] = dataclasses.field(default_factory=Counter)

    def read(self, index: int) -> torch.Tensor:
        self.reads[index] += 1
        if index in self.bad:
            raise BadImageError(self.describe(index), "it is damaged")
        return super().read(index)


class Net(torch.nn.Module):
    """A linear classifier that remembers the size of every batch, and can be made to fail."""

    def __init__(self, side: int, seed: int, outputs: int = CLASSES) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(outputs, 3, side, side, generator=torch.manual_seed(seed)))
        self.batches: list[int] = []
        self.limit: int | None = None
        self.fail_after: int | None = None
        self.failure: BaseException = ValueError("no such luck")
        self.signal = signal.SIGINT

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.limit is not None and len(images) > self.limit:
            raise self.failure
        if self.fail_after is not None and sum(self.batches) >= self.fail_after:
            if isinstance(self.failure, KeyboardInterrupt):
                assert signal.getsignal(self.signal) is not signal.SIG_DFL  # which would end the tests
                signal.raise_signal(self.signal)  # as a terminal does: what a model raises is its own error
            raise self.failure
        self.batches.append(len(images))
        return torch.einsum("bchw,kchw->bk", images, self.weight)


class Notes:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.started: list[tuple[int, int]] = []
        self.done = 0
        self.notes: list[str] = []
        self.stopped = 0

    def start(self, images: int, cells: int) -> None:
        self.started.append((images, cells))

    def advance(self, images: int) -> None:
        self.done += images

    def note(self, message: str) -> None:
        self.notes.append(message)

    def stop(self) -> None:
        self.stopped += 1


def photos(count: int, bad: Sequence[int] = (), seed: int = 0) -> Selection:
    """Select every second one of 2 * ``count`` random images; ``bad`` are positions in the selection."""
    rng = np.random.default_rng(seed)
    classes = [ClassLabel(name, name) for name in "abc"]
    pixels = rng.integers(0, 256, (2 * count, 3, 7, 7), dtype=np.uint8)
    source = Images("photos", classes, rng.integers(0, CLASSES, 2 * count), pixels, True, frozenset(2 * i for i in bad))
    indices = np.arange(0, 2 * count, 2)
    identities = [b"%d %d" % (seed, i) for i in range(count)]
    return Selection(source, indices, source.labels[indices], np.array(identities, "S16").view("V16"))


def loaded(name: str, preprocess: Preprocess, outputs: Sequence[int] = (0, 1, 2)) -> LoadedModel:
    side = preprocess.crop or preprocess.resize or 7
    seed = sum(map(ord, name))
    model = Model(Net(side, seed, max(outputs) + 1), preprocess, fingerprint=name)
    return LoadedModel(name, model, ClassMatch("position", tuple(outputs)), pixels=side * side, published=True)


def jobs_of(
    models: Sequence[LoadedModel], conditions: Sequence[Condition], selection: Selection, seed: int = 0
) -> list[Job]:
    made = []
    for item in models:
        for condition in conditions:
            transform = None if condition == CONTROL else REGISTRY.get(condition.transform)
            made.append(job(item, condition, transform, seed, "fp32"))
    return made


def as_it_is(name: str, model: Model, workload: Workload) -> Runner:
    """Make a model ready without trying anything of it: every forward is one of the sweep's."""
    return Runner(lambda images: model.module(images.clone()), EngineUsed("eager", "fp32"))


def sweep(folder: Path, jobs: Sequence[Job], selection: Selection, **choices: object) -> tuple[Sweep, Notes]:
    """Return a sweep over a store in ``folder``, not yet run."""
    store = Store(folder / "store.sqlite")
    notes = Notes()
    prepare = choices.pop("prepare", as_it_is)
    claims = choices.pop("claims", ShardClaims(folder / "locks", selection.fingerprint))
    defaults = {"device": torch.device("cpu"), "precision": "fp32", "seed": 0, "workers": 0, "on_bad_image": "skip"}
    made = Sweep(
        jobs,
        selection,
        store=store,
        executor=LocalExecutor(prepare, claims),
        progress=notes,
        settings=SweepSettings(**(defaults | choices)),
    )
    return made, notes


def stored(folder: Path, jobs: Sequence[Job], selection: Selection) -> dict[Cell, Predictions | None]:
    """Return the predictions of each cell; ``None`` where some image that can be read is missing."""
    with contextlib.closing(Store(folder / "store.sqlite")) as store:
        cells = StoredCells(store, selection.identities, selection.labels)
        found = {item.cell: cells.predictions(item.key, item.outputs) for item in jobs}
    readable = ~np.isin(selection.indices, list(selection.source.bad))
    return {cell: None if (one.predicted[readable] < 0).any() else one for cell, one in found.items()}


def held(folder: Path, item: Job, selection: Selection) -> list[int]:
    """Return the positions that the store has of a cell."""
    with contextlib.closing(Store(folder / "store.sqlite")) as store:
        cells = StoredCells(store, selection.identities, selection.labels)
        cells.update(item.key, item.outputs)
        return np.flatnonzero(cells.present(item.key, item.outputs)).tolist()


def image_by_image(item: Job, selection: Selection, seed: int = 0) -> Predictions:
    """Do by hand, for one image at a time, what the sweep is to do."""
    preprocess, net = item.loaded.model.preprocess, item.loaded.model.module
    rows = []
    for position, (index, label) in enumerate(zip(selection.indices, selection.labels, strict=True)):
        if index in selection.source.bad:
            rows.append((-1, np.nan, np.nan, np.nan, -1))
            continue
        image = torch.from_numpy(selection.source.images[index])[None]
        if preprocess.resize:
            image = tvf.resize(image, [preprocess.resize], antialias=True)
        if item.transform is not None:
            image = item.transform(image, item.condition.severity, selection.identities[position : position + 1], seed)
        if preprocess.crop:
            image = tvf.center_crop(image, [preprocess.crop])
        inputs = tvf.normalize(image.float() / 255, list(preprocess.mean), list(preprocess.std))
        logits = [float((inputs[0] * weight).sum()) for weight in net.weight.detach()]
        shares = np.exp(np.array(logits) - max(logits))
        shares /= shares.sum()
        true = shares[item.loaded.match.outputs[label]]
        rows.append((int(np.argmax(logits)), shares.max(), true, np.sort(shares)[-2], int((shares > true).sum())))
    return Predictions(*(np.array(column) for column in zip(*rows, strict=True)))


def assert_same(found: Predictions | None, expected: Predictions) -> None:
    assert found is not None
    np.testing.assert_array_equal(found.predicted, expected.predicted)
    np.testing.assert_array_equal(found.rank, expected.rank)
    for name in ("confidence", "true_probability", "runner_up"):
        # The store keeps the logarithm as a half, whose significand has 11 bits.
        logs = [np.log(np.asarray(getattr(one, name), np.float64)) for one in (found, expected)]
        np.testing.assert_allclose(*logs, rtol=1e-3, atol=1e-4)


@given(
    count=st.integers(1, 13),
    batch_size=st.integers(1, 15),
    shard_size=st.integers(1, 15),
    bad=st.sets(st.integers(0, 12), max_size=4),
    order=st.randoms(use_true_random=False),
    seed=st.integers(0, 3),
)
@settings(deadline=None, max_examples=30)
def test_the_result_is_that_of_a_loop_whatever_the_batches_the_shards_and_the_order(
    tmp_path_factory, count, batch_size, shard_size, bad, order, seed
):
    folder = tmp_path_factory.mktemp("sweep")
    selection = photos(count, [position for position in bad if position < count])
    models = [loaded("a", RESIZED), loaded("b", WHOLE, (4, 0, 2)), loaded("c", AS_IT_IS), loaded("d", RESIZED)]
    jobs = jobs_of(models, [CONTROL, VFLIP, ROTATION], selection, seed)
    expected = {item.cell: image_by_image(item, selection, seed) for item in jobs}
    order.shuffle(jobs)
    made, notes = sweep(folder, jobs, selection, batch_size=batch_size, shard_size=shard_size, seed=seed)
    made.run()
    assert made.errors == {}
    for cell, found in stored(folder, jobs, selection).items():
        assert_same(found, expected[cell])
    assert (notes.started, notes.done, notes.stopped) == ([(count, len(jobs))], count, 1)


def test_each_image_is_read_once_and_transformed_once_for_all_models(tmp_path):
    selection = photos(10)
    counts: Counter[str] = Counter()

    def counted(name: str) -> object:
        transform = REGISTRY.get(name)

        def call(images, severity, indices, seed):
            counts[name] += len(images)
            return transform(images, severity, indices, seed)

        return call

    models = [loaded("a", RESIZED), loaded("b", RESIZED), loaded("c", WHOLE)]
    jobs = [
        item if item.transform is None else dataclasses.replace(item, transform=shared)
        for shared in [counted("vflip")]
        for item in jobs_of(models, [CONTROL, VFLIP], selection)
    ]
    sweep(tmp_path, jobs, selection, batch_size=4, shard_size=6)[0].run()
    assert set(selection.source.reads.values()) == {1}
    # Two canvases: the one that a and b share, and the one of c.
    assert counts == {"vflip": 20}


def test_what_is_finished_is_not_computed_again(tmp_path):
    selection, models = photos(10), [loaded("a", RESIZED)]
    jobs = jobs_of(models, [CONTROL, VFLIP], selection)
    sweep(tmp_path, jobs[:1], selection, shard_size=4)[0].run()
    assert sum(models[0].model.module.batches) == 10
    sweep(tmp_path, jobs, selection, shard_size=4)[0].run()
    assert sum(models[0].model.module.batches) == 20
    again, notes = sweep(tmp_path, jobs, selection, shard_size=4)
    again.run()
    assert sum(models[0].model.module.batches) == 20
    assert (notes.started, notes.stopped) == ([], 0)


@pytest.fixture
def drawn(monkeypatch):
    """How many images were laid on each canvas."""
    counts: Counter[Canvas] = Counter()

    def draw(image, canvas):
        counts[canvas] += 1
        return to_canvas(image, canvas)

    monkeypatch.setattr("pytest_robustness.inference.loader.loader.to_canvas", draw)
    return counts


def test_what_is_finished_costs_no_canvas_and_no_smaller_batch(tmp_path, drawn):
    selection, large, small = photos(10), loaded("large", WHOLE), loaded("small", AS_IT_IS)
    large = dataclasses.replace(large, pixels=pixels_at_once(torch.device("cpu")) // 2)
    jobs = jobs_of([large, small], [CONTROL, VFLIP], selection)
    sweep(tmp_path, jobs[:2], selection)[0].run()
    assert drawn == {WHOLE.canvas: 10}
    assert large.model.module.batches == [2] * 10
    drawn.clear()
    made, notes = sweep(tmp_path, jobs, selection)
    made.run()
    assert drawn == {AS_IT_IS.canvas: 10}
    assert small.model.module.batches == [10] * 2
    assert notes.started == [(10, 4)]
    for item in jobs:
        assert_same(stored(tmp_path, jobs, selection)[item.cell], image_by_image(item, selection))


def test_a_job_that_lacks_one_shard_has_its_canvas_drawn_there(tmp_path, drawn):
    selection, whole, part = photos(8), loaded("whole", AS_IT_IS), loaded("part", WHOLE)
    part.model.module.fail_after, part.model.module.failure = 4, KeyboardInterrupt()
    jobs = jobs_of([whole, part], [CONTROL], selection)
    sweep(tmp_path, jobs[:1], selection, batch_size=2, shard_size=4)[0].run()
    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path, jobs[1:], selection, batch_size=2, shard_size=4)[0].run()
    part.model.module.fail_after = None
    drawn.clear()
    sweep(tmp_path, jobs, selection, batch_size=2, shard_size=4)[0].run()
    assert drawn == {WHOLE.canvas: 4}
    for item in jobs:
        assert_same(stored(tmp_path, jobs, selection)[item.cell], image_by_image(item, selection))


def test_what_another_process_finishes_meanwhile_is_left_out(tmp_path, drawn):
    selection, models = photos(8), [loaded("a", AS_IT_IS), loaded("b", WHOLE)]
    jobs = jobs_of(models, [CONTROL, VFLIP], selection)

    class Overtaken(ShardClaims):
        """Lets another sweep finish all of the first model before it claims anything."""

        def claim(self, shards):
            sweep(tmp_path, jobs[:2], selection, shard_size=4)[0].run()
            yield from super().claim(shards)

    overtaken = Overtaken(tmp_path / "locks", selection.fingerprint)
    sweep(tmp_path, jobs, selection, shard_size=4, claims=overtaken)[0].run()
    assert [sum(item.model.module.batches) for item in models] == [16, 16]
    for item in jobs:
        assert_same(stored(tmp_path, jobs, selection)[item.cell], image_by_image(item, selection))


@pytest.mark.parametrize("finished", [False, True])
def test_what_runs_a_model_hangs_on_nothing_that_is_there_already(tmp_path, finished):
    selection, passes = photos(8), []
    jobs = jobs_of([loaded("a", RESIZED)], [CONTROL, VFLIP], selection)
    if finished:
        sweep(tmp_path, jobs[:1], selection)[0].run()

    def prepare(name, model, workload):
        passes.append(workload.passes)
        return as_it_is(name, model, workload)

    made, _ = sweep(tmp_path, jobs, selection, prepare=prepare)
    made.run()
    assert passes == [16]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_was_computed_and_the_next_sweep_goes_on(tmp_path, number):
    selection, models = photos(10), [loaded("a", RESIZED)]
    net = models[0].model.module
    net.fail_after, net.failure, net.signal = 5, KeyboardInterrupt(), number
    jobs = jobs_of(models, [CONTROL], selection)
    made, notes = sweep(tmp_path, jobs, selection, batch_size=1, shard_size=4)
    with pytest.raises(KeyboardInterrupt):
        made.run()
    assert notes.stopped == 1
    assert notes.notes == ["interrupted: 5 of 10 images are kept; the same command goes on from there"]
    assert held(tmp_path, jobs[0], selection) == list(range(5))
    net.fail_after = None
    net.batches.clear()
    sweep(tmp_path, jobs, selection, batch_size=1, shard_size=4)[0].run()
    assert sum(net.batches) == 5
    assert_same(stored(tmp_path, jobs, selection)[jobs[0].cell], image_by_image(jobs[0], selection))


def wrapped(**within: Exception) -> Exception:
    """Return what a compiler makes of an error within it."""
    error = RuntimeError("lowering failed")
    for name, led_to_it in within.items():
        setattr(error, f"__{name}__", led_to_it)
    return error


@pytest.mark.parametrize(
    "failure",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
        MemoryError(),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer"),
        RuntimeError("std::bad_alloc"),
        wrapped(cause=wrapped(context=MemoryError())),
        wrapped(context=torch.OutOfMemoryError("CUDA out of memory.")),
    ],
    ids=["cuda", "cpu", "python", "cublas", "cudnn", "driver", "onnxruntime", "c++", "cause", "context"],
)
def test_out_of_memory_halves_the_batch_and_changes_no_result(tmp_path, failure):
    selection, models = photos(20), [loaded("a", RESIZED), loaded("b", RESIZED)]
    net = models[1].model.module
    net.limit, net.failure = 3, failure
    jobs = jobs_of(models, [CONTROL, ROTATION], selection)
    made, notes = sweep(tmp_path, jobs, selection, batch_size=16)
    made.run()
    assert made.errors == {}
    assert notes.notes == [f"out of memory: going on with batches of {size} images" for size in (8, 4, 2)]
    assert max(net.batches) == 2
    for item in jobs:
        assert_same(stored(tmp_path, jobs, selection)[item.cell], image_by_image(item, selection))


def crowded(monkeypatch, limit: int) -> None:
    """Make a device on which no more than ``limit`` images find room."""

    def copy(tensor, device):
        if tensor.ndim == 4 and len(tensor) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return to_device(tensor, device)

    monkeypatch.setattr("pytest_robustness.inference.sweep.batch_runner.to_device", copy)


def test_images_that_do_not_fit_on_the_device_halve_the_batch(tmp_path, monkeypatch):
    selection, models = photos(10), [loaded("a", RESIZED), loaded("b", WHOLE)]
    jobs = jobs_of(models, [CONTROL, VFLIP], selection)
    crowded(monkeypatch, 3)
    made, notes = sweep(tmp_path, jobs, selection)
    made.run()
    assert made.errors == {}
    assert notes.notes == [f"out of memory: going on with batches of {size} images" for size in (5, 3)]
    for item in jobs:
        assert_same(stored(tmp_path, jobs, selection)[item.cell], image_by_image(item, selection))


def test_a_device_without_room_for_one_image_is_an_error_of_every_cell(tmp_path, monkeypatch):
    selection, models = photos(5), [loaded("a", RESIZED), loaded("b", WHOLE)]
    jobs = jobs_of(models, [CONTROL, VFLIP], selection)
    crowded(monkeypatch, 0)
    made, _ = sweep(tmp_path, jobs, selection)
    made.run()
    message = "copying images to cpu failed during the sweep: OutOfMemoryError: CUDA out of memory."
    assert without_lines(made.errors) == {item.cell: message for item in jobs}


def test_memory_is_freed_when_nothing_holds_on_to_the_batch_that_filled_it(tmp_path, monkeypatch):
    seen, alive = [], []

    class Full(Net):
        def forward(self, images):
            if len(images) > 4:
                seen.append(weakref.ref(images))
                raise MemoryError
            return super().forward(images)

    def look(device):
        gc.collect()
        alive.extend(each() is not None for each in seen)

    monkeypatch.setattr("pytest_robustness.inference.sweep.batch_runner.free_memory", look)
    full = dataclasses.replace(loaded("full", RESIZED), model=Model(Full(6, 0), RESIZED, fingerprint="full"))
    selection = photos(8)
    sweep(tmp_path, jobs_of([full], [CONTROL], selection), selection)[0].run()
    assert alive == [False]


def test_an_odd_batch_that_does_not_fit_becomes_two_not_three(tmp_path):
    selection, models = photos(7), [loaded("a", RESIZED)]
    net = models[0].model.module
    net.limit, net.failure = 4, MemoryError()
    sweep(tmp_path, jobs_of(models, [CONTROL], selection), selection)[0].run()
    assert net.batches == [4, 3]


@pytest.mark.parametrize(
    ("images", "at_once", "batches"),
    [
        (24, 10, [6, 6, 6, 6]),
        (17, 10, [6, 6, 5]),  # the last shard has 5
        (13, 12, [12, 1]),
        (11, 10, [6, 5]),  # less than a shard
        (5, 600, [5]),
        (3, 0, [1, 1, 1]),  # a canvas above what a device is to take
    ],
)
def test_the_batches_of_a_shard_are_equal_for_a_compiled_model_fills_the_last_one_up(
    tmp_path, monkeypatch, images, at_once, batches
):
    selection, item = photos(images), loaded("a", RESIZED)
    monkeypatch.setattr(
        "pytest_robustness.inference.sweep.batch_runner.pixels_at_once", lambda device: at_once * item.pixels
    )
    sweep(tmp_path, jobs_of([item], [CONTROL], selection), selection, shard_size=12)[0].run()
    assert item.model.module.batches == batches


def test_a_model_is_compiled_for_no_more_images_than_a_shard_has(tmp_path):
    selection, examples = photos(20), []

    def prepare(name, model, workload):
        examples.append(len(workload.example))
        return as_it_is(name, model, workload)

    jobs = jobs_of([loaded("a", RESIZED)], [CONTROL], selection)
    sweep(tmp_path, jobs, selection, batch_size=16, shard_size=12, prepare=prepare)[0].run()
    assert examples == [12]


def without_lines(errors):
    """Return ``errors`` without the line of this file that each came from, which all of them name."""
    told = {cell: re.fullmatch(r"(.*) \(\S*test_sweep\.py:\d+\)", text) for cell, text in errors.items()}
    return {cell: found and found[1] for cell, found in told.items()}


def test_a_model_that_does_not_fit_with_a_single_image_is_an_error_of_its_own(tmp_path):
    selection, models = photos(5), [loaded("small", RESIZED), loaded("huge", RESIZED)]
    models[1].model.module.limit = 0
    models[1].model.module.failure = torch.OutOfMemoryError("CUDA out of memory.")
    jobs = jobs_of(models, [CONTROL, VFLIP], selection)
    made, _ = sweep(tmp_path, jobs, selection)
    made.run()
    message = "huge failed during the sweep: OutOfMemoryError: CUDA out of memory."
    assert without_lines(made.errors) == {Cell("huge", CONTROL): message, Cell("huge", VFLIP): message}
    assert stored(tmp_path, jobs, selection)[Cell("small", VFLIP)] is not None


@pytest.mark.parametrize("fail_after", [0, 7])
def test_a_model_that_fails_leaves_the_others_alone(tmp_path, fail_after):
    selection, models = photos(12), [loaded("good", RESIZED), loaded("bad", RESIZED), loaded("other", WHOLE)]
    models[1].model.module.fail_after = fail_after
    jobs = jobs_of(models, [CONTROL, VFLIP], selection)
    made, notes = sweep(tmp_path, jobs, selection, batch_size=2, shard_size=4)
    made.run()
    message = "bad failed during the sweep: ValueError: no such luck"
    assert without_lines(made.errors) == {Cell("bad", CONTROL): message, Cell("bad", VFLIP): message}
    found = stored(tmp_path, jobs, selection)
    for item in jobs:
        if item.loaded.name != "bad":
            assert_same(found[item.cell], image_by_image(item, selection))
    assert found[Cell("bad", CONTROL)] is None
    assert notes.done == 12


def test_images_of_different_size_concern_the_models_that_take_them_as_they_are(tmp_path, monkeypatch):
    read = Images.read
    monkeypatch.setattr(Images, "read", lambda self, index: read(self, index)[:, : 6 if index == 14 else 7])
    selection, models = photos(12), [loaded("good", RESIZED), loaded("bare", AS_IT_IS)]
    jobs = jobs_of(models, [CONTROL, VFLIP], selection)
    made, _ = sweep(tmp_path, jobs, selection, batch_size=5, shard_size=10)
    made.run()
    assert set(made.errors) == {Cell("bare", CONTROL), Cell("bare", VFLIP)}
    assert made.errors[Cell("bare", CONTROL)] == (
        "bare takes images as they are, and these differ in size: photos[0] is 7x7, photos[14] is 7x6 (width x "
        "height). Give the model Preprocess(resize=..., crop=...)."
    )
    alone, _ = sweep(tmp_path / "alone", jobs[:2], selection)
    alone.run()
    found, expected = (stored(folder, jobs[:2], selection) for folder in (tmp_path, tmp_path / "alone"))
    assert_same(found[Cell("good", VFLIP)], expected[Cell("good", VFLIP)])


def test_a_model_that_failed_once_is_an_error_in_all_its_cells_and_sees_no_further_batch(tmp_path):
    class Once(Net):
        def forward(self, images):
            self.batches.append(len(images))
            if len(self.batches) <= 2:  # as it was prepared, and without any optimization
                raise ValueError("only this once")
            return super().forward(images)

    selection = photos(12)
    net = Once(6, 0)
    once = dataclasses.replace(loaded("once", RESIZED), model=Model(net, RESIZED, fingerprint="once"))
    jobs = jobs_of([once], [CONTROL, VFLIP], selection)
    made, _ = sweep(tmp_path, jobs, selection, batch_size=2, shard_size=4)
    made.run()
    message = "once failed during the sweep: ValueError: only this once"
    assert without_lines(made.errors) == {item.cell: message for item in jobs}
    assert net.batches == [2, 2]
    assert set(stored(tmp_path, jobs, selection).values()) == {None}


def test_a_model_that_cannot_be_made_ready_leaves_the_others_alone(tmp_path):
    def prepare(name, model, workload):
        if name == "bad":
            raise NotImplementedError("no such operator")
        return as_it_is(name, model, workload)

    selection, models = photos(4), [loaded("bad", RESIZED), loaded("good", RESIZED)]
    jobs = jobs_of(models, [CONTROL], selection)
    made, _ = sweep(tmp_path, jobs, selection, prepare=prepare)
    made.run()
    message = "bad failed during the sweep: NotImplementedError: no such operator"
    assert without_lines(made.errors) == {Cell("bad", CONTROL): message}
    assert stored(tmp_path, jobs, selection)[Cell("good", CONTROL)] is not None


def test_a_transform_that_fails_leaves_the_other_conditions_alone(tmp_path):
    registry = builtin()

    @registry.transform("shrink", version=1)
    def shrink(images):
        return images[..., :2, :2]

    selection, models = photos(6), [loaded("a", RESIZED), loaded("b", RESIZED)]
    jobs = jobs_of(models, [CONTROL, VFLIP], selection)
    jobs += [job(item, Condition("shrink"), registry.get("shrink"), 0, "fp32") for item in models]
    made, _ = sweep(tmp_path, jobs, selection)
    made.run()
    message = (
        "shrink failed during the sweep: TransformError: Transform 'shrink' returned uint8 [6, 3, 2, 2] on cpu instead "
        "of uint8 [6, 3, 9, 9] on cpu. It must keep the shape, dtype and device of its images; end with "
        ".round().clamp(0, 255).to(torch.uint8) after computing in floating point."
    )
    assert made.errors == {Cell(name, Condition("shrink")): message for name in "ab"}
    assert stored(tmp_path, jobs, selection)[Cell("a", VFLIP)] is not None


@pytest.mark.parametrize(
    ("value", "places"), [(np.nan, [1]), (np.inf, [1]), (-np.inf, slice(None))], ids=["NaN", "infinite", "all masked"]
)
def test_a_logit_that_is_no_number_is_an_error_that_names_the_first_image(tmp_path, value, places):
    class Odd(Net):
        def forward(self, images):
            logits = super().forward(images)
            # Of dark images it makes no number: positions 6 and 8, in a shard whose first image cannot be read.
            dark = images.mean(dim=(1, 2, 3)) < 0.01
            logits[dark] = logits[dark].index_fill(1, torch.arange(logits.shape[1])[places], value)
            return logits

    selection = photos(12, bad=[0, 5])
    selection.source.images[[12, 16]] = 0
    odd = dataclasses.replace(loaded("odd", AS_IT_IS), model=Model(Odd(7, 0), AS_IT_IS, fingerprint="odd"))
    jobs = jobs_of([odd, loaded("even", AS_IT_IS)], [CONTROL, VFLIP], selection)
    made, _ = sweep(tmp_path, jobs, selection, batch_size=3, shard_size=5)
    made.run()
    assert made.errors == {
        Cell(
            "odd", condition
        ): f"odd under {condition} returned logits that give no answer, first for photos[12]: one is NaN or plus "
        f"infinity, or none is finite. Its accuracy would mean nothing."
        for condition in (CONTROL, VFLIP)
    }
    assert stored(tmp_path, jobs, selection)[Cell("even", VFLIP)] is not None


def test_a_damaged_image_stops_the_sweep_by_name_and_keeps_what_was_finished(tmp_path):
    selection, models = photos(9, bad=[7]), [loaded("a", RESIZED)]
    jobs = jobs_of(models, [CONTROL], selection)
    made, _ = sweep(tmp_path, jobs, selection, shard_size=3, on_bad_image="error")
    with pytest.raises(DataError) as caught:
        made.run()
    assert str(caught.value) == (
        "photos[14] is not a readable image: it is damaged. Remove or replace it, or pass "
        "--robustness-on-bad-image=skip to leave such images out."
    )
    assert held(tmp_path, jobs[0], selection) == list(range(6))
    made, notes = sweep(tmp_path, jobs, selection, shard_size=3)
    made.run()
    assert notes.notes == ["skipped: photos[14] is not a readable image: it is damaged"]
    found = stored(tmp_path, jobs, selection)[jobs[0].cell]
    assert np.flatnonzero(found.predicted == -1).tolist() == [7]
    assert np.flatnonzero(np.isnan(found.confidence)).tolist() == [7]
    assert np.flatnonzero(np.isnan(found.true_probability)).tolist() == [7]


def test_a_shard_of_which_no_image_can_be_read_is_finished_too(tmp_path):
    selection = photos(6, bad=[2, 3])
    jobs = jobs_of([loaded("a", RESIZED)], [CONTROL, VFLIP], selection)
    sweep(tmp_path, jobs, selection, shard_size=2)[0].run()
    assert stored(tmp_path, jobs, selection)[jobs[1].cell].predicted[2:4].tolist() == [-1, -1]


def test_a_full_disk_ends_the_sweep_and_the_next_one_goes_on(tmp_path, monkeypatch):
    selection = photos(4000)
    jobs = jobs_of([loaded("a", AS_IT_IS)], [CONTROL], selection)
    sweep(tmp_path, jobs, selection)  # creates the store
    connect = sqlite3.connect

    def connect_to_small_disk(*arguments, **options):
        connection = connect(*arguments, **options)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 6}")
        return connection

    with monkeypatch.context() as patches:
        patches.setattr(sqlite3, "connect", connect_to_small_disk)
        made, notes = sweep(tmp_path, jobs, selection, shard_size=1000)
    with pytest.raises(
        StoreError, match=r"the disk is full\. What was finished is kept; free some space and run again"
    ):
        made.run()
    assert notes.stopped == 1
    assert 0 < len(held(tmp_path, jobs[0], selection)) < 4000
    sweep(tmp_path, jobs, selection, shard_size=1000)[0].run()
    assert_same(stored(tmp_path, jobs, selection)[jobs[0].cell], image_by_image(jobs[0], selection))


PROCESS = """
import os
import sys
from pathlib import Path

import numpy as np
import torch

from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.inference.jobs import job
from pytest_robustness.inference.loading.loaded_model import LoadedModel
from pytest_robustness.data import identities
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.inference.sweep.settings import SweepSettings
from pytest_robustness.inference.store.cells import StoredCells
from pytest_robustness.inference.sweep.sweep import Sweep
from pytest_robustness.inference.sweep.claims import ShardClaims
from pytest_robustness.inference.sweep.executors.local import LocalExecutor
from pytest_robustness.core import CONTROL, ClassLabel, ClassMatch, EngineUsed, Model, Runner, Selection
from pytest_robustness.frontends.session.progress import SilentProgress
from pytest_robustness.inference.runtimes.choice import RuntimeChoice
from pytest_robustness.inference.store.store import Store

folder, hang_at = Path(sys.argv[1]), int(sys.argv[2])


class Counting(torch.nn.Module):
    seen = 0

    def forward(self, images):
        self.seen += len(images)
        print(self.seen, flush=True)
        if self.seen == hang_at:
            sys.stdin.readline()
        return images[:, :, 0, 0]


labels = np.zeros(24, np.int64)
images = np.random.default_rng(0).integers(0, 256, (24, 3, 2, 2), dtype=np.uint8)
source = ArraySource("photos", [ClassLabel(name, name) for name in "abc"], labels, images)
selection = Selection(source, np.arange(24), labels, identities(source, np.arange(24), FileHashes()))
net = Counting()
model = LoadedModel("slow", Model(net, fingerprint="slow"), ClassMatch("position", (0, 1, 2)), 4, published=True)
cell = job(model, CONTROL, None, 0, "fp32")
store = Store(folder / "store.sqlite")
print("ready", os.getpid(), flush=True)
sys.stdin.readline()
runner = Runner(net, EngineUsed("eager", "fp32"))
claims = ShardClaims(folder / "locks", "photos")
Sweep([cell], selection, store=store, executor=LocalExecutor(lambda *_: runner, claims), progress=SilentProgress(),
      settings=SweepSettings(torch.device("cpu"), "fp32", 0, 0, "error", 1, shard_size=2)).run()
found = StoredCells(store, selection.identities, labels).predictions(cell.key, cell.outputs)
print("same", bool((found.predicted == images[:, :, 0, 0].argmax(1)).all()), flush=True)
"""


@pytest.fixture
def process(tmp_path):
    script = tmp_path / "sweep.py"
    script.write_text(textwrap.dedent(PROCESS))
    with contextlib.ExitStack() as stack:

        def start(hang_at: int = 0) -> subprocess.Popen[str]:
            command = [*warm.python(), str(script), str(tmp_path), str(hang_at)]
            pipe = subprocess.PIPE
            started = stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
            stack.callback(started.kill)
            deadline = threading.Timer(240, started.kill)  # what waits for its output then sees the end of it
            deadline.daemon = True
            deadline.start()
            stack.callback(deadline.cancel)
            return started

        yield start


def go(process: subprocess.Popen[str]) -> int:
    """Have the process begin, and return its number: it was forked for ``process``, which ends as it does."""
    word, number = process.stdout.readline().split()
    assert word == "ready"
    go_on(process)
    return int(number)


def go_on(process: subprocess.Popen[str]) -> None:
    process.stdin.write("go\n")
    process.stdin.flush()


def read_counts(process: subprocess.Popen[str], last: int) -> list[int]:
    """Return how many images the process says it has seen, line by line, up to ``last``."""
    return [int(process.stdout.readline()) for _ in range(last)]


@pytest.mark.slow
def test_two_processes_share_the_work_and_a_killed_one_loses_only_its_shard(process):
    first, second, doomed = process(hang_at=1), process(), process(hang_at=3)
    number = go(doomed)
    assert read_counts(doomed, 3) == [1, 2, 3]
    # One shard of two images is committed, and one image of the next is done.
    os.kill(number, signal.SIGKILL)
    doomed.wait()
    go(first)
    assert read_counts(first, 1) == [1]
    # The first holds the shard that the killed one had; the second computes the other ten and waits for it.
    go(second)
    assert read_counts(second, 20) == list(range(1, 21))
    go_on(first)
    assert first.communicate()[0].split() == ["2", "same", "True"]
    assert second.communicate()[0].split() == ["same", "True"]


def clocked(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    """Let every look at the clock take ``step`` seconds."""
    now = iter(float(n) * step for n in range(10**9))
    monkeypatch.setattr("pytest_robustness.inference.sweep.unsaved.time", SimpleNamespace(monotonic=lambda: next(now)))


def test_what_takes_long_is_committed_within_the_shard_and_within_the_batch(tmp_path, monkeypatch):
    selection, models = photos(20), [loaded(name, RESIZED) for name in "abcd"]
    net = models[3].model.module
    net.fail_after, net.failure = 10, SystemError("the process is killed")
    jobs = jobs_of(models, [CONTROL], selection)
    clocked(monkeypatch, 20)
    # Killed as by a signal: no handler commits anything.
    monkeypatch.setattr(LocalExecutor, "_pass", unguarded(LocalExecutor._pass))
    net.failure = KeyboardInterrupt()
    made, _ = sweep(tmp_path, jobs, selection, batch_size=10, shard_size=20)
    with pytest.raises(KeyboardInterrupt):
        made.run()
    assert [held(tmp_path, item, selection) for item in jobs] == [[*range(20)]] * 3 + [[*range(10)]]


def unguarded(method):
    """Return `LocalExecutor._pass` as it is where the process dies: its last commit does not happen."""

    def run(self, work, runner, missing, lacking):
        commits = []
        original = runner.commit
        runner.commit = lambda: original() if sys.exc_info()[0] is None else commits.append(1)
        return method(self, work, runner, missing, lacking)

    return run


def test_a_fast_sweep_commits_once_a_shard(tmp_path, monkeypatch):
    commits = []
    put = Store.put
    monkeypatch.setattr(Store, "put", lambda self, results: (commits.append(len(results)), put(self, results)))
    selection = photos(20)
    jobs = jobs_of([loaded("a", RESIZED), loaded("b", WHOLE)], [CONTROL, VFLIP], selection)
    sweep(tmp_path, jobs, selection, batch_size=3, shard_size=10)[0].run()
    assert commits == [4, 4]


def part_of(selection: Selection, positions: Sequence[int]) -> Selection:
    """Return a selection of some images, in another order and at other indices perhaps."""
    chosen = np.array(positions)
    parts = (selection.indices[chosen], selection.labels[chosen], selection.identities[chosen])
    return dataclasses.replace(selection, indices=parts[0], labels=parts[1], identities=parts[2])


@given(
    steps=st.lists(
        st.tuples(
            st.lists(st.integers(0, 14), min_size=1, max_size=15),
            st.sets(st.sampled_from("ab"), min_size=1),
            st.booleans(),
            st.integers(1, 9),
        ),
        min_size=2,
        max_size=4,
    )
)
@settings(deadline=None, max_examples=25)
def test_no_image_of_a_cell_is_ever_computed_twice(tmp_path_factory, steps):
    """Whatever images, models and conditions the runs before had, a run computes what is new, and each image once."""
    folder, whole = tmp_path_factory.mktemp("sweep"), photos(15)
    known: set[tuple[str, Condition, int]] = set()
    for positions, names, flipped, shard_size in steps:
        selection = part_of(whole, positions)
        models = [loaded(name, RESIZED) for name in sorted(names)]
        conditions = [CONTROL, VFLIP] if flipped else [CONTROL]
        jobs = jobs_of(models, conditions, selection)
        made, _ = sweep(folder, jobs, selection, shard_size=shard_size, batch_size=4)
        made.run()
        wanted = {(item.loaded.name, item.condition, position) for item in jobs for position in positions}
        assert sum(sum(item.model.module.batches) for item in models) == len(wanted - known)
        known |= wanted
        for item in jobs:
            assert_same(stored(folder, jobs, selection)[item.cell], image_by_image(item, selection))


def test_an_image_under_another_label_is_computed_for_that_label(tmp_path):
    selection = photos(6)
    jobs = jobs_of([loaded("a", RESIZED)], [CONTROL], selection)
    sweep(tmp_path, jobs, selection)[0].run()
    labels = selection.labels.copy()
    labels[2] = (labels[2] + 1) % CLASSES
    relabelled = dataclasses.replace(selection, labels=labels)
    sweep(tmp_path, jobs, relabelled)[0].run()
    assert jobs[0].loaded.model.module.batches == [6, 1]
    assert_same(stored(tmp_path, jobs, relabelled)[jobs[0].cell], image_by_image(jobs[0], relabelled))
    assert_same(stored(tmp_path, jobs, selection)[jobs[0].cell], image_by_image(jobs[0], selection))


def test_a_fault_of_the_moment_is_no_property_of_the_image(tmp_path, monkeypatch):
    selection = photos(6)
    jobs = jobs_of([loaded("a", RESIZED)], [CONTROL], selection)
    read = Images.read

    def short_of_memory(self, index):
        if index == 4:
            raise BadImageError("photos[4]", "memory was short", content=False)
        return read(self, index)

    with monkeypatch.context() as patches:
        patches.setattr(Images, "read", short_of_memory)
        made, notes = sweep(tmp_path, jobs, selection)
        made.run()
    assert made.unreadable.positions.tolist() == [2]
    assert notes.notes == ["skipped: photos[4] is not a readable image: memory was short"]
    again, notes = sweep(tmp_path, jobs, selection)
    again.run()
    assert (again.unreadable.positions.tolist(), notes.notes) == ([], [])
    assert_same(stored(tmp_path, jobs, selection)[jobs[0].cell], image_by_image(jobs[0], selection))


def test_content_that_is_no_image_is_not_decoded_again(tmp_path):
    selection = photos(6, bad=[1])
    jobs = jobs_of([loaded("a", RESIZED)], [CONTROL], selection)
    for times in (1, 1, 1):
        made, notes = sweep(tmp_path, jobs, selection)
        made.run()
        assert made.unreadable.positions.tolist() == [1]
        assert notes.notes == ["skipped: photos[2] is not a readable image: it is damaged"]
        assert selection.source.reads[2] == times


def own(name: str, seed: int | None = None) -> LoadedModel:
    """Return a model of the user's own: its stored answers are checked. ``seed`` gives it other weights unseen."""
    made = dataclasses.replace(loaded(name, RESIZED), published=False)
    if seed is not None:
        net = Net(6, seed, CLASSES)
        made = dataclasses.replace(made, model=dataclasses.replace(made.model, module=net))
    return made


def test_stored_answers_that_no_longer_hold_are_computed_again_and_that_is_said(tmp_path):
    selection = photos(40)
    before = jobs_of([own("a"), own("b")], [CONTROL, VFLIP], selection)
    sweep(tmp_path, before, selection)[0].run()
    # The weights of `a` changed behind the back of its fingerprint.
    after = jobs_of([own("a", seed=99), own("b")], [CONTROL, VFLIP], selection)
    assert [item.key for item in before] == [item.key for item in after]
    made, notes = sweep(tmp_path, after, selection)
    made.run()
    (note,) = made.warnings
    assert notes.notes == [note]
    assert re.fullmatch(
        r"stored answers of a no longer hold and are computed again \(control, vflip\): \d+ of 16 answers are others "
        r"now, and probabilities differ by up to [\d.]+\. Either something changed that no key covers, or the code "
        r"answers by chance: it draws random numbers, or remembers what it was asked before",
        note,
    )
    for item in after:
        assert_same(stored(tmp_path, after, selection)[item.cell], image_by_image(item, selection))
    assert sum(after[2].loaded.model.module.batches) == 2 * 16
    assert sum(after[0].loaded.model.module.batches) == 2 * 40 + 2 * 16


def test_answers_that_hold_are_checked_and_kept(tmp_path):
    selection = photos(40)
    jobs = jobs_of([own("a")], [CONTROL, VFLIP, ROTATION], selection)
    sweep(tmp_path, jobs, selection)[0].run()
    jobs[0].loaded.model.module.batches.clear()
    made, notes = sweep(tmp_path, jobs, selection)
    made.run()
    assert (made.warnings, notes.notes) == ([], [])
    assert jobs[0].loaded.model.module.batches == [16, 16, 16]


def test_a_transform_that_changed_unseen_is_computed_again_for_all_models(tmp_path):
    registry, strength = builtin(), [0]

    @registry.transform("fade", version=1)
    def fade(images):
        return images // (1 + strength[0])

    selection, condition = photos(40), Condition("fade")
    models = [own("a"), own("b")]
    jobs = [*jobs_of(models, [CONTROL], selection)]
    jobs += [job(item, condition, registry.get("fade"), 0, "fp32") for item in models]
    sweep(tmp_path, jobs, selection)[0].run()
    strength[0] = 5
    made, _ = sweep(tmp_path, jobs, selection)
    made.run()
    assert len(made.warnings) == 2
    assert all("(fade)" in text for text in made.warnings)
    for item in jobs:
        assert_same(stored(tmp_path, jobs, selection)[item.cell], image_by_image(item, selection))


def test_published_models_under_builtin_transforms_are_not_run_again(tmp_path):
    selection = photos(10)
    jobs = jobs_of([loaded("a", RESIZED)], [CONTROL, VFLIP], selection)
    sweep(tmp_path, jobs, selection)[0].run()
    jobs[0].loaded.model.module.batches.clear()
    sweep(tmp_path, jobs, selection)[0].run()
    assert jobs[0].loaded.model.module.batches == []


def test_a_model_that_takes_long_is_checked_on_fewer_images(tmp_path, monkeypatch):
    selection = photos(40)
    jobs = jobs_of([own("a")], [CONTROL, VFLIP, ROTATION], selection)
    sweep(tmp_path, jobs, selection)[0].run()
    jobs[0].loaded.model.module.batches.clear()
    now = iter(range(10**6))
    monkeypatch.setattr("pytest_robustness.inference.sweep.canary.time", SimpleNamespace(monotonic=lambda: next(now)))
    sweep(tmp_path, jobs, selection)[0].run()
    assert jobs[0].loaded.model.module.batches == [16, 1, 1]


class Whims(Net):
    """A net of which some calls fail."""

    def __init__(self, seed: int, failing: Sequence[int]) -> None:
        super().__init__(6, seed)
        self.failing = {*failing}
        self.calls = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls in self.failing:
            raise RuntimeError("no such luck")
        return super().forward(images)


def whimsical(seed: int, failing: Sequence[int] = ()) -> LoadedModel:
    made = own("a")
    return dataclasses.replace(made, model=dataclasses.replace(made.model, module=Whims(seed, failing)))


@pytest.mark.parametrize("changed", [False, True], ids=["as it was", "changed"])
@pytest.mark.parametrize("failing", [[], [1], [2], [3], [1, 2], [2, 3], [1, 2, 3]])
def test_what_a_check_cannot_find_out_is_computed_again_and_what_it_found_counts(tmp_path, changed, failing):
    selection, conditions = photos(40), [CONTROL, VFLIP, ROTATION]
    sweep(tmp_path, jobs_of([whimsical(1)], conditions, selection), selection)[0].run()
    # Of the check, which runs the model once a condition, control first.
    after = jobs_of([whimsical(99 if changed else 1, failing)], conditions, selection)
    made, notes = sweep(tmp_path, after, selection)
    made.run()
    for item in after:  # whatever failed in the check, no answer of other weights is left
        assert_same(stored(tmp_path, after, selection)[item.cell], image_by_image(item, selection))
    order = sorted(conditions, key=lambda one: one != CONTROL)
    failed = {str(order[number - 1]) for number in failing}
    # What control shows holds for all; else what each shows counts for itself.
    shown = set() if not changed else {*map(str, order)} if 1 not in failing else {*map(str, order)} - failed
    told = {}
    for text in made.warnings:
        found = re.fullmatch(r"stored answers of a (.+) and are computed again \((.+)\): (.+)", text)
        told[found[1]] = set(found[2].split(", "))
        assert found[3].startswith("RuntimeError: no such luck") == (found[1] == "could not be checked")
    assert told == {
        what: which
        for what, which in {"no longer hold": shown, "could not be checked": failed - shown}.items()
        if which
    }
    assert notes.notes == made.warnings


def test_a_transform_that_fails_is_an_error_and_no_stored_answer(tmp_path):
    registry, broken = builtin(), []

    @registry.transform("fade", version=1)
    def fade(images):
        if broken:
            raise FileNotFoundError("fade.txt")
        return images // 2

    selection, condition = photos(20), Condition("fade")
    jobs = [*jobs_of([own("a")], [CONTROL], selection), job(own("a"), condition, registry.get("fade"), 0, "fp32")]
    sweep(tmp_path, jobs, selection)[0].run()
    broken.append(True)
    made, _ = sweep(tmp_path, jobs, selection)
    made.run()
    assert [cell.condition for cell in made.errors] == [condition]
    assert held(tmp_path, jobs[0], selection) == list(range(20))
    assert held(tmp_path, jobs[1], selection) == []


def test_an_image_that_went_shows_no_answer_wrong(tmp_path):
    selection = photos(40)
    jobs = jobs_of([own("a")], [CONTROL, VFLIP], selection)
    sweep(tmp_path, jobs, selection)[0].run()
    checked = np.argsort(selection.identities, kind="stable")[:16]
    for gone in (checked[:5], checked):
        bad = frozenset(int(selection.indices[position]) for position in gone)
        again = dataclasses.replace(selection, source=dataclasses.replace(selection.source, bad=bad))
        made, _ = sweep(tmp_path, jobs, again)
        with contextlib.nullcontext() if len(gone) < 16 else pytest.raises(BadImageError, match="it is damaged"):
            made.run()
        assert made.warnings == []
        assert held(tmp_path, jobs[0], selection) == list(range(40))


def test_a_check_that_lacks_memory_takes_one_image_at_a_time(tmp_path):
    selection = photos(40)
    jobs = jobs_of([own("a")], [CONTROL], selection)
    sweep(tmp_path, jobs, selection)[0].run()
    net = jobs[0].loaded.model.module
    net.limit, net.failure = 8, RuntimeError("CUDA out of memory")
    net.batches.clear()
    made, _ = sweep(tmp_path, jobs, selection)
    made.run()
    assert (made.warnings, net.batches) == ([], [1] * 16)


@pytest.mark.parametrize("described", [True, False], ids=["as now", "by an earlier version"])
@pytest.mark.parametrize("asked", [[CONTROL], [CONTROL, VFLIP], [CONTROL, VFLIP, ROTATION]], ids=len)
def test_of_a_model_that_changed_unseen_nothing_stays_that_the_run_did_not_ask_for(tmp_path, asked, described):
    selection, others = photos(40), photos(20, seed=7)
    every = [CONTROL, VFLIP, ROTATION]
    before = [own("a"), own("b")]
    for images in (selection, others):
        sweep(tmp_path, jobs_of(before, every, images), images)[0].run()
    if not described:
        _describe_as_before(tmp_path)
    changed = own("a", seed=99)
    sweep(tmp_path, jobs_of([changed], asked, selection), selection)[0].run()
    for images in (selection, others):
        whole = list(range(len(images.indices)))
        for item in jobs_of(before, every, images):
            computed = images is selection and item.condition in asked
            assert held(tmp_path, item, images) == (whole if computed or item.loaded.name == "b" else [])
    for images in (selection, others):  # a later run of everything is of one model
        again = jobs_of([changed], every, images)
        sweep(tmp_path, again, images)[0].run()
        for item in again:
            assert_same(stored(tmp_path, again, images)[item.cell], image_by_image(item, images))


def _describe_as_before(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "store.sqlite")) as connection, connection:
        for number, text in connection.execute("SELECT id, description FROM cell").fetchall():
            told = {name: json.loads(text)[name] for name in ("model", "transform", "severity")}
            connection.execute("UPDATE cell SET description = ? WHERE id = ?", (json.dumps(told), number))


@pytest.mark.parametrize("described", [True, False], ids=["as now", "by an earlier version"])
@pytest.mark.parametrize("users", [True, False], ids=["of the user's", "built in"])
def test_under_a_transform_that_changed_unseen_no_answer_of_another_model_stays(
    tmp_path, monkeypatch, users, described
):
    registry, strength = builtin(), [1]

    @registry.transform("fade", version=1)
    def fade(images):
        return images // strength[0]

    monkeypatch.setattr(type(registry.get("fade")), "published", not users)
    selection, condition, left_out = photos(40), Condition("fade"), own("b")
    models = [own("a"), left_out]
    jobs = [*jobs_of(models, [CONTROL, VFLIP], selection)]
    jobs += [job(item, condition, registry.get("fade"), 0, "fp32") for item in models]
    sweep(tmp_path, jobs, selection)[0].run()
    if not described:
        _describe_as_before(tmp_path)
    strength[0] = 6
    sweep(tmp_path, [item for item in jobs if item.loaded is not left_out], selection)[0].run()
    gone = [item.cell for item in jobs if held(tmp_path, item, selection) == []]
    assert gone == ([Cell("b", condition)] if users else [])


def test_damaged_rows_are_computed_again_and_counted(tmp_path):
    selection = photos(12)
    jobs = jobs_of([loaded("a", RESIZED)], [CONTROL, VFLIP], selection)
    sweep(tmp_path, jobs, selection, shard_size=4)[0].run()
    with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection, connection:
        connection.execute("UPDATE prediction SET rows = zeroblob(length(rows)) WHERE id IN (2, 3)")
    jobs[0].loaded.model.module.batches.clear()
    made, _ = sweep(tmp_path, jobs, selection, shard_size=4)
    made.run()
    assert made.warnings == ["2 results in the store were damaged, and are computed again"]
    assert sum(jobs[0].loaded.model.module.batches) == 8
    for item in jobs:
        assert_same(stored(tmp_path, jobs, selection)[item.cell], image_by_image(item, selection))


class Slow(Fetched):
    """Scores of a device that works ahead: on the host only ``late`` looks after they were asked for."""

    late = 0
    made: ClassVar[list[int]] = []

    def __init__(self, jobs: Sequence[Sequence[Scores]]) -> None:
        super().__init__(jobs)
        self.looks = 0
        self.made.append(len(jobs))

    @property
    def ready(self) -> bool:
        self.looks += 1
        return self.looks > self.late


@pytest.mark.parametrize("late", [0, 3, 10**6])
def test_a_device_that_works_ahead_is_asked_once_a_shard_and_gives_the_same(tmp_path, monkeypatch, late):
    selection = photos(20, bad=[7])
    jobs = jobs_of([loaded("one", RESIZED), loaded("two", WHOLE)], [CONTROL, VFLIP, ROTATION], selection)
    sweep(tmp_path / "plain", jobs, selection, shard_size=6, batch_size=2)[0].run()
    monkeypatch.setattr(batch_runner, "works_ahead", lambda device: True)
    monkeypatch.setattr(unsaved, "Fetched", Slow)
    monkeypatch.setattr(Slow, "late", late)
    monkeypatch.setattr(Slow, "made", [])
    claims = ShardClaims(tmp_path / "ahead" / "locks", selection.fingerprint)
    stored_at_release: list[int] = []
    made, _ = sweep(tmp_path / "ahead", jobs, selection, shard_size=6, batch_size=2, claims=claims)
    release = claims.release

    def released(shard: Shard) -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "ahead/store.sqlite")) as connection:
            stored_at_release.append(connection.execute("SELECT count(*) FROM prediction").fetchone()[0])
        release(shard)

    monkeypatch.setattr(claims, "release", released)
    made.run()
    assert [count for count in Slow.made if count] == [len(jobs)] * 4
    # No shard is released before all of it is stored.
    assert all(count >= len(jobs) * (number + 1) for number, count in enumerate(stored_at_release))
    assert len(stored_at_release) == 4
    expected = stored(tmp_path / "plain", jobs, selection)
    for cell, found in stored(tmp_path / "ahead", jobs, selection).items():
        assert found is not None
        for column, other in zip(found, expected[cell], strict=True):
            np.testing.assert_array_equal(column, other)


def test_where_a_device_works_ahead_an_interrupt_keeps_what_was_computed(tmp_path, monkeypatch):
    selection = photos(20)
    model = loaded("one", RESIZED)
    [item] = jobs_of([model], [CONTROL], selection)
    model.model.module.fail_after, model.model.module.failure = 14, KeyboardInterrupt()
    monkeypatch.setattr(batch_runner, "works_ahead", lambda device: True)
    monkeypatch.setattr(unsaved, "Fetched", Slow)
    monkeypatch.setattr(Slow, "late", 10**6)
    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path, [item], selection, shard_size=6, batch_size=2)[0].run()
    with contextlib.closing(Store(tmp_path / "store.sqlite")) as store:
        cells = StoredCells(store, selection.identities, selection.labels)
        cells.update(item.key, item.outputs)
        assert cells.present(item.key, item.outputs).sum() == 14


def test_code_that_names_no_gpu_gets_the_one_that_the_process_computes_on(tmp_path, monkeypatch):
    within: list[torch.device] = []

    @contextlib.contextmanager
    def current(device: torch.device) -> Iterator[None]:
        within.append(device)
        yield
        within.pop()

    monkeypatch.setattr(sweep_module, "current", current)
    selection, model, seen = photos(4), loaded("one", RESIZED), []
    model.model.module.register_forward_pre_hook(lambda *_: seen.append([*within]))
    sweep(tmp_path, jobs_of([model], [CONTROL], selection), selection)[0].run()
    computed = len(seen)
    # The check of stored answers, by which a run begins that has some of them, is no exception.
    again = dataclasses.replace(model, published=False)
    sweep(tmp_path, jobs_of([again], [CONTROL], selection), selection)[0].run()
    assert 0 < computed < len(seen)
    assert all(each == [torch.device("cpu")] for each in seen)
    assert within == []
