"""How large a batch suits a device; `tests/options` has which device and which precision are chosen."""

from __future__ import annotations

import contextlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.inference.device import current, equal_batches, pixels_at_once

GIB = 2**30
CANVAS = 256 * 256


@pytest.mark.parametrize(("device", "images"), [("cpu", 16), ("mps", 64)])
def test_a_device_without_memory_of_its_own_has_one_size(device, images):
    assert pixels_at_once(torch.device(device)) == images * CANVAS


@pytest.mark.parametrize(("free", "images"), [(80, 256), (24, 256), (8, 128), (1, 16)])
def test_a_batch_fits_the_free_memory_of_a_gpu(monkeypatch, free, images):
    asked = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: asked.append(device) or (free * GIB, 80 * GIB))
    device = torch.device("cuda:1")
    assert pixels_at_once(device) == images * CANVAS
    assert asked == [device]


@given(images=st.integers(1, 2000), most=st.integers(1, 2000))
def test_batches_are_as_few_as_can_be_and_leave_less_than_an_image_each_empty(images, most):
    size = equal_batches(images, most)
    batches = len(range(0, images, size))
    assert size <= most
    assert (batches - 1) * most < images
    assert batches * size - images < batches


@pytest.mark.parametrize(("name", "expected"), [("cpu", None), ("mps", None), ("cuda:0", 0), ("cuda:3", 3)])
def test_the_gpu_of_a_process_is_the_current_one_while_it_computes(monkeypatch, name, expected):
    numbers: list[int | None] = [None]

    @contextlib.contextmanager
    def device(one):
        numbers.append(one.index)
        yield
        numbers.pop()

    monkeypatch.setattr(torch.cuda, "device", device)
    with current(torch.device(name)):
        assert numbers[-1] == expected
    assert numbers == [None]
