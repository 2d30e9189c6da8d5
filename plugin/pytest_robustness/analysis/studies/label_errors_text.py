"""Say in words which images are labelled wrongly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core.naming import short_names
from pytest_robustness.core.text import abridged, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_robustness.analysis.studies.label_scores import Precision
    from pytest_robustness.analysis.study_finding import Figure

LIKELY: Final = 0.5
"""The test fails where more of the listed images than this share are estimated to be labelled wrongly."""

_SHOWN: Final = 5
# So many of the classes without images are named.
_NAMED: Final = 5


class Found(NamedTuple):
    """What was found among ``images``: how many are listed and cannot be judged, and the estimates.

    ``imageless`` are the classes that those which cannot be judged are answered as; ``left_out`` are models that could
    not be run.
    """

    images: int
    listed: int
    unjudged: int
    imageless: Sequence[str]
    precision: Precision
    models: Sequence[str]
    left_out: Sequence[str]


def verdict(found: Found) -> Verdict:
    """Return the verdict: what the list says, and what could not be judged."""
    outcome, reason = _of_list(found)
    if not found.unjudged:
        return Verdict(outcome, reason)
    return Verdict(outcome if outcome is Outcome.FAIL else Outcome.INCONCLUSIVE, f"{reason}; {_unjudged(found)}")


def _of_list(found: Found) -> Verdict:
    precision = found.precision
    listed = f"{counted(found.listed, 'image')} of {found.images:,} listed" if found.listed else "no image listed"
    if math.isnan(precision.recall):
        # It is so of a model that is set up wrongly as well as of folders whose names were exchanged.
        who = "" if len(found.models) == 1 else f" of all {len(found.models)} models"
        estimated = f"no estimate of wrong labels is possible, because no image has its label as the answer{who}"
        look = "; look at some: labels or answers may be wrong" if found.listed else ""
        return Verdict(Outcome.INCONCLUSIVE, f"{listed}, and {estimated}{look}")
    if found.listed and math.isnan(precision.value):
        return Verdict(
            Outcome.INCONCLUSIVE,
            f"{listed}, and no estimate of wrong labels is possible, because {_percent(precision.tied)} of the answers "
            f"that are the image's label are exactly as sure as each other: how sure an answer is does not tell a "
            f"mistake of the models from a wrong label here; look at some",
        )
    if found.listed:
        wrong = f"{_percent(precision.value)} of them estimated to be wrong"
        interval = f"(95 % interval {_percent(precision.low)} to {_percent(precision.high)})"
        if precision.value > LIKELY:
            return Verdict(Outcome.FAIL, f"{listed}, {wrong} {interval}")
        if precision.high > LIKELY:
            return Verdict(Outcome.INCONCLUSIVE, f"{listed}, {wrong} {interval}: too few to say whether most are")
        return Verdict(Outcome.INCONCLUSIVE, f"{listed}, no more than {wrong}: most are mistakes of the models")
    if found.left_out:
        return Verdict(Outcome.INCONCLUSIVE, f"no image listed, but {', '.join(found.left_out)} could not be run")
    recall = f"{_percent(precision.recall)} of wrong labels"
    if found.unjudged:
        return Verdict(Outcome.INCONCLUSIVE, "no image listed")
    if not precision.recall > LIKELY:
        reason = f"no image listed, but only {recall} would be, of {found.images:,} images"
        return Verdict(Outcome.INCONCLUSIVE, reason)
    who = "the model" if len(found.models) == 1 else f"all {len(found.models)} models"
    reason = f"no image of {found.images:,} is surely of another class to {who}; {recall} would be listed"
    return Verdict(Outcome.PASS, reason)


def headline(found: Found) -> str:
    """Return what was found in a sentence that can stand alone."""
    open_ = f"; {counted(found.unjudged, 'image')} cannot be judged" if found.unjudged else ""
    if not found.listed:
        if found.unjudged or math.isnan(found.precision.recall):
            return f"No image of {found.images:,} is listed{open_}"
        if not found.precision.recall > LIKELY:
            would = f"only {_percent(found.precision.recall)} of wrong labels would be listed"
            return f"Not shown whether an image of {found.images:,} is labelled wrongly: {would}"
        return f"No image of {found.images:,} seems to be labelled wrongly"
    if math.isnan(found.precision.value):
        is_ = "is" if found.listed == 1 else "are"
        return f"{counted(found.listed, 'image')} of {found.images:,} {is_} surely answered as another class{open_}"
    estimated = f"about {_percent(found.precision.value)} of the list by estimate"
    if found.precision.value <= LIKELY:
        is_ = "is" if found.listed == 1 else "are"
        listed = f"{counted(found.listed, 'image')} of {found.images:,} {is_} surely answered as another class"
        return f"{listed}, and labelled wrongly {estimated}{open_}"
    seem = "seems" if found.listed == 1 else "seem"
    return f"{counted(found.listed, 'image')} of {found.images:,} {seem} to be labelled wrongly: {estimated}{open_}"


def details(
    found: Found, listed: Sequence[Mapping[str, Figure]], unjudged: Sequence[Mapping[str, Figure]]
) -> Iterator[str]:
    """Yield the first of the items of either kind, which models could not be run, and what is assumed."""
    if found.listed:
        yield from _table(listed, found.listed)
    if found.unjudged:
        yield "  answered as classes without images of their own, so that nothing says which answers are sure:"
        yield from _table(unjudged, found.unjudged)
    if found.left_out:
        yield f"  could not be run: {', '.join(short_names(found.left_out).values())}"
    yield "  assumed: wrong labels fall on any image of a class alike, and no model was trained on these labels"


def _table(items: Sequence[Mapping[str, Figure]], count: int) -> Iterator[str]:
    yield f"  {'label p':>7}  {'label':<20} {'answered':<20} image"
    for item in items[:_SHOWN]:
        yield f"  {item['self_confidence']:7.4f}  {item['class']!s:<20} {item['answer']!s:<20} {item['file']}"
    if count > _SHOWN:
        yield f"  {'':>7}  and {count - _SHOWN:,} more; the list of the report has up to --robustness-suspects"


def _unjudged(found: Found) -> str:
    named = abridged(found.imageless, _NAMED)
    one = len(found.imageless) == 1
    classes = f"{'a class' if one else 'classes'} without images of {'its' if one else 'their'} own"
    are, they, them = ("is", "it", "it") if found.unjudged == 1 else ("are", "they", "them")
    return (
        f"{counted(found.unjudged, 'image')} {are} answered as {classes} ({named}): {they} cannot be judged by the "
        f"self-confidence of a class's own images, look at {them}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
