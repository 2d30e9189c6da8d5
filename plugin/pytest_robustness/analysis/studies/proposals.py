"""Propose augmentations: from sensitive classes to the transforms to train each of them with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from pytest_robustness.transforms.augmentations import Augmentation, AugmentationPolicy, ClassAugmentations, LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.study_finding import Figure
    from pytest_robustness.core import Condition
    from pytest_robustness.transforms import Registry

MOST_CHANGED: Final = 0.8
"""The largest share of a class's images that a policy changes: the rest keeps the class as it is."""

LIKE_ANOTHER: Final = 1 / 3
"""How much larger a share of a class's answers than of other classes' must name one other class."""

FEWEST_CLASSES: Final = 3
"""With fewer classes that have images, no others say whether a model has a favourite: nothing shows a likeness."""

FEWEST_IMAGES: Final = 5
"""With fewer images of a class, what it is answered as says nothing of the class."""

_FIGURES: Final = ("change", "probability", "low", "high", "looks_like", "share")


class Sensitive(NamedTuple):
    """A class, by its number, that falls under a condition, by ``change`` points on other images."""

    number: int
    condition: Condition
    change: float


class Lookalike(NamedTuple):
    """Which other class models see in a class's images under a transform, and in what share of their answers."""

    other: int
    share: float


