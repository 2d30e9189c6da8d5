"""JPEG files by torchcodec against Pillow: the same pixels, or the same error, whatever is in the file."""

from __future__ import annotations

import importlib
import io
import random
import struct
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from pytest_robustness.core.errors import BadImageError
from pytest_robustness.data.decoding import decode as decoding
from pytest_robustness.data.decoding import quick_jpeg
from pytest_robustness.data.decoding.decode import decode
from pytest_robustness.data.decoding.quick_jpeg import is_plain

if TYPE_CHECKING:
    from collections.abc import Callable

PHOTOS = Path(__file__).resolve().parents[3] / "../shared/data/imagenet-sample"
PICTURE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((97, 61))


def saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def jpeg(picture: Image.Image = PICTURE, **options: Any) -> bytes:
    return saved(picture, "JPEG", **options)


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(exif=exif)


def of_size(width: int, height: int) -> bytes:
    """A file whose header claims that size."""
    data = jpeg()
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


PLAIN = {
    "4:4:4": jpeg(subsampling=0),
    "4:2:2": jpeg(subsampling=1),
    "4:2:0": jpeg(subsampling=2),
    "low quality": jpeg(quality=5),
    "progressive": jpeg(progressive=True),
    "grey": jpeg(PICTURE.convert("L")),
    "red, green, blue": jpeg(keep_rgb=True),
    "restart markers": jpeg(restart_marker_blocks=3),
    "a comment": jpeg(comment=b"Exif\x00\x00 is no more than a comment here"),
    "one pixel": jpeg(PICTURE.crop((0, 0, 1, 1))),
    "bytes after the end": jpeg() + b"\0" * 30,
}
OTHERS = {
    "an orientation": turned(),
    "cyan, magenta, yellow, black": jpeg(PICTURE.convert("CMYK")),
    "PNG": saved(PICTURE, "PNG"),
    "too many pixels": of_size(65500, 65500),
    "no pixels": of_size(0, 61),
    "only a start": b"\xff\xd8\xff",
    "nothing": b"",
    "12 bits": jpeg().replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
    "arithmetic codes": jpeg().replace(b"\xff\xc0", b"\xff\xc9", 1),
}


def outcome(data: bytes) -> torch.Tensor | str:
    try:
        return decode(data, "picture.jpg")
    except BadImageError as error:
        return str(error)


def by_pillow(data: bytes, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor | str:
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "decode_plain", lambda data: None)
        return outcome(data)


def assert_same(result: torch.Tensor | str, expected: torch.Tensor | str) -> None:
    if isinstance(result, str) or isinstance(expected, str):
        assert result == expected
    else:
        assert torch.equal(result, expected)
        assert result.permute(1, 2, 0).is_contiguous()


@pytest.mark.parametrize("kind", [*PLAIN, *OTHERS])
def test_every_kind_of_file_comes_out_as_pillow_reads_it(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    data = (PLAIN | OTHERS)[kind]
    assert is_plain(data) == (kind in PLAIN)
    assert_same(outcome(data), by_pillow(data, monkeypatch))


def test_plain_files_are_decoded_by_torchcodec_where_it_is_installed() -> None:
    try:
        importlib.import_module("torchcodec.decoders")
    except (ImportError, OSError) as error:
        pytest.skip(f"torchcodec is not installed, or for another PyTorch: {error}")
    for kind, data in PLAIN.items():
        assert quick_jpeg.decode_plain(data) is not None, kind


def _cut(data: bytes, random: random.Random) -> bytes:
    return data[: random.randrange(len(data))]


def _replaced(data: bytes, random: random.Random) -> bytes:
    changed = bytearray(data)
    changed[random.randrange(len(data))] = random.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize("damage", [_cut, _replaced])
def test_damaged_files_come_out_as_pillow_reads_them(
    monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes, random.Random], bytes]
) -> None:
    generator = random.Random(5)
    for data in (PLAIN["4:2:0"], PLAIN["progressive"], PLAIN["grey"]):
        for _ in range(60):
            damaged = damage(data, generator)
            assert_same(outcome(damaged), by_pillow(damaged, monkeypatch))


def test_photographs_come_out_as_pillow_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    if not PHOTOS.is_dir():
        pytest.skip("the sample of ImageNet's photographs is not beside the checkout")
    for path in sorted(PHOTOS.glob("*/*.JPEG"))[::40]:
        data = path.read_bytes()
        assert_same(outcome(data), by_pillow(data, monkeypatch))


@pytest.mark.parametrize(
    ("decoder", "said"),
    [(lambda data, mode: torch.zeros(3, 61, 83), "not Pillow's"), (lambda data, mode: 1 // 0, "cannot be used")],
)
def test_pillow_decodes_where_torchcodec_fails_or_gives_other_pixels(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, decoder: Callable[..., Any], said: str
) -> None:
    monkeypatch.setattr(quick_jpeg.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "torchcodec", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", SimpleNamespace(decode_jpeg=decoder))
    with caplog.at_level("DEBUG"):
        assert quick_jpeg._decoder.__wrapped__() is None
    assert said in caplog.text
