"""What the images show, whichever models or classes they belong to: the change of a model, and of every class."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_robustness.analysis import statistics
from pytest_robustness.analysis.falls_alone import NO_FALLS, FallsAlone
from pytest_robustness.analysis.predictions import pair
from pytest_robustness.analysis.statistics import paired_change
from pytest_robustness.analysis.statistics.correction import holm
from pytest_robustness.analysis.statistics.paired_change import PairedChange
from pytest_robustness.analysis.statistics.partial_pooling import pooled_changes
from pytest_robustness.analysis.statistics.sign_flips import change_sizes, fewest_significant, sign_flip_p
from pytest_robustness.analysis.test_result import ClassImages, Estimate, ImageChange, ModelFall
from pytest_robustness.analysis.tested_images import readable_by_all
from pytest_robustness.core import Panel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.predictions import Answers, AnswerSource


class ChangedImages(NamedTuple):
    """How models changed their answers to the same images, of those that count which all of them could read.

    ``sums`` (int16 [n]) adds 1 for each model that is right in the second way of answering only, -1 for each that is
    right in the first only; ``labels`` (int64 [n]) are the images' classes, ``models`` is the number of models. Where
    the models count an image in different classes, it has an entry for each, and ``asked`` (int64 [n]) says how many
    models the entry is of. ``right`` (bool [n]) says which images some model gets right in the first way, so that they
    can be lost; ``None``: all may be.
    """

    sums: NDArray[np.int16]
    labels: NDArray[np.int64]
    models: int
    asked: NDArray[np.int64] | None = None
    right: NDArray[np.bool_] | None = None

    @classmethod
    def between(
        cls,
        pairs: Iterable[tuple[Answers, Answers]],
        labels: NDArray[np.int64],
        counted: NDArray[np.bool_] | bool = True,
    ) -> ChangedImages:
        """Return the changes between the two ways in which each model answered.

        Parameters
        ----------
        pairs
            The two ways of each model.
        labels
            The classes: int64 [N].
        counted
            Which images count: bool [N].
        """
        listed = list(pairs)
        readable = readable_by_all(answers for both in listed for answers in both) & counted
        sums, right = np.zeros(len(labels), np.int16), np.zeros(len(labels), np.bool_)
        for before, after in listed:
            sums += after.correct
            sums -= before.correct
            right |= before.correct
        if readable.all():
            return cls(sums, labels, len(listed), right=right)
        return cls(sums[readable], labels[readable], len(listed), right=right[readable])

    @classmethod
    def in_own_classes(
        cls,
        pairs: Iterable[tuple[Answers, Answers]],
        labels: Iterable[NDArray[np.int64]],
        counted: NDArray[np.bool_] | bool = True,
    ) -> ChangedImages:
        """Return the changes where each model counts an image in a class of its own; ``labels`` are int64 [N] each."""
        listed, own = list(pairs), np.stack([*labels])
        images = np.flatnonzero(readable_by_all(answers for both in listed for answers in both) & counted)
        changes = np.stack([after.correct.astype(np.int64) - before.correct for before, after in listed])[:, images]
        classes = int(own.max(initial=0)) + 1
        entries, of_entry, asked = np.unique(images * classes + own[:, images], return_inverse=True, return_counts=True)
        sums = np.zeros(len(entries), np.int16)
        np.add.at(sums, of_entry.reshape(-1), changes.reshape(-1).astype(np.int16))
        right = np.zeros(len(entries), np.bool_)
        before = np.stack([before.correct for before, _ in listed])[:, images]
        right[of_entry.reshape(-1)[before.reshape(-1)]] = True
        return cls(sums, entries % classes, len(listed), asked, right)


def model_changes(changes: list[ChangedImages], classes: int, *, alpha: float, margin: float) -> list[ImageChange]:
    """Return what the images show of each model, all classes counting equally.

    Parameters
    ----------
    changes
        Of one model each.
    classes
        C.
    alpha, margin
        The level of a one-sided test, which the interval has at either end, and the margin in points that is to be
        decided on.
    """
    lost, kept, gained = _kinds(changes, classes)
    n = lost + kept + gained
    paired, images = PairedChange.of_classes(lost, gained, n), n.sum(axis=1)
    times = paired_change.times_to_decide(lost, gained, n, np.copysign(margin / 100, paired.value), alpha)
    found = image_changes(paired, lost.sum(axis=1), gained.sum(axis=1), images, alpha, times * images)
    uneven = [len({*sizes[sizes > 0].tolist()}) > 1 for sizes in n]
    return [dataclasses.replace(one, over_classes=over) for one, over in zip(found, uneven, strict=True)]


def image_changes(
    paired: PairedChange,
    lost: NDArray[np.int64],
    gained: NDArray[np.int64],
    n: NDArray[np.int64],
    alpha: float,
    needed: NDArray[np.float64],
) -> list[ImageChange]:
    """Return k changes with their intervals.

    Parameters
    ----------
    paired
        The changes.
    lost, gained, n
        The images lost, gained, and all of them: int64 [k].
    alpha
        The level of a one-sided test, which the interval has at either end.
    needed
        How many images would decide: float64 [k].
    """
    low, high = paired_change.interval(paired, alpha)
    p = statistics.mcnemar_p(lost, gained)
    columns = {
        "n": n,
        "lost": lost,
        "gained": gained,
        "difference": 100 * paired.value,
        "low": 100 * low,
        "high": 100 * high,
        "alpha": np.full(len(n), alpha),
        "p_value": p,
        "needed": np.where(n > 0, needed, np.nan),
    }
    return [ImageChange(**dict(zip(columns, row, strict=True))) for row in _rows(columns.values())]


def class_images(changes: ChangedImages, classes: int, alpha: float) -> list[ClassImages]:
    """Return what the images of each class show over all models: the sign-flip test, corrected by Holm's method.

    Classes without images are no members of the family; their figures are NaN.
    """
    sizes, total = change_sizes(changes.sums, changes.labels, classes, changes.models)
    n = sizes.sum(axis=1)
    seen = n > 0
    p, adjusted = np.full((2, classes), np.nan)
    p[seen] = sign_flip_p(sizes[seen], total[seen])
    adjusted[seen] = holm(p[seen])
    asked = _models_asked(changes, n)
    change = np.divide(total, n * asked, out=np.full(classes, np.nan), where=seen)
    squares = (sizes @ np.square(np.arange(changes.models + 1))) / asked**2
    pooled = pooled_changes(n, total / asked, squares)
    right = n if changes.right is None else np.bincount(changes.labels[changes.right], minlength=classes)
    # One that rose may be significant with fewer.
    blind = (right < fewest_significant(alpha, p[seen])) & ~(adjusted < alpha)
    estimates = map(Estimate._make, _rows(100 * np.stack(pooled)))
    rows = zip(_rows([n, 100 * change, p, adjusted, blind]), estimates, right.tolist(), strict=True)
    return [ClassImages(*(*row, estimate, losable)) for row, estimate, losable in rows]


class ClassesByModel(NamedTuple):
    """What the images of each class show of each model by itself: [M, C], NaN where there are none.

    ``n`` counts the images, ``difference`` is in points, ``p_value`` is that of McNemar's exact test, and
    ``p_adjusted`` is corrected by Holm's method over all models and classes.
    """

    n: NDArray[np.int64]
    difference: NDArray[np.float64]
    p_value: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]


def classes_by_model(changes: Sequence[ChangedImages], classes: int) -> ClassesByModel:
    """Return what the images of each class show of each model; ``changes`` are of one model each."""
    lost, kept, gained = _kinds(changes, classes)
    n = lost + kept + gained
    seen = n > 0
    difference, p, adjusted = np.full((3, *n.shape), np.nan)
    difference[seen] = 100 * (gained - lost)[seen] / n[seen]
    p[seen] = statistics.mcnemar_p(lost[seen], gained[seen])
    adjusted[seen] = holm(p[seen])
    return ClassesByModel(n, difference, p, adjusted)


def _kinds(changes: Sequence[ChangedImages], classes: int) -> NDArray[np.int64]:
    """Return how many images of each class each model lost, kept and gained: int64 [3, M, C]."""
    kinds = [np.bincount(3 * c.labels + (c.sums + 1), minlength=3 * classes) for c in changes]
    counts: NDArray[np.int64] = np.moveaxis(np.reshape(kinds, (len(changes), classes, 3)), -1, 0)
    return counts


def _models_asked(changes: ChangedImages, n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how many models an image of each class counts for, on average: float64 [C]."""
    every = np.full(len(n), float(changes.models))
    if changes.asked is None:
        return every
    answers = np.bincount(changes.labels, changes.asked, minlength=len(n))
    asked: NDArray[np.float64] = np.divide(answers, n, out=every, where=n > 0)
    return asked


