"""The only wiring: options -> plan -> sweep -> results -> reports."""

from __future__ import annotations

import dataclasses
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_robustness import baseline, data, plan, provenance
from pytest_robustness.baseline_gate import new_baseline, open_gate, run_protocol
from pytest_robustness.errors import OptionError, RobustnessError
from pytest_robustness.evidence import Evidence, average_changes
from pytest_robustness.ledger import Ledger
from pytest_robustness.models import ModelZoo
from pytest_robustness.plan import Plan
from pytest_robustness.records import (
    CONTROL,
    Cell,
    ClassTest,
    Condition,
    ImageTest,
    ModelTest,
    Panel,
    Preprocess,
    Progress,
)
from pytest_robustness.results import Results, TestPolicy
from pytest_robustness.store import Store
from pytest_robustness.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_robustness.baseline_gate import GateTest
    from pytest_robustness.engine.bench import Bench
    from pytest_robustness.engine.jobs import Job
    from pytest_robustness.gallery import Exhibit
    from pytest_robustness.options import Options
    from pytest_robustness.records import Engine, Finding
    from pytest_robustness.transforms import Registry

_DEFAULT_MODELS = {"digits": "digits12", "imagenet": "imagenet12", "imagenette": "imagenet12"}
_DEFAULT_SEVERITY = 3

_Found = TypeVar("_Found", ModelTest, ClassTest, ImageTest)


