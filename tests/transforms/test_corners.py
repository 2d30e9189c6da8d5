from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull
from scipy.stats import chisquare

from pytest_robustness.transforms import warps
from pytest_robustness.transforms.corners import draw_corners, homographies, image_corners, is_convex
from pytest_robustness.transforms.random_draws import uniforms
from tests.identities import identified

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)


@settings(deadline=None, max_examples=200)
@given(
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=8, max_size=8),
    height=st.integers(1, 300),
    width=st.integers(1, 300),
)
def test_perspective_moves_each_corner_further_with_severity_while_the_drawn_outline_is_convex(
    draws: list[float], height: int, width: int
) -> None:
    levels = LEVELS
    moves = [
        np.abs(draw_corners(np.array([draws]), level, height, width)[0] - image_corners(height, width))
        for level in levels
    ]
    drawn = np.array(draws).reshape(4, 2) * (np.array([int(0.9 * (width // 2)), int(0.9 * (height // 2))]) + 1)
    assume(np.array_equal(moves[-1], np.floor(drawn)))  # otherwise it was not convex and has been held
    assert (np.diff(moves[:3], axis=0) >= 0).all()
    assert (moves[-1] >= moves[2]).all()


@pytest.mark.parametrize("scale", LEVELS)
def test_perspective_draws_corners_as_torchvision_does(scale: float) -> None:
    height, width = 20, 30
    draws = uniforms(0, "perspective", identified(range(4000)), 8)
    corners = draw_corners(draws, scale, height, width)
    bound_height, bound_width = int(scale * (height // 2)) + 1, int(scale * (width // 2)) + 1
    lows = [(0, 0), (width - bound_width, 0), (width - bound_width, height - bound_height), (0, height - bound_height)]
    for corner, low in enumerate(lows):
        for axis, bound in enumerate((bound_width, bound_height)):
            values, counts = np.unique(corners[:, corner, axis], return_counts=True)
            assert set(values) == set(range(low[axis], low[axis] + bound))
            if scale < 2 / 3:
                assert chisquare(counts).pvalue > 0.001 if bound > 1 else counts[0] == 4000


def test_most_corners_of_the_strongest_perspective_stay_as_drawn() -> None:
    draws = uniforms(0, "perspective", identified(range(20_000)), 8)
    moves = np.abs(draw_corners(draws, 0.9, 256, 256) - image_corners(256, 256))
    drawn = np.floor(draws.reshape(-1, 4, 2) * 116)
    held = (moves != drawn).any(axis=(1, 2))
    assert 0.015 < held.mean() < 0.03
    outlines = image_corners(256, 256) + [[1, 1], [-1, 1], [-1, -1], [1, -1]] * drawn
    assert all(len(ConvexHull(outline).vertices) < 4 for outline in outlines[held])


@settings(deadline=None, max_examples=300)
@given(
    draws=st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.9, math.nextafter(1, 0)]), min_size=8, max_size=8),
    scale=st.sampled_from(LEVELS),
    height=st.integers(2, 40),
    width=st.integers(2, 40),
)
def test_every_perspective_has_a_convex_outline_that_its_homography_takes_back(
    draws: list[float], scale: float, height: int, width: int
) -> None:
    corners = draw_corners(np.array([draws]), scale, height, width)
    assert is_convex(corners).all()
    assert len(ConvexHull(corners[0]).vertices) == 4
    back = homographies(corners, height, width)[0] @ np.vstack([corners[0].T, np.ones(4)])
    np.testing.assert_allclose((back[:2] / back[2]).T, image_corners(height, width), atol=1e-6)


@pytest.mark.parametrize(
    "corners",
    [
        [[0, 0], [5, 3], [5, 5], [0, 6]],  # the horizon meets a pixel centre where x or y is zero as well
        [[0, 3], [4, 2], [7, 5], [3, 4]],
        [[0, 0], [4, 2], [5, 5], [2, 6]],
    ],
)
def test_a_pixel_on_the_horizon_is_black(corners: list[list[int]]) -> None:
    images, outline = torch.full((1, 3, 8, 8), 255, dtype=torch.uint8), np.array([corners], dtype=np.float64)
    assert is_convex(outline).all()
    grid = warps.grid(images, warps.perspective_view(homographies(outline, 8, 8), 8, 8))
    assert grid.isfinite().all()
    horizon = (grid.abs() == 4).any(-1)
    assert horizon.any()
    assert not warps.perspective(images, outline)[0, 0][horizon[0]].any()


def test_a_horizon_through_the_first_pixel_has_its_homography() -> None:
    outline = np.array([[[3, 3], [6, 3], [9, 9], [0, 9]]], dtype=np.float64)
    matrix = homographies(outline, 10, 10)[0]
    assert abs(matrix[2, 2]) < 1e-12  # what torchvision sets to 1
    back = matrix @ np.vstack([outline[0].T, np.ones(4)])
    np.testing.assert_allclose((back[:2] / back[2]).T, image_corners(10, 10), atol=1e-9)
