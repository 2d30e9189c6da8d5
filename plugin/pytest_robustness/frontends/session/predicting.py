"""Turn options into what a run predicts: the images to judge on, and those to estimate accuracy on."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness import data
from pytest_robustness.core.errors import OptionError
from pytest_robustness.inference import provenance
from pytest_robustness.inference.predictor import Predictor
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.inference.settings import InferenceSettings
from pytest_robustness.inference.sweep import executors
from pytest_robustness.inference.unlabelled import UnlabelledImages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_robustness.core import Condition, DataSource, Progress
    from pytest_robustness.frontends.session.options import Options
    from pytest_robustness.inference.jobs import JobMaker
    from pytest_robustness.models import ModelZoo
    from pytest_robustness.transforms import Registry


class Means(NamedTuple):
    """What predicting takes besides the options: transforms, models, the progress display, and the share of a process.

    ``processes`` is how many processes share the machine, ``process`` which of them this is, from 0. ``given`` is the
    data, where it need not be opened.
    """

    registry: Registry
    zoo: ModelZoo
    progress: Callable[[], Progress]
    processes: int
    process: int
    given: DataSource | None = None


def predictor_of(
    options: Options,
    means: Means,
    run_log: RunLog,
    check: Callable[[JobMaker, Sequence[Condition], bool], None],
    agree: Callable[[], None],
) -> Predictor:
    """Return what predicts the images of a run; ``check`` and ``agree`` are as `Predictor` takes them.

    Raises
    ------
    OptionError
        When the data is not known, the executor's library is not installed, or outputs of the data's classes are to
        count where images have no labels.
    """
    _require_labels(options)
    if means.given is None:
        data.check(options.data)
    executors.require(options.executor)
    settings = dataclasses.replace(settings_of(options, means), given=means.given)
    return _predictor(options, settings, means, run_log, check, agree)


def unlabelled_of(options: Options, means: Means, run_log: RunLog) -> UnlabelledImages | None:
    """Return what predicts the images on which accuracy is estimated, all of them; ``None`` where none are named.

    Raises
    ------
    OptionError
        When the data is not known.
    """
    if options.unlabelled is None:
        return None
    data.check(options.unlabelled)
    own, labelled = RunLog(), settings_of(options, means)
    settings = dataclasses.replace(labelled, data=options.unlabelled, limit=None, labelled=False, same_classes=False)
    predictor = _predictor(options, settings, means, own, lambda *_: None, lambda: None)
    return UnlabelledImages(options.unlabelled, predictor, own, run_log)


def _predictor(
    options: Options,
    settings: InferenceSettings,
    means: Means,
    run_log: RunLog,
    check: Callable[[JobMaker, Sequence[Condition], bool], None],
    agree: Callable[[], None],
) -> Predictor:
    return Predictor(
        settings,
        means.registry,
        means.zoo,
        run_log,
        progress=means.progress,
        check=check,
        agree=agree,
        provenance=lambda: provenance.of_run(options),
    )


def settings_of(options: Options, means: Means) -> InferenceSettings:
    """Return which images the options name, and how they are predicted."""
    return InferenceSettings(
        data=options.data,
        limit=options.limit,
        seed=options.seed,
        download=options.download,
        device=options.device,
        precision=options.precision,
        runtime=options.runtime,
        workers=options.workers,
        batch_size=options.batch_size,
        on_bad_image=options.on_bad_image,
        store=options.store,
        processes=means.processes,
        process=means.process,
        timeout=options.timeout,
        labelled=options.labels == "data",
        same_classes=options.labels == "none",
        executor=options.executor,
        ray_address=options.ray_address,
        outputs=options.outputs,
    )


def _require_labels(options: Options) -> None:
    """Raise `OptionError` where the outputs of classes are to count, and some images have none."""
    without = "--robustness-labels=none" if options.labels == "none" else ""
    without = without or ("--robustness-unlabelled" if options.unlabelled is not None else "")
    if options.outputs == "data" and without:
        raise OptionError(
            f"--robustness-outputs=data keeps the outputs of the classes that images are labelled with, and {without} "
            f"judges images without labels, by all outputs. Leave out one of the two."
        )
