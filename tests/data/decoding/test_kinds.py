"""A file that is not what it was taken for is called what it is, with how to name it."""

from __future__ import annotations

import tarfile
import zipfile

import pytest

from pytest_robustness import data
from pytest_robustness.core.errors import BadImageError, DataError
from pytest_robustness.data.decoding import kinds
from pytest_robustness.data.decoding.decode import decode

BOX = b"\x00\x00\x00\x18"
STARTS = {
    BOX + b"ftypheic": "HEIC, which needs pillow-heif",
    BOX + b"ftypmif1": "HEIC, which needs pillow-heif",
    BOX + b"ftypavif": "AVIF, which needs a Pillow that reads it, or pillow-avif-plugin",
    b"\xff\x0a": "JPEG XL, which needs pillow-jxl-plugin",
    BOX + b"ftypisom": "a video",
    b"version https://git-lfs.github.com/spec/v1\n": "a pointer of Git LFS (git lfs pull fetches the file)",
    b"PK\x03\x04": "a ZIP archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"\0" * 128 + b"DICM": "DICOM",
    b"photos/".ljust(257, b"\0") + b"ustar": "a tar archive",
    b"PAR1": "a Parquet file",
    b"hello": "",
    b"": "",
}


@pytest.mark.parametrize("start", STARTS)
def test_what_is_no_image_is_called_what_it_is(monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    nothing = type("Readable", (), {"formats": ()})
    monkeypatch.setattr(kinds, "readable", lambda: nothing)
    assert kinds.kind_of(start + b"\0" * 99 if start else b"") == STARTS[start]


@pytest.mark.parametrize(("name", "start"), [("HEIC", BOX + b"ftypheic"), ("AVIF", BOX + b"ftypavif")])
def test_a_format_that_is_read_needs_nothing(monkeypatch: pytest.MonkeyPatch, name: str, start: bytes) -> None:
    everything = type("Readable", (), {"formats": ("HEIF", "AVIF", "JXL")})
    monkeypatch.setattr(kinds, "readable", lambda: everything)
    assert kinds.kind_of(start) == name


def test_a_photograph_of_a_telephone_with_the_name_of_a_jpeg_file_says_what_it_needs() -> None:
    if "HEIF" in kinds.readable().formats:
        pytest.skip("pillow-heif is installed")
    with pytest.raises(BadImageError, match=r"a\.jpg .* is read: it is HEIC, which needs pillow-heif$"):
        decode(BOX + b"ftypheic" + b"\0" * 200, "a.jpg")


@pytest.fixture
def containers(tmp_path):
    (tmp_path / "1.png").write_bytes(b"x")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.write(tmp_path / "1.png", "cat/1.png")
    with tarfile.open(tmp_path / "photos.tar", "w") as packed:
        packed.add(tmp_path / "1.png", "cat/1.png")
    (tmp_path / "photos.parquet").write_bytes(b"PAR1" + b"\0" * 99)
    (tmp_path / "pointer.parquet").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    return tmp_path


ZIP = "a ZIP archive: unpack it, or name it as folder:zip://::{}/photos.zip."
TAR = "a tar archive: unpack it, or name it as tar:{}/photos.tar."


@pytest.mark.parametrize(
    ("kind", "name", "end"),
    [
        ("folder", "photos.zip", f"<class>/<image>. It is {ZIP}"),
        ("folder", "photos.tar", f"<class>/<image>. It is {TAR}"),
        ("folder", "photos.parquet", "It is a Parquet file: unpack it, or name it as parquet:{}/photos.parquet."),
        ("folder", "1.png", "is a file, not a folder. Expected {}/1.png/<class>/<image>."),
        ("tar", "photos.zip", f"is no tar archive, but {ZIP}"),
        ("tar", "1.png", "Fetch it again."),
        ("parquet", "photos.tar", f"is no Parquet file, but {TAR}"),
        ("parquet", "photos.parquet", "Fetch it again."),
        ("parquet", "pointer.parquet", "is no Parquet file, but a pointer of Git LFS (git lfs pull fetches the file)."),
    ],
)
def test_a_container_of_another_kind_is_refused_with_the_form_that_reads_it(containers, kind, name, end):
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError) as raised:
        data.open_source(f"{kind}:{containers / name}")
    assert str(raised.value).endswith(end.format(containers))


def test_the_form_that_is_proposed_for_a_zip_archive_reads_it(containers):
    assert [found.name for found in data.open_source(f"folder:zip://::{containers}/photos.zip").classes] == ["cat"]
    with pytest.raises(DataError, match=r"names no archive, but a place in one\. Write zip://:: before the path"):
        data.open_source(f"folder:zip://{containers}/photos.zip")
