"""List the images of a class folder, and count what lies beside them.

A file counts as an image by its name: the endings of `formats.readable`. Hidden and system files do not, nor what is no
regular file. A link to a file is read; a link to a folder is not followed, except where it is the class folder itself.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import stat
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.errors import DataError
from pytest_robustness.core.text import counted, decoded
from pytest_robustness.data.decoding.formats import extension, readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SHOWN: Final = 10
_SYSTEM: Final = frozenset(
    ("__macosx", "__pycache__", "@eadir", "$recycle.bin", "lost+found", "system volume information", "thumbs.db",
     "ehthumbs.db", "desktop.ini", "icon\r")
)  # fmt: skip
_PLUGIN_OF: Final = {".heic": "pillow-heif", ".heif": "pillow-heif", ".jxl": "pillow-jxl-plugin"}


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name is kept by a system or a tool, and is no data."""
    return name.startswith(".") or name.casefold() in _SYSTEM


@dataclasses.dataclass
class LeftOut:
    """What lies beside what is read: counts by ending, of hidden entries, and what is no regular file.

    ``loose`` counts images that lie in no class folder, ``unnamed`` those of each folder that is no class, ``wanted``
    says which endings are read.
    """

    endings: Counter[str] = dataclasses.field(default_factory=Counter)
    hidden: int = 0
    irregular: list[str] = dataclasses.field(default_factory=list)
    loose: int = 0
    unnamed: dict[str, int] = dataclasses.field(default_factory=dict)
    wanted: str = "in no ending of an image that can be read here"

    def sentences(self, root: str) -> Iterator[str]:
        """Yield a sentence for each kind of thing that was left out of the folder ``root``."""
        if self.loose:
            images, are = ("image", "is") if self.loose == 1 else ("images", "are")
            yield f"{self.loose} {images} in {root} itself, in no class folder, {are} left out."
        if self.unnamed:
            folders, are = ("folder", "is") if len(self.unnamed) == 1 else ("folders", "are")
            named = shortened([f"{name} ({counted(images, 'image')})" for name, images in self.unnamed.items()])
            yield f"{len(self.unnamed)} {folders} in {root} {are} left out, because no class is called so: {named}."
        total = self.endings.total()
        if total:
            kinds = ", ".join(_counted(ending, count) for ending, count in self.endings.most_common(_SHOWN))
            more = ", ..." if len(self.endings) > _SHOWN else ""
            files, are, names = ("file", "is", "its name ends") if total == 1 else ("files", "are", "their names end")
            why = f"because {names} {self.wanted}"
            yield f"{total} {files} in {root} {are} left out, {why}: {kinds}{more}."
        if self.hidden:
            entries, are = ("file or folder", "is") if self.hidden == 1 else ("files or folders", "are")
            yield f"{self.hidden} hidden {entries} in {root} {are} left out."
        if self.irregular:
            yield f"In {root} these are left out, because they are no regular files: {shortened(self.irregular)}."


def _counted(ending: str, count: int) -> str:
    hint = f" (needs {_PLUGIN_OF[ending]})" if ending in _PLUGIN_OF else ""
    return f"{count} {ending or 'without an ending'}{hint}"


def list_files(root: Path, folder: str, left_out: LeftOut, *, nested: bool = True) -> list[str]:
    """Return the images of the class ``folder`` of ``root``, at any depth, each by its path below ``root``.

    Without ``nested``, those in the folder itself alone; the folder "" is ``root``, which holds no link that leads
    nowhere and might be a class.

    They are in the order of torchvision's ImageFolder: by the path of their folder, then by name.

    Raises
    ------
    DataError
        A folder cannot be read, or is a link that leads out of its class, or in ``root`` nowhere.
    """
    extensions, real = readable().extensions, os.path.realpath(root / folder)
    pending, found = [folder], []
    while pending:
        parent = pending.pop()
        names = []
        for entry in entries_of(root / parent):
            path = f"{parent}/{entry.name}" if parent else entry.name
            if is_hidden(entry.name):
                left_out.hidden += 1
            elif is_folder(entry):
                if nested and not _leads_back(entry, real):
                    pending.append(path)
            elif not may_be_read(entry):
                left_out.irregular.append(decoded(path))
            elif (ending := extension(entry.name)) in extensions:
                names.append(path)
            else:
                if not folder:
                    require_target(entry, "a class folder")
                left_out.endings[decoded(ending)] += 1
        found.append((Path(parent), sorted(names)))
    return [name for _, names in sorted(found) for name in names]


def require_apart(root: Path, folders: Sequence[str]) -> None:
    """Raise `DataError` where the folders of two classes hold the same files, or a class is a link to the root.

    Only links can do that: ``dog -> cat``, or ``dog -> ..``.
    """
    if not any((root / folder).is_symlink() for folder in folders):
        return
    real = sorted((Path(os.path.realpath(root / folder)), folder) for folder in folders)
    top = Path(os.path.realpath(root))
    for place, folder in real:
        if top.is_relative_to(place):
            raise DataError(
                f"The class folder {decoded(str(root / folder))} is a link to {decoded(str(place))}, which holds all "
                f"classes. Remove it, or let it lead to the images of its class alone."
            )
    # A folder sorts right before what lies in it.
    for (place, folder), (other_place, other) in itertools.pairwise(real):
        if other_place.is_relative_to(place):
            raise DataError(
                f"The class folders {decoded(folder)} and {decoded(other)} of {decoded(str(root))} hold the same "
                f"files, because one is a link into the other: an image has one label. Remove the link."
            )


def shortened(names: Sequence[str]) -> str:
    """Return the first names, and ``...`` for the others."""
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """Return what lies in a folder; raise `DataError` where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        # A folder that is skipped silently makes its class look smaller than it is.
        raise DataError(f"{decoded(str(folder))} cannot be read: {error.strerror}.") from error


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether ``entry`` is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def leads_to(entry: os.DirEntry[str]) -> Path | None:
    """Return the folder that ``entry`` is a link to; ``None`` where it is the folder itself."""
    # Windows has links that are no symbolic ones; Python knows them from 3.12 on.
    if not entry.is_symlink() and not getattr(entry, "is_junction", bool)():
        return None
    return Path(os.path.realpath(entry.path))


def _leads_back(entry: os.DirEntry[str], real_class: str) -> bool:
    """Return whether ``entry`` is a link to a folder that the class holds, whose images are listed there."""
    target = leads_to(entry)
    if target is None or target.is_relative_to(real_class):
        return target is not None
    raise DataError(
        f"{decoded(entry.path)} is a link to {decoded(str(target))}, out of its class folder. Copy the images, or make "
        f"the class folder itself the link."
    )


def require_target(entry: os.DirEntry[str], meant: str) -> None:
    """Raise `DataError` where ``entry`` is a link that leads nowhere: it may be one to what is ``meant``."""
    if entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110 (a link to itself is False here)
        raise DataError(
            f"{decoded(entry.path)} is a link to {decoded(os.readlink(entry.path))}, which is not there, and may be "  # noqa: PTH115
            f"{meant}. Mount what it leads to, or remove the link."
        )


def may_be_read(entry: os.DirEntry[str]) -> bool:
    """Return whether ``entry`` is a regular file or a link to one; a link that leads nowhere is for reading to name."""
    if not entry.is_symlink():
        return entry.is_file()
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return True
