"""One bar for several processes: the workers of xdist write down how far they are, the controller shows it."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_robustness.core import Progress

_SECONDS = 0.5


class WrittenProgress:
    """Writes how far this process is into a file of its own, twice a second at most.

    Parameters
    ----------
    folder
        Where the file goes; made when the sweep starts.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{os.getpid()}.json"
        self._images = self._cells = self._done = 0
        self._notes: list[str] = []
        self._written = 0.0

    def start(self, images: int, cells: int) -> None:
        """Begin, after what an earlier sweep of this process did."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._images = self._done + images
        self._cells = cells
        self._write(running=True)

    def advance(self, images: int) -> None:
        """Write how far it is, if the last time is long ago."""
        self._done += images
        if time.monotonic() - self._written >= _SECONDS:
            self._write(running=True)

    def note(self, message: str) -> None:
        """Hand ``message`` over."""
        self._notes.append(message)
        self._write(running=True)

    def stop(self) -> None:
        """Write that it ended."""
        self._write(running=False)

    def _write(self, *, running: bool) -> None:
        self._written = time.monotonic()
        text = json.dumps(_State(self._images, self._cells, self._done, running, self._notes))
        partial = self._path.with_suffix(".part")
        # A full disk stops the sweep with a message of its own; how far it is matters less.
        with contextlib.suppress(OSError):
            partial.write_text(text)
            partial.replace(self._path)


class ProgressWatcher:
    """Shows what the processes write into ``folder``, from a thread of its own.

    Parameters
    ----------
    folder
        Where they write; it need not exist yet.
    progress
        Makes what shows it, once there is something to show.
    """

    def __init__(self, folder: Path, progress: Callable[[], Progress]) -> None:
        self._folder = folder
        self._make = progress
        self._shown: Progress | None = None
        self._done = 0
        self._told: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="robustness-progress", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Show the end, and watch no longer."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_SECONDS):
            self._look()
        self._look()
        if self._shown is not None:
            self._shown.stop()

    def _look(self) -> None:
        states = self._states()
        if self._shown is None and any(state.running for state in states):
            # Every process counts all images that are missing, and they share them.
            self._shown = self._make()
            self._done = 0
            self._shown.start(max(state.images for state in states), max(state.cells for state in states))
        if self._shown is None:
            return
        for note in dict.fromkeys(note for state in states for note in state.notes):
            if note not in self._told:
                self._shown.note(note)
                self._told.add(note)
        done = sum(state.done for state in states)
        if done > self._done:
            self._shown.advance(done - self._done)
            self._done = done
        if not any(state.running for state in states):
            self._shown.stop()
            self._shown = None

    def _states(self) -> Sequence[_State]:
        found = []
        for path in self._folder.glob("*.json"):
            with contextlib.suppress(OSError, ValueError, TypeError):
                found.append(_State(*json.loads(path.read_text())))
        return found


class _State(NamedTuple):
    images: int
    cells: int
    done: int
    running: bool
    notes: list[str]
