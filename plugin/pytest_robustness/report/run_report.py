"""The one object that every report of a run is built from; a report computes nothing itself."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Final

from pytest_robustness.analysis.policy import in_points
from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.analysis.findings import ClassTest, GateTest, ImageTest, ModelTest
    from pytest_robustness.analysis.policy import TestPolicy
    from pytest_robustness.analysis.predictions import Counts
    from pytest_robustness.analysis.studies.study import Study
    from pytest_robustness.analysis.study_finding import StudyFinding, StudyPicture
    from pytest_robustness.analysis.test_result import Estimate
    from pytest_robustness.core import EngineUsed
    from pytest_robustness.report.confusions import ClassConfusion, Confusion
    from pytest_robustness.report.gallery import Drawn, Example, LostExample
    from pytest_robustness.report.image_table import ImageTable


_WITHOUT_LABELS: Final = (
    "Without labels (--robustness-labels=none): an image's class is what the model itself answers to it untouched, and "
    "accuracy means agreement with that, which is 100 % in control by definition. Agreement can only fall, so that the "
    "margins alone decide."
)


@dataclasses.dataclass(frozen=True)
class StudySection:
    """What a report shows of one study: its findings, in order, and the pictures that they ask for."""

    study: Study
    findings: tuple[StudyFinding, ...]
    pictures: Mapping[StudyPicture, Drawn] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class RunReport:
    """Everything that the reports of a run may show.

    ``labels`` gives each model's short name; ``policy`` how the tests were made; ``counts`` the images by class of
    every finished cell, control included; ``errors`` the reason why a cell could not be computed; ``skipped`` the
    images that could not be read; ``changes`` the change of accuracy under each condition, as `change` gives it,
    averaged over the models, with its 95 % interval; ``confusions`` what the most affected classes are predicted as in
    each cell, and ``mistakes`` what each class is by all models of a class test, in the order of the classes;
    ``gallery`` images to show, and ``gallery_note`` why they could not be read; ``gate_tests`` the comparisons with a
    baseline; ``image_tests`` what tests of one's own asked of the images alone; ``engines`` what computed each cell;
    ``notes`` what the findings mean for the baseline; ``warnings`` what
    may make the figures of a model wrong: a set-up that was assumed, accuracy that cannot be told from guessing;
    ``data_notes`` what was left out of the data, and what is read in one of several ways; ``labelled`` whether the
    images have labels, without which accuracy is agreement with a model's own answers; ``lost`` images to show that a
    candidate lost; ``images`` every answer to every image; ``studies`` what was asked beyond sensitivity. ``top5`` are
    the images by class whose true class is among the five highest outputs, of cells where that is defined;
    ``diagnoses`` what the doctor said of a model's set-up, where it was asked; ``unfinished`` how each selected test
    ended that did not end with a verdict, and without a name the session.

    Where the page has findings of earlier runs too, ``this_run`` is the report without them, by which the run is
    judged; ``earlier`` says of which run a cell is, ``earlier_classes`` a class test, each by its date, and
    ``earlier_note`` what was left out.
    """

    models: tuple[str, ...]
    labels: Mapping[str, str]
    classes: tuple[str, ...]
    conditions: tuple[Condition, ...]
    model_tests: tuple[ModelTest, ...]
    class_tests: tuple[ClassTest, ...]
    counts: Mapping[Cell, Counts]
    errors: Mapping[Cell, str]
    skipped: tuple[str, ...]
    policy: TestPolicy
    provenance: Mapping[str, Any]
    changes: Mapping[Condition, Estimate] = dataclasses.field(default_factory=dict)
    confusions: Mapping[Cell, tuple[ClassConfusion, ...]] = dataclasses.field(default_factory=dict)
    mistakes: Mapping[Panel, tuple[tuple[Confusion, ...], ...]] = dataclasses.field(default_factory=dict)
    gallery: tuple[Example, ...] = ()
    gallery_note: str = ""
    gate_tests: tuple[GateTest, ...] = ()
    image_tests: tuple[ImageTest, ...] = ()
    engines: Mapping[Cell, tuple[EngineUsed, ...]] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    data_notes: tuple[str, ...] = ()
    labelled: bool = True
    lost: tuple[LostExample, ...] = ()
    images: ImageTable | None = None
    top5: Mapping[Cell, NDArray[np.int64]] = dataclasses.field(default_factory=dict)
    diagnoses: Mapping[str, str] = dataclasses.field(default_factory=dict)
    studies: tuple[StudySection, ...] = ()
    unfinished: Mapping[str, str] = dataclasses.field(default_factory=dict)
    this_run: RunReport | None = None
    earlier: Mapping[Cell, str] = dataclasses.field(default_factory=dict)
    earlier_classes: Mapping[Panel, str] = dataclasses.field(default_factory=dict)
    earlier_note: str = ""

    @property
    def judged(self) -> RunReport:
        """The report of this run alone: its verdict is that of the run."""
        return self.this_run or self

    @property
    def known(self) -> tuple[ModelTest | ClassTest, ...]:
        """The findings that the baseline has too, and that are not shown to be worse."""
        models = (test for test in self.model_tests if test.known)
        return (*models, *(test for test in self.class_tests if test.known))

    @property
    def unjudged(self) -> dict[Cell, str]:
        """Why a model could not be judged under a condition, by the cell: its figures, if any, count in no average.

        What a test found stands, where only the comparison of the cell with a baseline could not be made.
        """
        found = {Cell(test.model, test.condition) for test in self.model_tests} & self.counts.keys()
        return {
            cell: text for cell, text in self.errors.items() if cell != Cell(cell.model, CONTROL) and cell not in found
        }

    @property
    def averaged(self) -> tuple[str, ...]:
        """The models whose changes were computed and count in averages."""
        left_out = self.unjudged
        seen = {cell.model for cell in self.counts if cell.condition != CONTROL and cell not in left_out}
        return tuple(model for model in self.models if model in seen)

    @property
    def earlier_sentence(self) -> str:
        """How many findings are of earlier runs, and of which; empty where none is."""
        dates = [date for test in self.model_tests if (date := self.date_of(test))]
        dates += [date for test in self.class_tests if (date := self.class_date_of(test))]
        if not dates:
            return ""
        runs = sorted(set(dates))
        whose = "an earlier run, of" if len(runs) == 1 else "earlier runs, of"
        every = len(self.model_tests) + len(self.class_tests)
        return (
            f"{len(dates):,} of the {counted(every, 'finding')} below are from {whose} {', '.join(runs)}: same images, "
            f"models and transforms, judged by the rules of this run. The verdict above is of this run's own "
            f"findings alone."
        )

    def date_of(self, test: ModelTest) -> str:
        """Return when the run of a test ended, where that was an earlier run; else nothing."""
        return self.earlier.get(Cell(test.model, test.condition), "")

    def class_date_of(self, test: ClassTest) -> str:
        """Return when the run of a test ended, where that was an earlier run; else nothing."""
        return self.earlier_classes.get(Panel(test.condition, test.models), "")

    @property
    def measure(self) -> str:
        """What changes: accuracy, or agreement without labels; where classes differ in size, the mean over them."""
        if not self.over_classes:
            return "top-1 accuracy" if self.labelled else "agreement with control"
        return f"{'accuracy' if self.labelled else 'agreement with control'}, the mean over classes"

    @property
    def changes_title(self) -> str:
        """What heads a table of changes that has control beside them."""
        if not self.over_classes:
            return f"Change of {self.measure} in points, control in percent"
        control = "top-1 accuracy" if self.labelled else "agreement"
        return f"Change of {self.measure}, in points; control: {control} in percent"

    @functools.cached_property
    def over_classes(self) -> bool:
        """Whether classes differ in size, so that the mean of the accuracies on them is not top-1 accuracy."""
        return any(len({*counts.n[counts.n > 0].tolist()}) > 1 for counts in self.counts.values())

    @property
    def labels_note(self) -> str:
        """What accuracy means in a run without labels; empty in one with labels."""
        return "" if self.labelled else _WITHOUT_LABELS

    @property
    def outputs_note(self) -> str:
        """Among which outputs models answer, where not among all of theirs; else empty."""
        kept = [facts.get("kept_outputs") for facts in self.provenance.get("models", {}).values()]
        if not any(kept):
            return ""
        classes = counted(len(self.classes), "class", "classes")
        return f"Models answer among the outputs of the data's {classes} (--robustness-outputs=data)."

    def condition_label(self, condition: Condition) -> str:
        """Return the shortest name that is unambiguous here: without the severity where there is but one."""
        severities = {other.severity for other in self.conditions} - {None}
        return condition.transform if len(severities) == 1 else str(condition)

    def picture_label(self, condition: Condition) -> str:
        """Return what a picture under ``condition`` shows: of several draws, the first."""
        label = self.condition_label(condition)
        return f"{label}, first draw" if condition.transform.startswith("worst(") else label

    def change(self, cell: Cell) -> float | None:
        """Return the change against control in points, which the test of the cell judges: of the mean over the classes.

        ``None`` where either was not computed.
        """
        control, treated = self.counts.get(Cell(cell.model, CONTROL)), self.counts.get(cell)
        if control is None or treated is None:
            return None
        if cell in self._judged_changes:
            return self._judged_changes[cell]
        seen = (control.n > 0) & (treated.n > 0)
        before, after = (100 * counts.correct[seen] / counts.n[seen] for counts in (control, treated))
        return float((after - before).mean()) if seen.any() else 0.0

    @functools.cached_property
    def _judged_changes(self) -> dict[Cell, float]:
        return {Cell(test.model, test.condition): test.change.difference for test in self.model_tests}

    def top1_change(self, cell: Cell) -> float | None:
        """Return the change of top-1 accuracy over all images in points; ``None`` where either was not computed."""
        control, treated = self.counts.get(Cell(cell.model, CONTROL)), self.counts.get(cell)
        return None if control is None or treated is None else treated.top1 - control.top1

    def control_accuracy(self, model: str) -> float | None:
        """Return a model's top-1 accuracy without any transform, in percent; ``None`` where it was not computed."""
        counts = self.counts.get(Cell(model, CONTROL))
        return None if counts is None else counts.top1

    def top5_accuracy(self, cell: Cell) -> float | None:
        """Return the top-5 accuracy of a cell in percent; ``None`` where it is not defined, or was not computed."""
        found, counts = self.top5.get(cell), self.counts.get(cell)
        return None if found is None or counts is None else float(100 * found.sum() / max(1, counts.n.sum()))

    @property
    def margin_text(self) -> str:
        """The margin of models with its unit, whether it decides or not."""
        return in_points(self.policy.margin)

    @property
    def model_conditions(self) -> tuple[Condition, ...]:
        """The conditions under which some model was tested or failed to run, in the order of the run."""
        tested = {test.condition for test in self.model_tests} | {cell.condition for cell in self.errors}
        return tuple(condition for condition in self.conditions if condition in tested)
