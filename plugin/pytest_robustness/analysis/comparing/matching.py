"""Find what two runs have in common, and say what only one of them has."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_robustness.core import CONTROL
from pytest_robustness.core.errors import ComparisonError, unknown
from pytest_robustness.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_robustness.analysis.comparing.recorded_run import RecordedRun
    from pytest_robustness.core import Condition


@dataclasses.dataclass(frozen=True)
class Matching:
    """What is compared, and what is not.

    ``models`` holds a model of the first run and its counterpart in the second; ``conditions`` are those of both,
    control first. ``left_out`` says in sentences what only one run has, and which conditions are not the same in both.
    """

    models: tuple[tuple[str, str], ...]
    conditions: tuple[Condition, ...]
    left_out: tuple[str, ...]


def match(before: RecordedRun, now: RecordedRun, renamed: Mapping[str, str]) -> Matching:
    """Return what two runs have in common.

    Parameters
    ----------
    before, now
        The runs.
    renamed
        The second run's name of a model, by the first one's, each whole or as reports shorten it. Other models are
        matched by name; where both runs have but one model, these two are matched.

    Raises
    ------
    ComparisonError
        A renamed model does not exist, or the runs have no model or condition in common, or cannot be compared.
    """
    _require_comparable(before, now)
    models = _models(before, now, renamed)
    conditions, differing = _conditions(before, now)
    olds, news = {old for old, _ in models}, {new for _, new in models}
    left_out = [
        *_only("model", before.name, [name for name in before.models if name not in olds]),
        *_only("model", now.name, [name for name in now.models if name not in news]),
        *_only("condition", before.name, [c for c in before.conditions if c not in now.conditions]),
        *_only("condition", now.name, [c for c in now.conditions if c not in before.conditions]),
        *differing,
    ]
    return Matching(models, conditions, tuple(left_out))


def _require_comparable(before: RecordedRun, now: RecordedRun) -> None:
    found = []
    if before.labelled != now.labelled:
        one, other = (now, before) if before.labelled else (before, now)
        found.append(f"{one.name} has no labels (--robustness-labels=none), and {other.name} has")
    for name, old, new in (
        ("seed", before.seed, now.seed),
        ("pipeline", before.pipeline, now.pipeline),
        ("--robustness-outputs", before.outputs, now.outputs),
    ):
        if old is not None and new is not None and old != new:
            found.append(f"{name}: {old} in {before.name}, {new} in {now.name}")
    if found:
        listed = "\n".join(f"  - {difference}" for difference in found)
        raise ComparisonError(f"The runs cannot be compared:\n{listed}\nRun one of them again as the other was run.")


def _models(before: RecordedRun, now: RecordedRun, renamed: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    meant = [
        (_meant(old, before, f"--model {old}={new}"), _meant(new, now, f"--model {old}={new}"))
        for old, new in renamed.items()
    ]
    renamed = dict(meant)
    if len(renamed) < len(meant):
        raise ComparisonError("--model names one model of the first run twice. Name each model of a run once.")
    taken = set(renamed.values())
    if len(taken) < len(renamed):
        raise ComparisonError("--model gives one model two counterparts. Name each model of a run once.")
    others = {name: name for name in before.models if name not in renamed and name in now.models and name not in taken}
    counterparts = {**others, **renamed}
    if not counterparts and len(before.models) == len(now.models) == 1:
        counterparts = dict(zip(before.models, now.models, strict=True))
    found = [(old, counterparts[old]) for old in before.models if old in counterparts]
    if not found:
        raise ComparisonError(
            f"The runs have no model in common: {_named(before.models)} in {before.name}, {_named(now.models)} in "
            f"{now.name}. Say which is which with --model OLD=NEW."
        )
    return tuple(found)


def _meant(name: str, run: RecordedRun, option: str) -> str:
    """Return the model that ``name`` means: its full name, or the short one by which reports call it."""
    if name in run.models:
        return name
    found = [model for model in run.models if name in (model.rpartition(":")[2], printable(model))]
    if len(found) == 1:
        return found[0]
    if found:
        raise ComparisonError(f"{option}: {name!r} may be any of {_named(found)} in {run.name}. Give the whole name.")
    raise ComparisonError(f"{option}: {unknown(f'model of {run.name}', name, run.models)}")


def _conditions(before: RecordedRun, now: RecordedRun) -> tuple[tuple[Condition, ...], list[str]]:
    shared = [condition for condition in before.conditions if condition in now.conditions]
    shared.sort(key=lambda condition: condition != CONTROL)
    differing, same = [], []
    for condition in shared:
        old, new = before.keys.get(condition), now.keys.get(condition)
        if old is not None and new is not None and old != new:
            name = printable(str(condition))
            differing.append(
                f"{name} is not compared, because it is another transform: {printable(old)} in {before.name}, "
                f"{printable(new)} in {now.name}."
            )
        else:
            same.append(condition)
    if not same:
        why = " ".join(differing) or (
            f"{_named(before.conditions)} in {before.name}, {_named(now.conditions)} in {now.name}."
        )
        raise ComparisonError(f"The runs have no condition in common: {why}")
    return tuple(same), differing


def _only(kind: str, run: str, names: list[object] | list[str] | list[Condition]) -> list[str]:
    if not names:
        return []
    plural = kind if len(names) == 1 else f"{kind}s"
    return [f"Only {run} has the {plural} {_named(names)}."]


def _named(names: Iterable[object]) -> str:
    return ", ".join(printable(str(name)) for name in names) or "none"
