"""Hash everything that a model's outputs depend on: the store's keys hold it.

What counts, and what cannot be seen, is in ``docs/design/0004-what-a-key-covers.md``.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.content import ContentHash, patches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_robustness.core import Model
    from pytest_robustness.core.content import Hashed
    from pytest_robustness.core.file_hashes import FileHashes

_FIRST: Final = ("resize", "crop", "mean", "std", "interpolation", "antialias")


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
    settings = model.preprocess.parts
    first = tuple(settings.pop(name) for name in _FIRST)
    # What is set of the others is added by name: the fingerprints of models without them stay what they were.
    whole.add((*first, *settings.items()), "preprocess")
    whole.add(None if model.classes is None else tuple(model.classes), "classes")
    if model.output_offset:
        whole.add(model.output_offset, "output_offset")
    if model.probabilities:
        whole.add(True, "probabilities")
    whole.add(model.module)
    # In the order of their places; where there are none, fingerprints stay what they were.
    for place, patch in patches():
        whole.add(place)
        whole.add(patch, place)
    return whole.result()
