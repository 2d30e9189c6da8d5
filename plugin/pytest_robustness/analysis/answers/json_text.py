"""JSON that may come from anywhere: read with every field checked, written the same for the same content."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pytest_robustness.analysis.answers.comparable import RunProtocol
from pytest_robustness.core import CONTROL, Condition
from pytest_robustness.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_SHOWN = 80
_Kind = TypeVar("_Kind")


def text_of(content: Mapping[str, Any]) -> bytes:
    """Return the JSON file of a document: sorted, one value a line."""
    return encoded(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def encoded(text: str) -> bytes:
    """Return JSON as bytes: what is no Unicode, from a file name of other bytes, becomes the escape that JSON has."""
    return text.encode("utf-8", "backslashreplace")


def digest(content: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of what a document says, however it is laid out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).digest()


def load(text: bytes) -> dict[str, Any]:
    """Return the content of a JSON file, which may be any file.

    Raises
    ------
    ValueError, RecursionError
        When it is no JSON object with a schema version, or one with NaN, or with a key twice.
    """
    content = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=no_constant)
    if not isinstance(content, dict) or type(content.get("schema_version")) is not int:
        raise ValueError("it has no schema_version")
    return content


def compose_protocol(protocol: RunProtocol) -> dict[str, Any]:
    """Return a protocol as JSON has it."""
    return {
        "seed": protocol.seed,
        "pipeline": protocol.pipeline,
        "tests": dict(protocol.tests),
        "conditions": {
            str(condition): {"transform": condition.transform, "severity": condition.severity, "key": key}
            for condition, key in protocol.transforms.items()
        },
        # A file of before the choice says nothing of it, and neither does one in which all count.
        **({} if protocol.outputs == "all" else {"outputs": protocol.outputs}),
    }


def parse_protocol(content: Mapping[str, Any], data: str) -> RunProtocol:
    """Return the protocol that `compose_protocol` wrote, of the data with this name.

    Raises
    ------
    KeyError, TypeError, ValueError
        When ``content`` is something else.
    """
    conditions = get(content, "conditions", dict)
    transforms = {_condition(conditions, name): get(conditions[name], "key", str) for name in conditions}
    if CONTROL not in transforms:
        raise ValueError("there is no control among its conditions")
    tests = get(content, "tests", dict)
    return RunProtocol(
        data=data,
        seed=whole(content, "seed"),
        pipeline=whole(content, "pipeline"),
        transforms=transforms,
        tests={name: _option(tests, name) for name in tests},
        outputs=get(content, "outputs", str) if "outputs" in content else "all",
    )


def get(content: Mapping[str, Any], key: str, kind: type[_Kind]) -> _Kind:
    """Return an entry of just this type; a bool is no int."""
    value = content[key]
    if type(value) is not kind:
        raise TypeError(f"{shown(key)} is {shown(value)}")
    return value


def whole(content: Mapping[str, Any], key: str) -> int:
    """Return a whole number that is not negative."""
    value = get(content, key, int)
    if value < 0:
        raise ValueError(f"{shown(key)} is {shown(value)}")
    return value


def texts(content: Mapping[str, Any], key: str) -> list[str]:
    """Return a list of texts."""
    values = get(content, key, list)
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"{shown(key)} holds more than texts")
    return values


def shown(value: object) -> str:
    """Return a value for a message."""
    return printable(repr(value), _MOST_SHOWN)


def _condition(conditions: Mapping[str, Any], name: str) -> Condition:
    found = get(conditions, name, dict)
    severity = None if found["severity"] is None else whole(found, "severity")
    condition = Condition(get(found, "transform", str), severity)
    if str(condition) != name:
        raise ValueError(f"the condition {shown(name)} says that it is {shown(str(condition))}")
    return condition


def _option(content: Mapping[str, Any], key: str) -> str | float:
    value = content[key]
    if isinstance(value, str) or (isinstance(value, int | float) and math.isfinite(value)):
        return value
    raise TypeError(f"{shown(key)} is {shown(value)}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; of a key that stands there twice, Python would keep the second, and say nothing."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {shown(twice)} stands there twice")
    return found


def no_constant(text: str) -> NoReturn:
    """Refuse ``NaN`` and ``Infinity``, which Python reads besides JSON."""
    raise ValueError(f"{text} is no number of JSON")
