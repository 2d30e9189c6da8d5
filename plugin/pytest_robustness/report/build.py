"""Makes the view of a run from its ledger and its finished cells."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_robustness.core import CONTROL, Cell, Panel, Preprocess
from pytest_robustness.errors import RobustnessError
from pytest_robustness.inference import plan, provenance
from pytest_robustness.report.evidence import Evidence, average_changes
from pytest_robustness.report.run_report import View

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_robustness.analysis.findings import ClassTest
    from pytest_robustness.analysis.judge import Judge
    from pytest_robustness.core import Condition, EngineUsed
    from pytest_robustness.inference.predictor import Computation
    from pytest_robustness.inference.run_log import Ledger
    from pytest_robustness.report.gallery import Exhibit
    from pytest_robustness.transforms import Registry


class Viewer:
    """Looks at what a run left.

    Parameters
    ----------
    ledger, computation, judge
        What was done, the finished cells, and what they say.
    registry
        Where transforms come from: they are applied to the images that are shown.
    seed
        Of the run.
    """

    def __init__(self, ledger: Ledger, computation: Computation, judge: Judge, registry: Registry, seed: int) -> None:
        self._ledger = ledger
        self._computation = computation
        self._judge = judge
        self._registry = registry
        self._seed = seed

    def view(self, models: Sequence[str], conditions: Sequence[Condition]) -> View | None:
        """Return what every report is made of, or ``None`` when nothing was tested.

        Parameters
        ----------
        models, conditions
            Those of the options, in their order; what tests asked for besides comes after, by name: several processes
            finish in no order.
        """
        ledger, judge = self._ledger, self._judge
        if not ledger.dataset or not (ledger.keys or ledger.errors):
            return None
        results, evidence = self._computation.results, self._evidence()
        wanted = ledger.wanted
        models = tuple(dict.fromkeys([*models, *sorted(cell.model for cell in wanted.cells)]))
        conditions = tuple(dict.fromkeys([*conditions, *sorted(wanted.conditions_of_all(), key=_by_name)]))
        cells_in_order = [Cell(m, c) for m in models for c in dict.fromkeys((CONTROL, *conditions))]
        # In the order of the options, whatever the order in which tests asked.
        judged = [test for test in ledger.tests if ledger.judged(test)]
        tests = sorted(judged, key=lambda test: conditions.index(test.condition))
        cells = [test for test in tests if isinstance(test, Cell)]
        cells.sort(key=lambda cell: (conditions.index(cell.condition), models.index(cell.model)))
        panels = [test for test in tests if isinstance(test, Panel)]
        class_tests = tuple(judge.class_test(panel, results) for panel in panels)
        counts = {cell: results.counts(cell) for cell in cells_in_order if ledger.finished(cell)}
        engines = {cell: self._computation.store.engines(ledger.keys[cell]) for cell in counts}
        gallery, gallery_note = self._developed(evidence.exhibits(class_tests))
        return View(
            models=models,
            labels=plan.labels(models),
            classes=results.names,
            conditions=tuple(condition for condition in conditions if condition != CONTROL),
            model_tests=tuple(judge.model_test(cell, results) for cell in cells),
            class_tests=class_tests,
            counts=counts,
            errors=dict(ledger.errors),
            skipped=tuple(ledger.skipped),
            gate_tests=tuple(judge.gate_test(cell, results) for cell in ledger.gated if ledger.judged(cell)),
            provenance={
                **ledger.provenance,
                "models": ledger.models,
                "sweep_seconds": ledger.sweep_seconds,
                # A worker of xdist does not know the command that was typed.
                "command": provenance.command(),
                "runtime": _used(engines),
            },
            changes=average_changes(counts),
            fallen=evidence.fallen(),
            gallery=gallery,
            gallery_note=gallery_note,
            engines=engines,
            # Last: they tell what the findings above were found to mean.
            notes=judge.notes(),
        )

    def exhibits(self, test: ClassTest) -> tuple[Exhibit, ...]:
        """Return images that show what ``test`` found."""
        return self._developed(self._evidence().exhibits([test]))[0]

    def _evidence(self) -> Evidence:
        return Evidence(self._computation.store, self._ledger, self._computation.results.names)

    def _developed(self, exhibits: tuple[Exhibit, ...]) -> tuple[tuple[Exhibit, ...], str]:
        """Read the images of ``exhibits`` again; where the data is gone, return a note that says so, not an error."""
        if not exhibits:
            return exhibits, ""
        from pytest_robustness.report.thumbnails import Darkroom

        try:
            source, indices = self._computation.images()
        except RobustnessError as error:
            return exhibits, f"The images could not be opened again: {error}"
        canvases = {name: Preprocess(**facts["preprocess"]).canvas for name, facts in self._ledger.models.items()}
        return Darkroom(source, indices, self._registry, self._seed).develop(exhibits, canvases), ""


def _by_name(condition: Condition) -> tuple[str, int]:
    return condition.transform, condition.severity or 0


def _used(engines: Mapping[Cell, tuple[EngineUsed, ...]]) -> str:
    """Return the engines that computed the cells, the most used first: ``openvino fp32, eager fp32``."""
    used = Counter(str(engine) for several in engines.values() for engine in several)
    return ", ".join(engine for engine, _ in used.most_common())
