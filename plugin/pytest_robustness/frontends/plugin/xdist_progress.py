"""One bar for several processes: the controller of xdist reads from the store how far the workers' sweep is."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pytest_robustness.inference.sweep.shared_sweep import SharedSweeps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_robustness.core import Progress

_SECONDS = 0.5


class SharedProgress:
    """Shows how far the workers are, from a thread of its own.

    Parameters
    ----------
    store
        The store that the workers fill; it need not exist yet.
    progress
        Makes what shows a sweep.
    said
        Returns the notes of the workers so far that are not to wait for the end of a test.
    """

    def __init__(
        self, store: Path, progress: Callable[[], Progress], said: Callable[[], Sequence[str]] = lambda: ()
    ) -> None:
        self._sweeps = SharedSweeps(store)
        self._make = progress
        self._said = said
        self._noted: set[str] = set()
        self._shown: Progress | None = None
        self._done = 0
        self._over = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="robustness-progress", daemon=True)

    def start(self) -> None:
        """Begin to watch the store."""
        self._thread.start()

    def note(self, message: str) -> None:
        """Show a worker's note, once."""
        with self._lock:
            if message not in self._noted:
                self._noted.add(message)
                (self._shown or self._make()).note(message)

    def sweep_ended(self) -> None:
        """Show no more of the current sweep: a worker came to its end, whether every image was done or not."""
        self._over.set()

    def stop(self) -> None:
        """Show the end, and stop watching."""
        self._over.set()
        self._ended.set()
        self._thread.join()

    def look(self) -> None:
        """Show what has changed in the store."""
        with self._lock:
            # Asked before the store is read: what was committed by then is counted.
            over = self._over.is_set()
            sweep = self._sweeps.current()
            if sweep is not None:
                if self._shown is None and not over and sweep.done < sweep.images:
                    self._shown, self._done = self._make(), 0
                    self._shown.start(sweep.images, sweep.cells)
                if self._shown is not None and sweep.done > self._done:
                    self._shown.advance(sweep.done - self._done)
                    self._done = sweep.done
                over = over or sweep.done >= sweep.images
            if over:
                self._over.clear()
                self._sweeps.close()
                self._hide()

    def _watch(self) -> None:
        while not self._ended.wait(_SECONDS):
            self.look()
            for message in self._said():
                self.note(message)
        self.look()

    def _hide(self) -> None:
        if self._shown is not None:
            self._shown.stop()
            self._shown = None
