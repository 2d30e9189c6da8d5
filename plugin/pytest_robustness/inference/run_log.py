"""Log what a run planned, computed and tested, as plain data that a worker process can hand over."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.core.errors import DisagreementError, ModelError
from pytest_robustness.core.text import printable, printable_lines
from pytest_robustness.inference.agreement import require_same
from pytest_robustness.inference.loading.model_facts import ModelFacts
from pytest_robustness.inference.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable


class StudyRequest(NamedTuple):
    """What a test asks of a study: the study's name, and the cell or the panel that it is asked about."""

    study: str
    subject: Cell | Panel


@dataclasses.dataclass
class RunLog:
    """What one process, or several together, did.

    Together with the store it is all that a report needs: ``keys`` gives each finished cell's key there, ``dataset``
    the key of the labels. ``plan`` is what the collected tests need, ``unplanned`` what tests asked for in addition.
    ``probed`` is what studies alone asked for, and ``studied`` what they were asked, each with the cells that it used.
    ``tests`` keeps the order in which tests asked; ``gated`` are the cells compared with a baseline, ``imaged`` those
    of image tests. ``models`` holds what a report says of each model, ``sweep_seconds`` the time spent on computing:
    of several processes, the longest.
    ``unreadable`` are the positions of images that this run could not read, ``skipped`` their names; ``warnings`` are
    what a report should say of the store.
    ``facts`` are what each process of several computes on: see `Agreement`.
    ``notes`` are what a worker of xdist reports to the user about its sweep.
    ``unfinished`` says of each test that did not end with a verdict how it ended, as whoever runs the tests tells.
    ``unlabelled`` has, for each model that answered the images without labels, the key of these images in the store.
    """

    dataset: str = ""
    plan: Plan = dataclasses.field(default_factory=Plan)
    unplanned: Plan = dataclasses.field(default_factory=Plan)
    probed: Plan = dataclasses.field(default_factory=Plan)
    keys: dict[Cell, str] = dataclasses.field(default_factory=dict)
    errors: dict[Cell, str] = dataclasses.field(default_factory=dict)
    tests: dict[Cell | Panel, None] = dataclasses.field(default_factory=dict)
    gated: dict[Cell, None] = dataclasses.field(default_factory=dict)
    imaged: dict[Cell, None] = dataclasses.field(default_factory=dict)
    studied: dict[StudyRequest, tuple[Cell, ...]] = dataclasses.field(default_factory=dict)
    skipped: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    unreadable: list[int] = dataclasses.field(default_factory=list)
    models: dict[str, ModelFacts] = dataclasses.field(default_factory=dict)
    sweep_seconds: float = 0.0
    notes: list[str] = dataclasses.field(default_factory=list)
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    facts: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    unlabelled: dict[str, str] = dataclasses.field(default_factory=dict)
    unfinished: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def wanted(self) -> Plan:
        """The cells that were planned or asked for."""
        return self.plan.extended(self.unplanned.cells)

    @property
    def asked(self) -> Plan:
        """The cells that were planned or asked for, by tests of sensitivity or by studies."""
        return self.wanted.extended(self.probed.cells)

    def known(self, cells: Iterable[Cell]) -> bool:
        """Whether each of ``cells`` was computed, or has its error."""
        return all(cell in self.keys or cell in self.errors for cell in cells)

    def not_known(self) -> list[Cell]:
        """Return the cells that were asked for so far and that are not `known`."""
        return [cell for cell in self.asked.cells if not self.known([cell])]

    def model_family(self, cell: Cell) -> tuple[str, ...]:
        """Return the correction family of a model test. An unplanned cell is a family of its own."""
        return self.plan.models(cell.condition) if cell in self.plan else (cell.model,)

    def gate_family(self, cell: Cell) -> tuple[Condition, ...]:
        """Return the correction family of a gate test: the model's planned conditions, as far as they were computed."""
        if cell not in self.plan:
            return (cell.condition,)
        planned = self.plan.conditions(cell.model)
        return tuple(condition for condition in planned if self.finished(Cell(cell.model, condition)))

    def require(self, *cells: Cell) -> None:
        """Raise a `ModelError` with the reason why one of ``cells`` could not be computed, if there is one."""
        for cell in cells:
            if cell in self.errors:
                raise ModelError(self.errors[cell])

    def finished(self, *cells: Cell) -> bool:
        """Whether all ``cells`` were computed without an error."""
        return all(cell in self.keys and cell not in self.errors for cell in cells)

    def testable(self, test: Cell | Panel) -> bool:
        """Whether ``test`` can be made: for a panel, whether any of its models was computed."""
        return any(self.finished(Cell(model, CONTROL), Cell(model, test.condition)) for model in test.models)

    @property
    def length(self) -> tuple[int, int, int, int, int]:
        """The number of tests, of comparisons with a baseline, of studies, of notes, and of image tests, so far."""
        return len(self.tests), len(self.gated), len(self.studied), len(self.notes), len(self.imaged)

    def since(self, tests: int, gated: int, studied: int, notes: int, imaged: int) -> RunLog:
        """Return the notes after an earlier `length`, and the part of the log that the tests after it need."""
        asked = dict(itertools.islice(self.tests.items(), tests, None))
        compared = dict(itertools.islice(self.gated.items(), gated, None))
        examined = dict(itertools.islice(self.studied.items(), studied, None))
        of_images = dict(itertools.islice(self.imaged.items(), imaged, None))
        cells = Plan.of([*asked, *compared, *of_images]).extended(cell for used in examined.values() for cell in used)
        models = {cell.model for cell in cells.cells}
        return dataclasses.replace(
            self,
            plan=_only(self.plan, cells),
            unplanned=_only(self.unplanned, cells),
            probed=_only(self.probed, cells),
            keys={cell: key for cell, key in self.keys.items() if cell in cells},
            errors={cell: text for cell, text in self.errors.items() if cell in cells},
            tests=asked,
            gated=compared,
            imaged=of_images,
            studied=examined,
            models={model: facts for model, facts in self.models.items() if model in models},
            notes=self.notes[notes:],
        )

    def merge(self, other: RunLog) -> None:
        """Add what ``other`` did on the same data.

        Raises
        ------
        DisagreementError
            When the two did not compute on the same; nothing is added then.
        """
        facts = {**self.facts, **other.facts}
        require_same(facts)
        _require_alike(self, other)
        self.facts = facts
        self.unlabelled |= other.unlabelled
        self.unfinished |= other.unfinished
        self.dataset = self.dataset or other.dataset
        self.plan = self.plan.extended(other.plan.cells)
        self.unplanned = self.unplanned.extended(other.unplanned.cells)
        self.probed = self.probed.extended(other.probed.cells)
        self.keys.update(other.keys)
        self.errors.update(other.errors)
        self.tests.update(other.tests)
        self.gated.update(other.gated)
        self.imaged.update(other.imaged)
        self.studied.update(other.studied)
        self.skipped = list(dict.fromkeys([*self.skipped, *other.skipped]))
        self.warnings = list(dict.fromkeys([*self.warnings, *other.warnings]))
        self.unreadable = sorted({*self.unreadable, *other.unreadable})
        self.models = {**other.models, **self.models}
        self.notes = list(dict.fromkeys([*self.notes, *other.notes]))
        self.sweep_seconds = max(self.sweep_seconds, other.sweep_seconds)
        keys = {name: key for log in (other, self) for name, key in log.provenance.get("transform_keys", {}).items()}
        self.provenance = {**other.provenance, **self.provenance} | ({"transform_keys": keys} if keys else {})

    def pack(self) -> dict[str, Any]:
        """Return the log as dicts, lists, strings and numbers."""
        return {
            "dataset": self.dataset,
            "plan": [_pack(cell) for cell in self.plan.cells],
            "unplanned": [_pack(cell) for cell in self.unplanned.cells],
            "probed": [_pack(cell) for cell in self.probed.cells],
            "keys": [[_pack(cell), key] for cell, key in self.keys.items()],
            # As plain strings of Unicode, which is what execnet takes: a traceback is shown where it was raised.
            "errors": [[_pack(cell), printable_lines(text)] for cell, text in self.errors.items()],
            "tests": [_pack(test) for test in self.tests],
            "gated": [_pack(cell) for cell in self.gated],
            "imaged": [_pack(cell) for cell in self.imaged],
            "studied": [
                [study, _pack(subject), [*map(_pack, used)]] for (study, subject), used in self.studied.items()
            ],
            "skipped": [*map(printable, self.skipped)],
            "warnings": [*map(printable_lines, self.warnings)],
            "unreadable": self.unreadable,
            "models": {model: facts.as_dict() for model, facts in self.models.items()},
            "sweep_seconds": self.sweep_seconds,
            "notes": [*map(printable_lines, self.notes)],
            "provenance": self.provenance,
            "facts": self.facts,
            "unlabelled": self.unlabelled,
            "unfinished": self.unfinished,
        }

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> RunLog:
        """Return the log that `pack` was called on."""
        return cls(
            dataset=packed["dataset"],
            plan=Plan(tuple(_cell(row) for row in packed["plan"])),
            unplanned=Plan(tuple(_cell(row) for row in packed["unplanned"])),
            probed=Plan(tuple(_cell(row) for row in packed["probed"])),
            keys={_cell(row): key for row, key in packed["keys"]},
            errors={_cell(row): text for row, text in packed["errors"]},
            tests={_request(row): None for row in packed["tests"]},
            gated={_cell(row): None for row in packed["gated"]},
            # A store may remember a run of before there was this.
            imaged={_cell(row): None for row in packed.get("imaged", ())},
            studied={
                StudyRequest(study, _request(subject)): tuple(map(_cell, used))
                for study, subject, used in packed["studied"]
            },
            skipped=packed["skipped"],
            warnings=packed["warnings"],
            unreadable=packed["unreadable"],
            models={model: ModelFacts.of(facts) for model, facts in packed["models"].items()},
            sweep_seconds=packed["sweep_seconds"],
            notes=packed["notes"],
            provenance=packed["provenance"],
            facts=packed["facts"],
            unlabelled=packed["unlabelled"],
            unfinished=packed.get("unfinished", {}),
        )


