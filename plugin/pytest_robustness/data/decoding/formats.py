"""Name the image formats that are opened: raster formats alone, by a list.

Pillow also identifies formats whose readers start a program (EPS starts Ghostscript), hand the file to the system (WMF)
or open a file of any format inside (IPTC). None of them is opened, whatever a file is called.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import logging
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

# To be raised with any change of `pixels.to_rgb` or of what is refused.
_RULES: Final = 3
_log = logging.getLogger(__name__)

# The module that registers a format with Pillow, in the order in which formats are tried.
_MODULES: Final[Mapping[str, str]] = {
    "JPEG": "PIL.JpegImagePlugin",
    "PNG": "PIL.PngImagePlugin",
    "GIF": "PIL.GifImagePlugin",
    "WEBP": "PIL.WebPImagePlugin",
    "BMP": "PIL.BmpImagePlugin",
    "DIB": "PIL.BmpImagePlugin",
    "TIFF": "PIL.TiffImagePlugin",
    "PPM": "PIL.PpmImagePlugin",
    "AVIF": "PIL.AvifImagePlugin",
    "JPEG2000": "PIL.Jpeg2KImagePlugin",
    "QOI": "PIL.QoiImagePlugin",
    "SGI": "PIL.SgiImagePlugin",
    "SUN": "PIL.SunImagePlugin",
    "PCX": "PIL.PcxImagePlugin",
    "PSD": "PIL.PsdImagePlugin",
    "DDS": "PIL.DdsImagePlugin",
    "ICO": "PIL.IcoImagePlugin",
    "ICNS": "PIL.IcnsImagePlugin",
    "XBM": "PIL.XbmImagePlugin",
    "TGA": "PIL.TgaImagePlugin",
}
# Packages that teach Pillow a format, each with the function that registers it; "" where importing it does.
_PLUGINS: Final[Mapping[str, tuple[str, str]]] = {
    "AVIF": ("pillow_avif", ""),
    "HEIF": ("pillow_heif", "register_heif_opener"),
    "JXL": ("pillow_jxl", ""),
}
# A file of these formats is known by its name alone: other content might pass for one of them.
_UNSIGNED: Final = ("TGA",)

_ENDINGS: Final[Mapping[str, str]] = {
    "JPEG": ".jpg .jpeg .jpe .jfif .mpo",
    "PNG": ".png .apng",
    "GIF": ".gif",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "DIB": ".dib",
    "TIFF": ".tif .tiff",
    "PPM": ".ppm .pgm .pbm .pnm .pfm",
    "AVIF": ".avif .avifs",
    "JPEG2000": ".jp2 .j2k .j2c .jpc .jpf .jpx",
    "QOI": ".qoi",
    "SGI": ".sgi .rgb .rgba .bw",
    "SUN": ".ras",
    "PCX": ".pcx",
    "PSD": ".psd",
    "DDS": ".dds",
    "ICO": ".ico",
    "ICNS": ".icns",
    "XBM": ".xbm",
    "TGA": ".tga .icb .vda .vst",
    "HEIF": ".heic .heif .hif",
    "JXL": ".jxl",
}
_FORMAT_OF: Final = {ending: kind for kind, endings in _ENDINGS.items() for ending in endings.split()}


class Readable(NamedTuple):
    """What the installed Pillow reads: ``formats`` that it tries on any file, ``extensions`` in lower case."""

    formats: tuple[str, ...]
    extensions: frozenset[str]


@functools.cache
def readable() -> Readable:
    """Return the formats of the list that Pillow reads here, with the plugins that are installed."""
    formats = [kind for kind in (*_MODULES, *_PLUGINS) if _registered(kind)]
    extensions = frozenset(ending for ending, kind in _FORMAT_OF.items() if kind in formats)
    return Readable(tuple(dict.fromkeys(kind for kind in formats if kind not in _UNSIGNED)), extensions)


def decoder() -> str:
    """Return what decides which files are readable, and as which pixels: Pillow, the formats, our own rules."""
    return f"pillow {importlib.metadata.version('pillow')}, {' '.join(readable().formats)}, rules {_RULES}"


def formats_for(name: str) -> tuple[str, ...]:
    """Return the formats to try on the content of the file ``name``."""
    own = _FORMAT_OF.get(extension(name), "")
    known = readable()
    return (*known.formats, own) if own in _UNSIGNED and extension(name) in known.extensions else known.formats


def extension(name: str) -> str:
    """Return the ending of a file's name in lower case, with its dot; empty where there is none.

    >>> extension("cat/IMG.1.JPG"), extension("README"), extension(".jpg")
    ('.jpg', '', '')
    """
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return f".{ending.lower()}" if dot and stem else ""


def _registered(kind: str) -> bool:
    from PIL import Image

    if kind in _MODULES:
        with contextlib.suppress(ImportError):  # an older Pillow has no such module
            importlib.import_module(_MODULES[kind])
    if kind not in Image.OPEN and kind in _PLUGINS:
        package, register = _PLUGINS[kind]
        try:
            module = importlib.import_module(package)
            if register:
                getattr(module, register)()
        except Exception:  # a package that fails to load teaches nothing
            _log.debug("%s teaches Pillow no format", package, exc_info=True)
    return kind in Image.OPEN
