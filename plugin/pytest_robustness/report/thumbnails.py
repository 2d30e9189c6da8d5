"""Small pictures of images as models get them, in control and transformed, for reports."""

from __future__ import annotations

import base64
import dataclasses
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pytest_robustness.errors import RobustnessError
from pytest_robustness.inference.preprocess import center_crop, to_canvas
from pytest_robustness.report.gallery import Thumbnails

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import Canvas, DataSource
    from pytest_robustness.report.gallery import Exhibit
    from pytest_robustness.transforms import Registry

SIDE = 96
_QUALITY = 80


class Darkroom:
    """Makes thumbnails of the images that a run judged on.

    Parameters
    ----------
    source
        Where the images are.
    indices
        Of those of the run: int64 [N].
    registry
        The known transforms.
    seed
        Of the run, so that a random transform draws what it drew for the models.
    """

    def __init__(self, source: DataSource, indices: NDArray[np.int64], registry: Registry, seed: int) -> None:
        self._source = source
        self._indices = indices
        self._registry = registry
        self._seed = seed

    def develop(self, exhibits: Iterable[Exhibit], canvases: Mapping[str, Canvas]) -> tuple[Exhibit, ...]:
        """Return ``exhibits`` with thumbnails; one that fails gets a note instead, whatever failed.

        Parameters
        ----------
        canvases
            How each model wants its images. That of an exhibit's first model counts: the transform is applied there,
            and the centre crop shown.
        """
        return tuple(self._develop(exhibit, canvases[exhibit.answers[0].model]) for exhibit in exhibits)

    def _develop(self, exhibit: Exhibit, canvas: Canvas) -> Exhibit:
        try:
            return dataclasses.replace(exhibit, thumbnails=self._thumbnails(exhibit, canvas))
        except Exception as error:  # a user's source or transform may raise anything, and the findings stand without
            reason = str(error) if isinstance(error, RobustnessError) else f"{type(error).__name__}: {error}"
            return dataclasses.replace(exhibit, note=f"This image cannot be shown: {reason}")

    def _thumbnails(self, exhibit: Exhibit, canvas: Canvas) -> Thumbnails:
        index = self._indices[exhibit.position : exhibit.position + 1]
        control = to_canvas(self._source.read(int(index[0])), canvas)
        transform = self._registry.get(exhibit.condition.transform)
        treated = transform(control[None], exhibit.condition.severity, index, self._seed)[0]
        before, after = (_shrink(center_crop(image, canvas.crop)) for image in (control, treated))
        return Thumbnails(_data_uri(before), _data_uri(after), before.width)


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