def _require_alike(log: RunLog, other: RunLog) -> None:
    """Raise `DisagreementError` where two logs are of other images, models or transforms."""
    if len({*log.unlabelled.values(), *other.unlabelled.values()}) > 1:
        raise DisagreementError(
            "The processes of this run differ in the images without labels. All must open the same. Or run without -n."
        )
    differing = [cell for cell, key in other.keys.items() if log.keys.get(cell, key) != key]
    if differing or (log.dataset and other.dataset and log.dataset != other.dataset):
        what = f"{differing[0].model} under {differing[0].condition}" if differing else "the images"
        raise DisagreementError(
            f"The processes of this run differ in {what}. All must open the same data and load the same models "
            f"and transforms. Or run without -n."
        )


def _only(plan: Plan, cells: Plan) -> Plan:
    return Plan(tuple(cell for cell in plan.cells if cell in cells))


def _pack(request: Cell | Panel) -> list[Any]:
    who = request.model if isinstance(request, Cell) else list(request.models)
    return [who, request.condition.transform, request.condition.severity]


def _cell(row: list[Any]) -> Cell:
    return Cell(row[0], Condition(row[1], row[2]))


def _request(row: list[Any]) -> Cell | Panel:
    return _cell(row) if isinstance(row[0], str) else Panel(Condition(row[1], row[2]), tuple(row[0]))
