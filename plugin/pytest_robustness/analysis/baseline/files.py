"""The three files of a baseline, written and read together.

``robustness-baseline.json`` is for people: the protocol, and each model's accuracies under every condition, one a
line, so that a diff shows what changed. ``robustness-baseline.classes.json`` has the same of each class.
``robustness-baseline.npz`` is for the tests: the identity and label of each image, and what each model answered
(`answers.arrays`). Accuracies are computed again from the answers when a baseline is read, and hashes bind the rest: no
file can be edited, or taken from another baseline, unnoticed.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
from typing import TYPE_CHECKING, Any

from pytest_robustness.analysis.answers import arrays, json_text
from pytest_robustness.analysis.answers.recorded import from_arrays, rows, to_arrays
from pytest_robustness.analysis.baseline import document
from pytest_robustness.analysis.baseline.baseline import Baseline, BaselineModel
from pytest_robustness.core.errors import BaselineError
from pytest_robustness.core.files import read_regular, replacing
from pytest_robustness.core.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_robustness.analysis.baseline.document import Content, Document

_log = logging.getLogger(__name__)

_SUFFIX = ".json"
_ARRAYS_SUFFIX = ".npz"
_CLASSES_SUFFIX = ".classes.json"
_MOST_JSON = 256 * 2**20
_MOST_ARRAYS = 4 * 2**30
_SNIFFED = 4096
_POINTER = b"version https://git-lfs.github.com/spec/"
_LONGEST_REASON = 300
_WAY_OUT = (
    "Restore its files from version control, or delete them and write them anew with --robustness-update-baseline."
)
_OLD = (
    "it was written by an older pytest-robustness, in another form. Delete its files, run the model in production once "
    "with --robustness-update-baseline, and commit the three"
)


def answers_path(path: Path) -> Path:
    """Return where the answers of the baseline at ``path`` are: no other baseline has them there."""
    # Without the suffix, `prod` and `prod.json` would share a file.
    return _beside(path, _ARRAYS_SUFFIX, ".answers")


def classes_path(path: Path) -> Path:
    """Return where the accuracies by class of the baseline at ``path`` are."""
    return _beside(path, _CLASSES_SUFFIX, ".classes")


def _beside(path: Path, suffix: str, otherwise: str) -> Path:
    name = path.name.removesuffix(_SUFFIX)
    return path.with_name(f"{name}{suffix}" if name != path.name else f"{path.name}{otherwise}")


def require_writable(path: Path) -> None:
    """Refuse to write a baseline where something else is.

    Raises
    ------
    BaselineError
        When one of its files is there and is no file of a baseline.
    """
    kinds = ((path, _is_document), (classes_path(path), _is_classes), (answers_path(path), arrays.begins))
    for file, ours in kinds:
        found = _beginning(file)
        _require_content(file, found or b"")
        if found is not None and not ours(found):
            raise BaselineError(
                f"The baseline is not written to {path}: {file} is there, and is no file of a baseline. Delete it, or "
                f"name another file with --robustness-baseline=FILE."
            )


def write(baseline: Baseline, path: Path) -> bool:
    """Write the three files, all or none of them, and return whether anything changed.

    Files that hold the same baseline already are left alone.

    Parameters
    ----------
    baseline
        What to keep.
    path
        The first JSON file; its folder is made where absent.

    Raises
    ------
    BaselineError
        When the files cannot be written, or what is there is no baseline.
    """
    overall, classes = document.compose(baseline)
    found, its_rows = to_arrays(baseline, document.digest(overall))
    overall[document.ANSWERS_SHA256] = arrays.digest(found)
    try:
        require_writable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Another version of the compressor would give other bytes for the same answers.
        answers = [] if _holds(path, found, its_rows) else [(answers_path(path), arrays.pack(found, its_rows))]
        texts = [(classes_path(path), document.classes_text(classes)), (path, json_text.text_of(overall))]
        written = (*answers, *texts)
        changed = [(file, new) for file, new in written if not file.exists() or file.read_bytes() != new]
        with contextlib.ExitStack() as parts:
            # All are written before one takes its place, from the last back: a disk that is full changes none. The JSON
            # comes last then: a process that dies between two leaves files that `read` refuses.
            for file, content in reversed(changed):
                part = parts.enter_context(replacing(file))
                part.write(content)
                part.flush()
    except OSError as error:
        _log.debug("the baseline cannot be written", exc_info=True)
        raise BaselineError(
            f"The baseline cannot be written to {path}: {error.strerror}. Name another file with "
            f"--robustness-baseline=FILE; nothing has to be computed again."
        ) from error
    return bool(changed)


def read(path: Path) -> Baseline:
    """Read the three files, which may be any files.

    Raises
    ------
    BaselineError
        When one is missing, damaged, of another version than this code's, or does not belong to the others.
    """
    overall = _read_json(path, path)
    try:
        # What is no first file of a baseline has no second either: the message is about the first then.
        json_text.get(overall, document.CLASSES_SHA256, str)
        return _read_all(path, document.Content(overall, _read_json(classes_path(path), path)))
    except BaselineError:
        raise
    except document.OtherClassesError as error:
        _log.debug("the classes are of another baseline", exc_info=True)
        raise BaselineError(f"{classes_path(path)} does not belong to {path.name}: {error}. {_WAY_OUT}") from error
    except Exception as error:  # whatever a damaged or a hostile file makes of the readers
        _log.debug("the baseline is damaged", exc_info=True)
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def _read_all(path: Path, content: Content) -> Baseline:
    parsed = document.parse(content)
    shape = _shape(parsed)
    packed = _read_answers(path, min(shape.most_bytes, _MOST_ARRAYS))
    try:
        found = arrays.unpack(packed, shape)
    except arrays.OtherShapeError as error:
        _log.debug("the answers have another shape", exc_info=True)
        other = "it has other numbers of images, classes, models or answers"
        raise BaselineError(f"{answers_path(path)} does not belong to {path.name}: {other}. {_WAY_OUT}") from error
    if arrays.digest(found) != content.overall[document.ANSWERS_SHA256]:
        raise BaselineError(f"{answers_path(path)} does not belong to {path.name}: its sha256 is another. {_WAY_OUT}")
    baseline = _joined(parsed, found)
    true = document.compose(baseline)
    _require_true(path, content, true)
    hashes = (found.document, content.overall[document.CLASSES_SHA256], json_text.digest(content.classes).hex())
    classes = json_text.digest(true.classes).hex()
    if hashes != (document.digest(content.overall), classes, classes):
        raise BaselineError(f"{path} was changed after it was written: its sha256 is another. {_WAY_OUT}")
    return baseline


def _require_true(path: Path, said: Content, true: Content) -> None:
    """Refuse figures that the answers do not give, whatever hashes say."""
    hashes = {document.ANSWERS_SHA256, document.CLASSES_SHA256}
    overall = {key: value for key, value in said.overall.items() if key not in hashes}
    for file, ours, theirs in ((path, true.overall, overall), (classes_path(path), true.classes, said.classes)):
        difference = document.first_difference(theirs, ours)
        if difference:
            raise BaselineError(f"{file} was changed after it was written: {difference}. {_WAY_OUT}")


def _shape(parsed: Document) -> arrays.Shape:
    return arrays.Shape(parsed.images, len(parsed.classes), len(parsed.fingerprints), rows(parsed.cells))


def _holds(path: Path, found: arrays.Arrays, its_rows: list[arrays.Row]) -> bool:
    """Whether the answers of a baseline are at its place already."""
    shape = arrays.Shape(len(found.labels), found.outputs.shape[1], len(found.outputs), its_rows)
    try:
        packed = read_regular(answers_path(path), min(shape.most_bytes, _MOST_ARRAYS))
        return arrays.digest(arrays.unpack(packed, shape)) == arrays.digest(found)
    except Exception:  # whatever is there instead
        _log.debug("the baseline's answers are written anew", exc_info=True)
        return False


def _joined(parsed: Document, found: arrays.Arrays) -> Baseline:
    recorded = from_arrays(found, parsed.protocol, parsed.classes, parsed.fingerprints, parsed.conditions)
    models = {
        name: BaselineModel(model.fingerprint, model.outputs, model.answers, parsed.outcomes[name])
        for name, model in recorded.models.items()
    }
    return Baseline(recorded.protocol, recorded.images, models)


def _read_json(file: Path, path: Path) -> dict[str, Any]:
    """Return the content of one of the JSON files of the baseline at ``path``."""
    found = b""
    try:
        found = read_regular(file, _MOST_JSON)
        _require_content(file, found)
        content = json_text.load(found)
    except FileNotFoundError:
        _log.debug("there is no baseline", exc_info=True)
        raise _missing(file, path) from None
    except OSError as error:
        _log.debug("the baseline cannot be read", exc_info=True)
        raise BaselineError(f"{file} cannot be read: {error.strerror}. {_WAY_OUT}") from error
    except (ValueError, RecursionError) as error:
        _log.debug("the baseline is damaged", exc_info=True)
        if re.search(rb"^(<{7}|>{7})", found, re.MULTILINE):
            raise BaselineError(
                f"{file} has merge conflict markers. Take all three files of the baseline from one side of the merge, "
                f"or delete them and write it anew with --robustness-update-baseline."
            ) from error
        raise _damaged(file, f"no JSON: {error}" if isinstance(error, json.JSONDecodeError) else str(error)) from error
    version = content["schema_version"]
    if version > document.SCHEMA_VERSION:
        raise BaselineError(
            f"{file} was written by a newer pytest-robustness (baseline schema {printable(str(version), 20)}; this one "
            f"reads schema {document.SCHEMA_VERSION}). Upgrade pytest-robustness, or delete the baseline's files and "
            f"write them anew with --robustness-update-baseline."
        )
    if version < document.SCHEMA_VERSION:
        raise BaselineError(f"{file} cannot be compared with: {_OLD}.")
    return content


def _missing(file: Path, path: Path) -> BaselineError:
    if file != path:
        return BaselineError(f"{file} is missing: it holds the classes that belong to {path.name}. {_WAY_OUT}")
    return BaselineError(
        f"There is no baseline at {path}. Run the model in production once with --robustness-update-baseline, and "
        f"commit {path.name}, {classes_path(path).name} and {answers_path(path).name}."
    )


def _read_answers(path: Path, most: int) -> bytes:
    beside = answers_path(path)
    try:
        found = read_regular(beside, max(most, _SNIFFED))
    except FileNotFoundError:
        _log.debug("the baseline has no answers", exc_info=True)
        raise BaselineError(
            f"{beside} is missing: it holds the answers that belong to {path.name}. {_WAY_OUT}"
        ) from None
    except OSError as error:
        _log.debug("the baseline's answers cannot be read", exc_info=True)
        raise BaselineError(f"{beside} cannot be read: {error.strerror}. {_WAY_OUT}") from error
    _require_content(beside, found)
    return found


def _require_content(file: Path, found: bytes) -> None:
    """Refuse what Git LFS leaves in the place of a file that it has not fetched."""
    if found.startswith(_POINTER):
        raise BaselineError(
            f"{file} is a pointer of Git LFS, whose content was not fetched. Run git lfs pull (in a job: check out "
            f"with LFS), or delete the baseline's files and write them anew with --robustness-update-baseline."
        )


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


def _is_classes(found: bytes) -> bool:
    """Whether a file begins as that of a baseline's classes does."""
    return re.match(rb'(<{7}[^\n]*\n)?\s*\{\s*(<{7}[^\n]*\n)?\s*"classes": \[', found) is not None
