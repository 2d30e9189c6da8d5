"""A condition that changes no pixel is warned of; one that a model does not mind is not."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pytest_robustness.analysis.predictions import Answers, ScoredOutputs
from pytest_robustness.core import CONTROL, ClassLabel, Condition, Preprocess
from pytest_robustness.core.errors import DataError
from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.report.no_change import no_change_warnings
from pytest_robustness.report.thumbnails import Painter
from pytest_robustness.transforms import builtin

TILTED, SHIFTED, FLIPPED = Condition("perspective", 1), Condition("translate", 1), Condition("vflip")
NOISE = torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def warned(images, conditions, *, canvas=None, painter=None):
    """Return the warnings about a model that gives the same answers under every condition."""
    count = len(images)
    scores = (np.full(count, 0.9, np.float32),) * 3
    scored = ScoredOutputs(SimpleNamespace(predicted=np.zeros(count, np.int32)), *scores, np.zeros(count, np.int32))
    predictions = SimpleNamespace(
        finished=lambda cells: True,
        outputs=lambda cell: scored.outputs,
        scored=lambda cell: scored,
        answers=lambda cell: Answers(np.ones(count, bool), np.ones(count, bool)),
    )
    source = ArraySource("photos", [ClassLabel("ant", "ant")], np.zeros(count, np.int64), images.numpy())
    canvases = {"net": canvas or Preprocess().canvas}
    drawing = Painter(canvases, source=source, indices=np.arange(count), registry=builtin(), seed=0)
    return list(no_change_warnings(predictions, ["net"], conditions, painter or (lambda: drawing)))


def test_what_changes_no_pixel_is_said_once_for_each_condition():
    texts = warned(NOISE, [CONTROL, TILTED, SHIFTED, FLIPPED])
    assert texts == [
        f"{condition} changes nothing of these images: no pixel of 16 images looked at, and no answer and no "
        f"probability of net on any of 20. To pass under it says nothing. Take a higher severity, larger images, or "
        f"leave it out."
        for condition in (TILTED, SHIFTED)
    ]


@pytest.mark.parametrize("images", [torch.full((3, 3, 8, 8), 7, dtype=torch.uint8), NOISE[:, :, :1].contiguous()])
def test_even_images_are_not_changed_by_what_turns_them_over(images):
    assert len(warned(images, [FLIPPED])) == 1


def test_a_pixel_that_changed_beyond_the_crop_is_none_that_the_model_sees():
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    images[:, :, 0] = 255
    assert warned(images, [FLIPPED]) == []
    assert len(warned(images, [FLIPPED], canvas=Preprocess(crop=4).canvas)) == 1


def test_one_image_that_changes_is_enough():
    images = torch.full((3, 3, 8, 8), 7, dtype=torch.uint8)
    images[2, 0, 0, 0] = 8
    assert warned(images, [FLIPPED]) == []


def test_nothing_is_said_of_images_that_are_gone():
    def gone():
        raise DataError("photos is gone.")

    assert warned(NOISE, [TILTED], painter=gone) == []


def test_a_transform_that_fails_when_it_is_applied_again_costs_no_report():
    failing = SimpleNamespace(leaves=lambda *_: 1 // 0)
    assert warned(NOISE, [TILTED], painter=lambda: failing) == []
