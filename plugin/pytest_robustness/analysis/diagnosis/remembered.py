"""Remember in a store what the doctor said of a model on some data, so that a report can show it."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING, Final

from pytest_robustness.analysis.diagnosis.diagnosis import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.core import ClassLabel, Preprocess
    from pytest_robustness.inference.store.store import Store

_log = logging.getLogger(__name__)

# Raised when what is remembered changes; what has another number is passed over.
_VERSION: Final = 1


def remembered_diagnosis(
    store: Store, fingerprint: str, preprocess: Preprocess, data: str, classes: Sequence[ClassLabel]
) -> Diagnosis | None:
    """Return the last diagnosis of a model on some data.

    ``None`` where the doctor was not asked, or another version of this package wrote what it said.

    Parameters
    ----------
    store
        Of a run: `doctor` writes into the same file.
    fingerprint, preprocess
        Of the model as it is now, as `ModelFacts` has them: a model that was mended since has others.
    data, classes
        The name of the data, as ``--data`` had it, and its classes.
    """
    text = store.recall(_key(fingerprint, preprocess, data, classes))
    try:
        content = dict(json.loads(text or "{}"))
        return Diagnosis.of(content) if content.pop("version", None) == _VERSION else None
    except (LookupError, TypeError, ValueError):
        _log.debug("a diagnosis in the store cannot be read", exc_info=True)
        return None


def remember_diagnosis(
    store: Store,
    diagnosis: Diagnosis,
    fingerprint: str,
    preprocess: Preprocess,
    classes: Sequence[ClassLabel],
) -> None:
    """Write a diagnosis into the store, in place of an earlier one of the same model on the same data."""
    key = _key(fingerprint, preprocess, diagnosis.data, classes)
    store.remember(key, json.dumps({**diagnosis.as_dict(), "version": _VERSION}))


def _key(fingerprint: str, preprocess: Preprocess, data: str, classes: Sequence[ClassLabel]) -> str:
    """Return the name under which it is remembered: of a model, by its content, on data of this name and classes."""
    parts = [fingerprint, preprocess.parts, data, [label.key for label in classes]]
    return f"doctor {hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()}"
