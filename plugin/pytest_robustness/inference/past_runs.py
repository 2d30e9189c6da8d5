"""Remember in the store what runs did, by the images that they judged, so that a later report can show it too."""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core import Condition
from pytest_robustness.inference.jobs import cell_key
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.run_log import RunLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_robustness.core import Cell
    from pytest_robustness.inference.loading.model_facts import ModelFacts
    from pytest_robustness.inference.store.store import Store

_log = logging.getLogger(__name__)

# Raised when what is remembered of a run changes; what has another number is passed over.
_VERSION: Final = 1
_MOST_RUNS: Final = 20
_DATASETS: Final = "runs"


class KnownData(NamedTuple):
    """Images that the store remembers runs of.

    Parameters
    ----------
    name
        The name of the data, which other images may have too: those of another limit, or of the past.
    fingerprint
        That of the images.
    when
        The end of the latest run on them.
    images
        How many there are.
    limit
        How many of each class were drawn; ``None`` for all.
    """

    name: str
    fingerprint: str
    when: str
    images: int
    limit: int | None


@dataclasses.dataclass(frozen=True)
class PastRun:
    """A run that was finished.

    Parameters
    ----------
    when
        Its end: ``2026-11-28 18:54 UTC``.
    log
        What it did.
    seed, precision
        What it computed with.
    transforms
        The key of each condition: what its images depend on, apart from the images themselves.
    models, conditions
        Those of its options, in their order.
    policy
        How it judged, by name.
    """

    when: str
    log: RunLog
    seed: int
    precision: str
    transforms: Mapping[Condition, str]
    models: tuple[str, ...]
    conditions: tuple[Condition, ...]
    policy: Mapping[str, Any]

    def pack(self) -> dict[str, Any]:
        """Return the run as JSON values; its studies, errors and comparisons with a baseline are left out."""
        log = dataclasses.replace(
            self.log,
            probed=Plan(),
            gated={},
            studied={},
            errors={},
            notes=[],
            warnings=[],
            facts={},
            unlabelled={},
            keys={cell: key for cell, key in self.log.keys.items() if cell in self.log.wanted},
        )
        return {
            "version": _VERSION,
            **{name: getattr(self, name) for name in ("when", "seed", "precision", "models")},
            "log": log.pack(),
            "transforms": [[one.transform, one.severity, key] for one, key in self.transforms.items()],
            "conditions": [[one.transform, one.severity] for one in self.conditions],
            "policy": dict(self.policy),
        }

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> PastRun:
        """Return the run that `pack` was called on."""
        return cls(
            when=packed["when"],
            log=RunLog.unpack(packed["log"]),
            seed=packed["seed"],
            precision=packed["precision"],
            transforms={Condition(transform, severity): key for transform, severity, key in packed["transforms"]},
            models=tuple(packed["models"]),
            conditions=tuple(Condition(*condition) for condition in packed["conditions"]),
            policy=packed["policy"],
        )


@dataclasses.dataclass(frozen=True)
class Present:
    """What a run would compute with now, as far as that is known.

    Parameters
    ----------
    facts
        Returns what is known of a model as it is now; ``None`` where it was not loaded.
    transform
        Returns the key of a condition as its transform is now; ``None`` where it is not known.
    seed, precision
        Of the run.
    """

    facts: Callable[[str], ModelFacts | None]
    transform: Callable[[Condition], str | None]
    seed: int
    precision: str

    def still_hold(self, past: PastRun) -> dict[Cell, str]:
        """Return the finished cells of ``past`` whose key is the one that would be computed under now.

        A key covers all that answers depend on: a model or a transform with other content has another one.
        """
        held: dict[Cell, str] = {}
        for cell, key in past.log.keys.items():
            facts, transform = self.facts(cell.model), self.transform(cell.condition)
            if facts is None or transform is None or facts != past.log.models.get(cell.model):
                continue
            parts = facts.fingerprint, facts.preprocess, transform, self.seed, self.precision, facts.kept
            if key == cell_key(*parts):
                held[cell] = key
        return held


