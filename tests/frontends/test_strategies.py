"""Conditions for tests of one's own: what is drawn, and that a failing test shrinks to the mildest that fails."""

from __future__ import annotations

import logging
import re
import sys

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_robustness import Condition, errors, transformed
from pytest_robustness.data import open_source
from pytest_robustness.frontends.strategies import STEPS, conditions
from pytest_robustness.inference.preprocess import to_canvas, to_inputs
from pytest_robustness.models import ModelZoo
from pytest_robustness.transforms import Registry, builtin

KNOWN = builtin()
ENDS = {"rotation": (0, 90), "brightness": (1, 2), "translate": (0, 0.4), "zoom": (1, 3), "perspective": (0, 0.9)}
THOROUGH = settings(max_examples=300, database=None, deadline=None, derandomize=True, phases=list(hypothesis.Phase)[:5])


def magnitude(condition: Condition) -> float:
    return float(condition.transform.partition(":")[2])


@given(conditions())
@settings(max_examples=300, database=None)
def test_by_default_all_transforms_with_levels_are_drawn_within_their_spans(condition):
    name = condition.transform.partition(":")[0]
    low, high = ENDS.get(name, (0, 1))
    assert name in {*ENDS, "equalize_zoom_brightness"}
    assert low <= magnitude(condition) <= high
    step = (magnitude(condition) - low) / (high - low) * STEPS
    assert abs(step - round(step)) < 1e-6
    assert len(condition.transform) < 50
    assert KNOWN.get(condition.transform).name == condition.transform


@pytest.mark.parametrize("name", [*ENDS, "rotation+translate", "equalize_zoom_brightness"])
def test_both_ends_are_drawn_and_the_first_transform_at_neutral_is_the_simplest(name):
    low, high = ENDS.get(name, (0, 1))
    assert hypothesis.find(conditions(name, "vflip"), lambda _: True) == KNOWN.at(name, low)
    assert magnitude(hypothesis.find(conditions(name), lambda found: magnitude(found) == high)) == high


def test_a_severity_is_as_far_as_it_goes():
    assert hypothesis.find(conditions("zoom", severity=2), lambda found: magnitude(found) == 1.25) == Condition(
        "zoom:1.25"
    )

    @given(conditions("zoom", "rotation+translate", severity=2))
    @settings(database=None)
    def test_(condition):
        assert magnitude(condition) <= (1.25 if condition.transform.startswith("zoom") else 1 / 6 + 1e-12)

    test_()


def test_a_single_level_is_drawn_as_it_is():
    names = ("vflip", "turn90", "rotation:30", "equalize+hflip")
    for name in names:
        assert hypothesis.find(conditions(*names), lambda found, name=name: found.transform == name) == Condition(name)


def test_whole_levels_of_a_transform_of_ones_own_are_whole():
    known = Registry()
    known.transform("bits", levels=(7, 5, 2), neutral=8, version=1)(lambda images, level: images)
    drawn = set()

    @given(conditions("bits", registry=known))
    @settings(database=None)
    def test_(condition):
        drawn.add(condition.transform)
        transformed(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), condition, registry=known)

    test_()
    assert drawn == {f"bits:{level}" for level in range(2, 9)}
    assert hypothesis.find(conditions("bits", registry=known), lambda _: True) == Condition("bits:8")


@pytest.mark.parametrize(
    ("names", "options", "error"),
    [
        (("rotatoin",), {}, "'rotatoin' is not a transform. Did you mean 'rotation'?"),
        (("rotation:95",), {}, "'95' is not a magnitude of rotation."),
        (("worst(rotation)",), {}, "'worst(rotation)' is the worst of several draws, and which one that is depends on"),
        (("zoom",), {"severity": 6}, "zoom has no severity 6. It has: 1, 2, 3, 4, 5."),
    ],
)
def test_what_cannot_be_drawn_is_an_error_where_the_test_is_written(names, options, error):
    with pytest.raises(errors.OptionError, match=f"^{re.escape(error)}"):
        conditions(*names, **options)


