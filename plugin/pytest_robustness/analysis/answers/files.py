"""The answers of a run beside its report: ``answers.npz``, which `compare` reads."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from pytest_robustness.analysis.answers import arrays, json_text
from pytest_robustness.analysis.answers.json_text import compose_protocol, get, parse_protocol, texts, whole
from pytest_robustness.analysis.answers.recorded import cells, from_arrays, rows, to_arrays
from pytest_robustness.core import ClassLabel
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.files import read_regular
from pytest_robustness.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_robustness.analysis.answers.recorded import RecordedAnswers

_log = logging.getLogger(__name__)

NAME: Final = "answers.npz"
SCHEMA_VERSION: Final = 1
MOST_ANSWERS: Final = 100_000_000
"""Answers of a file: what has more is a file of some tens of megabytes, and takes seconds to write."""

_MOST_BYTES = 2**30
_MOST_DOCUMENT = 64 * 2**20
_LONGEST_REASON = 300


def pack(recorded: RecordedAnswers) -> bytes:
    """Return the file."""
    images, models = recorded.images, recorded.models
    content = {
        "schema_version": SCHEMA_VERSION,
        "dataset": {
            "name": recorded.protocol.data,
            "images": len(images.labels),
            "classes": [label.name for label in images.classes],
            "class_keys": [label.key for label in images.classes],
        },
        "protocol": compose_protocol(recorded.protocol),
        "models": {
            name: {"fingerprint": model.fingerprint, "conditions": sorted(map(str, model.answers))}
            for name, model in models.items()
        },
    }
    said = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return arrays.pack(*to_arrays(recorded, json_text.encoded(said)))


def read(path: Path) -> RecordedAnswers:
    """Return the answers of the file at ``path``, which may be any file.

    Raises
    ------
    FileNotFoundError
        There is none.
    RobustnessError
        It is damaged, or of another version than this code's.
    """
    try:
        packed = read_regular(path, _MOST_BYTES)
        content = json_text.load(arrays.document(packed, _MOST_DOCUMENT))
        return _parsed(packed, content)
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever a damaged or a hostile file makes of the readers
        _log.debug("answers cannot be read", exc_info=True)
        reason = printable(f"{type(error).__name__}: {error}", _LONGEST_REASON)
        raise RobustnessError(
            f"{path} is damaged, or holds no answers ({reason}). Run again to write it anew."
        ) from error


def _parsed(packed: bytes, content: Mapping[str, Any]) -> RecordedAnswers:
    if content["schema_version"] != SCHEMA_VERSION:
        version = printable(str(content["schema_version"]), 20)
        raise ValueError(f"it is of schema {version}; this pytest-robustness reads schema {SCHEMA_VERSION}")
    dataset, models = get(content, "dataset", dict), get(content, "models", dict)
    protocol = parse_protocol(get(content, "protocol", dict), data=get(dataset, "name", str))
    names, keys = texts(dataset, "classes"), texts(dataset, "class_keys")
    known = {str(condition): condition for condition in protocol.transforms}
    conditions = {name: [known[each] for each in texts(get(models, name, dict), "conditions")] for name in models}
    if not all(conditions.values()):
        raise ValueError("a model has no answers")
    classes = tuple(ClassLabel(key, name) for key, name in zip(keys, names, strict=True))
    fingerprints = {name: get(models[name], "fingerprint", str) for name in models}
    shape = arrays.Shape(whole(dataset, "images"), len(classes), len(models), rows(cells(conditions)))
    return from_arrays(arrays.unpack(packed, shape), protocol, classes, fingerprints, conditions)
