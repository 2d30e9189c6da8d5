"""Remember in the store what the doctor said of a model on some data, so that a report can show it."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_robustness.core import ClassLabel, Preprocess
    from pytest_robustness.inference.store import Store

_log = logging.getLogger(__name__)

# Raised when what is remembered changes; what has another number is passed over.
_VERSION: Final = 1


def remember(store: Store, key: str, content: Mapping[str, Any]) -> None:
    """Write what the doctor said, as JSON values, in place of what it said before."""
    store.remember(key, json.dumps({**content, "version": _VERSION}))


def recall(store: Store, key: str) -> dict[str, Any] | None:
    """Return what the doctor said; ``None`` where it said nothing, or another version of this package wrote it."""
    text = store.recall(key)
    try:
        content = dict(json.loads(text or "{}"))
    except ValueError:
        _log.debug("what the store remembers of the doctor cannot be read", exc_info=True)
        return None
    return content if content.pop("version", None) == _VERSION else None


def key_of(fingerprint: str, preprocess: Preprocess, data: str, classes: Sequence[ClassLabel]) -> str:
    """Return the name under which it is remembered: of a model, by its content, on data of this name and classes."""
    parts = [fingerprint, preprocess.parts, data, [label.key for label in classes]]
    return f"doctor {hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()}"
