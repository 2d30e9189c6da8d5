"""Make image data of every mode, bit depth, format and naming from one seeded description.

A `Kind` names a mode and a format; `content` encodes an image of it, and `expected` says independently of Pillow's own
conversion which RGB pixels people mean by it. `hostile` makes files that are no sound image, or not what they are
called.
"""

from __future__ import annotations

import dataclasses
import io
import os
import socket
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, TiffImagePlugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SIZE = (23, 17)
"""Width and height of each image, both odd, so that rows and columns cannot be mixed up."""


def shade(value: int) -> bytes:
    """Return a small image of one grey, as a file whose size does not depend on it."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (value, value, value)).save(file, "BMP")
    return file.getvalue()


@dataclasses.dataclass(frozen=True)
class Kind:
    """A mode of pixels in a file format; ``bits`` a channel, of which ``options`` say more to Pillow's writer."""

    mode: str
    format: str
    ending: str
    bits: int = 8
    options: tuple[tuple[str, Any], ...] = ()
    lossless: bool = True

    def __str__(self) -> str:
        return f"{self.mode}-{self.bits}-{self.ending.strip('.')}" + "".join(f"-{name}" for name, _ in self.options)


def kinds() -> list[Kind]:
    """Return a kind of each mode in each format that can hold it."""
    plain = [
        Kind(mode, form, ending)
        for form, ending, modes in [
            ("PNG", ".png", "L LA RGB RGBA P"),
            ("TIFF", ".tif", "L LA RGB RGBA CMYK P"),
            ("BMP", ".bmp", "L RGB"),
            ("PPM", ".ppm", "L RGB"),
            ("TGA", ".tga", "L RGB RGBA"),
            ("JPEG2000", ".jp2", "L RGB"),
            ("GIF", ".gif", "L P"),
            ("SGI", ".sgi", "L RGB RGBA"),
            ("PCX", ".pcx", "L RGB"),
            ("QOI", ".qoi", "RGB RGBA"),
            ("DDS", ".dds", "RGB RGBA"),
            ("DIB", ".dib", "RGB"),
            ("ICNS", ".icns", ""),
        ]
        for mode in modes.split()
    ]
    deep = [
        Kind("I;16", "PNG", ".png", 16),
        Kind("I;16", "TIFF", ".tif", 16),
        Kind("I;16", "TIFF", ".tiff", 16, (("compression", "tiff_lzw"),)),
        Kind("I;16B", "TIFF", ".tif", 16),
        Kind("I;16", "TIFF", ".tif", 16, (("white_is_zero", True),)),
        Kind("I;16", "TIFF", ".tif", 12),
        Kind("I;16", "PPM", ".pgm", 16),
        Kind("I;16", "PPM", ".pgm", 12),
        Kind("I;16", "JPEG2000", ".jp2", 16),
        Kind("I", "TIFF", ".tif", 8),
    ]
    bits = [Kind("1", form, ending, 1) for form, ending in [("PNG", ".png"), ("TIFF", ".tif"), ("BMP", ".bmp")]]
    lossy = [Kind("RGB", "JPEG", ending, lossless=False) for ending in (".jpg", ".jpeg", ".jfif", ".jpe", ".JPG")] + [
        Kind("L", "JPEG", ".jpg", lossless=False),
        Kind("CMYK", "JPEG", ".jpg", lossless=False),
        Kind("RGB", "WEBP", ".webp", lossless=False),
        Kind("RGB", "AVIF", ".avif", lossless=False),
    ]
    return [*plain, *deep, *bits, *lossy, Kind("RGB", "WEBP", ".webp", options=(("lossless", True),))]


def refused_kinds() -> list[Kind]:
    """Return the kinds whose pixels have no known range."""
    return [Kind("I", "TIFF", ".tif", 32), Kind("F", "TIFF", ".tif", 32), Kind("F", "PPM", ".pfm", 32)]


