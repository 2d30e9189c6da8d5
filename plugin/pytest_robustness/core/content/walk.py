"""Walk the objects that can be reached from a value, each once, and hash them."""

from __future__ import annotations

import hashlib
import logging
from collections import ChainMap
from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.core.content.files import FileContent
from pytest_robustness.core.content.parts import content_of, key_of
from pytest_robustness.core.content.plain import Content, framed, plain
from pytest_robustness.core.file_hashes import content_digest
from pytest_robustness.core.hash_memory import DIGEST_BYTES
from pytest_robustness.core.source_code import text_of, was_compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping
    from pathlib import Path

    HashFile = Callable[[Path], bytes]
    _Path = tuple["_Path | None", str]
    _Memo = MutableMapping[object, tuple[bytes, object]]

_log = logging.getLogger(__name__)

# Where a walk gets out of hand it stops and says so. A model of a thousand layers has some fifty thousand objects.
_MOST_OBJECTS = 500_000
_SMALL = 1024
# What the items of sets lead to is walked for each item by itself, and so perhaps many times.
_MOST_IN_SETS = 20_000
_DEEPEST_SET = 20


class Hashed(NamedTuple):
    """A hash, 32 bytes, and what it does not cover: "lock (SimpleQueue)" for an object, by where it was met."""

    digest: bytes
    unhashed: tuple[str, ...]


def content_hash(*values: object) -> Hashed:
    """Return the hash of ``values`` and of everything that can be reached from them.

    Equal structures have equal hashes, in every process. One structure counts as another if it has other values, other
    code, or the same object in two places where the other has two equal ones.
    """
    whole = ContentHash()
    for value in values:
        whole.add(value)
    return whole.result()


class ContentHash:
    """A hash that grows by one value after the other.

    Parameters
    ----------
    hash_file
        Returns the hash of a file's content, or raises an `OSError`. Left out, files are read.
    """

    def __init__(self, hash_file: HashFile | None = None) -> None:
        self._hash_file = hash_file or _read
        self._digest = hashlib.sha256()
        # Most parts are small, and are hashed together.
        self._small = bytearray()
        # Objects by identity, with their number; kept here, because the identity of one that is gone is used again.
        self._memo: _Memo = {}
        self._count = 0
        self._left = [_MOST_OBJECTS]
        self._left_in_sets = [_MOST_IN_SETS]
        self._depth = 0
        self._unhashed: dict[str, None] = {}

    def result(self) -> Hashed:
        """Return the hash of what was added so far."""
        self._digest.update(self._small)
        self._small.clear()
        return Hashed(self._digest.digest(), tuple(self._unhashed))

    def update(self, data: bytes | memoryview) -> None:
        """Add bytes, as they are."""
        self._small += b"r%d:" % len(data)
        if len(data) < _SMALL:
            self._small += data
            return
        self._digest.update(self._small)
        self._small.clear()
        self._digest.update(data)

    def leave_out(self, value: object) -> None:
        """Let ``value`` count by its presence alone, because its content was added otherwise."""
        self._memo[id(value)] = b"@given;", value

    def add(self, value: object, name: str = "") -> None:
        """Add ``value`` and everything that can be reached from it; ``name`` begins what messages call its parts."""
        # In the order of a recursive walk, without its limit: a linked list may be long.
        pending: list[tuple[object, _Path]] = [(value, (None, name))]
        while pending:
            item, path = pending.pop()
            known = plain(item)
            if known is not None:
                self._small += known
                continue
            parts = self._visit(item, path)
            pending.extend((part, (path, label)) for label, part in reversed(parts))

    def _visit(self, item: object, path: _Path) -> list[tuple[str, object]]:
        """Add an object itself, unless it was met before; return the parts that are still to be added."""
        key = key_of(item)
        met = self._memo.get(key)
        if met is not None:
            self._small += met[0]
            return []
        self._memo[key] = b"@%d;" % self._count, item
        self._count += 1
        self._left[0] -= 1
        if self._left[0] < 0:
            self._note("what lies beyond too many objects")
            return []
        if isinstance(item, set | frozenset):
            self._small += framed(b"S", self._set(item, path))
        content = self._content(item)
        if content is None or content.lacks:
            self._note(f"{_render(path)} ({type(item).__name__})".strip())
        if content is None:
            self._small += framed(b"?", type(item).__qualname__.encode())
            return []
        self._small += b"<%d,%d" % (len(content.own), len(content.parts))
        for data in content.own:
            self.update(data)
        return list(content.parts)

    def _content(self, item: object) -> Content | None:
        try:
            return self._file(item.path) if isinstance(item, FileContent) else content_of(item)
        except Exception:  # code of the user's that says what an object holds may raise anything
            _log.debug("an object of type %s cannot be read", type(item), exc_info=True)
            return None

    def _file(self, path: Path) -> Content:
        # Of a module's file counts what was compiled: it may have been edited since.
        return Content([b"file", content_digest(text_of(path)) if was_compiled(path) else self._hash_file(path)])

    def _set(self, items: Iterable[object], path: _Path) -> bytes:
        """Return the content of a set in an order of its own: that of the hash of each item by itself."""
        if self._depth >= _DEEPEST_SET:
            self._note(f"{_render(path)} (sets within sets)".strip())
            return b""
        return b"".join(sorted(self._alone(item, path) for item in items))

    def _alone(self, item: object, path: _Path) -> bytes:
        known = plain(item)
        if known is not None:
            return hashlib.sha256(known).digest()
        other = ContentHash(self._hash_file)
        # It knows what was met before the set, and not what the other items lead to.
        other._memo = ChainMap({}, self._memo)
        other._left = other._left_in_sets = self._left_in_sets
        other._count, other._depth = self._count, self._depth + 1
        other.add(item, _render(path))
        self._unhashed |= other._unhashed
        return other.result().digest

    def _note(self, text: str) -> None:
        self._unhashed[text] = None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()[:DIGEST_BYTES]  # as of a text that was compiled


def _render(path: _Path | None) -> str:
    names: list[str] = []
    while path is not None:
        path, name = path
        if name:
            names.append(name)
    return ".".join(reversed(names))
