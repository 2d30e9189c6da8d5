"""Judge test results: does a model, or do the classes, pass, fail, or stay inconclusive, and why?"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pytest_robustness.analysis.falls_alone import NO_FALLS
from pytest_robustness.analysis.policy import in_points, significantly_beyond, steady
from pytest_robustness.analysis.statistics.paired_change import rounded_up
from pytest_robustness.analysis.statistics.sign_flips import fewest_significant
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.text import abridged, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.falls_alone import FallsAlone
    from pytest_robustness.analysis.findings import ClassFinding, ClassTest
    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.test_result import AnyTestResult, Correction, ImageChange, MaxSensitive, ModelFall

_CHANCE_QUANTILE = 0.95
_BLIND_SHARE = 0.05
_NAMED = 5
_MEAN = " as the mean over classes"


def judge_model(result: AnyTestResult, change: ImageChange, policy: TestPolicy) -> Verdict:
    """Judge a model under a condition by its test and by what the images show.

    FAIL: the test rejects, after correction, that nothing changed, or the images show a change beyond the margin. PASS:
    neither, and the images show the change to lie within the margin. INCONCLUSIVE: the rest. ``article`` goes by the
    test alone, and passes what it does not reject; ``margin`` by the images alone. A rise of accuracy fails as well:
    the model is as sensitive.
    """
    if policy.uses_t_tests and result.rejects(policy.alpha):
        # McNemar's test is over images, whatever their classes.
        of_classes = change.over_classes and result.test != "mcnemar"
        return Verdict(Outcome.FAIL, f"{_moved(result.difference, of_classes)}, {_p_text(result, policy.alpha)}")
    if not policy.uses_images:
        return _not_rejected(result, policy.alpha)
    beyond = in_points(policy.margin)
    if change.beyond(policy.margin):
        moved = _moved(change.difference, change.over_classes)
        reason = f"{moved}, shown to be more than {beyond}: {_interval(change)} over the images"
        return Verdict(Outcome.FAIL, reason)
    mean = _MEAN * change.over_classes
    found = f"{points_in_words(change.difference)}{mean}, {_interval(change)} over {counted(change.n, 'image')}"
    if change.within(policy.margin):
        return Verdict(Outcome.PASS, f"within {beyond}: {found}")
    return Verdict(
        Outcome.INCONCLUSIVE, f"neither within {beyond} nor beyond is shown: {found}; {_images_needed(change)}"
    )


def sensitive_classes(classes: Sequence[ClassFinding], policy: TestPolicy) -> tuple[ClassFinding, ...]:
    """Return the classes whose test over the models rejects."""
    return tuple(finding for finding in classes if finding.result.rejects(policy.alpha))


def classes_beyond(classes: Sequence[ClassFinding], policy: TestPolicy) -> tuple[ClassFinding, ...]:
    """Return the classes that the images show to have changed, and that measure a change over the class margin."""
    return tuple(
        finding
        for finding in classes
        if (images := finding.images) is not None
        and abs(images.difference) > policy.class_margin
        and images.significant(policy.alpha)
    )


def unshown_classes(
    classes: Sequence[ClassFinding], shown: Sequence[ClassFinding | ModelFall], policy: TestPolicy
) -> tuple[ClassFinding, ...]:
    """Return the classes that fell by more than the class margin and are not among ``shown``, be it of one model."""
    indices = {finding.index for finding in shown}
    return tuple(
        finding
        for finding in classes
        if finding.measured_change < -policy.class_margin and finding.index not in indices
    )


def judge_classes(
    classes: Sequence[ClassFinding],
    sensitive: Sequence[ClassFinding],
    beyond: Sequence[ClassFinding],
    untested: int,
    policy: TestPolicy,
    falls: FallsAlone = NO_FALLS,
) -> Verdict:
    """Judge the classes under a condition.

    FAIL: more classes are sensitive than allowed, or the images show a class to have changed, and it measures more than
    the class margin, or to have fallen so in a single model. INCONCLUSIVE: more than 5 % of the classes have so few
    images that nothing could be shown of them. PASS: the rest. ``article`` goes by the number of sensitive classes
    alone, ``margin`` by the images alone.

    Parameters
    ----------
    classes
        The tests of the classes that have images.
    sensitive, beyond
        Those of them that `sensitive_classes` and `classes_beyond` return.
    untested
        How many classes have none.
    policy
        The level, the margin, and how many sensitive classes to allow.
    falls
        Those of single models.
    """
    tested = sum(finding.result.conclusive for finding in classes)
    allowed = allowed_sensitive(tested, policy.alpha, policy.max_sensitive, policy.correction)
    too_many = policy.uses_t_tests and len(sensitive) > allowed
    counts = _sensitive_text(len(sensitive), tested, allowed, policy) if policy.uses_t_tests and tested else ""
    left_out = f"{len(classes) - tested:,} could not be tested over the models" if tested < len(classes) else ""
    if not policy.uses_images:
        if not tested:
            most = max((finding.result for finding in classes), key=lambda result: result.n, default=None)
            why = "no class has an image" if most is None else _too_few(most, policy.alpha)
            return Verdict(Outcome.INCONCLUSIVE, f"no class could be tested: {why}")
        return Verdict(Outcome.FAIL if too_many else Outcome.PASS, _joined(counts, left_out))
    if too_many or beyond or falls.shown:
        return Verdict(Outcome.FAIL, _joined(_beyond_text(beyond, policy), falls.shown_text(policy), counts))
    blind = untested + sum(finding.images is not None and finding.images.blind for finding in classes)
    shown = [finding.images.p_value for finding in classes if finding.images is not None]
    fewest = fewest_significant(policy.alpha, np.array(shown))
    if not classes or blind > _BLIND_SHARE * (len(classes) + untested):
        few = f"{blind:,} of {len(classes) + untested:,} classes have fewer than {fewest} images right in control"
        reason = f"{few}: not even the loss of all by all models would be significant"
        return Verdict(Outcome.INCONCLUSIVE, _joined(reason, counts))
    excluded = _excluded_text(classes, fewest, blind, policy)
    return Verdict(Outcome.PASS, _joined(excluded, falls.unshown_text(policy), counts))


def class_outcomes(test: ClassTest, policy: TestPolicy) -> list[Outcome]:
    """Judge each class of a class test by itself, by what decides the test: the outcomes of ``test.classes``.

    FAIL: the class is sensitive, beyond the class margin, or fell beyond it in a single model.
    INCONCLUSIVE: none of these, and its images are too few to show anything, or the test lost a model. PASS: the rest.
    ``article`` goes by the test of the class alone, where it could be tested, ``margin`` by the images alone. How many
    classes may be sensitive, or blind, counts for the test as a whole.
    """
    found = (*(test.sensitive if policy.uses_t_tests else ()), *(test.beyond if policy.uses_images else ()))
    failing = {finding.index for finding in found} | {fall.index for fall in test.alone if policy.uses_images}
    outcomes = []
    for finding in test.classes:
        blind = finding.images is not None and finding.images.blind
        seen = not blind if policy.uses_images else finding.result.conclusive
        passed = Outcome.PASS if seen and not test.left_out else Outcome.INCONCLUSIVE
        outcomes.append(Outcome.FAIL if finding.index in failing else passed)
    return outcomes


def allowed_sensitive(n_tested: int, alpha: float, max_sensitive: MaxSensitive, correction: Correction = "none") -> int:
    """Return how many of ``n_tested`` classes may be sensitive before the class test fails.

    Parameters
    ----------
    n_tested
        The number of classes that could be tested.
    alpha
        The level of their tests.
    max_sensitive
        ``chance``: the 95 % quantile of the binomial of ``n_tested`` and ``alpha``, as the article's tests have it if
        they err independently, which tests on the same images do not; none after a correction.
        A float: that fraction of the classes, rounded down. An int: itself.
    correction
        The correction that the tests carry.

    Raises
    ------
    OptionError
        If ``max_sensitive`` is none of these.

    Examples
    --------
    >>> allowed_sensitive(1000, 0.05, "chance")
    62
    """
    if max_sensitive == "chance":
        return 0 if correction != "none" else int(stats.binom.ppf(_CHANCE_QUANTILE, n_tested, alpha))
    if isinstance(max_sensitive, int) and max_sensitive >= 0:
        return max_sensitive
    if isinstance(max_sensitive, float) and 0 <= max_sensitive <= 1:
        # The decimal that was written, not the float nearest to it: 0.29 of 100 classes are 29, where floats say 28.
        return math.floor(Fraction(str(max_sensitive)) * n_tested)
    raise OptionError(
        f"max-sensitive is {max_sensitive!r}. "
        "Valid: 'chance', a count of classes such as 5, or a fraction of them such as 0.1."
    )


def points_in_words(points: float) -> str:
    """Return a change in points with its sign, to one decimal, or to one digit where that would show nothing."""
    points = steady(points)
    return f"{points:+.1f} points" if abs(points) >= 0.05 or points == 0 else f"{points:+.1g} points"


def _not_rejected(result: AnyTestResult, alpha: float) -> Verdict:
    if not result.conclusive:
        return Verdict(Outcome.INCONCLUSIVE, _too_few(result, alpha))
    return Verdict(Outcome.PASS, f"{_p_text(result, alpha)}: no change shown{_sensitivity(result)}")


def _moved(difference: float, over_classes: bool) -> str:
    moved = "fell" if difference < 0 else "rose"
    return f"accuracy {moved} {points_in_words(abs(difference))[1:]}{_MEAN * over_classes}"


def _interval(change: ImageChange) -> str:
    return f"{change.level:g} % interval {steady(change.low):+.1f} to {steady(change.high):+.1f}"


def _images_needed(change: ImageChange) -> str:
    """Return how many images would decide, to two digits."""
    if not change.n:
        return "there is no image to judge by"
    needed = rounded_up(change.needed)
    if needed is None:
        return "the change lies so near the margin that no practical number of images would decide"
    return f"about {needed:,} images would decide at this share of changed images"


def _sensitive_text(sensitive: int, tested: int, allowed: int, policy: TestPolicy) -> str:
    relation = "more than" if sensitive > allowed else "within"
    of_all = f"{sensitive:,} of {counted(tested, 'class', 'classes')}"
    return f"{of_all} sensitive at alpha {policy.alpha:g}, {relation} the {allowed:,} allowed"


def _beyond_text(beyond: Sequence[ClassFinding], policy: TestPolicy) -> str:
    if not beyond:
        return ""
    named = sorted(beyond, key=lambda finding: -abs(finding.measured_change))
    listed = abridged(named, _NAMED, lambda finding: f"{finding.name} {steady(finding.measured_change):+.1f}")
    changed = f"{counted(len(beyond), 'class', 'classes')} changed {significantly_beyond(policy.class_margin)}"
    return f"{changed}: {listed}"


def _excluded_text(classes: Sequence[ClassFinding], fewest: int, blind: int, policy: TestPolicy) -> str:
    """Return what a PASS excludes, and what it could not have seen."""
    # As many right answers as are significant, and as exceed the margin.
    losses = [
        (images.right, max(fewest, math.floor(policy.class_margin * images.n / 100) + 1))
        for finding in classes
        if (images := finding.images) is not None and not images.blind
    ]
    right, lost = min((loss for loss in losses if loss[0] >= loss[1]), default=(0, 0))
    of_all = f"{lost:,} of the {counted(right, 'image')} right in control, of the class with the fewest,"
    seen = f"the loss of {of_all} by all models would have been" if right else "none has right answers enough to lose"
    few = f"fewer than {fewest} images right in control"
    unseen = f"; {counted(blind, 'class', 'classes')} with {few} not judged" if blind else ""
    return f"no class shown to change by more than {policy.class_margin:g} points ({seen}){unseen}"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _p_text(result: AnyTestResult, alpha: float) -> str:
    name = "p" if result.p_adjusted == result.p_value else "corrected p"
    relation = "<" if result.rejects(alpha) else ">="
    return f"{name} = {_p_value(result.p_adjusted, alpha)} {relation} alpha {alpha:g}"


def _too_few(result: AnyTestResult, alpha: float) -> str:
    if result.test == "mcnemar":
        return f"of {counted(result.n, 'image')} no change could be significant at alpha {alpha:g}"
    return f"only {result.n} of the 2 observations that a test needs in each group"


def _p_value(p: float, alpha: float) -> str:
    """Return ``p`` to two digits, or to as many as show on which side of ``alpha`` it lies."""
    texts = (f"{p:.{digits}g}" for digits in range(2, 18))
    return next(text for text in texts if (float(text) < alpha) == (p < alpha))


def _sensitivity(result: AnyTestResult) -> str:
    """Return the drop that the test could have detected, as a remark; nothing where it is unknown or 0."""
    if not result.detectable_drop > 0:
        return ""
    if result.detectable_drop > result.control:
        return " (the observations are too few or too scattered to see even a fall to zero 80 % of the time)"
    return f" (a drop of {points_in_words(result.detectable_drop)[1:]} would have been seen 80 % of the time)"
