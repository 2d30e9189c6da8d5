"""Ctrl-C at a moment at which it does no harm."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back until the block ends; a second one takes effect at once.

    Python raises ``KeyboardInterrupt`` between any two instructions. Between taking a queue's lock and the ``with``
    that would give it back, it leaves the lock taken for good: ending the processes then waits for it forever.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield  # not for Python to handle, or not here
        return
    held = False

    def hold(_: int, __: FrameType | None) -> None:
        nonlocal held
        held = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        if not held:
            signal.signal(signal.SIGINT, before)
        if held:  # looked at again, because it may have come just now
            signal.raise_signal(signal.SIGINT)