def remember_run(store: Store, run: PastRun) -> None:
    """Add a run to those that the store remembers of its images; what it tested again, it replaces."""
    kept = [run]
    tests = set(run.log.tests)
    for past in reversed(past_runs(store, run.log.dataset)):
        if not tests.issuperset(past.log.tests):
            kept.append(past)
            tests |= set(past.log.tests)
    while len(kept) > _MOST_RUNS:
        # The smallest says least: a run of everything is not lost to twenty of one test each.
        kept.remove(min(kept[1:], key=lambda past: len(past.log.tests)))
    store.remember(f"{_DATASETS} {run.log.dataset}", json.dumps([past.pack() for past in reversed(kept)]))
    known = _names(store)
    # The latest last, which two runs that end within a minute do not tell by their dates.
    moved = {**{other: name for other, name in known.items() if other != run.log.dataset}, run.log.dataset: _name(run)}
    if list(moved.items()) != list(known.items()):
        store.remember(_DATASETS, json.dumps(moved))


def forget_runs(store: Store, dataset: str) -> None:
    """Forget the runs on these images: what they computed holds no longer."""
    if past_runs(store, dataset):
        store.remember(f"{_DATASETS} {dataset}", "[]")


def keep_runs(store: Store, dataset: str, runs: Sequence[PastRun]) -> None:
    """Forget the runs on these images but ``runs``, and the images where there are none."""
    store.remember(f"{_DATASETS} {dataset}", json.dumps([run.pack() for run in runs]))
    if not runs:
        store.remember(_DATASETS, json.dumps({one: name for one, name in _names(store).items() if one != dataset}))


def past_runs(store: Store, dataset: str) -> list[PastRun]:
    """Return the runs that the store remembers of the images with this fingerprint, the latest last."""
    text = store.recall(f"{_DATASETS} {dataset}")
    try:
        return [PastRun.unpack(packed) for packed in json.loads(text or "[]") if packed["version"] == _VERSION]
    except (ValueError, LookupError, TypeError, AttributeError):  # another version of this package wrote it
        _log.debug("what the store remembers of runs cannot be read", exc_info=True)
        return []


def known_data(store: Store) -> list[KnownData]:
    """Return the images that the store remembers runs of, those of the latest run last.

    The order is that in which runs were remembered: their dates go back where a clock was set back.
    """
    found = ((name, past_runs(store, fingerprint)) for fingerprint, name in _names(store).items())
    return [_known(name, runs[-1]) for name, runs in found if runs]


def _known(name: str, last: PastRun) -> KnownData:
    provenance = last.log.provenance
    images = int(provenance.get("dataset", {}).get("images", 0))
    return KnownData(name, last.log.dataset, last.when, images, provenance.get("options", {}).get("limit"))


def latest(runs: Sequence[PastRun]) -> Present:
    """Return what the latest of ``runs`` computed with, and of models and conditions that it lacks those before it.

    Runs in which other outputs of the models counted than in the latest are left out.
    """

    def first(found: Iterable[Mapping[Any, Any]], name: object) -> Any:
        return next((known[name] for known in found if name in known), None)

    backwards = [run for run in reversed(runs) if _output_rule(run) == _output_rule(runs[-1])]
    return Present(
        lambda model: first((run.log.models for run in backwards), model),
        lambda condition: first((run.transforms for run in backwards), condition),
        backwards[0].seed,
        backwards[0].precision,
    )


def _output_rule(run: PastRun) -> str:
    return str(run.log.provenance.get("options", {}).get("outputs", "all"))


def _names(store: Store) -> dict[str, str]:
    return dict(json.loads(store.recall(_DATASETS) or "{}"))


def _name(run: PastRun) -> str:
    return str(run.log.provenance.get("dataset", {}).get("name", ""))