def test_without_hypothesis_the_error_says_what_to_install(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    message = "Strategies come with Hypothesis, which is not installed. Run: pip install hypothesis"
    with (
        caplog.at_level(logging.DEBUG, "pytest_robustness"),
        pytest.raises(errors.RobustnessError, match=f"^{re.escape(message)}$"),
    ):
        conditions("rotation")
    assert "Traceback" in caplog.text


@pytest.fixture(scope="module")
def digits():
    """Return images on the model's canvas with labels, and whether ``resnet18`` is right on a batch."""
    model, source = ModelZoo().load("digits:resnet18"), open_source("digits")
    images = torch.stack([to_canvas(source.read(index), model.preprocess.canvas) for index in range(12)])

    def right(batch, label):
        with torch.inference_mode():
            return (model.module(to_inputs(batch, model.preprocess)).argmax(dim=1) == label).numpy()

    return images, source.labels[:12], right


def failing(strategy, holds):
    """Run a test that asserts that ``holds`` of what is drawn; return all that was drawn, when it has failed."""
    seen = []

    @given(strategy)
    @THOROUGH
    def test_(condition):
        seen.append(condition)
        assert holds(condition)

    with pytest.raises(AssertionError):
        test_()
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rotation", "zoom"])
def test_a_failing_test_shrinks_to_the_mildest_magnitude_that_breaks_the_model(digits, name):
    images, labels, right = digits
    low, high = ENDS[name]
    grid = [low + (high - low) * step / STEPS for step in range(STEPS + 1)]
    checked = 0
    for position, label in enumerate(labels):
        image = images[position : position + 1]
        held = right(torch.cat([transformed(image, KNOWN.at(name, level)) for level in grid]), label)
        breaks = np.flatnonzero(~held)
        if not len(breaks) or not breaks[0] or len(breaks) != len(grid) - breaks[0]:
            continue  # never, at once, or not in one direction
        seen = failing(
            conditions(name),
            lambda condition, image=image, label=label: right(transformed(image, condition), label).all(),
        )
        # Hypothesis runs the smallest failure last.
        assert abs(magnitude(seen[-1]) - grid[breaks[0]]) <= (high - low) / STEPS * 1.001
        checked += 1
        if checked == 2:
            break
    assert checked == 2


def test_among_several_transforms_a_failing_test_shrinks_to_the_first(digits):
    images, labels, right = digits
    truths = torch.from_numpy(labels)

    def breaks(condition):
        return condition.transform != "vflip" and not right(transformed(images, condition), truths).all()

    found = hypothesis.find(conditions("vflip", "rotation", "zoom"), breaks, settings=THOROUGH)
    assert found.transform.startswith("rotation:")


@given(st.integers(0, 4), st.permutations(range(6)), st.integers(1, 6))
@settings(deadline=None, database=None)
def test_an_image_is_transformed_alike_in_every_batch(seed, order, count):
    images = torch.randint(0, 256, (6, 3, 9, 9), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    before = images.clone()
    for condition in (Condition("rotation:17.5"), Condition("perspective", 3), Condition("rotation+translate", 2)):
        whole = transformed(images, condition, seed)
        assert torch.equal(transformed(images[list(order[:count])], condition, seed), whole[list(order[:count])])
        assert torch.equal(images, before)


def test_transformed_draws_as_a_run_does_that_has_these_images_in_memory():
    from pytest_robustness.core.file_hashes import FileHashes
    from pytest_robustness.data import identities

    source = open_source("digits")
    indices = np.arange(40)
    images = torch.stack([source.read(int(index)) for index in indices])
    for condition in (Condition("rotation", 3), Condition("vflip")):
        expected = KNOWN.get(condition.transform)(
            images, condition.severity, identities(source, indices, FileHashes()), 5
        )
        assert torch.equal(transformed(images, condition, seed=5), expected)
    control = transformed(images, Condition("control"))
    assert torch.equal(control, images)
    assert control.data_ptr() != images.data_ptr()


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (torch.zeros(1, 3, 2, 2), "torch.float32 [1, 3, 2, 2]"),
        (torch.zeros(3, 2, 2, dtype=torch.uint8), "torch.uint8 [3, 2, 2]"),
        (torch.zeros(2, 1, 2, 2, dtype=torch.uint8), "torch.uint8 [2, 1, 2, 2]"),
        (np.zeros((1, 3, 2, 2), np.uint8), "ndarray"),
        (None, "NoneType"),
    ],
)
def test_what_are_no_images_is_an_error(images, got):
    message = f"transformed() got {got}. Valid: a tensor of images, uint8 [B, 3, H, W]. A single one is image[None]."
    with pytest.raises(errors.TransformError, match=f"^{re.escape(message)}$"):
        transformed(images, Condition("vflip"))


def test_the_worst_of_k_is_no_condition_for_images_alone():
    with pytest.raises(errors.OptionError, match="is the worst of several draws, and which one that is depends on a"):
        transformed(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), Condition("worst(vflip,k=2)"))


def test_an_empty_batch_stays_empty():
    assert transformed(torch.zeros(0, 3, 4, 4, dtype=torch.uint8), Condition("vflip")).shape == (0, 3, 4, 4)
