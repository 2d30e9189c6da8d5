"""How far the sweep is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

_LINE_SECONDS = 15.0


class BarProgress:
    """A live bar: images, cells, rate, time left.

    Parameters
    ----------
    around
        Entered while the bar is shown: what gives the terminal back to us.
    """

    def __init__(self, around: AbstractContextManager[object]) -> None:
        self._around = around
        self._clock = _Clock()

    def start(self, images: int, cells: int) -> None:
        """Show the bar."""
        self._around.__enter__()
        # Made here, because a console looks at the terminal when it is made.
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("images, {task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(),
            transient=True,
        )
        self._clock = _Clock()
        self._bar.start()
        self._task = self._bar.add_task(f"sweep of {cells} cells", total=images, rate="")

    def advance(self, images: int) -> None:
        """Move the bar on."""
        self._clock.done += images
        self._bar.update(self._task, advance=images, rate=self._clock.rate_text)

    def note(self, message: str) -> None:
        """Print ``message`` above the bar."""
        # rich would raise on a character that the terminal's encoding lacks.
        encoding = self._bar.console.encoding
        shown = message.encode(encoding, "backslashreplace").decode(encoding)
        self._bar.console.print(shown, highlight=False, markup=False)

    def stop(self) -> None:
        """Take the bar away."""
        self._bar.stop()
        self._around.__exit__(None, None, None)


class LineProgress:
    """A plain line at the start, every quarter of a minute, and at the end: what a CI log can hold."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._clock = _Clock()
        self._said = 0.0

    def start(self, images: int, cells: int) -> None:
        """Say what will be done."""
        self._clock = _Clock()
        self._images = images
        self._said = time.monotonic()
        self._write(f"robustness: sweep of {images:,} images, {cells} cells")

    def advance(self, images: int) -> None:
        """Say how far it is, if the last line is long ago."""
        self._clock.done += images
        if time.monotonic() - self._said < _LINE_SECONDS:
            return
        self._said = time.monotonic()
        done, rate = self._clock.done, self._clock.rate
        left = f", {(self._images - done) / rate:.0f} s left" if rate else ""
        self._write(f"robustness: {done:,} of {self._images:,} images, {self._clock.rate_text}{left}")

    def note(self, message: str) -> None:
        """Print ``message``."""
        self._write(f"robustness: {message}")

    def stop(self) -> None:
        """Say how it ended."""
        self._write(
            f"robustness: {self._clock.done:,} of {self._images:,} images done in {self._clock.seconds:.1f} s, "
            f"{self._clock.rate_text}"
        )


class SilentProgress:
    """Says nothing: for worker processes, whose terminal is not theirs."""

    def start(self, images: int, cells: int) -> None:
        """Say nothing."""

    def advance(self, images: int) -> None:
        """Say nothing."""

    def note(self, message: str) -> None:
        """Say nothing."""

    def stop(self) -> None:
        """Say nothing."""


class _Clock:
    """Images done since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.done = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.done / max(self.seconds, 1e-9)

    @property
    def rate_text(self) -> str:
        return f"{self.rate:,.0f} images/s"
