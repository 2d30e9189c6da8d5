"""Find where the images of a tar archive lie, and what stands beside them; remember it as long as the archive stays.

An archive is read once from end to end. The members of one sample are neighbours that share a name up to its first dot
(``00012.jpg``, ``00012.cls``), as WebDataset groups them.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from pytest_robustness.core.errors import DataError
from pytest_robustness.core.file_hashes import content_digest
from pytest_robustness.core.files import write_atomically
from pytest_robustness.core.text import decoded, quoted
from pytest_robustness.core.threads import in_threads
from pytest_robustness.data.archives.entries import entries_of
from pytest_robustness.data.decoding.formats import extension, readable
from pytest_robustness.data.decoding.kinds import TAR, instead
from pytest_robustness.data.faults import reason_of, without_ranges
from pytest_robustness.data.files.class_folders import is_hidden
from pytest_robustness.data.files.storage import refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.core.file_hashes import FileStatus
    from pytest_robustness.data.files.containers import Container

_log = logging.getLogger(__name__)

# To be raised with any change of what an index holds.
_FORMAT: Final = 4
_LABEL_ENDINGS: Final = (".cls", ".txt", ".json")
_LONGEST_LABEL: Final = 1 << 20
# The name of a member as WebDataset divides it: of its sample, and the ending.
_MEMBER: Final = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)", re.DOTALL)
_META: Final = re.compile(r"__[^/]*__($|/)")
_COMPRESSED: Final = {
    b"\x1f\x8b": ("gzip", "gunzip"),
    b"BZh": ("bzip2", "bunzip2"),
    b"\xfd7zXZ": ("xz", "unxz"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd"),
}
_AT_A_TIME: Final = 4


@dataclasses.dataclass
class TarIndex:
    """The images of one archive, in its order.

    ``samples`` numbers the sample that each image belongs to, and ``labels`` has what else the sample holds, by its
    whole ending (``cls``, ``pred.cls``): the content of each ``cls`` and ``txt``, what `entries_of` gives for each
    ``json``, and under ``files`` the names of all of them. ``digests`` are the hashes of the images,
    hexadecimal, where the whole archive was read. ``others`` names what is neither image nor label.
    """

    names: list[str] = dataclasses.field(default_factory=list)
    offsets: list[int] = dataclasses.field(default_factory=list)
    sizes: list[int] = dataclasses.field(default_factory=list)
    samples: list[int] = dataclasses.field(default_factory=list)
    labels: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)
    digests: list[str] = dataclasses.field(default_factory=list)
    others: list[str] = dataclasses.field(default_factory=list)
    irregular: list[str] = dataclasses.field(default_factory=list)


def indexes(containers: Sequence[Container], statuses: Sequence[FileStatus | None]) -> list[TarIndex]:
    """Return the index of each archive, remembered or read.

    Raises
    ------
    DataError
        An archive cannot be read, is compressed, damaged or cut off, or holds two members of one name.
    """
    threads = _AT_A_TIME if any(container.path is None for container in containers) else 1
    found = dict(in_threads(lambda item: _index(containers[item], statuses[item]), len(containers), threads))
    return [found[item] for item in range(len(containers))]


def _index(container: Container, status: FileStatus | None) -> TarIndex:
    memory = _memory(container)
    known = None if status is None else _recalled(memory, status)
    if known is not None:
        return known
    found = read_index(container)
    if status is not None:
        _remember(memory, status, found)
    return found


def read_index(container: Container) -> TarIndex:
    """Read the index of an archive; see `indexes` for the errors."""
    with container.opened() as file:
        _require_plain(container, file)
        index = TarIndex()
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                builder = _Builder(index, file, container)
                for member in archive:
                    builder.add(member)
                    archive.members = []  # type: ignore[attr-defined] # of millions, only the last is needed
                builder.finish()
                end = archive.offset
            _require_whole(container, file, end)
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            _log.debug("%s cannot be read", container.text, exc_info=True)
            if without_ranges(error):
                raise refused(container.text, error) from error
            kind = instead(container.text, container.opened, TAR, "fetch it again")
            wrong = (
                f"no tar archive, but {kind}" if kind else f"no whole tar archive: {reason_of(error)}. Fetch it again"
            )
            raise DataError(f"{container.shown} is {decoded(wrong)}.") from error
    return index


class _Builder:
    """Collects the members of one archive into its index."""

    def __init__(self, index: TarIndex, file: BinaryIO, container: Container) -> None:
        self._index, self._file, self._container = index, file, container
        self._streams = container.path is None
        self._extensions = readable().extensions
        self._prefix: str | None = None
        self._sample = -1
        self._seen: set[str] = set()

    def add(self, member: tarfile.TarInfo) -> None:
        """Add a member; folders count for nothing."""
        name = member.name.removeprefix("./")
        if member.isdir():
            return
        if not member.isreg() or member.issparse():
            self._index.irregular.append(name)
            return
        if any(map(is_hidden, name.split("/"))) or _META.match(name):
            self._index.others.append(name)
            return
        if name in self._seen:
            raise DataError(
                f"{self._container.shown} holds {decoded(name)} twice: which of the two counts? Write it again without "
                f"one."
            )
        self._seen.add(name)
        whole = self._group(name)
        ending = extension(name)
        if ending in self._extensions:
            self._image(name, member)
        elif ending in _LABEL_ENDINGS and member.size <= _LONGEST_LABEL:
            self._label(name, whole, member)
        else:
            self._index.others.append(name)

    def finish(self) -> None:
        """Count labels without an image as what they are: other files."""
        with_image = set(self._index.samples)
        for sample in [sample for sample in self._index.labels if sample not in with_image]:
            self._index.others += self._index.labels.pop(sample)["files"]

    def _group(self, name: str) -> str:
        """Begin another sample where ``name`` does; return what follows the sample's name in it, in lower case."""
        match = _MEMBER.fullmatch(name)
        if match is None:  # it belongs to no sample, and ends none
            return ""
        if match[1] != self._prefix:
            self._prefix, self._sample = match[1], self._sample + 1
        return match[2].lower()

    def _image(self, name: str, member: tarfile.TarInfo) -> None:
        self._index.names.append(name)
        self._index.offsets.append(member.offset_data)
        self._index.sizes.append(member.size)
        self._index.samples.append(self._sample)
        if self._streams:  # the bytes arrive anyhow
            digest = content_digest(self._content(member))
            self._index.digests.append(digest.hex())

    def _label(self, name: str, ending: str, member: tarfile.TarInfo) -> None:
        labels = self._index.labels.setdefault(self._sample, {"files": []})
        if ending in labels:
            other = next(file for file in labels["files"] if file.lower() == name.lower())
            raise DataError(
                f"{self._container.shown} holds {decoded(other)} and {decoded(name)}: which of the two counts? Write "
                f"it again without one."
            )
        labels["files"].append(name)
        text = self._content(member).decode("utf-8", "surrogateescape").removeprefix("\ufeff").strip()
        labels[ending] = entries_of(text) if ending.endswith("json") else decoded(text)

    def _content(self, member: tarfile.TarInfo) -> bytes:
        self._file.seek(member.offset_data)
        data = self._file.read(member.size)
        if len(data) < member.size:
            raise EOFError(f"it ends within {quoted(member.name)}")
        return data


