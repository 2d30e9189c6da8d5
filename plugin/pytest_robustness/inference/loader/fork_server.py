"""Start the fork server of the decoding processes so that it ends with the process that started it.

By itself the server ends when a pipe closes whose other end its own children hold too: a decoding process that hangs
would keep it alive, and nobody would remove the folder of its socket. The server imports this module first
(`start` names it), and then looks for its parent twice a second. It has one thread, and gets no other, because a
process with threads may hang when it is forked: a timer interrupts it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import logging
import os
import shutil
import signal
import sys
import threading
from multiprocessing import forkserver, util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger(__name__)

_SECONDS = 0.5
# Tells the server, which is started with the environment of its parent, who that is and where its socket lies.
_VARIABLE = "PYTEST_ROBUSTNESS_FORK_SERVER"
_PR_SET_PDEATHSIG = 1


def start(preload: Sequence[str]) -> None:
    """Start the fork server of this process, unless it runs already; it imports ``preload``."""
    forkserver.set_forkserver_preload([__name__, *preload])
    os.environ[_VARIABLE] = f"{os.getpid()}:{util.get_temp_dir()}"
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop(_VARIABLE, None)


def end_with_parent() -> None:
    """End this decoding process when the server does, even while it hangs in a call that never returns.

    On Linux, by a signal of the kernel; elsewhere nothing is done.
    """
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the server's handler, inherited
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return
    server = os.getppid()
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except (OSError, AttributeError):
        _log.debug("the C library has no prctl", exc_info=True)
        return
    if os.getppid() != server:  # it ended before the kernel was asked
        os._exit(1)


def _watch_parent(parent: int, folder: str) -> None:
    """Have this process end when ``parent`` is gone, and remove ``folder`` then."""
    server = os.getpid()

    def orphaned() -> bool:
        # A process that was forked just now has the handler too, and perhaps a signal that the server had received.
        return os.getpid() == server and os.getppid() != parent

    def remove() -> None:
        # Its parent removes the folder itself where it can, and may still use it otherwise.
        if orphaned():
            shutil.rmtree(folder, ignore_errors=True)

    def look(*_: object) -> None:
        if orphaned():
            remove()
            os._exit(1)

    atexit.register(remove)
    signal.signal(signal.SIGALRM, look)
    signal.siginterrupt(signal.SIGALRM, False)  # libraries that are being imported need not expect it
    signal.setitimer(signal.ITIMER_REAL, _SECONDS, _SECONDS)


with contextlib.suppress(KeyError):
    _parent, _folder = os.environ.pop(_VARIABLE).split(":", 1)
    _watch_parent(int(_parent), _folder)
