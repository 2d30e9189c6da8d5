"""Find the files of many images each that a user names: tar archives and tables, here or at a URL."""

from __future__ import annotations

import glob
import itertools
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_robustness.core.errors import DataError
from pytest_robustness.core.text import decoded
from pytest_robustness.data.decoding.formats import extension
from pytest_robustness.data.files import storage
from pytest_robustness.data.files.braces import expanded
from pytest_robustness.data.files.class_folders import (
    LeftOut,
    entries_of,
    is_folder,
    is_hidden,
    leads_to,
    may_be_read,
    require_target,
    shortened,
)
from pytest_robustness.data.files.containers import Container
from pytest_robustness.data.files.remote_files import below, listing, shown
from pytest_robustness.data.files.splits import require_one_split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst")


class Shards(NamedTuple):
    """The files that a user names, sorted where they were listed, and sentences on what lies beside them."""

    containers: list[Container]
    notes: tuple[str, ...]


def find(scheme: str, argument: str, endings: Sequence[str], what: str) -> Shards:
    """Return the files that ``argument`` names.

    Parameters
    ----------
    scheme
        What the user wrote before it.
    argument
        A path or URL of a file or folder, or a pattern of either: with braces, or with ``*``.
    endings
        Of files in a folder, those whose names end so count, in capitals or not.
    what
        What such a file is called in messages.

    Raises
    ------
    DataError
        There is none, the place cannot be read, or a folder or a ``*`` mixes splits. What braces list is meant so.
    OptionError
        The braces are not balanced.
    """
    local = storage.local_path(argument)
    patterns = [argument] if local is not None and local.exists() else expanded(argument)
    left_out = LeftOut(wanted=f"otherwise than in {' or '.join(endings)}")
    groups = [_matching(pattern, endings, left_out) for pattern in patterns]
    found = [container for group in groups for container in group]
    notes = tuple(left_out.sentences(decoded(argument)))
    if not found:
        valid = f"Valid: a file or folder of {', '.join(endings)}."
        raise DataError(f"{decoded(argument)} holds no {what}. {' '.join([valid, *notes])}")
    missing = [one.shown for one in found if one.path is not None and not one.path.exists()]
    if missing:
        count = f"{len(missing)} of {len(found)} files do not exist: {shortened(missing)}"
        gone = f"{missing[0]} does not exist" if len(found) == 1 else count
        raise DataError(f"{gone}. Valid: a {what}, a pattern of several, or a folder of them.")
    for group in groups:
        if len(group) > 1:
            _require_one_split(scheme, [container.text for container in group])
    return Shards(found, notes)


def _require_one_split(scheme: str, texts: Sequence[str]) -> None:
    paths = [text.split("/") for text in texts]
    shared = itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*(path[:-1] for path in paths), strict=False))
    root = [parts[0] for parts in shared]
    require_one_split(scheme, decoded("/".join(root)), [decoded("/".join(path[len(root) :])) for path in paths])


def _matching(pattern: str, endings: Sequence[str], left_out: LeftOut) -> list[Container]:
    path = storage.local_path(pattern)
    if path is None:
        return _remote(pattern, endings, left_out)
    if path.is_dir():
        return [Container(name) for name in _in_folder(path, "", endings, left_out)]
    if not path.exists() and glob.has_magic(str(path)):
        names = glob.glob(str(path), recursive=True)  # noqa: PTH207 (a Path globs below a folder alone)
        return [Container(name) for name in sorted(names)]
    return [Container(str(path))]


def _in_folder(root: Path, folder: str, endings: Sequence[str], left_out: LeftOut) -> list[str]:
    """Return the files in a folder of ``root``, those of each folder before those of the folders in it."""
    names, folders = [], []
    for entry in sorted(entries_of(root / folder), key=lambda entry: entry.name):
        path = f"{folder}{entry.name}"
        if is_hidden(entry.name):
            left_out.hidden += 1
        elif is_folder(entry):
            if not _leads_back(entry, root):
                folders.append(f"{path}/")
        elif entry.name.lower().endswith(tuple(endings)) and may_be_read(entry):
            names.append(str(root / path))
        elif may_be_read(entry):
            require_target(entry, f"a folder of {' or '.join(endings)}")
            left_out.endings[decoded(_ending(entry.name))] += 1
        else:
            left_out.irregular.append(decoded(path))
    return [*names, *(name for within in folders for name in _in_folder(root, within, endings, left_out))]


def _leads_back(entry: os.DirEntry[str], root: Path) -> bool:
    """Return whether ``entry`` is a link to a folder in ``root``, whose files are listed there."""
    target = leads_to(entry)
    if target is None or target.is_relative_to(os.path.realpath(root)):
        return target is not None
    raise DataError(
        f"{decoded(entry.path)} is a link to {decoded(str(target))}, out of {decoded(str(root))}. Remove it; if what "
        f"it leads to is meant too, name both in braces: {{a,b}}."
    )


def _ending(name: str) -> str:
    """Return the ending of a file's name, with the one before where it is compressed: ``.tar.gz``."""
    ending = extension(name)
    return extension(name[: -len(ending)]) + ending if ending in _COMPRESSED else ending


def _remote(pattern: str, endings: Sequence[str], left_out: LeftOut) -> list[Container]:
    if "*" in pattern:
        unstrip = storage.locate(pattern).system.unstrip_protocol
        paths = storage.asked(pattern, lambda where: sorted(where.system.glob(where.path)))
        if "::" in pattern:
            raise DataError(f"{decoded(pattern)} has a * within an archive. Name the files, or use braces.")
        return [Container(unstrip(path)) for path in paths]
    web = pattern.startswith(("http://", "https://"))
    if pattern.lower().endswith(tuple(endings)) or (web and not pattern.endswith("/")):
        return [Container(pattern)]
    found, hidden = [], set()
    for name in sorted(listing(pattern)):
        parts = shown(pattern, name).split("/")
        first = next((number for number, part in enumerate(parts) if is_hidden(part)), None)
        if first is not None:
            hidden.add("/".join(parts[: first + 1]))
        elif name.lower().endswith(tuple(endings)):
            found.append(Container(below(pattern, name)))
        elif not name.startswith("?"):  # of a web server, which sorts its list so
            left_out.endings[decoded(_ending(parts[-1]))] += 1
    left_out.hidden += len(hidden)
    return found
