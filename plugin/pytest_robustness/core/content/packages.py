"""Hash installed packages by the files that their installers listed."""

from __future__ import annotations

import functools
import hashlib
import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_log = logging.getLogger(__name__)


@functools.cache
def package_hash(module: str) -> bytes:
    """Return a hash of the files of the installed package that holds ``module``, as its installer listed them.

    Distributions that share a namespace, such as one with ``acme.core`` and one with ``acme.aug``, count together:
    which of them has a module is not always written down, and one imports from the other. A package that no installer
    listed counts by its version.
    """
    top = module.partition(".")[0]
    distributions = _distributions(module, top)
    if not distributions:
        return str(getattr(sys.modules.get(top), "__version__", "")).encode()
    return hashlib.sha256("\n".join(_listed(one, len(distributions)) for one in distributions).encode()).digest()


def forget() -> None:
    """Look at what is installed anew."""
    for known in (package_hash, _called, _installed):
        known.cache_clear()


def _listed(distribution: Distribution, count: int) -> str:
    lines = sorted(line for line in _record(distribution) if _is_content(line))
    # One alone counts without its name.
    return "\n".join([*([_name(distribution)] if count > 1 else []), distribution.version, *lines])


def _is_content(line: str) -> bool:
    # What the installer adds differs between machines: compiled files have no hash, its own notes name paths.
    return ",sha256=" in line and ".dist-info/" not in line


def _distributions(module: str, top: str) -> list[Distribution]:
    """Return the distributions that may hold a module, in the order of their names."""
    called = _called(top)
    # To search all that is installed takes long. A distribution may have the name of another's package, and share a
    # namespace with others: that has no file of its own.
    if called is not None and {module, top} <= called[1]:
        return [called[0]]
    # Of two of one name the first counts, as for Python.
    found = {_name(one): one for one in reversed(_installed().get(top, []))}
    return [found[name] for name in sorted(found)] or ([called[0]] if called is not None else [])


@functools.cache
def _called(top: str) -> tuple[Distribution, frozenset[str]] | None:
    """Return the distribution that has the name of a package, with the modules whose files it lists."""
    import importlib.metadata  # here, because most runs use no such package

    try:
        found = importlib.metadata.distribution(top)
    except importlib.metadata.PackageNotFoundError:
        _log.debug("no distribution is called %s; all are searched for it", top, exc_info=True)
        return None
    return found, frozenset(_module(line) for line in _record(found))


@functools.cache
def _installed() -> dict[str, list[Distribution]]:
    """Return all distributions by the packages of which they list a file, compiled ones too, or that they declare."""
    import importlib.metadata

    found: dict[str, list[Distribution]] = {}
    for distribution in importlib.metadata.distributions():
        declared = (distribution.read_text("top_level.txt") or "").split()
        for top in {*declared, *(_module(line).partition(".")[0] for line in _record(distribution))}:
            found.setdefault(top, []).append(distribution)
    return found


def _record(distribution: Distribution) -> list[str]:
    return (distribution.read_text("RECORD") or "").splitlines()


def _module(line: str) -> str:
    """Return the module that a line of a ``RECORD`` would be the file of.

    >>> _module("acme/aug/fog.cpython-311-x86_64-linux-gnu.so,sha256=A,1"), _module("acme/aug/__init__.py,sha256=B,2")
    ('acme.aug.fog', 'acme.aug')
    """
    folder, _, file = line.split(",", 1)[0].rpartition("/")
    name = file.partition(".")[0]
    return ".".join(part for part in (folder.replace("/", "."), name) if part and part != "__init__")


def _name(distribution: Distribution) -> str:
    return str(distribution.metadata["Name"])
