"""Build the report of a run from its log, its stored predictions, and its findings."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

from pytest_robustness.analysis.average_change import average_changes
from pytest_robustness.analysis.baseline.known_findings import notes
from pytest_robustness.analysis.checks import ChanceCheck
from pytest_robustness.analysis.copies import copies_warning, several_classes_warning
from pytest_robustness.analysis.diagnosis import remembered_diagnosis
from pytest_robustness.analysis.doctor_proposal import proposal
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.naming import short_names
from pytest_robustness.core.text import printable, printable_lines
from pytest_robustness.inference import provenance
from pytest_robustness.inference.image_names import ImageNames
from pytest_robustness.inference.plan import Plan
from pytest_robustness.report import assumption_text, gallery
from pytest_robustness.report.confusions import confusions, pooled_mistakes
from pytest_robustness.report.gate_text import unshown_warning
from pytest_robustness.report.image_table import ImageTable
from pytest_robustness.report.no_change import no_change_warnings
from pytest_robustness.report.pictures import Pictures
from pytest_robustness.report.run_report import RunReport
from pytest_robustness.report.run_tests import run_tests
from pytest_robustness.report.study_sections import study_sections

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.analysis.checks import ChanceRule
    from pytest_robustness.analysis.findings import ClassTest, GateTest
    from pytest_robustness.analysis.judge import Judge
    from pytest_robustness.analysis.predictions import Counts, StoredPredictions
    from pytest_robustness.analysis.studies.examiner import Examiner
    from pytest_robustness.core import Condition, DataSource, EngineUsed
    from pytest_robustness.inference.loading.model_facts import ModelFacts
    from pytest_robustness.inference.run_log import RunLog
    from pytest_robustness.inference.store.store import Store
    from pytest_robustness.report.gallery import Example, LostExample
    from pytest_robustness.report.run_tests import RunTests
    from pytest_robustness.report.thumbnails import Painter
    from pytest_robustness.transforms import Registry

_log = logging.getLogger(__name__)


class OpenedImages(Protocol):
    """The images of a run and its store; the predictor of a run is one."""

    @property
    def store(self) -> Store:
        """The store."""

    def images(self) -> tuple[DataSource, NDArray[np.int64]]:
        """Return the source of the images and the indices of those chosen (int64 [n]).

        Raises
        ------
        DataError
            When they are no longer there.
        """


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """What a run leaves behind: enough to build its report.

    Parameters
    ----------
    run_log, predictor, predictions, judge, examiner
        What was done, the images and the store, the finished cells, their findings, and those of the studies.
    registry, seed
        The transforms and the seed: they are applied again to the images that are shown.
    chance_check
        What was done about models that are no better than guessing: see `ChanceCheck`.
    command
        The command line of the run, where it is not that of this process.
    objects
        Names of models that the run was given as objects.
    """

    run_log: RunLog
    predictor: OpenedImages
    predictions: StoredPredictions
    judge: Judge
    examiner: Examiner
    registry: Registry
    seed: int
    chance_check: ChanceRule = "error"
    command: str = ""
    objects: frozenset[str] = frozenset()

    @property
    def proposals(self) -> dict[str, str]:
        """What to do to find out what is wrong with a model: a sentence for each that was loaded."""
        options = self.run_log.provenance.get("options", {})
        return {model: proposal(model, options, self.objects) for model in self.run_log.models}


def build_report(run: RunRecord, models: Sequence[str], conditions: Sequence[Condition]) -> RunReport | None:
    """Return what every report of a run is made of, or ``None`` when nothing was tested.

    Parameters
    ----------
    run
        The run.
    models, conditions
        Those of the options, in their order. What tests asked for in addition follows, by name: several processes
        finish in no fixed order. So do models that only studies asked for, such as a reference, where they failed.
    """
    log, judge = run.run_log, run.judge
    if not log.dataset or not (log.keys or log.errors):
        return None
    # What failed is reported of every model: whoever shows an error finds its model among those of the report.
    failed = sorted(cell.model for cell in log.errors)
    # A test may ask for what a study had computed before, which no test planned.
    wanted = log.wanted.extended(Plan.of([*log.tests, *log.gated, *log.imaged]).cells)
    models = tuple(dict.fromkeys([*models, *sorted(cell.model for cell in wanted.cells), *failed]))
    conditions = tuple(dict.fromkeys([*conditions, *sorted(wanted.conditions_of_all(), key=_by_name)]))
    return assemble(run, models, conditions, run_tests(log, judge, models, conditions))


def assemble(run: RunRecord, models: tuple[str, ...], conditions: tuple[Condition, ...], tests: RunTests) -> RunReport:
    """Return the report of ``tests``, with all that the log has; other arguments as for `build_report`."""
    log, judge, predictions = run.run_log, run.judge, run.predictions
    in_order = [Cell(m, c) for m in models for c in dict.fromkeys((CONTROL, *conditions))]
    counts = {cell: predictions.counts(cell) for cell in in_order if log.finished(cell)}
    engines = {cell: predictions.engines(cell) for cell in counts}
    top5 = {cell: predictions.top5(cell) for cell in counts}
    errors = {cell: printable_lines(text) for cell, text in {**tests.errors, **log.errors}.items()}
    pictures, lost, note = _drawn(run, gallery.choose(predictions, tests.classes), gallery.choose_lost(tests.gate))
    return RunReport(
        models=models,
        labels=short_names(models),
        classes=predictions.class_names,
        conditions=tuple(condition for condition in conditions if condition != CONTROL),
        model_tests=tests.models,
        class_tests=tests.classes,
        counts=counts,
        errors=errors,
        skipped=tuple(map(printable, log.skipped)),
        policy=judge.policy,
        gate_tests=tests.gate,
        image_tests=tests.images,
        provenance={
            **log.provenance,
            "models": {model: facts.shown() for model, facts in log.models.items()},
            "sweep_seconds": log.sweep_seconds,
            # A worker of xdist does not know the command that was typed.
            "command": run.command or provenance.command(),
            "runtime": _used(engines),
            **_dataset(log, predictions),
        },
        changes=average_changes(predictions, _averaged(counts, tests, errors)),
        confusions=confusions(predictions, _finished_with_control(log, counts)),
        mistakes=pooled_mistakes(predictions, tests.classes),
        gallery=pictures,
        gallery_note=printable_lines(note),
        engines=engines,
        notes=tuple(map(printable_lines, (*judge.baseline_notes(), *notes(tests.models, tests.classes)))),
        labelled=predictions.labelled,
        warnings=tuple(map(printable_lines, (*_warnings(run, models, conditions), *unshown_warning(tests.gate)))),
        data_notes=tuple(map(printable_lines, _data_notes(run))),
        lost=lost,
        top5={cell: found for cell, found in top5.items() if found is not None},
        diagnoses=_diagnoses(run),
        unfinished={printable(name): printable_lines(how) for name, how in log.unfinished.items()},
        images=ImageTable(predictions, tuple(counts), ImageNames(run.predictor.images)),
        studies=tuple(study_sections(log, run.examiner, models, conditions, lambda: _pictures(run))),
    )


def _averaged(counts: Iterable[Cell], tests: RunTests, errors: Mapping[Cell, str]) -> Iterator[Cell]:
    """Yield control, and the cells that count in averages: what could not be judged does not."""
    judged = {Cell(test.model, test.condition) for test in tests.models}
    return (cell for cell in counts if cell.condition == CONTROL or cell in judged or cell not in errors)


def _diagnoses(run: RunRecord) -> dict[str, str]:
    """Return what the doctor says of the set-ups of those models that it examined as they are, on this data."""
    try:
        source, _ = run.predictor.images()
        found = {
            model: remembered_diagnosis(
                run.predictor.store, facts.fingerprint, facts.preprocess, source.name, source.classes
            )
            for model, facts in run.run_log.models.items()
        }
    except RobustnessError:
        _log.debug("the data of the diagnoses is not known", exc_info=True)
        return {}
    return {
        model: printable_lines(f"{diagnosis.verdict.reason} ({diagnosis.when})")
        for model, diagnosis in found.items()
        if diagnosis is not None
    }


def _dataset(log: RunLog, predictions: StoredPredictions) -> dict[str, Any]:
    """Return what is said of the data; without labels the number of classes is known once a model was loaded."""
    if "dataset" not in log.provenance:
        return {}
    return {"dataset": {**log.provenance["dataset"], "classes": len(predictions.class_names)}}


def _warnings(run: RunRecord, models: Sequence[str], conditions: Sequence[Condition]) -> tuple[str, ...]:
    facts = {model: run.run_log.models[model] for model in models if model in run.run_log.models}
    trusted = (text for model, each in facts.items() for text in _trusted(run, model, each))
    check = ChanceCheck.of(run.chance_check, facts, run.proposals)
    by_baseline = run.judge.baseline_warnings(conditions)
    predictions, copies = run.predictions, copies_warning(run.predictions.distinct)
    if predictions.labelled:
        images, names = (predictions.identities, predictions.labels), ImageNames(run.predictor.images)
        copies = (*several_classes_warning(*images, predictions.class_names, names), *copies)
    guessing = check.warnings(predictions)
    idle = no_change_warnings(predictions, models, conditions, lambda: _painter(run))
    return (*run.run_log.warnings, *by_baseline, *copies, *filter(None, trusted), *guessing, *idle)


def _trusted(run: RunRecord, model: str, facts: ModelFacts) -> Iterator[str | None]:
    assumed = assumption_text.warning(model, facts)
    yield assumed and f"{assumed} {run.proposals[model]}".rstrip()
    yield assumption_text.unhashed_warning(model, facts)


def _data_notes(run: RunRecord) -> tuple[str, ...]:
    from pytest_robustness.data.notes import data_notes

    try:
        return data_notes(*run.predictor.images())
    except RobustnessError:  # the data is gone, and the answers stand without
        _log.debug("the images cannot be opened again", exc_info=True)
        return ()


def examples(run: RunRecord, test: ClassTest) -> tuple[Example, ...]:
    """Return images that illustrate ``test``, with thumbnails."""
    return _drawn(run, gallery.choose(run.predictions, [test]), ())[0]


def lost_examples(run: RunRecord, test: GateTest) -> tuple[LostExample, ...]:
    """Return images that a candidate lost, with thumbnails; none where ``test`` did not fail."""
    return _drawn(run, (), gallery.choose_lost([test]))[1]


def _finished_with_control(log: RunLog, counts: Mapping[Cell, Counts]) -> Iterable[Cell]:
    return [cell for cell in log.keys if cell in counts and log.finished(cell, Cell(cell.model, CONTROL))]


def _pictures(run: RunRecord) -> Pictures:
    canvases = {name: facts.preprocess.canvas for name, facts in run.run_log.models.items()}
    return Pictures(
        run.predictor.store, run.predictions.identities, canvases, run.registry, run.seed, lambda: _painter(run)
    )


def _painter(run: RunRecord) -> Painter:
    """Open the images again; raise `DataError` where they are gone."""
    from pytest_robustness.report.thumbnails import Painter

    source, indices = run.predictor.images()
    canvases = {name: facts.preprocess.canvas for name, facts in run.run_log.models.items()}
    return Painter(canvases, source=source, indices=indices, registry=run.registry, seed=run.seed)


def _drawn(
    run: RunRecord, shown: tuple[Example, ...], lost: tuple[LostExample, ...]
) -> tuple[tuple[Example, ...], tuple[LostExample, ...], str]:
    """Draw what is shown; where the data is gone, return a note with the reason, not an error."""
    if not shown and not lost:
        return shown, lost, ""
    pictures = _pictures(run)
    try:
        return pictures.examples(shown), pictures.lost(lost), ""
    except RobustnessError as error:
        _log.debug("the images cannot be opened again", exc_info=True)
        return shown, lost, f"The images could not be opened again: {error}"


def _by_name(condition: Condition) -> tuple[str, int]:
    return condition.transform, condition.severity or 0


def _used(engines: Mapping[Cell, tuple[EngineUsed, ...]]) -> str:
    """Return the engines that computed the cells, the most used first: ``openvino fp32, eager fp32``."""
    used = Counter(str(engine) for several in engines.values() for engine in several)
    return ", ".join(engine for engine, _ in used.most_common())