class RobustnessSession:
    """What tests ask for results; made once a robustness test is collected.

    Parameters
    ----------
    options
        What the user asked for.
    registry
        The known transforms.
    progress
        Makes what tells how far a sweep is.
    processes
        How many processes like this one share the machine.
    process
        Which of them this is, from 0: they take the GPUs in turn.

    Raises
    ------
    OptionError
        When a model, a transform, a severity or the data is not known.
    """

    def __init__(
        self,
        options: Options,
        registry: Registry,
        progress: Callable[[], Progress],
        processes: int = 1,
        process: int = 0,
    ) -> None:
        self.options = options
        self.ledger = Ledger()
        self._registry = registry
        self._progress = progress
        self._processes = processes
        self._process = process
        self._zoo = ModelZoo(weights_dir=options.weights_dir, trust_pickle=options.trust_pickle)
        data.check(options.data)
        self._gate = open_gate(options)
        named = options.models if options.candidate is None else (options.candidate,)
        self.models = self.expand_models(named or _default_models(options.data))
        self.conditions = self.expand_conditions(options.transforms or self._default_transforms())
        self._store: Store | None = None
        self._finished: Results | None = None
        self._bench: Bench | None = None
        self._fatal: RobustnessError | None = None
        self._view: View | None = None
        self._report_error: str | None = None
        self._notes: list[str] = []
        # What the running test asked for; the plugin empties it between tests.
        self.findings: list[Finding | GateTest] = []

    def model_test(self, model: str | Cell, transform: str | Condition = "", severity: int | None = None) -> ModelTest:
        """Test whether a model is impacted by a transform: a t-test over its per-class accuracies.

        Parameters
        ----------
        model
            A model's name; or a `Cell`, as the ``cell`` fixture gives it, and nothing else.
        transform, severity
            The condition. Without a severity: the one of the options, or 3 where they name several.

        Raises
        ------
        RobustnessError
            When the model cannot be loaded or run, or the data cannot be read.
        """
        cell = self._cell(model, transform, severity)
        results = self.ensure(cell)
        self.ledger.tests[cell] = None
        return self._told(self._model_finding(cell, results))

    def class_test(
        self, transform: str | Condition | Panel, severity: int | None = None, models: Sequence[str] | None = None
    ) -> ClassTest:
        """Test which classes are sensitive to a transform: for each a t-test over the models' accuracies on it.

        With one model alone, the images of each class are compared by McNemar's exact test.

        Parameters
        ----------
        transform, severity
            The condition, as for `model_test`; or a `Panel`, as the ``condition`` fixture gives it, and nothing else.
        models
            The models to test over; without it, those of the options.

        Raises
        ------
        RobustnessError
            When none of the models can be loaded or run, or the data cannot be read.
        """
        if isinstance(transform, Panel):
            panel = transform
        else:
            names = self.models if models is None else self.expand_models(models)
            panel = Panel(self._condition(transform, severity), names)
        results = self.ensure(panel)
        self.ledger.tests[panel] = None
        return self._told(self._class_finding(panel, results))

    def image_test(self, model: str | Cell, transform: str | Condition = "", severity: int | None = None) -> ImageTest:
        """Test whether a model's answers on the same images change: McNemar's exact test, overall and by class.

        Takes what `model_test` takes and raises what it raises.
        """
        cell = self._cell(model, transform, severity)
        return self._told(self.ensure(cell).image_test(cell.model, cell.condition))

    def gate_test(self, model: str | Cell, transform: str | Condition = "", severity: int | None = None) -> GateTest:
        """Test whether a model is less robust than the baseline's: McNemar's exact test on the same images.

        Takes what `model_test` takes, and the condition ``control`` too. Needs ``--robustness-baseline``.

        Raises
        ------
        OptionError
            When there is no baseline to compare with.
        RobustnessError
            When the baseline has no model to compare with; else as `model_test`.
        """
        cell = self._cell(model, transform, severity)
        results = self.ensure(cell)
        found = self._gate_finding(cell, results)
        self.ledger.gated[cell] = None
        self.findings.append(found)
        return found

    def witnesses(self, finding: Finding) -> tuple[ClassTest, tuple[Exhibit, ...]]:
        """Return what shows a finding: the test of every class (over a model's images, for one model), and images."""
        results = self._results()
        if isinstance(finding, ClassTest):
            classes = finding
        else:
            classes = results.class_test(Panel(finding.condition, (finding.model,)))
        exhibits = Evidence(self._open_store(), self.ledger, results.names).exhibits([classes])
        return classes, self._with_thumbnails(exhibits)[0]

    def figures(self) -> list[tuple[str, object]]:
        """Return the figures of what the running test asked for, as names and values."""
        from pytest_robustness.reports.figures import figures

        return [figure for finding in self.findings for figure in figures(finding)]

    def expand_models(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return ``names`` with presets expanded and every name checked."""
        return self._zoo.expand(names)

    def expand_conditions(self, transforms: Sequence[str]) -> tuple[Condition, ...]:
        """Return each of ``transforms`` at each severity of the options."""
        return plan.conditions([self._registry.get(name) for name in transforms], self.options.severity)

    def expect(self, requests: Iterable[Cell | Panel]) -> None:
        """Plan what tests are going to ask for, so that the first of them computes it all in one sweep."""
        self.ledger.plan = self.ledger.plan.extended(Plan.of(requests).cells)

    def open_data(self) -> Bench:
        """Open the data and the store, once, so that what is wrong with them is said before any test runs.

        Raises
        ------
        DataError, StoreError, OptionError
            When the data cannot be found, listed, or is empty; the store cannot be used; there is no such device.
        """
        if self._bench is None:
            from pytest_robustness.engine.bench import Bench, select
            from pytest_robustness.engine.device import resolve_device, resolve_precision
            from pytest_robustness.runtimes import choice

            options = self.options
            device = resolve_device(options.device, self._process)
            precision = resolve_precision(options.precision, device)
            choice.require(options.runtime, device, precision)
            selection = select(options.data, limit=options.limit, seed=options.seed, download=options.download)
            self._bench = Bench(selection, self._zoo, self._registry, options.seed, precision)
            store = self._open_store()
            store.put_dataset(selection.fingerprint, selection.source.name, self._bench.classes, selection.labels)
            self.ledger.dataset = selection.fingerprint
            if self._gate is not None:
                protocol = run_protocol(options, self._bench, self.ledger.plan.conditions_of_all())
                self._gate.require_comparable(protocol, tests=options.expect == "baseline")
        return self._bench

    def ensure(self, request: Cell | Panel) -> Results:
        """Compute what ``request`` needs, with everything else that the plan still lacks, in one sweep.

        Raises
        ------
        RobustnessError
            When the data cannot be read, or a cell could not be computed (of a panel: none of its models could).
        """
        needed = Plan.of([request]).cells
        known = {*self.ledger.keys, *self.ledger.errors}
        if not known.issuperset(needed):
            self.ledger.plan = self.ledger.plan.extended(needed)
            self._sweep([cell for cell in self.ledger.plan.cells if cell not in known])
        results = self._results()
        if isinstance(request, Cell) or not self.ledger.judged(request):
            results.require(*needed)
        return results

    @property
    def report_folder(self) -> str:
        """Where the report goes, as one would type it from here."""
        return provenance.short_path(self.options.report)

    def report(self) -> bool:
        """Write the report of what was computed; return whether that went well (`summary` says what did not)."""
        from pytest_robustness.reports import github, html, markdown, tables

        self._view = self._make_view()
        try:
            if self._view is not None:
                tables.write(self._view, self.options.report)
                html.write(self._view, self.options.report)
                markdown.write(self._view, self.options.report)
                self._update_baseline(self._view)
                github.append_summary(markdown.render(self._view), os.environ)
        except RobustnessError as error:
            self._report_error = str(error)
        return self._report_error is None

    @property
    def view(self) -> View | None:
        """What the report shows; ``None`` before it is written, or where nothing was tested."""
        return self._view

    def summary(self, width: int, color: bool) -> str:
        """Return the terminal summary of the report, ``width`` columns wide."""
        from pytest_robustness.reports import github, terminal

        if self._view is None:
            return ""
        ran = f"Models ran on {self._view.provenance['device']} with {self._view.provenance['runtime']}."
        where = self._report_error or f"Report: {self.report_folder}"
        commands = github.error_commands(self._view, os.environ)
        return "\n".join([terminal.render(self._view, width, color), ran, where, *self._notes, *commands, ""])

    def _make_view(self) -> View | None:
        """Return what every report is made of, or ``None`` when nothing was tested."""
        if not self.ledger.dataset or not (self.ledger.keys or self.ledger.errors):
            return None
        results, ledger = self._results(), self.ledger
        models = tuple(dict.fromkeys([*self.models, *(cell.model for cell in ledger.plan.cells)]))
        conditions = tuple(dict.fromkeys([*self.conditions, *(cell.condition for cell in ledger.plan.cells)]))
        # In the order of the options, whatever the order in which tests asked.
        tests = sorted(ledger.tests, key=lambda test: conditions.index(test.condition))
        cells = [test for test in tests if isinstance(test, Cell) and ledger.judged(test)]
        cells.sort(key=lambda cell: (conditions.index(cell.condition), models.index(cell.model)))
        panels = [test for test in tests if isinstance(test, Panel) and ledger.judged(test)]
        class_tests = tuple(self._class_finding(panel, results) for panel in panels)
        counts = {cell: results.counts(cell) for cell in ledger.keys if ledger.finished(cell)}
        engines = {cell: self._open_store().engines(ledger.keys[cell]) for cell in counts}
        evidence = Evidence(self._open_store(), ledger, results.names)
        gallery, gallery_note = self._with_thumbnails(evidence.exhibits(class_tests))
        return View(
            models=models,
            labels=plan.labels(models),
            classes=results.names,
            conditions=tuple(condition for condition in conditions if condition != CONTROL),
            model_tests=tuple(self._model_finding(cell, results) for cell in cells),
            class_tests=class_tests,
            counts=counts,
            errors=dict(ledger.errors),
            skipped=tuple(ledger.skipped),
            gate_tests=tuple(self._gate_finding(cell, results) for cell in ledger.gated if ledger.judged(cell)),
            # A worker of xdist does not know the command that was typed.
            provenance={**ledger.provenance, "command": provenance.command(), "runtime": _used(engines)},
            changes=average_changes(counts),
            fallen=evidence.fallen(),
            gallery=gallery,
            gallery_note=gallery_note,
            engines=engines,
            # Last: they tell what the findings above were found to mean.
            notes=() if self._gate is None else tuple(self._gate.notes()),
        )

    def _with_thumbnails(self, exhibits: tuple[Exhibit, ...]) -> tuple[tuple[Exhibit, ...], str]:
        """Read the images of ``exhibits`` again; where the data is gone, return a note that says so, not an error."""
        if not exhibits:
            return exhibits, ""
        from pytest_robustness.engine.thumbnails import Darkroom

        options = self.options
        try:
            # The controller of xdist has no bench, and needs no fingerprint: the workers took it.
            source = self._bench.selection.source if self._bench else data.open_source(options.data)
            indices = data.select(source.labels, options.limit, options.seed)
        except RobustnessError as error:
            return exhibits, f"The images could not be opened again: {error}"
        canvases = {
            name: Preprocess(**facts["preprocess"]).canvas for name, facts in self.ledger.provenance["models"].items()
        }
        return Darkroom(source, indices, self._registry, options.seed).develop(exhibits, canvases), ""

    def _told(self, finding: _Found) -> _Found:
        self.findings.append(finding)
        return finding

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _sweep(self, cells: list[Cell]) -> None:
        if self._fatal is not None:
            raise self._fatal
        started = time.monotonic()
        try:
            bench = self.open_data()
            jobs, errors = bench.jobs(cells)
            errors |= self._run(bench, jobs)
        except RobustnessError as error:
            self._fatal = error
            raise
        self.ledger.keys |= {job.cell: job.key for job in jobs if job.cell not in errors}
        self.ledger.errors |= errors
        self._check(bench)
        seconds = self.ledger.provenance.get("sweep_seconds", 0.0) + time.monotonic() - started
        self.ledger.provenance = self._provenance(bench) | {"sweep_seconds": round(seconds, 1)}

    def _run(self, bench: Bench, jobs: Sequence[Job]) -> dict[Cell, str]:
        from pytest_robustness.data.loader import default_workers
        from pytest_robustness.engine.device import resolve_device
        from pytest_robustness.engine.sweep import Settings, Sweep
        from pytest_robustness.executors.local import LocalExecutor
        from pytest_robustness.runtimes.choice import RuntimeChoice

        store, options, progress = self._open_store(), self.options, self._progress()
        device = resolve_device(options.device, self._process)
        store.put_cells(bench.selection.fingerprint, {job.key: job.description for job in jobs})
        sweep = Sweep(
            jobs,
            bench.selection,
            store=store,
            prepare=RuntimeChoice(options.runtime, progress.note).prepare,
            executor=LocalExecutor(store.path.with_suffix(".locks"), bench.selection.fingerprint),
            progress=progress,
            settings=Settings(
                device=device,
                precision=bench.precision,
                seed=options.seed,
                workers=options.workers
                if options.workers is not None
                else default_workers(device.type, len(bench.selection.indices), len(jobs), self._processes),
                processes=self._processes,
                on_bad_image=options.on_bad_image,
                batch_size=options.batch_size,
            ),
        )
        sweep.run()
        return sweep.errors

    def _check(self, bench: Bench) -> None:
        """Look at the new results: models at chance level, images that were skipped."""
        results = self._results()
        for model, message in results.chance_errors(bench.subjects).items():
            self.ledger.errors |= {cell: message for cell in self.ledger.plan.cells if cell.model == model}
        source, indices = bench.selection.source, bench.selection.indices
        self.ledger.skipped = [source.describe(int(indices[position])) for position in results.skipped()]

    def _results(self) -> Results:
        if self._finished is None:
            options = self.options
            policy = TestPolicy(
                options.test, options.alpha, options.correction, options.max_sensitive, options.equivalence
            )
            self._finished = Results(self._open_store(), self.ledger, policy)
        return self._finished

    def _model_finding(self, cell: Cell, results: Results) -> ModelTest:
        found = results.model_test(cell.model, cell.condition, self.ledger.plan.models(cell.condition))
        if self._gate is None or self.options.expect != "baseline":
            return found
        return self._gate.expected_model_test(found, self._gate_finding(cell, results))

    def _class_finding(self, panel: Panel, results: Results) -> ClassTest:
        found = results.class_test(panel)
        if self._gate is None or self.options.expect != "baseline":
            return found
        return self._gate.expected_class_test(found, results)

    def _update_baseline(self, view: View) -> None:
        options, ledger = self.options, self.ledger
        if not options.update_baseline or options.baseline is None:
            return
        bench = self.open_data()
        models = dict.fromkeys(cell.model for cell in ledger.plan.cells)
        made = new_baseline(
            run_protocol(options, bench, ledger.plan.conditions_of_all()),
            self._results(),
            {model: ledger.provenance["models"][model]["fingerprint"] for model in models},
            {Cell(test.model, test.condition): test.verdict.outcome for test in view.model_tests},
        )
        changed = baseline.write(made, bench.selection.labels, options.baseline)
        self._notes.append(f"Baseline: {provenance.short_path(options.baseline)}{'' if changed else ' (unchanged)'}")

    def _gate_finding(self, cell: Cell, results: Results) -> GateTest:
        if self._gate is None:
            raise OptionError("There is no baseline to compare with. Name one with --robustness-baseline=FILE.")
        planned = self.ledger.plan.conditions(cell.model)
        family = [condition for condition in planned if self.ledger.finished(Cell(cell.model, condition))]
        return self._gate.test(cell, family, results)

    def _open_store(self) -> Store:
        if self._store is None:
            self._store = Store(self.options.store)
        return self._store

    def _provenance(self, bench: Bench) -> dict[str, Any]:
        from pytest_robustness.engine.device import resolve_device

        selection = bench.selection
        return {
            **provenance.environment(),
            "command": provenance.command(),
            "options": provenance.plain(self.options),
            "device": str(resolve_device(self.options.device, self._process)),
            "dataset": {
                "name": selection.source.name,
                "fingerprint": selection.fingerprint,
                "images": len(selection.indices),
                "classes": len(bench.classes),
            },
            "models": {
                name: {
                    "fingerprint": subject.model.fingerprint,
                    "class_match": subject.match.method,
                    "preprocess": dataclasses.asdict(subject.model.preprocess),
                }
                for name, subject in bench.subjects.items()
            },
        }

    def _cell(self, model: str | Cell, transform: str | Condition, severity: int | None) -> Cell:
        if isinstance(model, Cell):
            return model
        names = self.expand_models([model])
        if len(names) != 1:
            raise OptionError(f"{model!r} is a preset of {len(names)} models; name one model.")
        return Cell(names[0], self._condition(transform, severity))

    def _default_transforms(self) -> Sequence[str]:
        """Return every transform; for a candidate, those that its baseline has."""
        if self.options.candidate is None or self._gate is None:
            return self._registry.names()
        return list(dict.fromkeys(condition.transform for condition in self._gate.conditions))

    def _condition(self, transform: str | Condition, severity: int | None) -> Condition:
        if isinstance(transform, Condition):
            return transform
        if transform == CONTROL.transform:
            return CONTROL
        levels = self.options.severity
        default = levels[0] if len(levels) == 1 else _DEFAULT_SEVERITY
        return plan.conditions([self._registry.get(transform)], [default if severity is None else severity])[0]


def _used(engines: Mapping[Cell, tuple[Engine, ...]]) -> str:
    """Return the engines that computed the cells, the most used first: ``openvino fp32, eager fp32``."""
    used = Counter(str(engine) for several in engines.values() for engine in several)
    return ", ".join(engine for engine, _ in used.most_common())


def _default_models(spec: str) -> tuple[str, ...]:
    source = spec.partition(":")[0]
    if source not in _DEFAULT_MODELS:
        raise OptionError(
            f"Which models are to be judged on {spec}? Name them with --robustness-models; "
            f"only {', '.join(sorted(_DEFAULT_MODELS))} have models of their own."
        )
    return (_DEFAULT_MODELS[source],)
