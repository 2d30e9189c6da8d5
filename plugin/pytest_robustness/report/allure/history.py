"""Read and write the file in which Allure keeps past runs: a line of JSON for each.

Allure gets a copy, so that a full disk or a run that is killed never leaves it half written. A line that Allure could
not use is refused by its number: one that is dropped would be a run that is lost.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from typing import TYPE_CHECKING, Any

from pytest_robustness.analysis.answers.json_text import no_constant
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)

RUNS = 50
"""How many runs are kept."""

_MOST_BYTES = 256 * 1024**2
_NUMBER = (int, float)
_RUN_KEYS: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("uuid", str),
    ("name", str),
    ("timestamp", _NUMBER),
    ("url", str),
)
_STATUSES = ("failed", "broken", "passed", "skipped", "unknown")


def read(path: Path) -> list[str]:
    """Return the lines of the last runs, oldest first; none where there is no such file.

    They are ASCII: a reader may take characters such as U+2028 for the end of a line.

    Raises
    ------
    RobustnessError
        When it is no regular file, cannot be read, is larger than 256 MiB, or a line is no run of Allure's.
    """
    try:
        content = _content(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        _log.debug("Allure's history cannot be read", exc_info=True)
        raise RobustnessError(f"Allure's history cannot be read from {path}: {error.strerror}. {_OTHER}") from error
    lines = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            lines.append(_checked(path, number, line))
    return lines[-RUNS:]


def write(path: Path, lines: Sequence[str]) -> None:
    """Replace the file by the last of ``lines``, in one step.

    Raises
    ------
    RobustnessError
        When it cannot be written; what was there is unchanged.
    """
    target = path.resolve()  # a link stays one
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, "".join(f"{line}\n" for line in lines[-RUNS:]))
    except OSError as error:
        _log.debug("Allure's history cannot be written", exc_info=True)
        raise RobustnessError(f"Allure's history cannot be written to {path}: {error.strerror}. {_OTHER}") from error


_OTHER = "Name another file with --robustness-allure-history=FILE; nothing has to be computed again."


def _content(path: Path) -> bytes:
    # Opened without waiting, because the other end of a pipe may never come.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise RobustnessError(f"Allure's history {path} is no regular file. {_OTHER}")
        if found.st_size > _MOST_BYTES:
            size = found.st_size // 1024**2
            raise RobustnessError(f"Allure's history {path} is too large: {size} MiB, and 256 are allowed. {_OTHER}")
        return file.read(_MOST_BYTES + 1)


def _checked(path: Path, number: int, line: bytes) -> str:
    try:
        point = json.loads(line.decode("utf-8"), parse_constant=no_constant)
        _require_run(point)
        return json.dumps(point, allow_nan=False)
    except (ValueError, RecursionError) as error:
        _log.debug("line %d of %s is no run", number, path, exc_info=True)
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RobustnessError(
            f"Allure's history {path} is damaged: line {number} is no run of Allure's ({reason}). Remove that line, or "
            f"name another file with --robustness-allure-history=FILE; nothing has to be computed again."
        ) from error


def _require_run(point: Any) -> None:
    """Raise `ValueError` unless ``point`` has what Allure reads of a past run, in the types that it expects."""
    _require(point, dict, "it")
    for key, kind in _RUN_KEYS:
        _require(point.get(key, "" if key == "url" else None), kind, key)
    for position, value in enumerate(_require(point.get("knownTestCaseIds"), list, "knownTestCaseIds")):
        _require(value, str, f"knownTestCaseIds[{position}]")
    for key, value in _require(point.get("metrics", {}), dict, "metrics").items():
        _require(value, _NUMBER, f"metrics[{key!r}]")
    for key, value in _require(point.get("testResults"), dict, "testResults").items():
        _require_result(value, f"testResults[{key!r}]")


def _require_result(result: Any, where: str) -> None:
    _require(result, dict, where)
    for key in ("id", "name", "historyId"):
        _require(result.get(key), str, f"{where}.{key}")
    for key in ("fullName", "environment", "message", "trace", "url"):
        _require(result.get(key, ""), str, f"{where}.{key}")
    for key in ("start", "stop", "duration"):
        _require(result.get(key, 0), _NUMBER, f"{where}.{key}")
    for key in ("labels", "reportLinks"):
        for value in _require(result.get(key, []), list, f"{where}.{key}"):
            _require(value, dict, f"an item of {where}.{key}")
    if result.get("status") not in _STATUSES:
        raise ValueError(f"{where}.status is {result.get('status')!r}"[:200])


def _require(value: Any, kind: type | tuple[type, ...], where: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{where[:120]} is {'null' if value is None else type(value).__name__}")  # noqa: TRY004
    return value
