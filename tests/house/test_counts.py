"""Counts and lists are written in one way, by `core/text.py`: ``1 image``, and ``a, b and 4 more``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pytest_robustness

PACKAGE = Path(pytest_robustness.__file__).parent
BY_HAND = {
    "an abridged list": re.compile(r"\} more\"? (if|\*) .*(\.join|\w)|\.join\(\w+\[:\w+\]\) \+ \(f"),
    "a noun in two forms": re.compile(r"([\"']1 \w+[\"']|\"(image|class|pair)\") if|\} \w+\{'e?s' if"),
}
# Its lines are a list; a name in a row would be none.
A_LIST_OF_LINES = re.compile(r"^ +(return|more =) .*\[f?\"( *and )?")


def by_hand(text: str, kind: str) -> list[str]:
    lines = [line for line in text.splitlines() if not A_LIST_OF_LINES.search(line)]
    return [line.strip() for line in lines if BY_HAND[kind].search(line)]


@pytest.mark.parametrize("kind", BY_HAND)
def test_no_sentence_writes_a_count_or_a_list_by_hand(kind: str) -> None:
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "core" / "text.py"]
    found = {str(path): lines for path in paths if (lines := by_hand(path.read_text(encoding="utf-8"), kind))}
    assert found == {}


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('more = f" and {len(x) - 3} more" if len(x) > 3 else ""', "an abridged list"),
        ('", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")', "an abridged list"),
        ('return "1 image" if count == 1 else f"{count:,} images"', "a noun in two forms"),
        ('''f"{len(nodes)} node{'s' if len(nodes) > 1 else ''}"''', "a noun in two forms"),
    ],
)
def test_what_is_written_by_hand_is_found(line: str, kind: str) -> None:
    assert by_hand(line, kind)
