"""Find the images of a run among the blocks of the store, in whatever company they were computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.core import UNLABELLED, Predictions
from pytest_robustness.inference.store.distinct_images import DistinctImages
from pytest_robustness.inference.store.rows import targets_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_robustness.core import EngineUsed
    from pytest_robustness.inference.store.rows import Block
    from pytest_robustness.inference.store.store import Store, StoredResult


class _Places(NamedTuple):
    """Which rows of a block are images of the run (int64 [n]), and which images these are (int64 [n])."""

    rows: NDArray[np.int64]
    images: NDArray[np.int64]


class _Images:
    """The distinct images of a run: equal bytes under one label are one image, at however many positions.

    Without labels equal bytes are one image, whatever label they were stored under: answers depend on none.
    """

    def __init__(self, identities: NDArray[np.void], targets: NDArray[np.int64]) -> None:
        self.labelled = bool((targets != UNLABELLED).any())
        self._distinct = DistinctImages(identities, targets if self.labelled else None)
        self.at_position = self._distinct.at_position
        self.count = self._distinct.count
        self._places: dict[int, _Places] = {}

    def places(self, number: int, block: Block) -> _Places:
        """Return where the block with this number holds images of the run."""
        if number not in self._places:
            images = self._distinct.numbers(block.images, block.targets)
            rows = np.flatnonzero(images >= 0)
            self._places[number] = _Places(rows, images[rows])
        return self._places[number]


class AnsweredCell(NamedTuple):
    """The predictions of a cell, one row for each image of a run, and what computed them, by name."""

    predictions: Predictions
    engines: tuple[EngineUsed, ...]


class StoredCells:
    """Reads cells from the store for the images of one run.

    Parameters
    ----------
    store
        The store.
    identities, labels
        The images of the run (V16 [N]) and their classes (int64 [N], all `UNLABELLED` where there are none).
    """

    def __init__(self, store: Store, identities: NDArray[np.void], labels: NDArray[np.int64]) -> None:
        self._store = store
        self._identities = identities
        self._labels = labels
        self._images: dict[tuple[int, ...], _Images] = {}
        # By the identity of the outputs, which are kept here: of a thousand, the hash takes as long as reading a cell.
        self._images_by_id: dict[int, tuple[tuple[int, ...], _Images]] = {}
        self._seen: dict[tuple[str, _Images], tuple[int, NDArray[np.bool_]]] = {}

    def update(self, key: str, outputs: tuple[int, ...]) -> None:
        """Read what this and other processes have added to a cell since the last call.

        Parameters
        ----------
        key
            Of the cell.
        outputs
            The output that stands for each class.
        """
        images = self._images_of(outputs)
        last, seen = self._seen.get((key, images)) or (0, np.zeros(images.count, np.bool_))
        for result in self._store.read(key, after=last):
            seen[images.places(result.block, self._store.block(result)).images] = True
            last = result.number
        self._seen[key, images] = last, seen

    def present(self, key: str, outputs: tuple[int, ...], part: slice = slice(None)) -> NDArray[np.bool_]:
        """Return which images of ``part`` of the run a cell had at the last `update`: bool [n]."""
        images = self._images_of(outputs)
        return self._seen[key, images][1][images.at_position[part]]

    def predictions(self, key: str, outputs: tuple[int, ...]) -> Predictions:
        """Return the predictions of a cell, one row for each image: -1 and NaN where the store lacks it."""
        return self.answered(key, outputs).predictions

    def answered(self, key: str, outputs: tuple[int, ...]) -> AnsweredCell:
        """Return what `predictions` and `engines` do, by one look at the store."""
        results = self._store.read(key)
        return AnsweredCell(self.merged(results, outputs), self._engines_of(results, outputs))

    def merged(self, results: Sequence[StoredResult], outputs: tuple[int, ...]) -> Predictions:
        """Return the predictions of ``results``, one row for each image of the run; later results win."""
        images = self._images_of(outputs)
        found = absent(images.count)
        for result in results:
            places = images.places(result.block, self._store.block(result))
            for column, values in zip(found, result.predictions, strict=True):
                column[places.images] = values[places.rows]
        if not images.labelled:
            # Those of the label that an earlier run had, or of none.
            found.true_probability.fill(np.nan)
            found.rank.fill(-1)
        return found.at(images.at_position)

    def engines(self, key: str, outputs: tuple[int, ...]) -> tuple[EngineUsed, ...]:
        """Return what computed the images of the run under a cell, by name."""
        return self._engines_of(self._store.read(key), outputs)

    def _engines_of(self, results: Sequence[StoredResult], outputs: tuple[int, ...]) -> tuple[EngineUsed, ...]:
        images = self._images_of(outputs)
        used = (result.engine for result in results if len(images.places(result.block, self._store.block(result)).rows))
        return tuple(sorted(set(used)))

    def forget(self, key: str) -> None:
        """Read the cell from its start when it is asked for again: results of it were removed."""
        self._seen = {name: seen for name, seen in self._seen.items() if name[0] != key}

    def _images_of(self, outputs: tuple[int, ...]) -> _Images:
        _, images = self._images_by_id.get(id(outputs), (None, None))
        if images is None:
            if outputs not in self._images:
                targets = targets_of(np.array(outputs, np.int64), self._labels)
                self._images[outputs] = _Images(self._identities, targets)
            images = self._images[outputs]
            self._images_by_id[id(outputs)] = outputs, images
        return images


def absent(images: int) -> Predictions:
    """Return predictions of ``images`` images that nothing is known of."""
    confidence, true_probability, runner_up = np.full((3, images), np.nan, np.float32)
    predicted, rank = np.full((2, images), -1, np.int32)
    return Predictions(predicted, confidence, true_probability, runner_up, rank)
