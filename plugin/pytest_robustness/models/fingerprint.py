"""Hash everything that a model's outputs depend on: the store's keys hold it.

What counts, and what cannot be seen, is in ``docs/design/0004-what-a-key-covers.md``.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

from pytest_robustness.core.content import ContentHash

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_robustness.core import Model
    from pytest_robustness.core.content import Hashed
    from pytest_robustness.core.file_hashes import FileHashes


def fingerprint(model: Model, extra: bytes = b"") -> str:
    """Return the SHA-256, in hex, of a model's weights, structure, code, preprocessing and classes."""
    return _hashed(model, extra).digest.hex()


def identified(
    model: Model, extra: bytes = b"", *, hashes: FileHashes | None = None, given: Sequence[object] = ()
) -> Model:
    """Return ``model`` with its fingerprint, and with the names of what that does not cover.

    Parameters
    ----------
    model
        A fingerprint that it brings along is kept.
    extra
        What else the outputs depend on, such as the content of files.
    hashes
        Hashes the files that the model's objects name.
    given
        Objects of the model whose content is part of ``extra``.
    """
    if model.fingerprint:
        return model
    hashed = _hashed(model, extra, hashes, given)
    return dataclasses.replace(model, fingerprint=hashed.digest.hex(), unhashed=hashed.unhashed)


def with_files(model: Model, files: Iterable[Path], hashes: FileHashes) -> Model:
    """Return ``model`` with a fingerprint that covers ``files`` too: those that it opens when it first runs."""
    contents = files_digest(files, hashes)
    if not contents:
        return model
    combined = hashlib.sha256(model.fingerprint.encode() + contents).hexdigest()
    return dataclasses.replace(model, fingerprint=combined)


def files_digest(files: Iterable[Path], hashes: FileHashes) -> bytes:
    """Return a hash of the names and contents of ``files``, not of their folders; nothing if there are none.

    Raises
    ------
    OSError
        A file cannot be read.
    """
    known = sorted({(path.name, hashes.digest(path)) for path in files})
    return hashlib.sha256(repr(known).encode(errors="surrogatepass")).digest() if known else b""


def _hashed(model: Model, extra: bytes, hashes: FileHashes | None = None, given: Sequence[object] = ()) -> Hashed:
    whole = ContentHash(None if hashes is None else hashes.digest)
    for known in given:
        whole.leave_out(known)
    whole.update(extra)
    whole.add(dataclasses.astuple(model.preprocess), "preprocess")
    whole.add(None if model.classes is None else tuple(model.classes), "classes")
    whole.add(model.module)
    return whole.result()
