"""The mean over models and images that are both samples, with an interval for both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pytest_robustness.analysis.test_result import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def crossed_interval(
    values: NDArray[np.int8], weights: Sequence[NDArray[np.float64]] | None = None
) -> tuple[float, float, float]:
    """Return the weighted mean of ``values`` and its 95 % interval, over other models and other images alike.

    The variance is that of clustering by models plus that of clustering by images, less what both count twice
    (Cameron, Gelbach and Miller 2011, J. Bus. Econ. Stat. 29:238), and no less than either; the degrees of freedom are
    Satterthwaite's. The images vary at least as much as if all models had lost one of them and gained another, so that
    no change among few images is not certainty. With one model the images alone are the sample; the interval is NaN
    with fewer than two images.

    Parameters
    ----------
    values
        How each model's answer to each image changed: -1, 0 or 1, int8 [M, N].
    weights
        What each image counts, 1 on average: float64 [N] of each model, which may be one array for several; by default
        all count the same.
    """
    models, images = values.shape
    counting = [np.ones(images)] * models if weights is None else weights
    means = np.array([row @ weight for row, weight in zip(values, counting, strict=True)]) / max(images, 1)
    mean = float(means.mean()) if values.size else np.nan
    if images < 2:
        return mean, np.nan, np.nan
    by_model, by_image, squares = means - mean, np.zeros(images), 0.0
    # Model by model: a matrix of floats is eight times as large as the values.
    for row, weight in zip(values, counting, strict=True):
        apart = weight * (row - mean)
        by_image += apart / models
        squares += float(apart @ apart)
    one_image = 2 * float(np.mean([weight @ weight for weight in counting])) / images**3
    image_variance = max(float(by_image @ by_image) / (images * (images - 1)), one_image)
    model_variance = float(by_model @ by_model) / (models * (models - 1)) if models > 1 else 0.0
    residual = squares - images * float(by_model @ by_model) - models * float(by_image @ by_image)
    both = max(residual, 0.0) / (max(models - 1, 1) * (images - 1)) / (models * images)
    variance = max(model_variance + image_variance - both, model_variance, image_variance)
    parts = model_variance**2 / max(models - 1, 1) + image_variance**2 / (images - 1)
    half = float(stats.t.isf((1 - CONFIDENCE) / 2, max(variance**2 / parts, 1.0))) * np.sqrt(variance)
    return mean, mean - half, mean + half
