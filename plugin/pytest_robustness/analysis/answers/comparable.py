"""What two runs must share to be compared image by image."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.core import PIPELINE_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.core import Condition
    from pytest_robustness.inference.jobs import JobMaker


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
    outputs
        Which outputs of a model its answers are among: ``all``, or those of the classes of the ``data``.
    tests
        The options of the model tests, which their stored verdicts depend on; the answers do not.
    """

    data: str
    seed: int
    pipeline: int
    transforms: Mapping[Condition, str]
    tests: Mapping[str, str | float]
    outputs: str = "all"

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
            outputs=jobs.output_rule,
        )
