"""Draw small pictures of images as models see them, in control and transformed, for reports."""

from __future__ import annotations

import base64
import dataclasses
import io
import logging
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pytest_robustness.errors import RobustnessError
from pytest_robustness.inference.preprocess import center_crop, to_canvas
from pytest_robustness.report.gallery import Thumbnails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import Canvas, DataSource
    from pytest_robustness.report.gallery import Example
    from pytest_robustness.transforms import Registry

_log = logging.getLogger(__name__)

SIDE = 96
_QUALITY = 80


def add_thumbnails(
    examples: Iterable[Example],
    canvases: Mapping[str, Canvas],
    *,
    source: DataSource,
    indices: NDArray[np.int64],
    registry: Registry,
    seed: int,
) -> tuple[Example, ...]:
    """Return ``examples`` with thumbnails; one that fails gets a note instead.

    Parameters
    ----------
    examples
        The images to show.
    canvases
        The canvas of each model. That of an example's first model counts: the transform is applied to it, and its
        centre crop is shown.
    source, indices
        Where the images of the run are, and which they are: int64 [N].
    registry, seed
        The known transforms and the run's seed, so that a random transform draws what it drew for the models.
    """

    def pictures(example: Example) -> Thumbnails:
        canvas = canvases[example.answers[0].model]
        index = indices[example.position : example.position + 1]
        control = to_canvas(source.read(int(index[0])), canvas)
        transform = registry.get(example.condition.transform)
        treated = transform(control[None], example.condition.severity, index, seed)[0]
        before, after = (_shrink(center_crop(image, canvas.crop)) for image in (control, treated))
        return Thumbnails(_data_uri(before), _data_uri(after), before.width)

    return tuple(_with_pictures(example, pictures) for example in examples)


def _with_pictures(example: Example, pictures: Callable[[Example], Thumbnails]) -> Example:
    try:
        return dataclasses.replace(example, thumbnails=pictures(example))
    except Exception as error:  # a user's source or transform may raise anything, and the findings stand without
        _log.debug("no picture of image %d", example.position, exc_info=True)
        reason = str(error) if isinstance(error, RobustnessError) else f"{type(error).__name__}: {error}"
        return dataclasses.replace(example, note=f"This image cannot be shown: {reason}")


def _shrink(image: torch.Tensor) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return picture


def _data_uri(picture: Image.Image) -> str:
    """Encode small pictures without loss, because they are shown enlarged, pixel by pixel."""
    kind = "png" if max(picture.size) < SIDE else "jpeg"
    file = io.BytesIO()
    picture.save(file, kind, quality=_QUALITY, optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