def _require_plain(container: Container, file: BinaryIO) -> None:
    start = file.read(6)
    file.seek(0)
    for magic, (method, command) in _COMPRESSED.items():
        if start.startswith(magic):
            raise DataError(
                f"{container.shown} is compressed with {method}, where no image can be read without all that are "
                f"before it. Unpack it to a plain tar archive ({command}); images are compressed already."
            )


def _require_whole(container: Container, file: BinaryIO, end: int) -> None:
    """Raise where no block of zeros follows the last member, which ends an archive: Python would stop silently."""
    file.seek(end)
    rest = file.read(tarfile.BLOCKSIZE)
    if len(rest) < tarfile.BLOCKSIZE:
        raise DataError(
            f"{container.shown} is cut off: after {end:,} bytes it lacks the blocks of zeros that end a tar archive. "
            f"Fetch it again; if it was written so, head -c 1024 /dev/zero >> FILE adds them."
        )
    if rest.strip(b"\0"):
        raise DataError(
            f"{container.shown} is damaged: at byte {end:,} there is neither a file nor the end of a tar archive. "
            f"Fetch it again."
        )


# --- what is remembered


@functools.cache
def _folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("pytest-robustness")) / "tar"


def _memory(container: Container) -> Path:
    return _folder() / f"{hashlib.sha256(container.text.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.json"


def _recalled(memory: Path, status: FileStatus) -> TarIndex | None:
    try:
        found = json.loads(memory.read_bytes())
        if found["format"] != [_FORMAT, *sorted(readable().extensions)] or found["status"] != [*status]:
            return None
        index = TarIndex(**found["index"])
        index.labels = {int(sample): labels for sample, labels in index.labels.items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        _log.debug("%s cannot be used", memory, exc_info=True)
        return None
    return index


def _remember(memory: Path, status: FileStatus, index: TarIndex) -> None:
    content = {"format": [_FORMAT, *sorted(readable().extensions)], "status": status, "index": index.__dict__}
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(memory, json.dumps(content))
    except OSError:
        _log.debug("%s cannot be written", memory, exc_info=True)
