"""Read the entries of a sample's JSON file that may say its class."""

from __future__ import annotations

import json
import logging
from typing import Final

from pytest_robustness.core.text import decoded, quoted

_log = logging.getLogger(__name__)

# With any change of these, or of what is read, remembered indexes need another `index._FORMAT`.
LABEL_ENTRIES: Final = ("cls", "class", "label", "target", "category", "class_id", "label_id")
NAME_ENTRIES: Final = ("class_name", "classname", "label_name", "category_name", "name", "synset", "wnid")
_LONGEST: Final = 200
_LARGEST: Final = 1e15


def entries_of(text: str) -> dict[str, str | int | list[str]]:
    """Return the entries of a JSON object that may say a class; a number or a text alone is its ``label``.

    An entry is a name or a whole number, which may be written ``3.0``; or, in a list, the text of what is neither. One
    that is null says nothing, as one that is not there.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        _log.debug("no JSON: %.100s", text, exc_info=True)
        return {}
    entries = found if isinstance(found, dict) else {"label": found}
    return {
        name: _value(entries[name]) for name in (*LABEL_ENTRIES, *NAME_ENTRIES) if entries.get(name) not in (None, "")
    }


def _value(found: object) -> str | int | list[str]:
    if isinstance(found, str) and len(found) < _LONGEST:
        return _name(found)
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    if isinstance(found, float) and found.is_integer() and abs(found) < _LARGEST:
        return int(found)
    return [quoted(found, 40)]


def _name(text: str) -> str:
    """Return a text with what is no UTF-8 as escapes, as names of files have it; JSON may write halves of signs too."""
    try:
        return decoded(text)
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
