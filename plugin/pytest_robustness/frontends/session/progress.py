"""Shows how far the sweep is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pytest_robustness.core.text import for_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

_LINE_SECONDS = 15.0


class BarProgress:
    """A live bar: images, cells, rate, time left.

    Parameters
    ----------
    uncaptured
        Returns the context in which output reaches the terminal; the bar is shown inside it.
    """

    def __init__(self, uncaptured: Callable[[], AbstractContextManager[object]]) -> None:
        self._uncaptured = uncaptured
        self._clock = _Clock()
        self._bar: Progress | None = None

    def start(self, images: int, cells: int) -> None:
        """Show the bar."""
        self._context = contextlib.ExitStack()
        self._context.enter_context(self._uncaptured())
        # A console looks at the terminal when it is created.
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
        if self._bar is None:
            return
        self._clock.done += images
        self._bar.update(self._task, advance=images, rate=self._clock.rate_text)

    def note(self, message: str) -> None:
        """Print ``message``, above the bar where one is shown."""
        shown = for_terminal(message)
        if self._bar is not None:
            _print(self._bar.console, shown)
            return
        with self._uncaptured():
            _print(Console(), shown)

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is None:
            return
        self._bar.stop()
        self._bar = None
        self._context.close()


class LineProgress:
    """A plain line at the start, every quarter of a minute, and at the end: fit for the log of a CI job.

    Parameters
    ----------
    write
        Writes one line.
    brief
        Leaves out the lines at start and end: what takes less than a quarter of a minute is not mentioned.
    """

    def __init__(self, write: Callable[[str], None], *, brief: bool = False) -> None:
        self._write = write
        self._brief = brief
        self._clock = _Clock()
        self._written = 0.0

    def start(self, images: int, cells: int) -> None:
        """Write how much there is to do."""
        self._clock = _Clock()
        self._images = images
        self._written = time.monotonic()
        if not self._brief:
            self._write(f"robustness: sweep of {images:,} images, {cells} cells")

    def advance(self, images: int) -> None:
        """Write how far it is, if the last line is long ago."""
        self._clock.done += images
        if time.monotonic() - self._written < _LINE_SECONDS:
            return
        self._written = time.monotonic()
        done, rate = self._clock.done, self._clock.rate
        left = f", {(self._images - done) / rate:.0f} s left" if rate else ""
        self._write(f"robustness: {done:,} of {self._images:,} images, {self._clock.rate_text}{left}")

    def note(self, message: str) -> None:
        """Write ``message``."""
        self._write(f"robustness: {for_terminal(message)}")

    def stop(self) -> None:
        """Write how many images were done, and how fast."""
        if not self._brief:
            self._write(
                f"robustness: {self._clock.done:,} of {self._images:,} images done in {self._clock.seconds:.1f} s, "
                f"{self._clock.rate_text}"
            )


class SilentProgress:
    """Shows nothing: for ``-qq``, and for worker processes, whose notes the controller shows.

    Parameters
    ----------
    keep
        Called with every note.
    """

    def __init__(self, keep: Callable[[str], None] = lambda _: None) -> None:
        self._keep = keep

    def start(self, images: int, cells: int) -> None:
        """Show nothing."""

    def advance(self, images: int) -> None:
        """Show nothing."""

    def note(self, message: str) -> None:
        """Keep ``message``."""
        self._keep(message)

    def stop(self) -> None:
        """Show nothing."""


def to_stderr(line: str) -> None:
    """Write one line to standard error at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _print(console: Console, message: str) -> None:
    # rich would raise on a character that the terminal's encoding lacks.
    shown = message.encode(console.encoding, "backslashreplace").decode(console.encoding)
    console.print(shown, highlight=False, markup=False)


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
        return _rate(self.rate)


def _rate(images: float) -> str:
    """Return a rate in images a second; in images a minute where less than one is done in a second.

    >>> _rate(1234.5), _rate(1.64), _rate(0.5), _rate(0.04)
    ('1,234 images/s', '1.6 images/s', '30 images/min', '2.4 images/min')
    """
    number, unit = (images, "s") if images >= 1 else (60 * images, "min")
    return f"{number:,.0f} images/{unit}" if number >= 10 else f"{number:.1f} images/{unit}"