def samples(kind: Kind, seed: int) -> NDArray[Any]:
    """Return the channel values of an image: unsigned integers [H, W] or [H, W, channels], smooth with some noise."""
    width, height = SIZE
    channels = {"LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}.get(kind.mode, 1)
    rows, columns, channel = np.mgrid[:height, :width, :channels]
    noise = np.random.default_rng(seed).random((height, width, channels))
    share = (0.4 * rows / height + 0.3 * columns / width + 0.1 * channel + 0.2 * noise) / 1.2
    values = np.rint(share * ((1 << kind.bits) - 1)).astype(np.int64)
    return values[..., 0] if channels == 1 else values


def content(kind: Kind, seed: int) -> bytes:
    """Return the encoded file of one image."""
    values = samples(kind, seed)
    if kind.format == "PPM" and kind.mode == "I;16":
        return b"P5 %d %d %d\n" % (*SIZE, (1 << kind.bits) - 1) + values.astype(">u2").tobytes()
    if kind.bits == 12:
        return _tiff_of_12_bits(values)
    if dict(kind.options).get("white_is_zero"):
        image, tags = Image.fromarray((65535 - values).astype(np.uint16)), TiffImagePlugin.ImageFileDirectory_v2()
        tags[262] = 0
        return encoded(image, "TIFF", tiffinfo=tags)
    return encoded(picture(kind, values), kind.format, **dict(kind.options))


def picture(kind: Kind, values: NDArray[Any]) -> Image.Image:
    """Return the values as an image of Pillow's."""
    if kind.mode in ("I;16", "I;16B"):
        raw = values.astype("<u2" if kind.mode == "I;16" else ">u2").tobytes()
        return Image.frombytes(kind.mode, SIZE, raw)
    if kind.mode in ("I", "F"):
        return Image.fromarray(values.astype(np.int32 if kind.mode == "I" else np.float32))
    if kind.mode == "1":
        return Image.fromarray((values * 255).astype(np.uint8)).convert("1", dither=Image.Dither.NONE)
    if kind.mode == "P":
        image = Image.frombytes("P", SIZE, values.astype(np.uint8).tobytes())
        image.putpalette(palette().tobytes())
        return image
    return Image.frombytes(kind.mode, SIZE, values.astype(np.uint8).tobytes())


def palette() -> NDArray[np.uint8]:
    """Return 256 colours: uint8 [256, 3]."""
    return np.random.default_rng(256).integers(0, 256, (256, 3), dtype=np.uint8)


def expected(kind: Kind, seed: int) -> NDArray[np.float64]:
    """Return the RGB pixels that the image means, in 0 to 255 and not rounded: float64 [H, W, 3]."""
    values = samples(kind, seed)
    if kind.mode == "P":
        return palette()[values].astype(np.float64)
    if kind.mode == "CMYK":
        cyan_magenta_yellow, black = values[..., :3] / 255, values[..., 3:] / 255
        return 255 * (1 - cyan_magenta_yellow) * (1 - black)
    if values.ndim == 2 or kind.mode == "LA":
        grey = values if values.ndim == 2 else values[..., 0]
        return np.repeat(grey[..., None] * 255 / ((1 << kind.bits) - 1), 3, axis=2)
    return values[..., :3].astype(np.float64)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """Return the file of an image."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _tiff_of_12_bits(values: NDArray[Any]) -> bytes:
    """Return a TIFF whose pixels have 12 bits each, packed, as cameras for microscopes write them."""
    width, height = SIZE
    bits = ((values[..., None] >> np.arange(11, -1, -1)) & 1).astype(np.uint8)
    rows = [np.packbits(row.reshape(-1)).tobytes() for row in bits]
    data = b"".join(rows)
    tags = [(256, 3, width), (257, 3, height), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
            (278, 3, height), (279, 4, len(data))]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    padded = data + bytes(len(data) % 2)
    return struct.pack("<2sHI", b"II", 42, 8 + len(padded)) + padded + struct.pack("<H", len(tags)) + entries + bytes(4)


# --- hostile files


def png_bomb(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes that claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """Return a PNG whose comment grows to 64 MB."""
    data = b"Comment\0\0" + zlib.compress(bytes(64 << 20), 9)
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    sound = content(Kind("RGB", "PNG", ".png"), 0)
    return sound[:33] + chunk + sound[33:]


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n(marker) print\nshowpage\n%%EOF\n"


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.png"), content(Kind("RGB", "PNG", ".png"), 0))
    return file.getvalue()


def _others() -> dict[str, bytes]:
    big = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    tiff = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", 60_000)
    loop = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<HHHIII", 1, 256, 3, 1, 1, 8)
    return {
        "empty.png": b"",
        "eps.png": EPS,
        "eps.jpg": EPS,
        "dos-eps.png": b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 30, 90) + bytes(18) + EPS,
        "pdf.png": b"%PDF-1.7\n%%EOF",
        "zip.jpg": _zip(),
        "text.jpg": b"see the cat",
        "html.png": b"<html>404</html>",
        "lfs.png": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "svg.png": b"<svg xmlns='x'/>",
        "wmf.png": b"\xd7\xcd\xc6\x9a" + bytes(60),
        "emf.jpg": struct.pack("<I", 1) + bytes(36) + b" EMF" + bytes(60),
        "iptc.png": b"\x1c\x02\x00\x00\x02\x00\x00" + bytes(60),
        "hdf5.tif": b"\x89HDF\r\n\x1a\n" + bytes(60),
        "grib.png": b"GRIB\0\0\0\1" + bytes(60),
        "fits.png": b"SIMPLE  =                    T".ljust(2880),
        "mpeg.jpg": b"\x00\x00\x01\xb3" + bytes(60),
        "bomb.png": png_bomb(100_000, 100_000),
        "tall.png": png_bomb(1, 2**31 - 1),
        "wide.png": png_bomb(200_000_000, 1),
        "text-bomb.png": text_bomb(),
        "header.png": b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + big,
        "huge.bmp": b"BM"
        + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0),
        "tags.tif": tiff,
        "loop.tif": loop,
        "huge.gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b";",
        "huge.pgm": b"P5 99999999 99999999 255\n",
        "digits.pgm": b"P5 " + b"9" * 5000 + b" 1 255\n",
        "nan.pfm": b"Pf 2 2 nan\n" + bytes(16),
        "zeros.tga": bytes(64),
        "random.tga": np.random.default_rng(3).bytes(400),
        "random.png": np.random.default_rng(4).bytes(400),
    }


def hostile(seed: int, count: int) -> dict[str, bytes]:
    """Return ``count`` files by name that are no sound images: those listed above, and seeded damage to sound ones."""
    files, draw, sound = _others(), np.random.default_rng(seed), kinds()
    while len(files) < count:
        kind = sound[int(draw.integers(len(sound)))]
        data = bytearray(content(kind, int(draw.integers(1000))))
        damage = ("cut", "flip", "zeros", "tail", "renamed")[len(files) % 5]
        if damage == "cut":
            data = data[: int(draw.integers(1, len(data)))]
        elif damage == "flip":
            for place in draw.integers(0, len(data), int(draw.integers(1, 30))):
                data[place] ^= 1 << int(draw.integers(8))
        elif damage == "zeros":
            start = int(draw.integers(len(data)))
            data[start : start + 50] = bytes(len(data[start : start + 50]))
        elif damage == "tail":
            data += draw.bytes(200)
        ending = sound[int(draw.integers(len(sound)))].ending if damage == "renamed" else kind.ending
        files[f"{len(files)}-{damage}{ending}"] = bytes(data)
    return files


def oddities(folder: Path) -> Iterator[str]:
    """Put what is no regular file into ``folder``, each with the name of an image, and yield the names."""
    makers: dict[str, Callable[[Path], object]] = {
        "pipe.png": os.mkfifo,
        "zero.png": lambda path: path.symlink_to("/dev/zero"),
        "tty.png": lambda path: path.symlink_to("/dev/tty"),
        "pipe-link.png": lambda path: path.symlink_to(folder / "pipe.png"),
        "socket.png": _socket,
    }
    for name, make in makers.items():
        make(folder / name)
        yield name


def _socket(path: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)
    try:  # the whole path may be too long for a socket
        with socket.socket(socket.AF_UNIX) as unbound:
            unbound.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)
