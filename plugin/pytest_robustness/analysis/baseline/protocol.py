"""What two runs must share to be compared image by image, and every reason why they cannot be."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.core import PIPELINE_VERSION
from pytest_robustness.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_robustness.analysis.baseline.images import Overlap
    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.core import Condition
    from pytest_robustness.inference.jobs import JobMaker


_ABSENT = "no such option"


@dataclasses.dataclass(frozen=True)
class RunProtocol:
    """What two runs must share for their answers to be compared image by image.

    The images themselves need not be the same: those that both have are compared (`images.Overlap`).

    Parameters
    ----------
    data
        The data as the user named it, for messages.
    seed
        Of the transforms' random draws.
    pipeline
        The version of the steps from canvas to prediction.
    transforms
        What each condition's images depend on (`core.Transform.key`), control included.
    tests
        The options of the model tests, which their stored verdicts depend on; the answers do not.
    """

    data: str
    seed: int
    pipeline: int
    transforms: Mapping[Condition, str]
    tests: Mapping[str, str | float]

    @classmethod
    def of(cls, jobs: JobMaker, conditions: Sequence[Condition], *, seed: int, policy: TestPolicy) -> RunProtocol:
        """Return the protocol of a run under ``conditions``, on the data of ``jobs``."""
        return cls(
            data=jobs.selection.source.name,
            seed=seed,
            pipeline=PIPELINE_VERSION,
            transforms={condition: jobs.transform_key(condition) for condition in conditions},
            tests={
                "test": policy.test,
                "alpha": policy.alpha,
                "correction": policy.correction,
                "verdict": policy.verdict,
                "margin": policy.margin,
            },
        )


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
    found = [] if overlap.both else [f"images: no image of this run is in the baseline ({_images(baseline, overlap)})"]
    found += differences(baseline, run)
    if tests:
        names = sorted({*baseline.tests, *run.tests})
        found += [
            f"{name}: {baseline.tests.get(name, _ABSENT)} in the baseline, {run.tests.get(name, _ABSENT)} in this run"
            for name in names
            if baseline.tests.get(name) != run.tests.get(name)
        ]
    if found:
        listed = "\n".join(f"  - {difference}" for difference in found)
        raise BaselineError(
            f"{path} is not comparable with this run:\n{listed}\n"
            f"Run as the baseline was run, or write a new one with --robustness-update-baseline."
        )


def differences(baseline: RunProtocol, run: RunProtocol) -> list[str]:
    """Return what keeps the answers of two runs from being compared, one sentence for each difference."""
    found = [
        f"{name}: {old} in the baseline, {new} in this run"
        for name, old, new in (("seed", baseline.seed, run.seed), ("pipeline", baseline.pipeline, run.pipeline))
        if old != new
    ]
    kept = ", ".join(sorted(map(str, baseline.transforms)))
    for condition, key in run.transforms.items():
        if condition not in baseline.transforms:
            found.append(f"{condition}: not in the baseline, which has {kept}")
        elif baseline.transforms[condition] != key:
            found.append(f"{condition}: {baseline.transforms[condition]} in the baseline, {key} in this run")
    return found


def _images(baseline: RunProtocol, overlap: Overlap) -> str:
    return f"{overlap.of_all}, of {baseline.data} there"
