"""Does an exported model give the answers of the model that it was exported from, image by image?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pytest_robustness.analysis.answers.churn import named
from pytest_robustness.analysis.doctor_proposal import proposal
from pytest_robustness.analysis.statistics.paired_change import rounded_up
from pytest_robustness.analysis.statistics.proportion import images_to_decide, proportion
from pytest_robustness.analysis.study_finding import StudyFinding, StudyPicture
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.text import counted
from pytest_robustness.inference.loading.class_matching import answer_naming

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.analysis.statistics.proportion import Proportion
    from pytest_robustness.analysis.studies.evidence import Evidence
    from pytest_robustness.analysis.study_finding import Figure
    from pytest_robustness.core import Panel

_SHOWN: Final = 5
_PICTURES: Final = 24


class Parity:
    """The study ``parity``: an exported model against the one that it was exported from."""

    name: ClassVar[str] = "parity"
    title: ClassVar[str] = "Export parity"
    about: ClassVar[str] = (
        "Does each model answer every image as the model that it was exported from (--robustness-reference)? An image "
        "counts as answered otherwise where the two answers name different outputs, right or wrong. A test passes "
        "where the exact interval of the share of such images lies below the margin (--robustness-parity-margin), "
        "fails where it lies above, and is inconclusive otherwise. Two models may be equally accurate and still "
        "differ. A float export should differ on images alone of which the reference is undecided."
    )
    columns: ClassVar[Mapping[str, str]] = {
        "share": "images answered otherwise, %",
        "low": "low",
        "high": "high",
        "margin": "margin, %",
        "otherwise": "images answered otherwise",
        "images": "images",
        "reference": "reference",
        "accuracy_reference": "accuracy of the reference, %",
        "accuracy": "accuracy, %",
    }
    main: ClassVar[str] = "share"
    item_name: ClassVar[str] = "images"
    item_columns: ClassVar[Mapping[str, str]] = {
        "rank": "rank",
        "file": "image",
        "position": "position",
        "class": "class",
        "reference_answer": "answer of the reference",
        "reference_probability": "its probability",
        "answer": "answer",
        "probability": "probability",
    }

    def examine(self, evidence: Evidence, request: Cell | Panel) -> StudyFinding:
        """Compare the answers of the model of ``request``, a cell, with those of the reference to the same images.

        Raises
        ------
        OptionError
            When the model is the reference itself.
        RobustnessError
            When one of the two cannot be run, or the images cannot be read.
        """
        if not isinstance(request, Cell):
            raise TypeError("parity is that of one model: pass a Cell")
        reference = evidence.options.reference
        if reference is None:
            return self._refused(request)
        if request.model == reference:
            raise OptionError(f"{reference} is the reference: name a model that was exported from it.")
        of_reference = Cell(reference, request.condition)
        evidence.compute([request, *_planned(evidence, reference), of_reference])
        evidence.run_log.require(request, of_reference)
        return self._found(evidence, _Compared(evidence.predictions, request, of_reference))

    def _found(self, evidence: Evidence, compared: _Compared) -> StudyFinding:
        margin, alpha = evidence.options.parity_margin, evidence.policy.alpha
        cell, reference = compared.cell, compared.reference.model
        share = proportion(len(compared.otherwise), len(compared.read), alpha)
        verdict = judge(share, margin, alpha)
        rows = tuple(compared.rows(evidence))
        accuracy = compared.accuracies()
        where = "" if cell.condition == CONTROL else f" under {cell.condition}"
        return StudyFinding(
            study=self.name,
            models=(cell.model,),
            condition=cell.condition,
            verdict=verdict,
            headline=(
                f"{cell.model} answers {share.count:,} of {counted(share.n, 'image')} otherwise than {reference}{where}"
            ),
            figures={
                "share": None if math.isnan(share.value) else 100 * share.value,
                "low": 100 * share.low,
                "high": 100 * share.high,
                "margin": margin,
                "otherwise": share.count,
                "images": share.n,
                "reference": reference,
                "accuracy_reference": accuracy[0],
                "accuracy": accuracy[1],
            },
            details=tuple(_details(evidence, compared, verdict.outcome, rows)),
            items=rows,
            pictures=tuple(_pictures(cell, rows[:_PICTURES])),
        )

    def _refused(self, request: Cell) -> StudyFinding:
        why = "no model to compare with: name the one that it was exported from with --robustness-reference=NAME"
        return StudyFinding(
            study=self.name,
            models=(request.model,),
            condition=request.condition,
            verdict=Verdict(Outcome.INCONCLUSIVE, why),
            headline=f"{request.model}: parity is not judged: {why}",
            figures=dict.fromkeys(self.columns),
        )


class _Compared:
    """The answers of a model and of its reference to the images that both could read, of several copies to one.

    Attributes
    ----------
    cell, reference
        The two cells.
    read
        The positions of the images: int64 [n].
    otherwise
        Those that the model answers otherwise, the ones first of whose answer the reference is surest.
    """

    def __init__(self, predictions: StoredPredictions, cell: Cell, reference: Cell) -> None:
        self.cell = cell
        self.reference = reference
        self._predictions = predictions
        self._own, self._given = predictions.scored(cell), predictions.scored(reference)
        read = (self._own.outputs.predicted >= 0) & (self._given.outputs.predicted >= 0)
        self.read = np.flatnonzero(read & predictions.distinct)
        (predicted, targets), (others, other_targets) = self._own.outputs, self._given.outputs
        own, given = named(predicted, targets, other_targets), named(others, other_targets, targets)
        differ = self.read[own[self.read] != given[self.read]]
        self.otherwise = differ[np.argsort(-self._given.probability[differ], kind="stable")]

    def accuracies(self) -> tuple[float | None, float | None]:
        """Return the accuracy of the reference and of the model in percent; ``None`` without labels or images."""
        if not self._predictions.labelled or not len(self.read):
            return None, None
        reference, own = (
            float(100 * self._predictions.answers(cell).correct[self.read].mean())
            for cell in (self.reference, self.cell)
        )
        return reference, own

    def rows(self, evidence: Evidence) -> Iterator[dict[str, Figure]]:
        """Yield what a report lists of the images that are answered otherwise, as many as its lists may hold."""
        predictions, listed = self._predictions, self.otherwise[: evidence.options.suspects]
        names, labels = predictions.class_names, predictions.labels
        answers = [
            answer_naming(scored.outputs.targets, predictions.classes, names) for scored in (self._given, self._own)
        ]
        files = evidence.names.of(listed, len(labels))
        for rank, (position, file) in enumerate(zip(listed.tolist(), files, strict=True), 1):
            reference, own = (
                (naming(int(scored.outputs.predicted[position])), float(scored.probability[position]))
                for naming, scored in zip(answers, (self._given, self._own), strict=True)
            )
            yield {
                "rank": rank,
                "file": file,
                "position": position,
                "class": names[labels[position]] if predictions.labelled else "",
                "reference_answer": reference[0],
                "reference_probability": reference[1],
                "answer": own[0],
                "probability": own[1],
            }


def judge(share: Proportion, margin: float, alpha: float) -> Verdict:
    """Judge the share of images that are answered otherwise, by its exact interval.

    PASS: the interval lies below the margin, FAIL: it lies above. Each is a one-sided test at ``alpha``.

    Parameters
    ----------
    share
        The images that are answered otherwise.
    margin
        In percent of the images.
    alpha
        The level of the tests.
    """
    if not share.n:
        return Verdict(Outcome.INCONCLUSIVE, "there is no image that both could read")
    level = f"{100 - 200 * alpha:g} % interval {100 * share.low:.2f} to {100 * share.high:.2f} %"
    found = f"{share.count:,} of {counted(share.n, 'image')} answered otherwise, {level}"
    if 100 * share.high < margin:
        return Verdict(Outcome.PASS, f"within {margin:g} %: {found}")
    if 100 * share.low > margin:
        return Verdict(Outcome.FAIL, f"shown to be more than {margin:g} %: {found}")
    needed = _needed(images_to_decide(share, margin / 100, alpha))
    return Verdict(Outcome.INCONCLUSIVE, f"neither within {margin:g} % nor beyond is shown: {found}; {needed}")


def _planned(evidence: Evidence, reference: str) -> list[Cell]:
    """Return the cells of the reference that tests of this run are going to need, so that one sweep computes all."""
    cells = evidence.planned.get(Parity.name, ())
    return [Cell(reference, cell.condition) for cell in cells if isinstance(cell, Cell)]


def _details(
    evidence: Evidence, compared: _Compared, outcome: Outcome, rows: tuple[Mapping[str, Figure], ...]
) -> Iterator[str]:
    """Yield the lines of a test that did not pass: accuracies, some images, and who finds the reason."""
    reference, own = compared.accuracies()
    if reference is not None and own is not None:
        yield f"  accuracy {reference:.1f} % -> {own:.1f} %, on the same {counted(len(compared.read), 'image')}"
    if rows:
        yield f"  {'sure':>6}  {'reference':<20} {'export':<20} image"
        for row in rows[:_SHOWN]:
            yield (
                f"  {row['reference_probability']:6.2f}  {row['reference_answer']!s:<20} {row['answer']!s:<20} "
                f"{row['file']}"
            )
        if len(compared.otherwise) > _SHOWN:
            yield f"  {'':>6}  and {len(compared.otherwise) - _SHOWN:,} more; the report lists --robustness-suspects"
    options = evidence.run_log.provenance.get("options", {})
    proposed = proposal(compared.cell.model, options, evidence.options.objects)
    if outcome is Outcome.FAIL and proposed:
        yield f"  {proposed}"


def _pictures(cell: Cell, rows: tuple[Mapping[str, Figure], ...]) -> Iterator[StudyPicture]:
    for row in rows:
        caption = f"{row['reference_answer']} -> {row['answer']}"
        yield StudyPicture(int(str(row["position"])), cell.condition, cell.model, caption)


def _needed(images: float) -> str:
    rounded = rounded_up(images)
    if rounded is None:
        return "the share lies so near the margin that no practical number of images would decide"
    return f"about {rounded:,} images would decide, if the share stays what it is"
