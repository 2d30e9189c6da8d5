"""Tell what the handler of a signal raises while a user's code runs from what that code raises."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.process import stopping_handlers

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType


class StoppedError(BaseException):
    """The handler of a signal raised an exception while a user's code ran; `unwrapped` raises that in its place."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(reason)
        self.reason = reason


@contextlib.contextmanager
def unwrapped() -> Generator[None]:
    """Raise what the handler of a signal raised in the block, where `StoppedError` carried it."""
    try:
        yield
    except StoppedError as stopped:
        raise stopped.reason from None


class HandlersNoticed:
    """Notices what the handlers of signals raise in its block: of Ctrl-C, of the time limit that a plugin sets a test.

    Whatever the user's code made of such an exception, the block ends with it. One that ``except Exception`` would take
    for the code's own ends it as a `StoppedError`.

    Attributes
    ----------
    of_code
        What ended the block, where the user's code raised it. A signal may come at any instruction, also while handlers
        are set or restored: what its handler raises then is not here either.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {**stopping_handlers()}
        self._raised: BaseException | None = None
        self.of_code: BaseException | None = None

    def __enter__(self) -> None:
        for number in self._before:
            signal.signal(number, self._notice)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        # Without the handler of Ctrl-C, in another thread say, its exception cannot be told from the code's own.
        told = signal.SIGINT in self._before or not isinstance(error, KeyboardInterrupt)
        self.of_code = error if told and self._raised is None else None
        for number in self._before:
            signal.signal(number, self._before[number])
        if isinstance(error, GeneratorExit):  # the context was let go, after that exception
            return
        if isinstance(self._raised, Exception):
            raise StoppedError(self._raised) from None
        if self._raised is not None and self._raised is not error:
            raise self._raised

    def _notice(self, number: int, frame: FrameType | None) -> None:
        try:
            self._before[number](number, frame)
        except BaseException as raised:
            self._raised = raised
            raise
        finally:
            self._keep(number)

    def _keep(self, number: int) -> None:
        """Keep what a handler set in its own place, for the next press of Ctrl-C, say; notice what that raises too."""
        now = signal.getsignal(number)
        if now != self._notice:
            self._before[number] = now
            if callable(now):
                signal.signal(number, self._notice)
