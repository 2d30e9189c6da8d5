"""Simulate signals, Ctrl-C among them, at each point at which Python would call their handlers."""

from __future__ import annotations

import itertools
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType


def signalled_after(
    calls: int,
    block: Callable[[], object],
    files: Iterable[str],
    number: int = signal.SIGINT,
    *,
    counts: Callable[[FrameType], bool] = lambda _: True,
) -> bool:
    """Run ``block``, and raise a signal after so many calls within ``files``; return whether there were as many.

    Python calls the handler of a signal where a call begins and after one of a function in C.

    Parameters
    ----------
    files
        What the files' paths begin with.
    counts
        Whether a call of these files, by its frame, is one at which the signal may come.
    """
    made, paths = itertools.count(1), tuple(files)

    def profile(frame: FrameType, event: str, _: object) -> None:
        within = event in ("call", "c_return") and frame.f_code.co_filename.startswith(paths)
        if within and counts(frame) and next(made) == calls:
            sys.setprofile(None)
            signal.raise_signal(number)

    sys.setprofile(profile)
    try:
        block()
    finally:
        sys.setprofile(None)
    return next(made) > calls
