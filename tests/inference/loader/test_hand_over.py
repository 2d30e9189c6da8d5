"""Pixels come out of another process as they went in, and leave nothing behind."""

from __future__ import annotations

import errno
import gc
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_robustness.inference.loader import hand_over
from pytest_robustness.inference.loader.hand_over import Pixels
from pytest_robustness.inference.loader.pool import answers

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has memory without a name")


def pixels(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def read(request: tuple[int, ...]) -> Pixels:
    return Pixels(pixels(request))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.slow
def test_pixels_of_any_size_arrive_unchanged_and_leave_no_descriptor_open():
    shapes = [(0, 3, 8, 8), (1, 3, 8, 8), (8, 3, 256, 256), (5, 3, 300, 301), *[(8, 3, 256, 256)] * 20]
    left_open = []
    for _ in range(2):  # the first time, the server of the decoding processes starts, and stays
        for shape, found in zip(shapes, answers(read, iter(shapes), 2), strict=True):
            assert np.array_equal(found.array, pixels(shape))
            found.array[...] = 0  # it is this process's own, as a decoded batch is
        del found
        gc.collect()
        left_open.append(descriptors())
    assert left_open[1] <= left_open[0]


@linux
def test_a_large_array_is_not_in_the_message():
    large, small = Pixels(pixels((8, 3, 256, 256))), Pixels(pixels((1, 3, 8, 8)))
    _, (sent, shape) = large.__reduce__()
    assert len(pickle.dumps(shape)) < 100
    os.close(descriptor := sent.detach())
    assert descriptor >= 0
    assert small.__reduce__() == (Pixels, (small.array,))


@linux
def test_where_the_system_refuses_the_pixels_are_pickled(monkeypatch):
    def refuse(name: str) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(hand_over.os, "memfd_create", refuse)
    array = pixels((8, 3, 256, 256))
    assert np.array_equal(pickle.loads(pickle.dumps(Pixels(array))).array, array)
