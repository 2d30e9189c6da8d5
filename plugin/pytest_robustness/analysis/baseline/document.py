"""The baseline as a JSON document that people review: one accuracy a line."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from pytest_robustness.analysis.baseline.protocol import RunProtocol
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, ClassLabel, Condition
from pytest_robustness.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.baseline.baseline import Baseline, BaselineModel

SCHEMA_VERSION = 2
ANSWERS_SHA256 = "answers_sha256"

_DECIMALS = 2
_MOST_SHOWN = 80
_Kind = TypeVar("_Kind")


class Document(NamedTuple):
    """What a document holds besides the accuracies: all of a baseline but its images and answers.

    ``fingerprints`` and ``outcomes`` are those of each model; ``images`` is how many there are.
    """

    protocol: RunProtocol
    images: int
    classes: tuple[ClassLabel, ...]
    fingerprints: Mapping[str, str]
    outcomes: Mapping[str, Mapping[Condition, Outcome]]

    @property
    def cells(self) -> list[tuple[str, Condition]]:
        """Model and condition of every row of answers, in the order of the rows."""
        return cells(self.fingerprints, self.protocol)


def cells(models: Iterable[str], protocol: RunProtocol) -> list[tuple[str, Condition]]:
    """Return every model under every condition, in the order of the rows of answers."""
    return [(model, condition) for model in sorted(models) for condition in sorted(protocol.transforms, key=str)]


def compose(baseline: Baseline) -> dict[str, Any]:
    """Return all of ``baseline`` but the images and the answers themselves."""
    protocol, classes = baseline.protocol, baseline.images.classes
    return {
        "schema_version": SCHEMA_VERSION,
        "dataset": {
            "name": protocol.data,
            "images": len(baseline.images.labels),
            "unreadable": int(np.count_nonzero(~baseline.readable)),
            "classes": [label.name for label in classes],
            "class_keys": [label.key for label in classes],
        },
        "protocol": {
            "seed": protocol.seed,
            "pipeline": protocol.pipeline,
            "tests": dict(protocol.tests),
            "conditions": {
                str(condition): {"transform": condition.transform, "severity": condition.severity, "key": key}
                for condition, key in protocol.transforms.items()
            },
        },
        "models": {name: _model(baseline, model) for name, model in baseline.models.items()},
    }


def text_of(content: Mapping[str, Any]) -> bytes:
    """Return the JSON file of a document: sorted, one value a line."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    # What is no Unicode, from a file name of other bytes, becomes the escape that JSON has for it.
    return text.encode("utf-8", "backslashreplace")


