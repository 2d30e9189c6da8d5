"""What `gpu.py` measured, as Markdown tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stages import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COLUMNS = ("forward_per_second", "sweep_per_second", "ratio", "running_per_second", "running_ratio", "protocol_hours")


def report(found: dict[str, Any]) -> str:
    """Return the tables, and what was not measured."""
    parts = found["parts"]
    works = {name: part for name, part in parts.items() if isinstance(part, dict) and "ratio" in part}
    sections = [
        ", ".join(f"{name} {value}" for name, value in found["machine"].items()),
        _tests(parts.get("tests/gpu")),
        _table(
            ("", "forward only, 1/s", "sweep, 1/s", "ratio", "once running, 1/s", "ratio", "hours"),
            ((name, *(_figure(work[column]) for column in COLUMNS)) for name, work in works.items()),
        ),
        _table(
            ("µs per image and condition", *STAGES),
            ((name, *(_figure(work["stages_us"][stage]) for stage in STAGES)) for name, work in works.items()),
        ),
        *(
            _table((f"{name}: images/s", ""), ((row, _figure(value)) for row, value in parts[name].items()))
            for name in ("decoding", "transforms")
            if isinstance(parts.get(name), dict)
        ),
        "\n".join(f"- {name}: {part}" for name, part in parts.items() if isinstance(part, str)),
        "\n".join(f"{name} failed:\n{text}" for name, text in found["errors"].items()),
    ]
    return "\n\n".join(filter(None, sections))


def _tests(part: Any) -> str:
    if not isinstance(part, dict):
        return ""
    lines = [f"tests/gpu: passed {part['passed']}, failed {len(part['failed'])}, skipped {len(part['skipped'])}"]
    lines += [f"- failed {name}: {text}" for name, text in part["failed"].items()]
    return "\n".join([*lines, *sorted({f"- skipped: {text}" for text in part["skipped"].values()})])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) if len(lines) > 2 else ""


def _figure(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
