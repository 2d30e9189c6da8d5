"""Every reason why a run cannot be compared with a baseline."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_robustness.core import CONTROL
from pytest_robustness.core.errors import BaselineError
from pytest_robustness.data import why_apart

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_robustness.analysis.answers import Overlap, RunProtocol
    from pytest_robustness.core import Condition


_ABSENT = "no such option"
# The version of a transform that has none of its own: the hash of its code.
_HASHED = re.compile(r"version='[0-9a-f]{16}'")


def require_comparable(
    baseline: RunProtocol, run: RunProtocol, overlap: Overlap, path: Path, *, tests: bool = False
) -> None:
    """Refuse a baseline that this run cannot be compared with.

    Parameters
    ----------
    baseline, run
        Both protocols. The run may have fewer conditions.
    overlap
        The images that both have: at least one. Whether so few are enough is for the comparison to say, which is
        inconclusive where they are not.
    path
        Where the baseline is.
    tests
        Whether the outcomes of model tests are compared too.

    Raises
    ------
    BaselineError
        It lists every difference.
    """
    found = [] if overlap.both else [_no_image(baseline, run, overlap)]
    found += differences(baseline, run)
    if tests:
        found += other_tests(baseline, run)
    if found:
        listed = "\n".join(f"  - {difference}" for difference in found)
        raise BaselineError(
            f"{path} is not comparable with this run:\n{listed}\n"
            f"Run as the baseline was run, or write a new one with --robustness-update-baseline."
        )


def other_tests(baseline: RunProtocol, run: RunProtocol) -> list[str]:
    """Return which options of the model tests differ, on which their stored outcomes depend, each in a sentence."""
    return [
        f"{name}: {baseline.tests.get(name, _ABSENT)} in the baseline, {run.tests.get(name, _ABSENT)} in this run"
        for name in sorted({*baseline.tests, *run.tests})
        if baseline.tests.get(name) != run.tests.get(name)
    ]


def differences(baseline: RunProtocol, run: RunProtocol, *, advise: bool = True) -> list[str]:
    """Return what keeps the answers of two runs from being compared, one sentence for each difference.

    ``advise`` adds what to do about a transform whose code is another.
    """
    found = [
        f"{name}: {old} in the baseline, {new} in this run"
        for name, old, new in (
            ("seed", baseline.seed, run.seed),
            ("pipeline", baseline.pipeline, run.pipeline),
            ("--robustness-outputs", baseline.outputs, run.outputs),
        )
        if old != new
    ]
    kept = ", ".join(sorted(map(str, baseline.transforms)))
    for condition, key in run.transforms.items():
        if condition not in baseline.transforms:
            found.append(f"{condition}: not in the baseline, which has {kept}")
        elif baseline.transforms[condition] != key:
            found.append(f"{condition}: {_other_transform(baseline.transforms[condition], key, advise)}")
    return found


def _other_transform(old: str, new: str, advise: bool) -> str:
    """Return in what a transform's key differs from that of the baseline, and what to do where it is the code."""
    versions = f"{old} in the baseline, {new} in this run"
    if _HASHED.sub("", old) != _HASHED.sub("", new):
        return versions
    said = (
        f"the code of the transform, or of something that it uses, is another than in the baseline; or Python is, as "
        f"each minor version compiles code in its own way ({versions})"
    )
    way_out = (
        "Undo the change, or write the baseline anew. Registered with version=1, a transform is another only once its "
        "version is."
    )
    return f"{said}. {way_out}" if advise else said


def lacking(baseline: RunProtocol, asked: Iterable[str]) -> tuple[str, ...]:
    """Return which of the transforms ``asked`` a baseline lacks, in a sentence; nothing where it has all."""
    kept = {condition.transform for condition in baseline.transforms}
    found = [name for name in asked if name not in kept]
    text = f"The baseline lacks {', '.join(found)}: a pass says nothing of them."
    way_out = "Record it with all of them, or name those that count with --robustness-transforms."
    return (f"{text} {way_out}",) if found else ()


def unjudged(baseline: RunProtocol, judged: Iterable[Condition]) -> tuple[str, ...]:
    """Return which conditions of a baseline are not among those ``judged``, in a sentence; nothing where all are."""
    left_out = sorted(map(str, {*baseline.transforms} - {*judged, CONTROL}))
    text = f"The baseline has {', '.join(left_out)}, which this run does not judge: a pass says nothing of them."
    way_out = (
        "Judge them with --robustness-transforms and --robustness-severity; a transform of your own has to be "
        "registered. Else write the baseline anew without them."
    )
    return (f"{text} {way_out}",) if left_out else ()


def _no_image(baseline: RunProtocol, run: RunProtocol, overlap: Overlap) -> str:
    text = f"images: no image of this run is in the baseline ({overlap.of_all}, of {baseline.data} there)"
    reason = why_apart(baseline.data, run.data)
    return f"{text}. {reason}" if reason else text
