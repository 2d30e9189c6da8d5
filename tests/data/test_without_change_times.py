"""Windows notes no time of change: what is written over in place, at a set time and of the same size, is seen anew."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pytest_robustness.core import file_hashes
from pytest_robustness.core.file_hashes import FileHashes, FileStatus, content_digest
from pytest_robustness.data import open_source
from pytest_robustness.data.archives import index
from tests.image_maker import shade

if TYPE_CHECKING:
    from pathlib import Path

TIME = 1_577_836_800


@pytest.fixture(autouse=True)
def windows(tmp_path_factory, monkeypatch):
    """Give files the status that Windows gives them: when they were created, in place of when they changed."""
    monkeypatch.setattr(FileStatus, "of", lambda found: FileStatus(found.st_size, found.st_mtime_ns, 0, found.st_ino))
    monkeypatch.setattr(file_hashes, "_CHANGES_SHOW", False)
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    monkeypatch.setattr(index, "_folder", lambda: cache / "tar")


def over(path: Path, content: bytes) -> None:
    """Write over a file in place, as what unpacks an archive does that sets one time for all files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(content)
        file.truncate()
    os.utime(path, (TIME, TIME))


def as_folder(root: Path, images: list[bytes]) -> str:
    for number, image in enumerate(images):
        over(root / f"cat/{number}.bmp", image)
    return f"folder:{root}"


def as_tar(root: Path, images: list[bytes]) -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for number, image in enumerate(images):
            member = tarfile.TarInfo(f"cat/{number}.bmp")
            member.size = len(image)
            archive.addfile(member, io.BytesIO(image))
    over(root / "a.tar", packed.getvalue())
    return f"tar:{root}/a.tar"


def as_table(root: Path, images: list[bytes], **options: object) -> str:
    packed = io.BytesIO()
    pq.write_table(pa.table({"image": images, "label": ["cat"] * len(images)}), packed, compression="none", **options)
    over(root / "a.parquet", packed.getvalue())
    return f"parquet:{root}/a.parquet"


def as_named_files(root: Path, images: list[bytes]) -> str:
    as_folder(root / "photos", images)
    cells = [{"bytes": None, "path": f"{root}/photos/cat/{number}.bmp"} for number in range(len(images))]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    packed = io.BytesIO()
    pq.write_table(pa.table({"image": pa.array(cells, kind), "label": ["cat"] * len(images)}), packed)
    over(root / "a.parquet", packed.getvalue())
    return f"parquet:{root}/a.parquet"


@pytest.mark.parametrize("write", [as_folder, as_tar, as_table, as_named_files])
def test_images_written_over_in_place_are_known_by_what_they_are_now(tmp_path, write):
    images, sizes = [shade(number) for number in range(4)], set()
    for change in range(3):
        images[change] = shade(100 + change)
        spec = write(tmp_path / "data", images)
        sizes.add(tuple(path.stat().st_size for path in sorted((tmp_path / "data").rglob("*.*"))))
        found = open_source(spec).identities(np.arange(4), FileHashes(tmp_path / "memory"))
        assert [one.tobytes() for one in found] == [content_digest(image) for image in images]
    assert len(sizes) == 1


def test_what_was_remembered_before_is_not_believed(tmp_path, monkeypatch):
    over(tmp_path / "weights", b"before")
    with monkeypatch.context() as other:
        other.setattr(file_hashes, "_CHANGES_SHOW", True)
        FileHashes(tmp_path / "memory").digest(tmp_path / "weights")
    over(tmp_path / "weights", b"since!")
    assert FileHashes(tmp_path / "memory").digest(tmp_path / "weights") == content_digest(b"since!")


def test_a_file_is_read_once_by_each_run(tmp_path, monkeypatch):
    over(tmp_path / "weights", b"some")
    read, paths = file_hashes._hash, []
    monkeypatch.setattr(file_hashes, "_hash", lambda path: paths.append(path) or read(path))
    for _ in range(2):
        run = FileHashes(tmp_path / "memory")
        assert run.digest(tmp_path / "weights") == run.digest(tmp_path / "weights") == content_digest(b"some")
    assert len(paths) == 2
