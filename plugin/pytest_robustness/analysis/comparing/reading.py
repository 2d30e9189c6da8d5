"""Read a run from the folder of its report, from its ``results.json``, or from a baseline."""

from __future__ import annotations

import csv
import io
import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from pytest_robustness.analysis import baseline
from pytest_robustness.analysis.answers import files, json_text
from pytest_robustness.analysis.answers.json_text import get, whole
from pytest_robustness.analysis.comparing.circumstances import circumstances_of, preprocessing_of
from pytest_robustness.analysis.comparing.recorded_run import RecordedRun
from pytest_robustness.analysis.predictions import Counts
from pytest_robustness.core import Cell, Condition
from pytest_robustness.core.errors import ComparisonError, RobustnessError
from pytest_robustness.core.files import read_regular, short_path
from pytest_robustness.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_robustness.analysis.answers import RecordedAnswers

_log = logging.getLogger(__name__)

RESULTS: Final = "results.json"
RESULTS_SCHEMA: Final = 2
_ACCURACIES: Final = "accuracy.csv"
_MOST_BYTES = 2**30
_LONGEST_REASON = 300
_LONGEST_RULE = 20
_VALID = "Valid: the folder of a report, its results.json, or the JSON file of a baseline."


def read(path: Path) -> RecordedRun:
    """Return the run at ``path``: the folder of a report, a ``results.json``, or the JSON file of a baseline.

    Raises
    ------
    ComparisonError
        There is none, or it is damaged, or of another version than this code's.
    BaselineError
        The same of a baseline.
    """
    file = path
    try:
        if path.is_dir():
            file = path / RESULTS
        content = json_text.load(read_regular(file, _MOST_BYTES))
        if any(key.endswith("_sha256") for key in content):
            return _of_baseline(path, baseline.read(path))
        return _of_report(file, content)
    except RobustnessError:
        raise
    except FileNotFoundError:
        _log.debug("there is no run at %s", path, exc_info=True)
        inside = f"{short_path(path)} holds no {RESULTS}" if file != path else f"There is no {short_path(path)}"
        raise ComparisonError(f"{inside}. {_VALID}") from None
    except OSError as error:
        _log.debug("%s cannot be read", file, exc_info=True)
        raise ComparisonError(f"{short_path(file)} cannot be read: {error.strerror}. {_VALID}") from error
    except Exception as error:  # whatever a damaged or a hostile file makes of the readers
        _log.debug("%s is damaged", file, exc_info=True)
        reason = printable(f"{type(error).__name__}: {error}", _LONGEST_REASON)
        raise ComparisonError(f"{short_path(file)} is damaged, or is none ({reason}). {_VALID}") from error


def counts_of(answers: RecordedAnswers) -> dict[Cell, Counts]:
    """Return images and right answers by class, of every cell."""
    labels, classes = answers.images.labels, len(answers.images.classes)
    found = {}
    for name, model in answers.models.items():
        for condition, given in model.answers.items():
            read, right = given >= 0, model.right(condition, labels)
            n, correct = (np.bincount(labels[which], minlength=classes) for which in (read, right))
            found[Cell(name, condition)] = Counts(n, correct)
    return found


def _of_baseline(path: Path, found: baseline.Baseline) -> RecordedRun:
    return RecordedRun(
        name=short_path(path),
        data=found.protocol.data,
        fingerprint="",
        labelled=True,
        seed=found.protocol.seed,
        pipeline=found.protocol.pipeline,
        outputs=found.protocol.outputs,
        keys=found.protocol.transforms,
        models={name: model.fingerprint for name, model in found.models.items()},
        classes=tuple(printable(label.name) for label in found.images.classes),
        counts=counts_of(found),
        answers=found,
    )


class _About(NamedTuple):
    """What a report says of its answers: data, hashes of models, keys of conditions, images and right ones of cells."""

    data: str
    models: Mapping[str, str]
    keys: Mapping[Condition, str]
    totals: Mapping[Cell, Counts]

    def has(self, answers: RecordedAnswers) -> bool:
        """Whether these are the answers: other models may be right as often, and on other images."""
        protocol = answers.protocol
        if protocol.data != self.data or any(
            protocol.transforms.get(one, key) != key for one, key in self.keys.items()
        ):
            return False
        if any(self.models.get(name, "") not in ("", model.fingerprint) for name, model in answers.models.items()):
            return False
        counted = {cell: (n.sum(), right.sum()) for cell, (n, right) in counts_of(answers).items()}
        totals = {cell: (n.sum(), right.sum()) for cell, (n, right) in self.totals.items()}
        return counted.items() <= totals.items()


