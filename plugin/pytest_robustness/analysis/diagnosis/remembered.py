"""Read from a store what the doctor said of a model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pytest_robustness.analysis.diagnosis.diagnosis import Diagnosis
from pytest_robustness.inference.doctor.remembering import key_of, recall, remember

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.core import ClassLabel, Preprocess
    from pytest_robustness.inference.store import Store

_log = logging.getLogger(__name__)


def remembered_diagnosis(
    store: Store, fingerprint: str, preprocess: Preprocess, data: str, classes: Sequence[ClassLabel]
) -> Diagnosis | None:
    """Return the last diagnosis of a model on some data; ``None`` where the doctor was not asked.

    Parameters
    ----------
    store
        Of a run: `doctor` writes into the same file.
    fingerprint, preprocess
        Of the model as it is now, as `ModelFacts` has them: a model that was mended since has others.
    data, classes
        The name of the data, as ``--data`` had it, and its classes.
    """
    content = recall(store, key_of(fingerprint, preprocess, data, classes))
    if content is None:
        return None
    try:
        return Diagnosis.of(content)
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
    remember(store, key_of(fingerprint, preprocess, diagnosis.data, classes), diagnosis.as_dict())
