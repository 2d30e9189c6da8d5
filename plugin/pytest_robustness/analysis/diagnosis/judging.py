"""Judge answers under other set-ups: each is compared with control on the same images, by McNemar's exact test.

A setting is called wrong where another one is significantly better after Holm's correction for all that was tried.
That nothing is better by more than a number of points is claimed where every interval ends below that: no correction is
needed there, because each of them must. What is not significant is therefore not called no better.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_robustness.analysis import statistics
from pytest_robustness.analysis.diagnosis.diagnosis import Diagnosis
from pytest_robustness.analysis.diagnosis.judged import against_control, interval_of
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.diagnosis.diagnosis import Trial
    from pytest_robustness.analysis.diagnosis.judged import Judged
    from pytest_robustness.inference.doctor.asking import Asked
    from pytest_robustness.inference.doctor.prescription import Prescription

    Answers = NDArray[np.int64]

# A change of fewer settings is named in the place of the best one if it is no further from that, in points.
_AS_GOOD: Final = 1.0
# So many of the best single changes are tried two at a time where none is enough.
_STRONGEST: Final = 5
# How many times as many images are worth naming.
_TIMES: Final = 50


def may_be_best(labels: Answers, control: Answers, others: Sequence[Answers], margin: float) -> list[bool]:
    """Return which of ``others`` may be better than control by half the margin, and than the best of them.

    They may where their 95 % interval does not exclude it; ``margin`` is in points.
    """
    rights = np.stack([answers == labels for answers in others])
    best = max(rights, key=np.sum)
    _, above_control = interval_of(control == labels, rights)
    _, above_best = interval_of(best, rights)
    better = interval_of(control == labels, best[None])[0][0] > 0
    kept: list[bool] = ((above_control > margin / 200) & ((above_best >= 0) | (not better))).tolist()
    return kept


def judged(labels: Answers, control: Asked, others: Sequence[Asked]) -> list[Judged]:
    """Return ``others`` with their figures, not yet corrected for their number, the best first.

    Where the model does not run as it is set up, it is right on no image.
    """
    given = np.full(len(labels), -1) if control.error else control.answers
    found = [against_control(labels, given, asked) for asked in others]
    return sorted(found, key=lambda each: -_or_least(each.trial.difference))


def corrected(found: Sequence[Judged], besides: int = 0) -> list[Judged]:
    """Return the same with p-values corrected for the number of all of them, and of those tried ``besides``."""
    own = np.array([each.trial.p_value for each in found], np.float64)
    p = statistics.correct(np.concatenate([own, np.ones(besides)]), "holm")[: len(own)]
    return [
        each._replace(trial=dataclasses.replace(each.trial, p_adjusted=float(value)))
        for each, value in zip(found, p, strict=True)
    ]


def restoring(found: Sequence[Judged], images: int, alpha: float, besides: int = 0) -> Judged | None:
    """Return the best of those that are significantly better than control; of those as good, the simplest.

    One that is little better than guessing has to be so on more than a few classes. Where answers go by the images, but
    not by the labels (black was given for white), a wrong order is right on a class or two by accident.

    Parameters
    ----------
    found
        What was tried; p-values are corrected for their number, and for what was tried ``besides``.
    images
        How many images there are: what was given up before the last of them is not the best.
    alpha
        The level.
    """
    better = [
        each
        for each in corrected(found, besides)
        if each.trial.difference > 0
        and each.trial.p_adjusted < alpha
        and each.trial.images == images
        and each.above_chance
        and (each.skilled or each.scattered)
    ]
    if not better:
        return None
    best = max(better, key=lambda each: each.trial.accuracy)
    as_good = [each for each in better if best.trial.accuracy - each.trial.accuracy <= _AS_GOOD]
    return min(as_good, key=lambda each: (len(each.asked.mistake.changes), -each.trial.accuracy))


def guesses(labels: Answers, control: Asked) -> bool:
    """Return whether control's answers are not significantly more often right than guessing is, or there are none."""
    if control.error:
        return True
    chance = statistics.chance_agreement(labels, control.answers)
    return not statistics.above_chance(int((control.answers == labels).sum()), len(labels), chance)


def candidates(found: Sequence[Judged]) -> list[Judged]:
    """Return the best of each setting, at most five: what is worth trying two at a time."""
    settings: dict[str, Judged] = {}
    for each in found:
        if not each.trial.error:
            settings.setdefault(each.asked.mistake.setting, each)
    return list(settings.values())[:_STRONGEST]


def diagnosed(
    names: tuple[str, str],
    labels: Answers,
    control: Asked,
    found: Sequence[Judged],
    winner: Judged | None,
    mend: Prescription | None,
    *,
    margin: float,
    alpha: float,
    when: str = "",
) -> Diagnosis:
    """Return the diagnosis of everything that was tried.

    Parameters
    ----------
    names
        Of the model and the data.
    labels, control
        The classes of the images, and the answers as the model is set up.
    found
        What was tried, with its figures.
    winner, mend
        What `restoring` gave, and what to write for it.
    margin
        A difference in points that counts as none: fewer may go unseen.
    alpha
        The level of `restoring`.
    when
        The time.
    """
    found = corrected(found)
    right = np.zeros(len(labels), np.bool_) if control.error else control.answers == labels
    accuracy = math.nan if control.error else 100 * float(right.mean())
    trials = tuple(each.trial for each in found)
    common = (*names, len(labels), accuracy)
    if winner is not None and mend is not None:
        reason = _fault(winner, control)
        after = winner.trial.accuracy
        setting = winner.trial.setting
        return Diagnosis(*common, Verdict(Outcome.FAIL, reason), trials, setting, after, *mend, when)
    return Diagnosis(*common, _verdict(labels, control, right, found, margin, alpha), trials, when=when)


