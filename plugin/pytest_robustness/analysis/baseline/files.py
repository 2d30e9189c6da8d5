"""The two files of a baseline, written and read as a pair.

``robustness-baseline.json`` is for people: the protocol, and each model's accuracies under every condition, one a
line, so that a diff shows what changed. ``robustness-baseline.npz`` beside it is for the tests: the identity and label
of each image, and what each model answered (`arrays`). Each holds a hash of the other, so that neither can be edited,
or taken from another pair, unnoticed.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_robustness.analysis.baseline import arrays, document
from pytest_robustness.analysis.baseline.baseline import Baseline, BaselineModel
from pytest_robustness.analysis.baseline.images import ImageSet
from pytest_robustness.core.files import read_regular, write_atomically
from pytest_robustness.core.text import printable
from pytest_robustness.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_robustness.analysis.baseline.document import Document

_log = logging.getLogger(__name__)

_SUFFIX = ".json"
_ARRAYS_SUFFIX = ".npz"
_MOST_JSON = 256 * 2**20
_MOST_ARRAYS = 4 * 2**30
_SNIFFED = 4096
_LONGEST_REASON = 300
_WAY_OUT = "Restore both files from version control, or write them anew with --robustness-update-baseline."
_OLD = (
    "it was written by an older pytest-robustness, and does not say which images it is about. Run the model in "
    "production once with --robustness-update-baseline, and commit both files"
)


def answers_path(path: Path) -> Path:
    """Return where the answers of the baseline at ``path`` are: no other baseline has them there."""
    name = path.name.removesuffix(_SUFFIX)
    # Without the suffix, `prod` and `prod.json` would share a file.
    return path.with_name(f"{name}{_ARRAYS_SUFFIX}" if name != path.name else f"{path.name}.answers")


def require_writable(path: Path) -> None:
    """Refuse to write a baseline where something else is.

    Raises
    ------
    BaselineError
        When one of its two files is there and is no file of a baseline.
    """
    for file, ours in ((path, _is_document), (answers_path(path), arrays.begins)):
        found = _beginning(file)
        if found is not None and not ours(found):
            raise BaselineError(
                f"The baseline is not written to {path}: {file} is there, and is no file of a baseline. Delete it, or "
                f"name another file with --robustness-baseline=FILE."
            )


def write(baseline: Baseline, path: Path) -> bool:
    """Write both files, each whole or not at all, and return whether anything changed.

    The same baseline gives the same bytes, and files that hold them already are left alone.

    Parameters
    ----------
    baseline
        What to keep.
    path
        The JSON file; its folder is made where absent.

    Raises
    ------
    BaselineError
        When the files cannot be written, or what is there is no baseline.
    """
    content = document.compose(baseline)
    packed = _pack(baseline, document.digest(content))
    content[document.ANSWERS_SHA256] = hashlib.sha256(packed).hexdigest()
    try:
        require_writable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # The JSON comes last: a process that dies between the two leaves a pair that `read` refuses.
        changed = [_publish(answers_path(path), packed), _publish(path, document.text_of(content))]
    except OSError as error:
        _log.debug("the baseline cannot be written", exc_info=True)
        raise BaselineError(
            f"The baseline cannot be written to {path}: {error.strerror}. Name another file with "
            f"--robustness-baseline=FILE; nothing has to be computed again."
        ) from error
    return any(changed)


def read(path: Path) -> Baseline:
    """Read both files, which may be any files.

    Raises
    ------
    BaselineError
        When one is missing, damaged, of another version than this code's, or does not belong to the other.
    """
    content = _read_json(path)
    try:
        return _read_pair(path, content)
    except BaselineError:
        raise
    except Exception as error:  # whatever a damaged or a hostile file makes of the readers
        _log.debug("the baseline is damaged", exc_info=True)
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def _read_pair(path: Path, content: Mapping[str, Any]) -> Baseline:
    parsed = document.parse(content)
    shape = arrays.Shape(parsed.images, len(parsed.classes), len(parsed.fingerprints), len(parsed.cells))
    packed = _read_answers(path, content[document.ANSWERS_SHA256], min(shape.most_bytes, _MOST_ARRAYS))
    if arrays.document_sha256(packed) != document.digest(content):
        raise BaselineError(f"{path} was changed after it was written: its sha256 is another. {_WAY_OUT}")
    return _joined(parsed, arrays.unpack(packed, shape))


def _pack(baseline: Baseline, sha256: bytes) -> bytes:
    images, models = baseline.images, baseline.models
    rows = document.cells(models, baseline.protocol)
    classes = len(images.classes)
    return arrays.pack(
        arrays.Arrays(
            document_sha256=sha256,
            identities=np.ascontiguousarray(images.identities),
            labels=images.labels,
            outputs=np.array([models[name].outputs for name in sorted(models)], np.int64).reshape(-1, classes),
            answers=np.array([models[name].answers[condition] for name, condition in rows], np.int32).reshape(
                len(rows), len(images.labels)
            ),
        )
    )


def _joined(parsed: Document, found: arrays.Arrays) -> Baseline:
    rows = dict(zip(parsed.cells, found.answers, strict=True))
    models = {
        name: BaselineModel(
            fingerprint=parsed.fingerprints[name],
            outputs=outputs,
            answers={condition: rows[name, condition] for condition in parsed.protocol.transforms},
            outcomes=parsed.outcomes[name],
        )
        for name, outputs in zip(sorted(parsed.fingerprints), found.outputs, strict=True)
    }
    return Baseline(parsed.protocol, ImageSet(found.identities, found.labels, parsed.classes), models)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = document.load(read_regular(path, _MOST_JSON))
    except FileNotFoundError:
        _log.debug("there is no baseline", exc_info=True)
        raise BaselineError(
            f"There is no baseline at {path}. Run the model in production once with --robustness-update-baseline, and "
            f"commit {path.name} and {answers_path(path).name}."
        ) from None
    except OSError as error:
        _log.debug("the baseline cannot be read", exc_info=True)
        raise BaselineError(f"{path} cannot be read: {error.strerror}. {_WAY_OUT}") from error
    except (ValueError, RecursionError) as error:
        _log.debug("the baseline is damaged", exc_info=True)
        raise _damaged(path, str(error)) from error
    version = content["schema_version"]
    if version > document.SCHEMA_VERSION:
        raise BaselineError(
            f"{path} was written by a newer pytest-robustness (baseline schema {printable(str(version), 20)}; this one "
            f"reads schema {document.SCHEMA_VERSION}). Upgrade pytest-robustness, or write the baseline anew with "
            f"--robustness-update-baseline."
        )
    if version < document.SCHEMA_VERSION:
        raise BaselineError(f"{path} cannot be compared with: {_OLD}.")
    return content


def _read_answers(path: Path, sha256: str, most: int) -> bytes:
    beside = answers_path(path)
    try:
        packed = read_regular(beside, most)
    except FileNotFoundError:
        _log.debug("the baseline has no answers", exc_info=True)
        raise BaselineError(
            f"{beside} is missing: it holds the answers that belong to {path.name}. {_WAY_OUT}"
        ) from None
    except OSError as error:
        _log.debug("the baseline's answers cannot be read", exc_info=True)
        raise BaselineError(f"{beside} cannot be read: {error.strerror}. {_WAY_OUT}") from error
    if hashlib.sha256(packed).hexdigest() != sha256:
        raise BaselineError(f"{beside} does not belong to {path.name}: its sha256 is another. {_WAY_OUT}")
    return packed


def _damaged(path: Path, reason: str) -> BaselineError:
    shown = printable(reason, _LONGEST_REASON)
    return BaselineError(f"{path} is damaged, or is no baseline ({shown}). {_WAY_OUT}")


def _beginning(path: Path) -> bytes | None:
    """Return how a file begins; nothing of what is no regular file or cannot be read; ``None`` where nothing is."""
    if not path.exists():
        return None
    try:
        with path.open("rb") if path.is_file() else io.BytesIO() as file:
            return file.read(_SNIFFED)
    except OSError:
        _log.debug("what lies at %s cannot be read", path, exc_info=True)
        return b""


def _is_document(found: bytes) -> bool:
    """Whether a file begins as a baseline's JSON does, of any version, even if it is damaged further on."""
    return re.match(rb'(<{7}[^\n]*\n)?\s*\{\s*(<{7}[^\n]*\n)?\s*"answers_sha256"', found) is not None


def _publish(path: Path, content: bytes) -> bool:
    """Put ``content`` at ``path`` in one step unless it is there already; return whether it was not."""
    if path.exists() and path.read_bytes() == content:
        return False
    write_atomically(path, content)
    return True
