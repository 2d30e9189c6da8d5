"""Compare two runs: every model under every condition, over all images and by class."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis import statistics
from pytest_robustness.analysis.answers import Overlap
from pytest_robustness.analysis.answers.churn import Given, churn_by_class, in_order_of, named
from pytest_robustness.analysis.answers.shared_classes import shared_classes
from pytest_robustness.analysis.comparing.circumstances import differences
from pytest_robustness.analysis.comparing.figures import CellComparison, Figures, RunComparison
from pytest_robustness.analysis.comparing.matching import match
from pytest_robustness.analysis.comparing.own_answers import of_other_answers, said_of
from pytest_robustness.analysis.findings import SharedImages
from pytest_robustness.analysis.statistics.sign_flips import fewest_significant
from pytest_robustness.analysis.statistics.two_samples import fisher, newcombe
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.errors import ComparisonError
from pytest_robustness.core.text import abridged, counted
from pytest_robustness.data import why_apart

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.answers import RecordedAnswers
    from pytest_robustness.analysis.comparing.matching import Matching
    from pytest_robustness.analysis.comparing.recorded_run import RecordedRun
    from pytest_robustness.core import Condition

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_NAMED = 5
_UNPAIRED = (
    "Pairs are missing: without both runs' answers to the same images, changes have the intervals and the test of two "
    "independent samples, which see less, and nobody can say which answers changed."
)


def compare_runs(
    before: RecordedRun, now: RecordedRun, *, renamed: Mapping[str, str] | None = None, alpha: float = 0.05
) -> RunComparison:
    """Compare two runs.

    Where both have answers to the same images, McNemar's exact test compares these; else Fisher's exact test the
    counts. P-values are corrected by Holm's method, those over all images together, and those of the classes together.

    Parameters
    ----------
    before, now
        The runs.
    renamed
        The second run's name of a model, by the first one's; others are matched by name.
    alpha
        The level of the tests, after correction.

    Raises
    ------
    ComparisonError
        They cannot be compared: no model, condition or image in common, other labels, another seed.
    """
    matching = match(before, now, renamed or {})
    notes = [f"{run.name}: {note}" for run in (before, now) for note in run.notes]
    shared = None
    if before.answers is not None and now.answers is not None:
        overlap = Overlap(before.answers.images, now.answers.images)
        shared = SharedImages(overlap.both, overlap.only_before, overlap.only_now)
        if not shared.both:
            reason = why_apart(before.data, now.data)
            raise ComparisonError(
                f"{before.name} and {now.name} share no image: {len(overlap.before.labels):,} of {before.data}, "
                f"{len(overlap.now.labels):,} of {now.data}. {f'{reason}. ' if reason else ''}Compare runs on the same "
                f"images, by content and class."
            )
        notes += _shared_notes(shared, overlap)
        notes += _class_notes(overlap, len(matching.models) * len(matching.conditions), alpha)
        counts = _paired_counts(matching, before.answers, now.answers, overlap)
    else:
        notes += [_UNPAIRED, *_data_notes(before, now)]
        counts = _unpaired_counts(matching, before, now)
    missing = _missing(matching, counts, before, now)
    models = tuple(dict.fromkeys((old, new) for old, new, _ in counts))
    differing, unknown = differences(before, now, models)
    undecidable = of_other_answers(before, now, models)
    notes += said_of(undecidable, before.labelled)
    left_out = [*matching.left_out, *([f"Not in both runs: {', '.join(missing)}."] if missing else [])]
    return RunComparison(
        before=before,
        now=now,
        models=models,
        conditions=matching.conditions,
        classes=now.classes,
        cells=_cells(counts, alpha, undecidable),
        shared=shared,
        left_out=tuple(left_out),
        notes=(*notes, *unknown),
        alpha=alpha,
        differences=differing,
    )


def _missing(matching: Matching, counts: Mapping[_Key, _Counts], before: RecordedRun, now: RecordedRun) -> list[str]:
    """Return what is not in both runs, of the models and conditions that are; refuse where that is all but control."""
    missing = [
        f"{old} under {condition}"
        for old, new in matching.models
        for condition in matching.conditions
        if (old, new, condition) not in counts
    ]
    again = "Run one of them again with the tests of the other."
    if not counts:
        raise ComparisonError(
            f"{before.name} and {now.name} have no model under the same condition: {', '.join(missing)}. {again}"
        )
    if all(condition == CONTROL for *_, condition in counts) and (asked := {*_asked(before), *_asked(now)} - {CONTROL}):
        each = ", ".join(
            f"{' and '.join(map(str, found)) if (found := [c for c in _asked(run) if c in asked]) else 'none'} in "
            f"{run.name}"
            for run in (before, now)
        )
        raise ComparisonError(
            f"{before.name} and {now.name} have no model under the same transform, and control alone would be "
            f"compared: {each}. {again}"
        )
    return missing


def _asked(run: RecordedRun) -> list[Condition]:
    """Return the conditions of a run; of one with answers not those that its tables have of earlier runs."""
    if run.answers is None:
        return run.conditions
    return list(dict.fromkeys(condition for model in run.answers.models.values() for condition in model.answers))


class _Counts(NamedTuple):
    """Counts by class, or over all classes: of images before and now and of right answers, int64 [4, C]; of churn."""

    counts: Ints
    churn: Ints | None
    by_class: bool


_Key = tuple[str, str, "Condition"]


def _paired_counts(
    matching: Matching, before: RecordedAnswers, now: RecordedAnswers, overlap: Overlap
) -> dict[_Key, _Counts]:
    """Count the images that both have, copies once, by class of the second run."""
    here = np.flatnonzero(overlap.compared)
    there, labels, classes = overlap.positions[here], now.images.labels[here], len(now.images.classes)
    found: dict[_Key, _Counts] = {}
    for old, new in matching.models:
        if old not in before.models or new not in now.models:
            continue
        first, second = before.models[old], now.models[new]
        outputs = in_order_of(overlap, first.outputs)
        for condition in matching.conditions:
            if condition not in first.answers or condition not in second.answers:
                continue
            given = (
                Given(
                    named(first.answers[condition], outputs, second.outputs)[there],
                    first.right(condition, before.images.labels)[there],
                ),
                Given(
                    named(second.answers[condition], second.outputs, outputs)[here],
                    second.right(condition, now.images.labels)[here],
                ),
            )
            read = (given[0].answers >= 0) & (given[1].answers >= 0)
            churn = churn_by_class(*given, labels, classes)
            right = [np.bincount(labels[read & one.right], minlength=classes) for one in given]
            found[old, new, condition] = _Counts(np.array([churn[0], churn[0], *right]), churn, by_class=True)
    return found


def _unpaired_counts(matching: Matching, before: RecordedRun, now: RecordedRun) -> dict[_Key, _Counts]:
    found: dict[_Key, _Counts] = {}
    for old, new in matching.models:
        for condition in matching.conditions:
            first, second = before.counts.get(Cell(old, condition)), now.counts.get(Cell(new, condition))
            if first is None or second is None:
                continue
            by_class = before.classes == now.classes and len(first.n) == len(second.n) == len(now.classes)
            arrays = (first.n, second.n, first.correct, second.correct)
            counts = np.array(arrays if by_class else [[array.sum()] for array in arrays], np.int64)
            found[old, new, condition] = _Counts(counts, None, by_class)
    return found


def _cells(
    counted: Mapping[_Key, _Counts], alpha: float, undecidable: Collection[tuple[str, str]]
) -> tuple[CellComparison, ...]:
    """Test all comparisons: those over all images are one family, those of the classes another.

    Nothing is decided of the models that are ``undecidable``.
    """
    overall = [_summed(counts) for counts in counted.values()]
    by_class = [counts for counts in counted.values() if counts.by_class]
    totals, classes = iter(_tested(overall, alpha)), iter(_tested(by_class, alpha))
    return tuple(
        CellComparison(
            *key, next(totals), next(classes) if counts.by_class else None, alpha, key[:2] not in undecidable
        )
        for key, counts in counted.items()
    )


def _summed(found: _Counts) -> _Counts:
    churn = None if found.churn is None else found.churn.sum(axis=1, keepdims=True)
    return _Counts(found.counts.sum(axis=1, keepdims=True), churn, by_class=False)


def _tested(family: Sequence[_Counts], alpha: float) -> list[Figures]:
    """Test the comparisons of one family; McNemar's test where pairs are known."""
    if not family:
        return []
    counts = np.concatenate([one.counts for one in family], axis=1)
    pairs = [one.churn for one in family if one.churn is not None]
    churn = np.concatenate(pairs, axis=1) if pairs else None
    n_before, n_now, right_before, right_now = counts
    low, high, p = np.full((3, len(n_now)), np.nan)
    if churn is None:
        low, high = newcombe(right_before, n_before, right_now, n_now)
        p = fisher(right_before, n_before, right_now, n_now)
    else:
        several = n_now >= statistics.MIN_OBSERVATIONS
        found = statistics.mcnemar_from_counts(churn[1, several], churn[2, several], n_now[several], alpha=alpha)
        low[several], high[several], p[several] = found["ci_low"], found["ci_high"], found["p_value"]
    floats = np.array([low, high, p, statistics.correct(p, "holm")])
    starts = np.cumsum([0, *(one.counts.shape[1] for one in family)])
    return [
        _figures(counts[:, part], floats[:, part], None if churn is None else churn[:, part])
        for part in map(slice, starts[:-1], starts[1:])
    ]


