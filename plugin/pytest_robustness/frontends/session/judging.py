"""Turn options into how a run judges: the policy of its tests, the studies, and the comparison with a baseline."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pytest_robustness.analysis import baseline
from pytest_robustness.analysis.baseline.comparison import BaselineComparison
from pytest_robustness.analysis.baseline.rule import GatePolicy
from pytest_robustness.analysis.baseline.update import former
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.studies.evidence import Evidence, StudyOptions
from pytest_robustness.analysis.studies.examiner import Examiner
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core.errors import OptionError
from pytest_robustness.frontends.session.options import RunMode
from pytest_robustness.inference.image_names import ImageNames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.analysis.judge import Judge
    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.core import DataSource
    from pytest_robustness.frontends.session.options import Options
    from pytest_robustness.inference.run_log import RunLog
    from pytest_robustness.inference.unlabelled import UnlabelledImages
    from pytest_robustness.models import ModelZoo
    from pytest_robustness.transforms import Registry

_DEFAULT_SEVERITY: Final = 3
# How many images the lists of studies hold where the user names no number.
_MOST_SUSPECTS: Final = 50
_INCONCLUSIVE: Final = {"pass": Outcome.PASS, "fail": Outcome.FAIL, "skip": Outcome.INCONCLUSIVE}


def policy_of(options: Options) -> TestPolicy:
    """Return how the tests are made and judged."""
    return TestPolicy(
        test=options.test,
        alpha=options.alpha,
        correction=options.correction,
        max_sensitive=options.max_sensitive,
        # Agreement with a model's own answers can only fall: a test of whether it did rejects on any change.
        verdict=options.verdict if options.labels == "data" else "margin",
        margin=options.margin,
        class_margin=options.class_margin,
        guessing_passes=options.chance_check != "error",
    )


def severities_of(options: Options) -> tuple[int, ...]:
    """Return the severities of transforms that are named without one: those of the options, or 3 alone."""
    return options.severity or (_DEFAULT_SEVERITY,)


def severity_of(options: Options) -> int:
    """Return the severity of a request that names none: the one of the options, or 3 where they name several."""
    several = severities_of(options)
    return several[0] if len(several) == 1 else _DEFAULT_SEVERITY


def reference_of(options: Options, zoo: ModelZoo) -> str | None:
    """Return the name of the model that others were exported from; ``None`` where the options name none.

    Raises
    ------
    OptionError
        When it is not known, or the name is that of a preset.
    """
    if options.reference is None:
        return None
    names = zoo.expand([options.reference])
    if len(names) != 1:
        raise OptionError(
            f"--robustness-reference: {options.reference!r} is a preset of {len(names)} models. Name one model."
        )
    return names[0]


def examiner_of(
    options: Options,
    judge: Judge,
    predictions: StoredPredictions,
    run_log: RunLog,
    registry: Registry,
    images: Callable[[], tuple[DataSource, NDArray[np.int64]]],
    unlabelled: UnlabelledImages | None,
    zoo: ModelZoo,
) -> Examiner:
    """Return what answers the studies of a run.

    ``images`` opens the data, ``unlabelled`` is that without labels, ``zoo`` loads the models.
    """
    asked = StudyOptions(
        severity_of(options),
        options.seed,
        options.suspects or _MOST_SUSPECTS,
        options.transforms or (),
        reference_of(options, zoo),
        options.parity_margin,
        frozenset(zoo.given),
        severities_of(options),
    )
    names = ImageNames(images)
    return Examiner(Evidence(predictions, run_log, judge, registry, asked, images, names, unlabelled=unlabelled))


def undecided_outcome(options: Options) -> Outcome:
    """Return what becomes of a comparison that cannot be decided: in CI it fails, where the user says nothing else."""
    return _INCONCLUSIVE[options.inconclusive or ("fail" if os.environ.get("CI") else "skip")]


def comparison_of(
    options: Options,
    predictions: StoredPredictions,
    images: Callable[[], baseline.ImageSet],
    transforms: Callable[[], Iterable[str]] = tuple,
) -> BaselineComparison | None:
    """Return the comparison that the options ask for; ``None`` without a baseline, or where one is to be written.

    ``transforms`` returns those of a run that names none.

    Raises
    ------
    OptionError
        When options need a baseline and none is named, or name one in a run without labels.
    BaselineError
        When the baseline is missing, damaged, or of another version than this code's, or has no model to compare the
        candidate with; or when it is to be written over a file that is none, or over one that cannot be read.
    """
    if options.labels == "none" and (options.candidate is not None or options.baseline is not None):
        raise OptionError(
            "--robustness-labels=none compares each model with its own answers, and a baseline compares two models by "
            "the labels of the data. Leave out one of the two."
        )
    if options.candidate is not None and (options.baseline is None or options.update_baseline):
        raise OptionError(
            "--robustness-candidate compares a model with a baseline: name it with --robustness-baseline=FILE, without "
            "--robustness-update-baseline. To make a baseline, name the model with --robustness-models."
        )
    if options.expect == "baseline" and options.baseline is None:
        raise OptionError("--robustness-expect=baseline needs a baseline: name it with --robustness-baseline=FILE.")
    if options.baseline is None:
        return None
    if options.mode is RunMode.WRITE:
        baseline.require_writable(options.baseline)
        former(options.baseline)  # a run is not made for what cannot be written in the end
        return None
    comparison = BaselineComparison(
        baseline.read(options.baseline),
        options.baseline,
        predictions,
        images,
        policy=GatePolicy(options.tolerance, options.alpha, options.gate_correction, options.class_tolerance),
        test_policy=policy_of(options),
        inconclusive=undecided_outcome(options),
        counterparts={} if options.candidate is None else {options.candidate: options.baseline_model},
        # Only a candidate that names no transforms is judged under those of the baseline, whichever they are.
        asked=tuple if options.candidate is None or options.transforms is not None else transforms,
    )
    if options.candidate is not None:
        comparison.counterpart(options.candidate)
    return comparison
