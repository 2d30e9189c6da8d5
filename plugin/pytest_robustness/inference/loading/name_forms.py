"""Compare the names of classes: as they are, then by looser and looser forms of them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_robustness.core import MatchMethod


def name_forms(names: Sequence[str]) -> Iterator[tuple[MatchMethod, Sequence[Callable[[str], str]], dict[str, int]]]:
    """Yield how names are compared, the closest first: the forms of a class, and the outputs by the forms of theirs."""
    plain = unique([_plain(name) for name in names])
    yield "name", (str,), unique(names)
    yield "name, Unicode-normalized", (_normalized,), unique([_normalized(name) for name in names])
    yield "name, case-folded", (_plain,), plain
    # The whole entry decides before its first synonym: "crane" and "crane, bird" are two classes.
    yield "first synonym", (_plain, first_synonym), unique([first_synonym(name) for name in names]) | plain


def first_synonym(name: str) -> str:
    """Return the first of several synonyms, with case and separators aside."""
    return _plain(name.partition(",")[0])


def unique(entries: Sequence[str | None]) -> dict[str, int]:
    """Return the place of each entry that there is once."""
    counts = Counter(entries)
    return {entry: place for place, entry in enumerate(entries) if entry is not None and counts[entry] == 1}


def once(outputs: Sequence[int | None]) -> tuple[int | None, ...]:
    """Return ``outputs`` without those that there are several times."""
    counts = Counter(outputs)
    return tuple(output if counts[output] == 1 else None for output in outputs)


def _normalized(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return re.sub(r"[\s_-]+", " ", folded).strip()
