"""The EXIF orientation of a file is read from its header, in every format that has one."""

from __future__ import annotations

import functools
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile, ImageOps

from pytest_robustness.data import open_source
from pytest_robustness.data.decoding.headers import header_traits
from tests.image_maker import Kind, content, encoded, hostile, kinds

CODES = range(1, 9)
EXIF_FORMATS = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"]
CAN_OPENER = Path(__file__).resolve().parents[3] / "../shared/data/imagenet-sample/n02951585/n02951585_can_opener.JPEG"


def photo() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8))


def orientation_in(path: Path) -> int:
    """Return the EXIF code that is still to be obeyed in a file."""
    return header_traits(functools.partial(path.open, "rb"), path.name).orientation


def tagged(code: object, form: str) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = code
    return encoded(photo(), form, exif=exif)


def png_with(kind: bytes, data: bytes) -> bytes:
    """Return a PNG with a chunk before its pixels."""
    sound = encoded(photo(), "PNG")
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return sound[:33] + chunk + sound[33:]


@pytest.mark.parametrize("form", EXIF_FORMATS)
@pytest.mark.parametrize("code", CODES)
def test_each_code_is_read_in_each_format_without_decoding(tmp_path, monkeypatch, form, code):
    (tmp_path / "a").write_bytes(tagged(code, form))

    def refuse(*_: object) -> None:
        raise AssertionError("pixels are decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse)
    assert orientation_in(tmp_path / "a") == (1 if form == "TIFF" else code)  # Pillow turns the pixels of a TIFF


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("code", CODES)
def test_what_is_pending_is_what_pillow_would_still_do(tmp_path, form, code):
    (tmp_path / "a").write_bytes(tagged(code, form))
    with Image.open(tmp_path / "a") as image:
        as_read, as_meant = np.asarray(image.convert("RGB")), np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert (orientation_in(tmp_path / "a") == 1) == np.array_equal(as_read, as_meant)


@pytest.mark.parametrize("code", [0, 9, 90, 65535])
def test_a_code_without_a_meaning_counts_as_none(tmp_path, code):
    (tmp_path / "a").write_bytes(tagged(code, "JPEG"))
    assert orientation_in(tmp_path / "a") == 1


@pytest.mark.parametrize("code", CODES)
def test_imagemagicks_text_in_a_png_is_read(tmp_path, code):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = code
    raw = exif.tobytes()
    text = f"\nexif\n{len(raw):8}\n{raw.hex()}\n".encode()
    (tmp_path / "a").write_bytes(png_with(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)))
    assert orientation_in(tmp_path / "a") == code


def test_what_has_no_header_is_upright(tmp_path):
    for name, data in hostile(5, 80).items():
        (tmp_path / name).write_bytes(data)
        assert orientation_in(tmp_path / name) == 1
    assert orientation_in(tmp_path / "missing") == 1


@pytest.mark.parametrize("kind", kinds(), ids=str)
def test_a_file_without_a_tag_is_upright(tmp_path, kind: Kind):
    (tmp_path / f"a{kind.ending}").write_bytes(content(kind, 0))
    assert orientation_in(tmp_path / f"a{kind.ending}") == 1


def test_a_folder_of_images_knows_the_orientation_of_each(tmp_path):
    folder = tmp_path / "photos" / "cat"
    folder.mkdir(parents=True)
    for code in CODES:
        (folder / f"{code}.jpg").write_bytes(tagged(code, "JPEG"))
        (folder / f"{code}.tif").write_bytes(tagged(code, "TIFF"))
    source = open_source(f"folder:{tmp_path / 'photos'}")
    named = {Path(source.describe(i)).name: i for i in range(len(source.labels))}
    found = source.orientations(np.array([named[f"{code}.jpg"] for code in CODES]))
    assert found.tolist() == [*CODES]
    assert source.orientations(np.array([named["6.tif"]])).tolist() == [1]


@pytest.mark.real_data
def test_one_image_of_the_sample_carries_a_tag():
    if not CAN_OPENER.exists():
        pytest.skip("shared/data beside the checkout lacks imagenet-sample")
    assert orientation_in(CAN_OPENER) == 6
