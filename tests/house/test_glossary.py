"""The glossary of docs/architecture.md defines each word once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
HEAD = "| word | means | in code |"


def words(page: str) -> list[str]:
    """Return what the first column of the glossary has, below its two lines of a head."""
    rows = page.partition(HEAD)[2].partition("\n\n")[0].splitlines()[2:]
    return [row.split("|")[1].strip() for row in rows]


def test_a_word_is_defined_once() -> None:
    defined = words(PAGE.read_text(encoding="utf-8"))
    assert len(defined) > 50
    assert [word for word, times in Counter(defined).items() if times > 1] == []


def test_a_word_that_is_defined_twice_is_seen() -> None:
    assert words(f"{HEAD}\n| --- | --- | --- |\n| span | a | `A` |\n| span | b | `B` |\n\n| span |") == ["span", "span"]
