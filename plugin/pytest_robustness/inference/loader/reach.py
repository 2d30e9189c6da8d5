"""Find out why there can be no decoding processes, before any is started: what they would import, and what is sent.

A decoding process imports the main program first, under another name, as every process of `multiprocessing` does that
is not forked; then it unpickles the dataset. A notebook cannot be imported, and a script that does not wait for
``if __name__ == "__main__"`` would run again in each process.
"""

from __future__ import annotations

import ast
import logging
import multiprocessing
import pickle
import sys
import threading
from multiprocessing import process
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

if TYPE_CHECKING:
    from types import FrameType, ModuleType

_log = logging.getLogger(__name__)

_GUARD: Final = 'if __name__ == "__main__"'
# What pickling raises where an object cannot be sent.
UNPICKLABLE: Final = (pickle.PicklingError, AttributeError, TypeError)


def obstacle(sent: object) -> str:
    """Return why no decoding process can be given ``sent``, and what helps; empty where nothing is in the way."""
    if multiprocessing.current_process().daemon:
        return "this process is daemonic, as those of multiprocessing.Pool are, and may not start others"
    main = sys.modules["__main__"]
    path = _imported(main)
    if path is not None and not path.is_file():
        return f"they would have to import the main program, and {path.name} is no file"
    if getattr(process.current_process(), "_inheriting", False) or (path is not None and not _guarded(main, path)):
        return f"they import the main program, which would run again in each: put what it does under {_GUARD}"
    scan, unpicklable = _Scan(), ""
    try:
        scan.dump(sent)
    except UNPICKLABLE as error:
        unpicklable = not_sent(error)
    except Exception:  # a lock of multiprocessing, say, which can be sent only while a process is being started
        _log.debug("what decoding processes are sent cannot be looked through", exc_info=True)
    if scan.of_main and path is None:
        return (
            f"they cannot import {scan.of_main}, which is defined in __main__, such as a notebook: move it to a file, "
            f"and import it from there"
        )
    return unpicklable


def not_sent(error: Exception) -> str:
    """Return that pickling the dataset raised ``error``, and what helps."""
    return f"the dataset cannot be sent to one: {error}. Make it picklable (no lambda, no open file)"


def _imported(main: ModuleType) -> Path | None:
    """Return the file of the main program that each process would import; ``None`` where it would import none."""
    name, file = getattr(getattr(main, "__spec__", None), "name", None), getattr(main, "__file__", None)
    if file is None or (name is not None and f".{name}".endswith(".__main__")):
        return None
    path = Path(getattr(process, "ORIGINAL_DIR", None) or "", file)
    return None if name is None and path.stem == "ipython" else path


def _guarded(main: ModuleType, path: Path) -> bool:
    """Whether what the main program does now is what it does only as the main program."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True  # no script in Python: a launcher
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and _names_main(node.test)]
    line = _line(main)
    if line is None:  # it is at its end, and a thread goes on
        return bool(guards)
    return any(node.body[0].lineno <= line <= (node.body[-1].end_lineno or line) for node in guards)


def _names_main(test: ast.expr) -> bool:
    """Whether a condition asks for the name of the main program."""
    found = [*ast.walk(test)]
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in found) and any(
        isinstance(node, ast.Constant) and node.value == "__main__" for node in found
    )


def _line(main: ModuleType) -> int | None:
    """Return the line of the main program that its main thread is at."""
    frame: FrameType | None = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if frame.f_globals is main.__dict__ and frame.f_code.co_name == "<module>":
            return frame.f_lineno
        frame = frame.f_back
    return None


class _Nowhere:
    """A file that keeps nothing of what is written to it."""

    def write(self, data: bytes) -> int:
        return len(data)


class _Scan(ForkingPickler):
    """Pickles as a process is sent things, into nothing; notes what of the main program is referred to.

    Attributes
    ----------
    of_main
        A class or function of the main program, by its name; empty where there is none.
    """

    def __init__(self) -> None:
        super().__init__(_Nowhere(), pickle.HIGHEST_PROTOCOL)
        self.of_main = ""

    def reducer_override(self, found: Any) -> Any:
        """Note what is of the main program, and pass over arrays: they can be sent, and copying them takes time."""
        passed_over = isinstance(found, (torch.Tensor, torch.UntypedStorage, torch.TypedStorage)) or (
            isinstance(found, np.ndarray) and not found.dtype.hasobject
        )
        kind = found if isinstance(found, (type, FunctionType)) else type(found) if passed_over else None
        if kind is not None and kind.__module__ == "__main__":
            self.of_main = self.of_main or kind.__qualname__
        return (int, ()) if passed_over else NotImplemented
