"""Agreement: the processes of one run compare what they compute on, before they compute.

Each process of pytest-xdist opens the data and loads the models itself. A factory that draws at random without a seed
gives each of them others, and a report of both would be of neither. So each writes hashes of what it has to a small
file next to the store, and compares them with those of the others.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import time
from typing import TYPE_CHECKING

from pytest_robustness.core.errors import DisagreementError, StoreError
from pytest_robustness.core.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sized
    from pathlib import Path

    from pytest_robustness.core import Condition
    from pytest_robustness.inference.jobs import JobMaker
    from pytest_robustness.inference.loading.model_facts import ModelFacts
    from pytest_robustness.inference.plan import Plan

_log = logging.getLogger(__name__)

_OLD_SECONDS = 24 * 60 * 60
_END = "end"
DATA, MODEL = "data: ", "model "
"""How the names of facts about the data and about models begin."""
_TRANSFORM, _PLAN, _PRECISION = "transform ", "plan", "number format"
_ADVICE = {
    DATA: "Data that is drawn at random needs a fixed seed, such as numpy.random.default_rng(0), and must stay as it "
    "is while the run goes on.",
    MODEL: "A model whose weights are drawn at random needs a fixed seed, such as torch.manual_seed(0), or weights "
    "from a file.",
    _TRANSFORM: "A transform must not depend on the process that registers it.",
    _PLAN: "Every process must collect the same tests.",
    _PRECISION: "Name one with --robustness-precision, because the devices choose different ones.",
}


class Agreement:
    """What one process of a run computes on, as facts: short texts with hashes, by name.

    Parameters
    ----------
    folder
        Holds a file for each process of the run: see `folder_of`.
    process
        The name of this one.
    """

    def __init__(self, folder: Path, process: str) -> None:
        self.process = process
        self.facts: dict[str, str] = {}
        self._folder = folder

    def opened(self, bench: JobMaker, plan: Plan, conditions: Iterable[Condition]) -> None:
        """State the data, the plan, and the transforms under ``conditions``; raises what `state` raises."""
        keys = {condition: bench.transform_key(condition) for condition in conditions}
        self.state(facts_of_data(bench, plan) | facts_of_transforms(keys))

    def loaded(self, models: Mapping[str, ModelFacts]) -> dict[str, dict[str, str]]:
        """State the models; return all that was stated, by the name of this process. Raises what `state` raises."""
        self.state(facts_of_models(models))
        return {self.process: dict(self.facts)}

    def state(self, facts: Mapping[str, str]) -> None:
        """Write down ``facts`` besides those that were stated before.

        Raises
        ------
        StoreError
            When the folder cannot be written.
        """
        self.facts |= facts
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._folder / f"{self.process}.json", json.dumps(self.facts))
        except OSError as error:
            _log.debug("the facts of %s cannot be written", self.process, exc_info=True)
            raise StoreError(
                f"{self._folder} cannot be written ({error.strerror}): the processes of a run compare there what they "
                f"compute on. Make room, or name a file elsewhere with --robustness-store=FILE."
            ) from error

    def say(self, message: str) -> None:
        """Have the controller show ``message`` now; by itself it hears of a worker when a test ends."""
        try:
            with (self._folder / f"{self.process}.said").open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(message)}\n")
        except OSError:
            _log.debug("%s cannot be said", message, exc_info=True)

    def asked_to_end(self) -> bool:
        """Return whether the controller has asked the processes to keep what they computed, and end."""
        return (self._folder / _END).exists()

    def require(self) -> None:
        """Raise `DisagreementError` where another process has stated something else.

        Whichever of two processes calls this last has both statements before it: it computes nothing that differs.
        """
        require_same(stated(self._folder))


def folder_of(store: Path, run: str) -> Path:
    """Return where the processes of a run with the unique name ``run`` state what they compute on."""
    return store.with_suffix(".locks") / f"run-{run}"


def ask_to_end(folder: Path) -> bool:
    """Ask the processes that state their facts in ``folder`` to end; return whether there are any to hear it."""
    try:
        (folder / _END).touch()
    except OSError:  # none has opened the data yet, or the disk is full
        _log.debug("nobody can be asked to end", exc_info=True)
        return False
    return True


def remove(folder: Path) -> None:
    """Remove the folder of a run that has ended, and those that killed runs left a day ago or earlier."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for other in folder.parent.glob("run-*"):
            if other.stat().st_mtime < time.time() - _OLD_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
    except OSError:
        _log.debug("%s cannot be tidied", folder.parent, exc_info=True)


def stated(folder: Path) -> dict[str, dict[str, str]]:
    """Return what each process has stated so far, by its name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def said(folder: Path) -> list[str]:
    """Return what the processes have said so far; see `Agreement.say`."""
    lines = [line for path in sorted(folder.glob("*.said")) for line in path.read_text(encoding="utf-8").split("\n")]
    messages = []
    for line in filter(None, lines):
        with contextlib.suppress(ValueError):  # still being written
            messages.append(str(json.loads(line)))
    return messages


def require_same(facts: Mapping[str, Mapping[str, str]]) -> None:
    """Compare the facts of several processes, as far as two of them state the same.

    Raises
    ------
    DisagreementError
        Where two differ; it names the first fact that does, and both processes.
    """
    first: dict[str, tuple[str, str]] = {}
    for process, own in facts.items():
        for name, value in own.items():
            other, expected = first.setdefault(name, (process, value))
            if value != expected:
                raise DisagreementError(_text(name, (other, expected), (process, value)))


def _text(name: str, one: tuple[str, str], other: tuple[str, str]) -> str:
    advice = next(text for kind, text in _ADVICE.items() if name.startswith(kind))
    return (
        f"The processes of this run differ in {name.removeprefix(DATA)}: {one[0]} has {one[1]}, {other[0]} has "
        f"{other[1]}. {advice} Or run without -n."
    )


def facts_of_data(bench: JobMaker, plan: Plan) -> dict[str, str]:
    """Return what a process states when it has opened the data, all but models and transforms."""
    selection = bench.selection
    classes = [label.key for label in selection.classes]
    cells = sorted(f"{cell.model} under {cell.condition}" for cell in plan.cells)
    return {
        f"{DATA}the classes": counted(classes, json.dumps(classes).encode()),
        f"{DATA}the images": counted(selection.identities, selection.identities.tobytes()),
        f"{DATA}the labels": counted(selection.labels, selection.labels.astype("<i8").tobytes()),
        _PLAN: counted(cells, json.dumps(cells).encode()),
        _PRECISION: bench.precision,
    }


def facts_of_transforms(keys: Mapping[Condition, str]) -> dict[str, str]:
    """Return what a process states of transforms, of which it has these keys."""
    return {f"{_TRANSFORM}{condition}": hash_of(key.encode()) for condition, key in keys.items()}


def facts_of_models(models: Mapping[str, ModelFacts]) -> dict[str, str]:
    """Return what a process states of the models that it has loaded."""
    return {
        f"{MODEL}{name}": hash_of(json.dumps(facts.as_dict(), sort_keys=True).encode())
        for name, facts in models.items()
    }


def counted(things: Sized, content: bytes) -> str:
    """Return a fact about several things: how many there are, and the hash of what they hold."""
    return f"{len(things)} with the hash {hash_of(content)}"


def hash_of(content: bytes) -> str:
    """Return what a fact says of ``content``: enough of its hash to tell it from another."""
    return hashlib.sha256(content).hexdigest()[:12]
