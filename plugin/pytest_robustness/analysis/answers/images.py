"""Match the images of two runs: by content and class, wherever they lie and in any order."""

from __future__ import annotations

import dataclasses
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.core.text import abridged, counted
from pytest_robustness.inference.store.distinct_images import first_of_copies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_robustness.core import ClassLabel

_RENAMED_NAMED = 3


class ImageSet(NamedTuple):
    """Images by content: the identity of each (dtype V16 [N]), its label (int64 [N]), and the classes."""

    identities: NDArray[np.void]
    labels: NDArray[np.int64]
    classes: tuple[ClassLabel, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Overlap:
    """The images that a baseline and a run share.

    Parameters
    ----------
    before, now
        The images of the baseline and of the run.
    """

    before: ImageSet
    now: ImageSet

    @cached_property
    def positions(self) -> NDArray[np.int64]:
        """The position in the baseline of each image of the run, -1 where the baseline lacks it: int64 [N].

        An image is the same where its identity and its class are. Of an image that occurs several times, the first is
        matched with the first, the second with the second.
        """
        found = np.full(len(self.now.labels), -1, np.int64)
        first, second = _numbered(*self.codes)
        _, here, there = np.intersect1d(first, second, assume_unique=True, return_indices=True)
        found[there] = here
        return found

    @cached_property
    def compared(self) -> NDArray[np.bool_]:
        """Which images of the run are compared: those that the baseline has, each of several copies once: bool [N].

        Images that could not be hashed are no copies of one another.
        """
        shared = self.positions >= 0
        found = shared.copy()
        found[shared] = first_of_copies(self.now.identities[shared], self.now.labels[shared])
        return found

    @cached_property
    def distinct(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which images of the baseline, and which of the run, are the first of their copies: bool [N] each."""
        before, now = (first_of_copies(images.identities, images.labels) for images in (self.before, self.now))
        return before, now

    @cached_property
    def apart(self) -> NDArray[np.bool_]:
        """Which images of the run the baseline has not, copies once: bool [N]."""
        before, now = self.codes
        return self.distinct[1] & ~np.isin(now, before)

    @property
    def copies(self) -> int:
        """How many of the images that both have are copies of others in their class."""
        return self.both - int(np.count_nonzero(self.compared))

    @property
    def class_positions(self) -> NDArray[np.int64]:
        """The baseline's class for each class of the run, -1 where it has none: int64 [C]."""
        return np.array([self._classes.get(i, -1) for i in range(len(self.now.classes))], np.int64)

    @property
    def run_classes(self) -> NDArray[np.int64]:
        """The run's class for each class of the baseline, -1 where it has none: int64 [C]."""
        found = np.full(len(self.before.classes), -1, np.int64)
        for now, before in self._classes.items():
            found[before] = now
        return found

    @property
    def both(self) -> int:
        """How many images both have."""
        return int(np.count_nonzero(self.positions >= 0))

    @property
    def only_before(self) -> int:
        """How many images the baseline alone has."""
        return len(self.before.labels) - self.both

    @property
    def only_now(self) -> int:
        """How many images this run alone has."""
        return len(self.now.labels) - self.both

    @property
    def renamed(self) -> dict[str, str]:
        """The classes that have another key now, by the key in the baseline: their images show that they are one."""
        keys, old = self.now.classes, self.before.classes
        pairs = ((old[there].key, keys[here].key) for here, there in self._classes.items())
        return {before: now for before, now in pairs if before != now}

    def text(self) -> str:
        """Return in a sentence how many images are compared; empty where both have the same, and no copies."""
        parts = []
        if self.only_before or self.only_now:
            images = counted(self.both, "image")
            have = f"{self.only_before:,} only in the baseline, {self.only_now:,} only in this run"
            parts.append(f"Compared with the baseline on the {images} that both have; {have} ({self.of_all}).")
        if self.copies:
            parts.append(
                f"Of the {counted(self.both, 'image')} that baseline and run share, {self.both - self.copies:,} "
                f"are distinct: the comparison counts copies once, whatever they add to other figures."
            )
        renamed = [f"{old} is {new}" for old, new in self.renamed.items()]
        if renamed:
            listed = abridged(renamed, _RENAMED_NAMED)
            parts.append(f"Classes that were renamed since the baseline, as their images show: {listed}.")
        return " ".join(parts)

    @property
    def of_all(self) -> str:
        """How many images each side has, in words."""
        return f"{len(self.before.labels):,} in the baseline, {len(self.now.labels):,} in this run"

    @cached_property
    def codes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """A number for each image of the baseline (int64 [N]) and of the run: the same where identity and class are."""
        before, now = self._identity_codes
        class_of = self.class_positions
        width = len(self.before.classes) + 1
        # A class of the run without its like gets a number of its own, under which the baseline has no image.
        wanted = np.where(class_of < 0, width - 1, class_of)[self.now.labels]
        return before * width + self.before.labels, now * width + wanted

    @cached_property
    def _identity_codes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        both = np.concatenate([self.before.identities, self.now.identities])
        codes = np.unique(both, return_inverse=True)[1].reshape(-1).astype(np.int64)
        return codes[: len(self.before.labels)], codes[len(self.before.labels) :]

    @cached_property
    def _classes(self) -> dict[int, int]:
        """The baseline's class for each of the run's that has one: by key, else by the images."""
        old = {key: i for i, key in enumerate(_counted_keys(self.before.classes))}
        new = {key: i for i, key in enumerate(_counted_keys(self.now.classes))}
        found = {new[key]: old[key] for key in old.keys() & new.keys()}
        gone, come = set(old.values()) - set(found.values()), set(new.values()) - found.keys()
        return dict(sorted((found | (self._renamed(gone, come) if gone and come else {})).items()))

    def _renamed(self, gone: set[int], come: set[int]) -> dict[int, int]:
        """Return the classes of the run whose shared images are all of one class of the baseline, and the reverse."""
        codes = self._identity_codes
        _, here, there = np.intersect1d(*codes, return_indices=True)
        pairs = {*zip(self.before.labels[here].tolist(), self.now.labels[there].tolist(), strict=True)}
        olds, news = Counter(old for old, _ in pairs), Counter(new for _, new in pairs)
        # A class whose images went to several is no longer the same class.
        alone = [(old, new) for old, new in pairs if olds[old] == news[new] == 1]
        return {new: old for old, new in alone if old in gone and new in come}


def _counted_keys(classes: Sequence[ClassLabel]) -> list[tuple[str, int]]:
    """Return each class's key, with how often it came before: a key should be unique, and a user's data may differ."""
    seen: Counter[str] = Counter()
    found = []
    for label in classes:
        found.append((label.key, seen[label.key]))
        seen[label.key] += 1
    return found


def _numbered(before: NDArray[np.int64], now: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return codes that are unique within each array: what occurs several times is numbered in order."""
    codes = np.unique(np.concatenate([before, now]), return_inverse=True)[1].reshape(-1)
    pair = codes[: len(before)], codes[len(before) :]
    times = [_occurrence(codes) for codes in pair]
    most = 1 + max((int(one.max()) for one in times if one.size), default=0)
    return pair[0] * most + times[0], pair[1] * most + times[1]


def _occurrence(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each code came before: int64 [N]."""
    order = np.argsort(codes, kind="stable")
    begins = np.ones(len(codes), np.bool_)
    begins[1:] = codes[order][1:] != codes[order][:-1]
    places = np.arange(len(codes))
    found = np.empty(len(codes), np.int64)
    found[order] = places - np.maximum.accumulate(np.where(begins, places, 0))
    return found
