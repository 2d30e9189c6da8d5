"""Draw the corners of a perspective transform, and solve for its homography.

Corners are in pixels as (x, y), clockwise from the top left: float64 [..., 4, 2].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_INWARD = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], dtype=np.float64)


def image_corners(height: int, width: int) -> NDArray[np.float64]:
    """Return the corners of an image: float64 [4, 2]."""
    return np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], dtype=np.float64)


def draw_corners(draws: NDArray[np.float64], distortion_scale: float, height: int, width: int) -> NDArray[np.float64]:
    """Move each corner inwards by whole pixels, as torchvision's ``RandomPerspective`` draws them.

    Above a scale of 2/3 some draws give a quadrilateral that is not convex. No view of an image has that outline, and
    with three corners in a line there is no homography. These draws (2 % at scale 0.9 on 256 x 256 pixels) are limited
    to a third of each side, within which every quadrilateral is convex.

    Parameters
    ----------
    draws
        Uniform in [0, 1): float64 [B, 8].
    distortion_scale
        Largest move as a fraction of half the side.
    height, width
        Of the images, in pixels.

    Returns
    -------
    NDArray[np.float64]
        [B, 4, 2]; strictly convex if both sides have at least two pixels.
    """
    sides = np.array([width, height])
    moves = np.floor(draws.reshape(-1, 4, 2) * ((distortion_scale * (sides // 2)).astype(np.int64) + 1))
    corners = image_corners(height, width)
    held = np.minimum(moves, np.maximum(sides - 2, 0) // 3)
    convex = is_convex(corners + _INWARD * moves)
    return corners + _INWARD * np.where(convex[:, None, None], moves, held)


def is_convex(corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which quadrilaterals turn strictly clockwise on screen at every corner: bool [B] for [B, 4, 2]."""
    edges = np.roll(corners, -1, axis=1) - corners
    following = np.roll(edges, -1, axis=1)
    turns = edges[..., 0] * following[..., 1] - edges[..., 1] * following[..., 0]
    return np.asarray((turns > 0).all(axis=1))


def homographies(corners: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Solve for the homographies that take ``corners`` back to the image's own.

    torchvision's ``_get_perspective_coeffs`` solves for them directly, with the last element set to 1. That has no
    solution if the horizon runs through the pixel (0, 0), so this solves for their inverses, which always have one.

    Parameters
    ----------
    corners
        Strictly convex: float64 [B, 4, 2].
    height, width
        Of the images, in pixels; at least 2.

    Returns
    -------
    NDArray[np.float64]
        [B, 3, 3], each up to a factor.
    """
    sources = image_corners(height, width)
    count = len(corners)
    equations = np.zeros((count, 4, 2, 8))
    equations[:, :, 0, 0:2] = equations[:, :, 1, 3:5] = sources
    equations[:, :, 0, 2] = equations[:, :, 1, 5] = 1
    equations[:, :, :, 6:] = -corners[:, :, :, None] * sources[:, None, :]
    solution = np.linalg.solve(equations.reshape(count, 8, 8), corners.reshape(count, 8, 1))[..., 0]
    forward = np.concatenate([solution, np.ones((count, 1))], axis=1).reshape(count, 3, 3)
    return np.linalg.inv(forward)
