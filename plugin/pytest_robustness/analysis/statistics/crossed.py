"""The mean over models and images that are both samples, with an interval for both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CONFIDENCE = 0.95


def crossed_interval(values: NDArray[np.int8]) -> tuple[float, float, float]:
    """Return the mean of ``values`` and its 95 % interval, over other models and other images alike.

    The variance is that of clustering by models plus that of clustering by images, less what both count twice
    (Cameron, Gelbach and Miller 2011, J. Bus. Econ. Stat. 29:238), and no less than either; the degrees of freedom are
    Satterthwaite's. With one model the images alone are the sample; the interval is NaN with fewer than two images.

    Parameters
    ----------
    values
        One number per model and image: [M, N].
    """
    models, images = values.shape
    if images < 2:
        return (float(values.mean()) if images else np.nan), np.nan, np.nan
    mean = float(values.mean())
    by_model, by_image = values.mean(axis=1) - mean, values.mean(axis=0) - mean
    image_variance = float(by_image @ by_image) / (images * (images - 1))
    model_variance = float(by_model @ by_model) / (models * (models - 1)) if models > 1 else 0.0
    squares = float(np.square(values, dtype=np.float64).sum()) - models * images * mean**2
    residual = squares - images * float(by_model @ by_model) - models * float(by_image @ by_image)
    both = max(residual, 0.0) / (max(models - 1, 1) * (images - 1)) / (models * images)
    variance = max(model_variance + image_variance - both, model_variance, image_variance)
    if variance == 0:
        return mean, mean, mean
    parts = model_variance**2 / max(models - 1, 1) + image_variance**2 / (images - 1)
    half = float(stats.t.isf((1 - _CONFIDENCE) / 2, max(variance**2 / parts, 1.0))) * np.sqrt(variance)
    return mean, mean - half, mean + half
