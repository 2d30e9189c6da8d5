"""How large a batch suits a device; `tests/options` has which device and which precision are chosen."""

from __future__ import annotations

import pytest
import torch

from pytest_robustness.engine.device import pixels_at_once

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