def answer_shares(labels: NDArray[np.int64], answers: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Return which share of the answers to each class's images names each class: float [C, C], NaN without images.

    Parameters
    ----------
    labels
        The class of each image: int64 [N].
    answers
        The class that each model answers, -1 where that is none of the data's: int64 [M, N].
    classes
        C.
    """
    named = answers >= 0
    pairs = (labels * classes + answers)[named]
    counts = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    total = np.bincount(labels, minlength=classes)[:, None] * len(answers)
    shares: NDArray[np.float64] = np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    return shares


def lookalikes(shares: NDArray[np.float64], images: NDArray[np.int64]) -> dict[int, Lookalike]:
    """Return the classes that models take for one other class, and only them: what they see is a picture of that class.

    A model that loses a class may answer anything; one that gives the same answer to every class has a favourite.
    A class looks like another where the share of its answers that names the other exceeds the mean share among the
    remaining classes by `LIKE_ANOTHER`.

    Parameters
    ----------
    shares
        As `answer_shares` returns them.
    images
        How many images each class has: int64 [C]. Classes with fewer than `FEWEST_IMAGES` are not judged, and none
        where fewer than `FEWEST_CLASSES` have images.
    """
    seen = int(np.count_nonzero(images))
    if seen < FEWEST_CLASSES:
        return {}
    known = np.nan_to_num(shares)
    others = (known.sum(axis=0) - known - np.diag(known)) / (seen - 2)
    excess = known - others
    np.fill_diagonal(excess, -np.inf)
    found = excess.argmax(axis=1)
    return {
        c: Lookalike(int(found[c]), float(known[c, found[c]]))
        for c in np.flatnonzero(images >= FEWEST_IMAGES).tolist()
        if excess[c, found[c]] >= LIKE_ANOTHER
    }


def class_probabilities(changes: Mapping[str, float]) -> dict[str, float]:
    """Return with which probability to change an image of a class by each transform, by the class's change under it.

    The probability is the share of the class that the transform loses: 0.3 for a fall by 30 points. Where these exceed
    `MOST_CHANGED` together, all are lowered in proportion. They are rounded down to four digits.

    Examples
    --------
    >>> class_probabilities({"rotation": -30.0, "brightness": -10.0})
    {'rotation': 0.3, 'brightness': 0.1}
    >>> class_probabilities({"hflip": -90.0, "vflip": -30.0})
    {'hflip': 0.6, 'vflip': 0.2}
    """
    falls = {transform: max(-change, 0.0) / 100 for transform, change in changes.items()}
    total = sum(falls.values())
    scale = min(1.0, MOST_CHANGED / total) if total else 0.0
    return {transform: float(np.floor(1e4 * fall * scale + 1e-6) / 1e4) for transform, fall in falls.items()}


def magnitudes(
    registry: Registry, condition: Condition, breaking_point: float | None = None
) -> tuple[float, float] | None:
    """Return between which magnitudes to train against ``condition``; ``None`` for a single level.

    From the breaking point, where models begin to lose images, to the level of the condition; up to the breaking point
    where that is further. Where it is not known, from half way to the level. Milder images are answered right already,
    and what was trained short of the level stays as hard at the level.
    """
    if condition.severity is None:
        return None
    span = registry.span(condition.transform, condition.severity)
    whole = registry.span(condition.transform)
    start = span.at(0.5) if breaking_point is None else whole.at(whole.fraction(breaking_point))
    if abs(start - span.neutral) > abs(span.extreme - span.neutral):
        return span.extreme, start
    return start, span.extreme


def propose(
    sensitive: Iterable[Sensitive],
    similar: Mapping[Condition, Mapping[int, Lookalike]],
    class_names: Sequence[str],
    registry: Registry,
    breaking_points: Mapping[str, float],
) -> AugmentationPolicy:
    """Return the policy for the sensitive classes.

    Parameters
    ----------
    sensitive
        The classes that fall, and under what.
    similar
        What classes look like under each condition; they are left out.
    class_names
        Of all classes.
    registry
        Knows the transforms of the conditions.
    breaking_points
        By transform, the magnitude at which models break, where that is known.
    """
    worst = _worst(sensitive)
    left = {key: similar.get(item.condition, {}).get(item.number) for key, item in worst.items()}
    classes = []
    for index in sorted({index for index, _ in worst}):
        kept = {name: item for (i, name), item in worst.items() if i == index and left[i, name] is None}
        probabilities = class_probabilities({name: item.change for name, item in kept.items()})
        augmentations = tuple(
            Augmentation(
                transform=name,
                probability=probabilities[name],
                magnitudes=magnitudes(registry, item.condition, breaking_points.get(name)),
                change=round(item.change, 1),
            )
            for name, item in kept.items()
            if probabilities[name] > 0
        )
        if augmentations:
            classes.append(ClassAugmentations(index, class_names[index], augmentations))
    left_out = tuple(
        LeftOut(index, class_names[index], name, class_names[found.other], round(found.share, 3))
        for (index, name), found in sorted(left.items())
        if found is not None
    )
    return AugmentationPolicy(len(class_names), tuple(classes), left_out)


def items_of(policy: AugmentationPolicy) -> Iterator[Mapping[str, Figure]]:
    """Yield each pair of class and transform as the row of a table, those left out last; `policy_of` reads them."""
    for of_class in policy.classes:
        for one in of_class.augmentations:
            low, high = one.magnitudes or (None, None)
            yield _item(of_class, one.transform, change=one.change, probability=one.probability, low=low, high=high)
    for left in policy.left_out:
        yield _item(left, left.transform, looks_like=left.becomes, share=left.share)


def policy_of(items: Iterable[Mapping[str, Any]], class_count: int) -> AugmentationPolicy:
    """Return the policy whose pairs `items_of` lists."""
    classes: dict[tuple[int, str], list[Augmentation]] = {}
    left_out = []
    for item in items:
        number, name, transform = item["index"], item["class"], item["transform"]
        if item["looks_like"] is not None:
            left_out.append(LeftOut(number, name, transform, item["looks_like"], item["share"]))
            continue
        ends = None if item["low"] is None else (item["low"], item["high"])
        found = Augmentation(transform, item["probability"], ends, item["change"])
        classes.setdefault((number, name), []).append(found)
    listed = tuple(ClassAugmentations(*of, tuple(found)) for of, found in classes.items())
    return AugmentationPolicy(class_count, listed, tuple(left_out))


def _item(of: ClassAugmentations | LeftOut, transform: str, **figures: Figure) -> dict[str, Figure]:
    return {"index": of.index, "class": of.name, "transform": transform, **dict.fromkeys(_FIGURES), **figures}


def _worst(sensitive: Iterable[Sensitive]) -> dict[tuple[int, str], Sensitive]:
    """Return, of a class's conditions with one transform, the one at the highest severity that it falls under."""
    worst: dict[tuple[int, str], Sensitive] = {}
    for item in sorted(sensitive, key=lambda item: item.condition.severity or 0):
        if item.change < 0:
            worst[item.number, item.condition.transform] = item
    return worst