def _rows(columns: Iterable[NDArray[Any]]) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.tolist() for column in columns), strict=True)


def panel_changes(source: AnswerSource, panel: Panel) -> ChangedImages:
    """Return how the models of a panel changed their answers, control against its condition; copies count once."""
    cells = (pair(model, panel.condition) for model in panel.models)
    pairs = ((source.answers(a), source.answers(b)) for a, b in cells)
    first, *others = [source.labels_of(model) for model in panel.models]
    if all(labels is first or np.array_equal(labels, first) for labels in others):
        return ChangedImages.between(pairs, first, source.distinct)
    return ChangedImages.in_own_classes(pairs, [first, *others], source.distinct)


def panel_falls(source: AnswerSource, panel: Panel, policy: TestPolicy, beyond: Collection[int]) -> FallsAlone:
    """Return the falls in single models of a panel, control against its condition.

    Parameters
    ----------
    source
        Holds the answers of all models of ``panel``.
    panel
        The condition and the models.
    policy
        What decides, the level and the margin.
    beyond
        The classes that are beyond the margin over all models, which are left out.
    """
    if len(panel.models) == 1 or not policy.uses_images:
        return NO_FALLS
    changes = [panel_changes(source, Panel(panel.condition, (model,))) for model in panel.models]
    return falls_alone(panel.models, changes, source.class_names, policy.class_margin, policy.alpha, beyond)


def falls_alone(
    models: Sequence[str],
    changes: Sequence[ChangedImages],
    names: Sequence[str],
    margin: float,
    alpha: float,
    left_out: Collection[int],
) -> FallsAlone:
    """Return which classes fell in which of several models by more than ``margin`` points.

    Parameters
    ----------
    models, changes
        The models, and how each changed its answers.
    names
        Of the classes.
    margin, alpha
        The fall that counts as none, in points, and the level.
    left_out
        The classes that are not asked for; they are members of the family all the same.
    """
    found = classes_by_model(changes, len(names))
    fell = found.difference < -margin
    fell[:, list(left_out)] = False
    model, index = np.nonzero(fell)
    figures = (found.n, found.difference, found.p_adjusted)
    rows = zip(model.tolist(), index.tolist(), *(figure[fell].tolist() for figure in figures), strict=True)
    falls = [ModelFall(models[m], c, names[c], *figures) for m, c, *figures in rows]
    falls.sort(key=lambda fall: (fall.difference, fall.p_adjusted))
    shown = tuple(fall for fall in falls if fall.p_adjusted < alpha)
    return FallsAlone(shown, tuple(fall for fall in falls if fall.p_adjusted >= alpha))
