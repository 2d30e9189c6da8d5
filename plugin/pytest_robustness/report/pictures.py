"""Pictures of images for the report, drawn once: a later run finds them in the store, and needs no PyTorch for them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from pytest_robustness.core import CONTROL
from pytest_robustness.core.errors import OptionError
from pytest_robustness.report.gallery import Drawn, Example, LostExample, Thumbnails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.core import Canvas, Condition
    from pytest_robustness.inference.store.store import Store
    from pytest_robustness.report.thumbnails import Painter
    from pytest_robustness.transforms import Registry

# Raised when the way from image to picture changes.
_VERSION = 1

_Shown = TypeVar("_Shown", Example, LostExample, Drawn)


class Pictures:
    """Gives the pictures of images of a run, from the store or drawn now.

    Parameters
    ----------
    store
        Where pictures are kept.
    images
        The identities of the images of the run: V16 [N].
    canvases
        The canvas of each model.
    registry, seed
        The known transforms and the run's seed.
    painter
        Opens the data and draws; called when a picture is missing.
    """

    def __init__(
        self,
        store: Store,
        images: NDArray[np.void],
        canvases: Mapping[str, Canvas],
        registry: Registry,
        seed: int,
        painter: Callable[[], Painter],
    ) -> None:
        self._store = store
        self._images = images
        self._canvases = canvases
        self._registry = registry
        self._seed = seed
        self._open = painter

    def examples(self, examples: Iterable[Example]) -> tuple[Example, ...]:
        """Return ``examples`` with thumbnails, as their first model sees them; one that fails gets a note instead."""
        return tuple(
            self._drawn(one, one.answers[0].model, one.position, lambda one: self._painter.examples([one])[0])
            for one in examples
        )

    def lost(self, examples: Iterable[LostExample]) -> tuple[LostExample, ...]:
        """Return ``examples`` with thumbnails; one that fails gets a note instead."""
        return tuple(
            self._drawn(one, one.model, one.image.position, lambda one: self._painter.lost([one])[0])
            for one in examples
        )

    def drawn(self, images: Iterable[Drawn]) -> tuple[Drawn, ...]:
        """Return ``images`` with thumbnails; one that fails gets a note instead."""
        return tuple(
            self._drawn(one, one.model, one.position, lambda one: self._painter.drawn([one])[0]) for one in images
        )

    def _drawn(self, example: _Shown, model: str, position: int, draw: Callable[[_Shown], _Shown]) -> _Shown:
        name = self._name(model, example.condition, position)
        known = self._store.recall(name) if name else None
        if known is not None:
            return dataclasses.replace(example, thumbnails=Thumbnails(*json.loads(known)))
        drawn = draw(example)
        if name and drawn.thumbnails is not None:
            self._store.remember(name, json.dumps(list(drawn.thumbnails)))
        return drawn

    def _name(self, model: str, condition: Condition, position: int) -> str:
        """Return what a picture depends on, hashed; empty where a user's own transform is involved."""
        key = ""
        if condition != CONTROL:
            try:
                transform = self._registry.get(condition.transform)
            except OptionError:  # another run had registered it
                return ""
            if not getattr(transform, "published", False):
                return ""
            key = transform.key(condition.severity)
        parts = [_VERSION, self._images[position].tobytes().hex(), _parts(self._canvases[model]), key, self._seed]
        return f"picture {hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"

    @cached_property
    def _painter(self) -> Painter:
        return self._open()


def _parts(canvas: Canvas) -> list[object]:
    """Return what a picture depends on: `Canvas.squash` came later, and counts where it is set."""
    *first, squash = canvas
    return [*first, "squash"] if squash else [*first]