def _of_report(file: Path, content: Mapping[str, Any]) -> RecordedRun:
    if "provenance" not in content:
        raise ComparisonError(f"{short_path(file)} is JSON of something else. {_VALID}")
    version = content["schema_version"]
    if version != RESULTS_SCHEMA:
        newer = "a newer" if version > RESULTS_SCHEMA else "an older"
        raise ComparisonError(
            f"{short_path(file)} was written by {newer} pytest-robustness (schema {printable(str(version), 20)}; this "
            f"one reads schema {RESULTS_SCHEMA}). Run again with this version; nothing has to be computed again."
        )
    provenance = get(content, "provenance", dict)
    dataset = get(provenance, "dataset", dict)
    options = provenance.get("options") or {}
    totals = {_cell(row): Counts(*_pair(row)) for row in get(content, "cells", list)}
    keys = provenance.get("transform_keys") or {}
    labelled = dataset.get("labels", "data") == "data"
    about = _About(
        get(dataset, "name", str),
        {get(row, "model", str): str(row.get("fingerprint", "")) for row in get(content, "models", list)},
        {cell.condition: str(keys[str(cell.condition)]) for cell in totals if str(cell.condition) in keys},
        totals,
    )
    answers, note = _answers(file.with_name(files.NAME), about) if labelled else (None, "")
    classes = tuple(printable(get(row, "class_name", str)) for row in get(content, "classes", list))
    by_class, unread = None, ""
    if answers is None:
        by_class, unread = _by_class(file.with_name(_ACCURACIES), len(classes), totals)
    # The answers of a report have all cells; of cells that they lack the counts remain.
    counts = totals | (by_class or {}) | ({} if answers is None else counts_of(answers))
    # A run that chose among its tests lists all models, and so does one of which a model could not be loaded.
    computed = {cell.model for cell in counts}
    return RecordedRun(
        name=short_path(file.parent if file.name == RESULTS else file),
        data=about.data,
        fingerprint=str(dataset.get("fingerprint", "")),
        labelled=labelled,
        seed=options.get("seed") if isinstance(options.get("seed"), int) else None,
        pipeline=provenance.get("pipeline") if isinstance(provenance.get("pipeline"), int) else None,
        outputs=printable(str(options.get("outputs", "all")), _LONGEST_RULE),
        keys=about.keys,
        models={model: fingerprint for model, fingerprint in about.models.items() if model in computed},
        classes=classes,
        counts=counts,
        answers=answers,
        notes=tuple(filter(None, (note, unread))),
        circumstances=circumstances_of(provenance),
        preprocessing=preprocessing_of(provenance),
    )


def _cell(row: Mapping[str, Any]) -> Cell:
    severity = None if row["severity"] is None else whole(row, "severity")
    return Cell(get(row, "model", str), Condition(get(row, "transform", str), severity))


def _pair(row: Mapping[str, Any]) -> tuple[Any, Any]:
    n, correct = whole(row, "images"), whole(row, "correct")
    if correct > n:
        raise ValueError(f"a cell has {correct} right answers to {n} images")
    return np.array([n], np.int64), np.array([correct], np.int64)


def _answers(path: Path, about: _About) -> tuple[RecordedAnswers | None, str]:
    """Return the answers beside a report, and a note where there are none that belong to it."""
    beside = f"so that images cannot be compared one by one: run again to write {path.name}"
    try:
        found = files.read(path)
    except FileNotFoundError:
        _log.debug("there are no answers", exc_info=True)
        return None, f"{short_path(path)} is not there, {beside}."
    except RobustnessError as error:
        _log.debug("answers cannot be read", exc_info=True)
        return None, f"Images cannot be compared one by one: {error}"
    if not about.has(found):
        return None, f"{short_path(path)} is not of the same run as {RESULTS}, {beside}."
    return found, ""


def _by_class(path: Path, classes: int, totals: Mapping[Cell, Counts]) -> tuple[dict[Cell, Counts] | None, str]:
    """Return images and right answers by class; ``None``, and a note, where no table is there that belongs to them."""
    beside = "so that classes cannot be compared"
    other = f"{short_path(path)} is not of the same run as {RESULTS}, {beside}."
    try:
        text = read_regular(path, _MOST_BYTES).decode("utf-8")
        # A name that a spreadsheet would run stands behind an apostrophe, as in every table.
        names = {
            (_plain(cell.model), _plain(cell.condition.transform), cell.condition.severity): cell for cell in totals
        }
        found = {cell: Counts(np.zeros(classes, np.int64), np.zeros(classes, np.int64)) for cell in totals}
        for row in csv.DictReader(io.StringIO(text)):
            severity = int(row["severity"]) if row["severity"] else None
            counts = found[names[_plain(row["model"]), _plain(row["transform"]), severity]]
            index = int(row["class_index"])
            counts.n[index], counts.correct[index] = int(row["n"]), int(row["correct"])
    except FileNotFoundError:
        _log.debug("there is no table of classes", exc_info=True)
        return None, f"{short_path(path)} is not there, {beside}."
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, csv.Error):  # a row may be cut off
        _log.debug("%s cannot be read", path, exc_info=True)
        return None, other
    same = all(
        (n.sum(), correct.sum()) == (totals[cell].n.sum(), totals[cell].correct.sum())
        for cell, (n, correct) in found.items()
    )
    possible = all((counts.correct <= counts.n).all() for counts in found.values())
    return (found, "") if same and possible else (None, other)


def _plain(text: str) -> str:
    return text.removeprefix("'")