def digest(content: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of what a document says, however it is laid out, but for the hash of the answers in it."""
    said = {key: value for key, value in content.items() if key != ANSWERS_SHA256}
    return hashlib.sha256(json.dumps(said, sort_keys=True, allow_nan=False).encode()).digest()


def load(text: bytes) -> dict[str, Any]:
    """Return the content of a JSON file, which may be any file.

    Raises
    ------
    ValueError, RecursionError
        When it is no JSON object of schema 2, or one with NaN, or with a key twice.
    """
    content = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    if not isinstance(content, dict) or type(content.get("schema_version")) is not int:
        raise ValueError("it has no schema_version")
    return content


def parse(content: Mapping[str, Any]) -> Document:
    """Return what a document holds.

    Raises
    ------
    KeyError, TypeError, ValueError
        When ``content`` is not what `compose` returns.
    """
    dataset, models = _get(content, "dataset", dict), _get(content, "models", dict)
    names, keys = (_texts(dataset, key) for key in ("classes", "class_keys"))
    protocol = _protocol(_get(content, "protocol", dict), data=_get(dataset, "name", str))
    images = _whole(dataset, "images")
    if len(names) != len(keys):
        raise ValueError(f"{len(names)} classes and {len(keys)} class_keys")
    return Document(
        protocol=protocol,
        images=images,
        classes=tuple(ClassLabel(key, name) for key, name in zip(keys, names, strict=True)),
        fingerprints={name: _get(_get(models, name, dict), "fingerprint", str) for name in models},
        outcomes={name: _outcomes(_get(model, "conditions", dict), protocol) for name, model in models.items()},
    )


def _model(baseline: Baseline, model: BaselineModel) -> dict[str, Any]:
    labels, classes = baseline.images.labels, [label.name for label in baseline.images.classes]
    readable = baseline.readable
    conditions = {}
    for condition in model.answers:
        right = model.right(condition, labels)[readable]
        outcome = {} if condition == CONTROL else {"outcome": model.outcomes[condition].value}
        conditions[str(condition)] = _accuracies(right, labels[readable], classes) | outcome
    return {"fingerprint": model.fingerprint, "conditions": conditions}


def _accuracies(right: NDArray[np.bool_], labels: NDArray[np.int64], classes: Sequence[str]) -> dict[str, Any]:
    """Return what a diff should show of one cell: accuracies in percent; a class without images has none."""
    hits, images = (np.bincount(which, minlength=len(classes)).tolist() for which in (labels[right], labels))
    return {
        "correct": sum(hits),
        "accuracy": round(100 * sum(hits) / max(1, len(labels)), _DECIMALS),
        "classes": {
            name: round(100 * hit / n, _DECIMALS)
            for name, hit, n in zip(_unique(classes), hits, images, strict=True)
            if n
        },
    }


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names; one that several classes share is told apart by the number of the class."""
    count = Counter(names)
    return [name if count[name] == 1 else f"{name} ({i})" for i, name in enumerate(names)]


def _protocol(content: Mapping[str, Any], data: str) -> RunProtocol:
    conditions = _get(content, "conditions", dict)
    transforms = {_condition(conditions, name): _get(conditions[name], "key", str) for name in conditions}
    if CONTROL not in transforms:
        raise ValueError("there is no control among its conditions")
    tests = _get(content, "tests", dict)
    return RunProtocol(
        data=data,
        seed=_whole(content, "seed"),
        pipeline=_whole(content, "pipeline"),
        transforms=transforms,
        tests={name: _option(tests, name) for name in tests},
    )


def _condition(conditions: Mapping[str, Any], name: str) -> Condition:
    found = _get(conditions, name, dict)
    severity = None if found["severity"] is None else _whole(found, "severity")
    condition = Condition(_get(found, "transform", str), severity)
    if str(condition) != name:
        raise ValueError(f"the condition {_shown(name)} says that it is {_shown(str(condition))}")
    return condition


def _outcomes(content: Mapping[str, Any], protocol: RunProtocol) -> dict[Condition, Outcome]:
    named = {str(condition): condition for condition in protocol.transforms}
    if content.keys() != named.keys():
        raise ValueError(f"a model has the conditions {_shown(sorted(content))}, and not {_shown(sorted(named))}")
    return {
        condition: Outcome(_get(_get(content, name, dict), "outcome", str))
        for name, condition in named.items()
        if condition != CONTROL
    }


def _get(content: Mapping[str, Any], key: str, kind: type[_Kind]) -> _Kind:
    """Return an entry of just this type; a bool is no int."""
    value = content[key]
    if type(value) is not kind:
        raise TypeError(f"{_shown(key)} is {_shown(value)}")
    return value


def _whole(content: Mapping[str, Any], key: str) -> int:
    value = _get(content, key, int)
    if value < 0:
        raise ValueError(f"{_shown(key)} is {_shown(value)}")
    return value


def _texts(content: Mapping[str, Any], key: str) -> list[str]:
    values = _get(content, key, list)
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"{_shown(key)} holds more than texts")
    return values


def _option(content: Mapping[str, Any], key: str) -> str | float:
    value = content[key]
    if isinstance(value, str) or (isinstance(value, int | float) and math.isfinite(value)):
        return value
    raise TypeError(f"{_shown(key)} is {_shown(value)}")


def _shown(value: object) -> str:
    return printable(repr(value), _MOST_SHOWN)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; of a key that stands there twice, Python would keep the second, and say nothing."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {_shown(twice)} stands there twice")
    return found


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")
