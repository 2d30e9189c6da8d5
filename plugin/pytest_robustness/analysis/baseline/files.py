"""The two files of a baseline, written and read as a pair.

``robustness-baseline.json`` is for people: the protocol, and each model's accuracies under every condition, one a line,
so that a diff shows what changed. ``robustness-baseline.npy`` beside it is for the tests: one bit per image and cell.
The JSON holds its sha256, so the two cannot drift apart. The bits are not compressed further: 50,000 images under 46
conditions take 0.3 MB, git compresses what it keeps, and the bytes of a compressor depend on its version.
"""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_robustness.analysis.baseline import document
from pytest_robustness.core.files import write_atomically
from pytest_robustness.errors import BaselineError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_robustness.analysis.baseline.baseline import Baseline

SCHEMA_VERSION = 1
_WAY_OUT = "Restore both files from version control, or write them anew with --robustness-update-baseline."


def answers_path(path: Path) -> Path:
    """Return where the answers of the baseline at ``path`` are."""
    return path.with_suffix(".npy")


def write(baseline: Baseline, labels: NDArray[np.int64], path: Path) -> bool:
    """Write both files, each whole or not at all, and return whether anything changed.

    The same baseline gives the same bytes, and files that hold them already are left alone.

    Parameters
    ----------
    baseline
        What to keep.
    labels
        The class of each image: int64 [N].
    path
        The JSON file; its folder is made where absent.

    Raises
    ------
    BaselineError
        When the files cannot be written.
    """
    content = document.compose(baseline, labels)
    packed = _pack(baseline, content)
    content |= {"schema_version": SCHEMA_VERSION, "answers_sha256": hashlib.sha256(packed).hexdigest()}
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The JSON comes last: a process that dies between the two leaves a pair that `read` refuses.
        changed = [_publish(answers_path(path), packed), _publish(path, text.encode())]
    except OSError as error:
        raise BaselineError(
            f"The baseline cannot be written to {path}: {error.strerror}. Name another file with "
            f"--robustness-baseline=FILE; nothing has to be computed again."
        ) from error
    return any(changed)


def read(path: Path) -> Baseline:
    """Read both files.

    Raises
    ------
    BaselineError
        When one is missing, damaged, newer than this code, or does not belong to the other.
    """
    content = _read_json(path)
    try:
        packed = _read_answers(path, content["answers_sha256"])
        rows = _unpack(packed, 1 + len(document.cells(content)), document.parse_protocol(content).images)
        return document.parse(content, rows[0], iter(rows[1:]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def _pack(baseline: Baseline, content: dict[str, Any]) -> bytes:
    """Return a NumPy file of the answers, uint8 [1 + cells, ceil(N / 8)]; its first row tells the readable images."""
    named = {str(condition): condition for condition in baseline.protocol.transforms}
    answers = [baseline.models[model].answers[named[condition]] for model, condition in document.cells(content)]
    buffer = io.BytesIO()
    np.save(buffer, np.packbits(np.stack([baseline.readable, *answers]), axis=1))
    return buffer.getvalue()


def _unpack(packed: bytes, rows: int, images: int) -> NDArray[np.bool_]:
    """Return the rows of answers: bool [rows, images]."""
    bits = np.load(io.BytesIO(packed), allow_pickle=False)
    if bits.shape != (rows, -(-images // 8)):
        raise ValueError(f"{rows} rows of {images} bits expected; got bytes {bits.shape}")
    return np.unpackbits(bits, axis=1, count=images).astype(np.bool_)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BaselineError(
            f"There is no baseline at {path}. Run the model in production once with --robustness-update-baseline, and "
            f"commit {path.name} and {answers_path(path).name}."
        ) from None
    except OSError as error:
        raise BaselineError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise _damaged(path, "it has no schema_version")
    if version > SCHEMA_VERSION:
        raise BaselineError(
            f"{path} was written by a newer pytest-robustness (baseline schema {version}; this one reads schema "
            f"{SCHEMA_VERSION}). Upgrade pytest-robustness, or write the baseline anew with "
            f"--robustness-update-baseline."
        )
    return dict(content)


def _read_answers(path: Path, sha256: str) -> bytes:
    beside = answers_path(path)
    try:
        packed = beside.read_bytes()
    except FileNotFoundError:
        raise BaselineError(
            f"{beside} is missing: it holds the answers that belong to {path.name}. {_WAY_OUT}"
        ) from None
    except OSError as error:
        raise BaselineError(f"{beside} cannot be read: {error.strerror}.") from error
    if hashlib.sha256(packed).hexdigest() != sha256:
        raise BaselineError(f"{beside} does not belong to {path.name}: its sha256 is another. {_WAY_OUT}")
    return packed


def _damaged(path: Path, reason: str) -> BaselineError:
    return BaselineError(f"{path} is damaged, or is no baseline ({reason}). {_WAY_OUT}")


def _publish(path: Path, content: bytes) -> bool:
    """Put ``content`` at ``path`` in one step unless it is there already; return whether it was not."""
    if path.exists() and path.read_bytes() == content:
        return False
    write_atomically(path, content)
    return True
