"""Draw small pictures of images as models see them, in control and transformed, for reports."""

from __future__ import annotations

import base64
import dataclasses
import io
import logging
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import Image

from pytest_robustness.core import CONTROL, Selection, bound
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.data import identities
from pytest_robustness.inference.preprocess import center_crop, to_canvas
from pytest_robustness.report.gallery import Drawn, Example, LostExample, Thumbnails

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch
    from numpy.typing import NDArray

    from pytest_robustness.core import Canvas, Condition, DataSource
    from pytest_robustness.transforms import Registry

_log = logging.getLogger(__name__)

SIDE = 96
_QUALITY = 80


_Shown = TypeVar("_Shown", Example, LostExample, Drawn)


class Painter:
    """Draws images of a run as models see them.

    Parameters
    ----------
    canvases
        The canvas of each model.
    source, indices
        Where the images of the run are, and which they are: int64 [N].
    registry, seed
        The known transforms and the run's seed, so that a random transform draws what it drew for the models.
    """

    def __init__(
        self,
        canvases: Mapping[str, Canvas],
        *,
        source: DataSource,
        indices: NDArray[np.int64],
        registry: Registry,
        seed: int,
    ) -> None:
        self._canvases = canvases
        self._source = source
        self._indices = indices
        self._registry = registry
        self._seed = seed

    def examples(self, examples: Iterable[Example]) -> tuple[Example, ...]:
        """Return ``examples`` with thumbnails, as their first model sees them; one that fails gets a note instead."""
        return tuple(self._drawn(one, one.answers[0].model, one.position) for one in examples)

    def lost(self, examples: Iterable[LostExample]) -> tuple[LostExample, ...]:
        """Return ``examples`` with thumbnails; one that fails gets a note instead."""
        return tuple(self._drawn(one, one.model, one.image.position) for one in examples)

    def drawn(self, images: Iterable[Drawn]) -> tuple[Drawn, ...]:
        """Return ``images`` with thumbnails; one that fails gets a note instead."""
        return tuple(self._drawn(one, one.model, one.position) for one in images)

    def _drawn(self, example: _Shown, model: str, position: int) -> _Shown:
        try:
            return dataclasses.replace(example, thumbnails=self._thumbnails(model, example.condition, position))
        except Exception as error:  # a user's source or transform may raise anything, and the findings stand without
            _log.debug("no picture of image %d", position, exc_info=True)
            reason = str(error) if isinstance(error, RobustnessError) else f"{type(error).__name__}: {error}"
            return dataclasses.replace(example, note=f"This image cannot be shown: {reason}")

    def leaves(self, model: str, condition: Condition, position: int) -> bool:
        """Return whether an image under a condition is, to the model, the image untouched.

        Raises
        ------
        Exception
            A user's source or transform raises anything.
        """
        control, treated = self._seen(model, condition, position)
        return bool((control == treated).all())

    def _thumbnails(self, model: str, condition: Condition, position: int) -> Thumbnails:
        control, treated = self._seen(model, condition, position)
        before = _shrink(control)
        after = "" if condition == CONTROL else _data_uri(_shrink(treated))
        return Thumbnails(_data_uri(before), after, before.width)

    def _seen(self, model: str, condition: Condition, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what a model sees of an image, untouched and under a condition: uint8 [3, H, W] each."""
        canvas = self._canvases[model]
        index = self._indices[position : position + 1]
        control = to_canvas(self._source.read(int(index[0])), canvas)
        seen = center_crop(control, canvas.crop)
        if condition == CONTROL:
            return seen, seen
        known = identities(self._source, index, FileHashes())
        shown = Selection(self._source, index, self._source.labels[index], known)
        transform = bound(self._registry.get(condition.transform), shown)
        treated = transform(control[None], condition.severity, known, self._seed)[0]
        return seen, center_crop(treated, canvas.crop)


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
