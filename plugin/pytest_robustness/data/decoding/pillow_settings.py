"""Hold Pillow's global settings still while images are decoded.

Pillow keeps in module attributes what it reads and refuses, and any code in the process may set them: a model's file
that sets ``ImageFile.LOAD_TRUNCATED_IMAGES`` would decide which images count as readable, and only in this process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from typing import TYPE_CHECKING, Any, Final

from PIL import GifImagePlugin, Image, ImageFile, PngImagePlugin, TiffImagePlugin

from pytest_robustness.core.process import warnings_ignored

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACES: Final[tuple[tuple[Any, str], ...]] = (
    (ImageFile, "LOAD_TRUNCATED_IMAGES"),
    (Image, "MAX_IMAGE_PIXELS"),
    (PngImagePlugin, "MAX_TEXT_CHUNK"),
    (PngImagePlugin, "MAX_TEXT_MEMORY"),
    (TiffImagePlugin, "READ_LIBTIFF"),
    (GifImagePlugin, "LOADING_STRATEGY"),
)
# The settings belong to the process.
_lock = threading.RLock()


@dataclasses.dataclass(frozen=True)
class PillowSettings:
    """Pillow's settings that decide what is read, one value for each place."""

    values: tuple[Any, ...]

    @classmethod
    def current(cls) -> PillowSettings:
        """Return the settings as they are."""
        return cls(tuple(getattr(module, name) for module, name in _PLACES))

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Set them within the block, and restore what was there; threads wait for one another."""
        with _lock:
            before = self.current()
            try:
                self._set()
                yield
            finally:
                try:
                    before._set()
                except BaseException:  # of a signal's handler, in the midst
                    before._set()
                    raise

    def _set(self) -> None:
        for (module, name), value in zip(_PLACES, self.values, strict=True):
            setattr(module, name, value)


@contextlib.contextmanager
def strictly() -> Iterator[None]:
    """Read images within the block as Pillow does by default, where a truncated one is an error, and without warnings.

    Pillow warns of odd metadata, transparent palettes and big images; it names no file, and no pixel depends on it.
    """
    with _STRICT.applied(), warnings_ignored():
        yield


MAX_PIXELS: Final = 2 * 89_478_485
"""An image with more pixels is refused: twice what Pillow warns of, which is a quarter of a gigabyte in RGB."""

_STRICT: Final = PillowSettings(
    (False, MAX_PIXELS // 2, 1 << 20, 64 << 20, False, GifImagePlugin.LoadingStrategy.RGB_AFTER_FIRST)
)