def _figures(counts: Ints, floats: Floats, churn: Ints | None) -> Figures:
    n_before, n_now, right_before, right_now = counts
    low, high, p, adjusted = floats
    return Figures(n_before, n_now, right_before, right_now, low, high, p, adjusted, churn)


def _shared_notes(shared: SharedImages, overlap: Overlap) -> list[str]:
    notes = []
    if shared.only_before or shared.only_now:
        notes.append(
            f"Compared on the {counted(shared.both, 'image')} that both have; {shared.only_before:,} only in the "
            f"first run, {shared.only_now:,} only in the second."
        )
    if overlap.copies:
        distinct = shared.both - overlap.copies
        both = counted(shared.both, "image")
        notes.append(f"Of the {both} that both have, {distinct:,} are distinct: copies count once.")
    renamed = [f"{old} is {new}" for old, new in overlap.renamed.items()]
    if renamed:
        notes.append(f"Classes that were renamed, as their images show: {', '.join(renamed)}.")
    return notes


def _class_notes(overlap: Overlap, comparisons: int, alpha: float) -> list[str]:
    """Return which classes are not compared: with so few images in both runs that no change could be significant."""
    shared = shared_classes(overlap)
    tests = max(comparisons * int(np.count_nonzero(shared.compared)), 1)
    named, notes = shared.left_out(fewest_significant(alpha, np.ones(tests))), []
    if named:
        classes, it = (counted(len(named), "class", "classes"), "it" if len(named) == 1 else "them")
        what = f"Of {classes} no image is in both runs, or too few to show a change: {abridged(named, _NAMED)}"
        notes.append(f"{what}. The result says nothing of {it}.")
    if shared.new:
        it = "it" if len(shared.new) == 1 else "them"
        new = abridged(shared.new, _NAMED)
        notes.append(f"The first run has no image of {new}: the result says nothing of {it}.")
    return notes


def _data_notes(before: RecordedRun, now: RecordedRun) -> list[str]:
    """Return what is known of the images of two runs that cannot be compared one by one."""
    if before.fingerprint and before.fingerprint == now.fingerprint:
        return ["Both runs have the same images."]
    if before.classes != now.classes:
        raise ComparisonError(
            f"{before.name} and {now.name} have other classes, {len(before.classes):,} and "
            f"{len(now.classes):,}, and not both "
            f"have answers by which images could be matched. Compare runs on the same data."
        )
    known = before.fingerprint and now.fingerprint
    these = "The images are not the same" if known else "Nothing says whether the images are the same"
    return [f"{these}: {before.images:,} of {before.data}, {now.images:,} of {now.data}."]