def _verdict(
    labels: Answers, control: Asked, right: NDArray[np.bool_], found: Sequence[Judged], margin: float, alpha: float
) -> Verdict:
    """Return the verdict where no setting was shown to be wrong."""
    n, correct = len(labels), int(right.sum())
    chance = 0.0 if control.error else statistics.chance_agreement(labels, control.answers)
    ran = [each for each in found if not each.trial.error]
    tried = f"{len(ran)} other set-ups"
    if len(np.unique(labels)) < 2:
        return Verdict(Outcome.INCONCLUSIVE, "Cannot tell: the images are of one class, which any answer may fit.")
    guessing = guesses(labels, control)
    # A set-up helps a model that guesses if it gains more than the margin, and lets it do more than guess. Where the
    # images exclude neither, they do not show that nothing helps.
    helping = [each for each in ran if each.trial.high > margin and each.skilled]
    images = counted(n, "image")
    as_given = "it does not run" if control.error else f"right on {correct:,} of {images}"
    if not helping and (control.error or (guessing and statistics.excludes_skill(correct, n, chance))):
        guessed = "" if control.error else f", where guessing is right on {chance * n:,.1f}"
        return Verdict(
            Outcome.FAIL,
            f"Nothing that was tried helps: {as_given}{guessed}, and none of {tried} both is better by more than "
            f"{margin:g} points and does more than guess. See that the weights are loaded, and that the classes are "
            f"those that it was trained on.",
        )
    most = max(0.0, max((each.trial.high for each in ran), default=0.0))
    if guessing or most > margin:
        best = max(helping, key=_gain, default=None)
        found_best = "" if best is None or best.trial.difference <= margin else _unconfirmed(best, control, ran, alpha)
        decided = found_best or f"{n:,} images decide only differences above {most:.1f} points."
        return Verdict(
            Outcome.INCONCLUSIVE,
            f"Cannot tell: {decided} As it is set up: {as_given}; none of {tried} is shown to be better.",
        )
    return Verdict(
        Outcome.PASS,
        f"Fine: {100 * correct / n:.1f} %, and none of {tried} is better by more than {most:.1f} points (95 % "
        f"intervals, {images}).{_closest([each.trial for each in ran])}",
    )


def _gain(each: Judged) -> tuple[float, int]:
    """Return what sorts the best last: by the difference, of those that are alike the one of fewer changes."""
    return each.trial.difference, -len(each.asked.mistake.changes)


def _unconfirmed(best: Judged, control: Asked, ran: Sequence[Judged], alpha: float) -> str:
    """Return a sentence on a gain that matters, if it is one, and on how many images would show that."""
    trial = best.trial
    # Holm's correction multiplies the smallest p by the number of trials.
    sizes = np.arange(trial.images, _TIMES * trial.images)
    lost, gained = (np.rint(count * sizes / trial.images).astype(np.int64) for count in (trial.lost, trial.gained))
    enough = sizes[statistics.mcnemar_p(lost, gained) * len(ran) < alpha]
    would = f" (about {enough[0]:,} would, if the gain stays what it is)" if enough[:1] > trial.images else ""
    too_few = f"{trial.images:,} images are too few to confirm it{would}"
    return f"with {trial.tried}, the best of what was tried, {_change(trial, control)}; {too_few}."


def _closest(trials: Sequence[Trial]) -> str:
    """Return a sentence on what the images cannot tell from the set-up as it is."""
    like = [trial for trial in trials if trial.low <= 0 < trial.high]
    if not like:
        return ""
    first = max(like, key=lambda trial: trial.high)
    return (
        f" They cannot tell it from {len(like)} of these, such as {first.tried} ({first.difference:+.1f} points, "
        f"{first.low:+.1f} to {first.high:+.1f})."
    )


def _fault(winner: Judged, control: Asked) -> str:
    trial = winner.trial
    are = "are" if " and " in trial.setting else "is"
    return f"{trial.setting[0].upper()}{trial.setting[1:]} {are} wrong: with {trial.tried} {_change(trial, control)}."


def _change(trial: Trial, control: Asked) -> str:
    before = "the model does not run" if control.error else f"{trial.control_accuracy:.1f} %"
    return (
        f"{before} -> {trial.accuracy:.1f} % of {counted(trial.images, 'image')} ({trial.difference:+.1f} points, 95 % "
        f"interval {trial.low:+.1f} to {trial.high:+.1f})"
    )


def _or_least(value: float) -> float:
    return -math.inf if math.isnan(value) else value
