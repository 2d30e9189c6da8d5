"""Call a user's code so that its fault stays its own: factories, models, transforms and datasets.

What it changes in the process is restored and named; what would end the process becomes an error of that model; and the
file of last words says what was running, should the process die all the same.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, NoReturn

from pytest_robustness.core import user_code
from pytest_robustness.core.errors import ModelError, RobustnessError, cause
from pytest_robustness.core.process import one_thread
from pytest_robustness.core.process_state import ASPECTS, descriptors_kept, restored, streams_kept
from pytest_robustness.inference.user_calls.aspects import every_aspect
from pytest_robustness.inference.user_calls.deadline import TooLongError, deadline
from pytest_robustness.inference.user_calls.handlers import HandlersNoticed, StoppedError
from pytest_robustness.inference.user_calls.last_words import of_earlier_runs, of_run

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from pytest_robustness.core.process_state import Aspect
    from pytest_robustness.inference.user_calls.last_words import Diary

_log = logging.getLogger(__name__)

_exit = os._exit
# What subjects are called whose code is the user's.
_USERS = ("python:", "the transform ")
# Seconds between two looks at what other processes left behind.
_LOOK_EVERY = 1.0


class ExitError(SystemExit):
    """A user's code called ``os._exit``."""


class UserCalls:
    """Calls a user's code, each call in a context of `call`.

    Parameters
    ----------
    note
        Receives a sentence for the user about how models are run.
    warn
        Receives one that reports should hold: code changed the state of the process, or may have ended it.
    timeout
        Seconds that a batch may take; ``None``: any time.
    diary
        Where the code that runs is noted; ``None``: nowhere.
    """

    def __init__(
        self,
        note: Callable[[str], None],
        *,
        warn: Callable[[str], None] | None = None,
        timeout: float | None = None,
        diary: Diary | None = None,
    ) -> None:
        self.note = note
        self.warn = warn or note
        self.timeout = timeout
        self._diary = diary
        self._tried: set[str] = set()
        self._unruly: set[str] = set()
        self._looked = 0.0
        self._deadly: dict[str, str] = {}

    def name_suspects(self) -> None:
        """Warn of code that ran when processes of earlier runs died; once."""
        if self._diary is None:
            return
        for words in of_earlier_runs(self._diary.folder, self._diary.run):
            self.warn(
                f"an earlier run ended without a word while {words.what} was running: it may be to blame, unless "
                f"somebody ended the run, or a limit of time or memory did. If this run ends so too, leave it out"
            )

    def call(
        self,
        subject: str,
        doing: str = "",
        *,
        error: type[RobustnessError] = ModelError,
        batch: bool = False,
        blamed: bool = True,
    ) -> AbstractContextManager[None]:
        """Return a context for a call of code of ``subject``; other threads wait with theirs until it ends.

        Parameters
        ----------
        subject
            What messages call the code: a model's name, a transform.
        doing
            What it does, for the last words: ``under vflip``, say.
        error
            What an attempt to end the process becomes.
        batch
            Whether this is one of many calls: it has a deadline, and after the first one only state that is read in an
            instant is restored, unless the subject has changed other state before.
        blamed
            Whether a change of state is the subject's. A compiler changes state of its own while it runs a model; what
            the model changes was noticed when it gave its first answers.

        Raises
        ------
        RobustnessError
            The code ended the process, took too long, or ran when two processes of this run died; an exception of
            its own passes.
        BaseException
            What the handler of a signal raised meanwhile, on Ctrl-C or a time limit of pytest's; see `unwrapped`.
        """
        return one_thread(self._called(subject, f"{subject} {doing}".strip(), error, batch, blamed))

    @contextlib.contextmanager
    def _called(
        self, subject: str, what: str, error: type[RobustnessError], batch: bool, blamed: bool
    ) -> Generator[None]:
        self._require_harmless(subject, error)
        if self._diary is not None:
            self._diary.write(subject, what)
        changes: list[str] = []
        try:
            with (
                _own_faults(what, error, self.timeout),
                user_code.code_of(subject),
                _kept(self._aspects(subject, batch), changes),
                deadline(self.timeout if batch else None, what),
            ):
                yield
        finally:
            if batch:
                self._tried.add(subject)
            if changes and blamed:
                self._report(subject, changes)
            elif changes:
                _log.debug("%s: restored %s", what, ", ".join(changes))
            if self._diary is not None:
                self._diary.write("", "")

    def _aspects(self, subject: str, batch: bool) -> tuple[Aspect, ...]:
        """Return the state to restore: all of it, or for a batch what is read in an instant."""
        if subject.startswith(_USERS) and (not batch or subject not in self._tried or subject in self._unruly):
            return every_aspect()
        if "torch" not in sys.modules:  # a dataset's factory alone: nothing of PyTorch to restore
            return ()
        from pytest_robustness.inference.user_calls import torch_state

        return torch_state.QUICK

    def _require_harmless(self, subject: str, error: type[RobustnessError]) -> None:
        """Raise ``error`` where the code ran when two other processes of this run died."""
        if self._diary is None:
            return
        if time.monotonic() - self._looked > _LOOK_EVERY or subject not in self._tried:
            found = of_run(self._diary.folder, self._diary.run)
            # One death may have another reason: the system ends a process where memory is short.
            deaths = Counter(words.model for words in found)
            self._deadly = {words.model: words.what for words in found if deaths[words.model] > 1}
            self._looked = time.monotonic()
        if subject in self._deadly:
            raise error(
                f"{self._deadly[subject]} was running when two processes of this run died. It may be to blame, and "
                f"is left out"
            )

    def _report(self, subject: str, changes: list[str]) -> None:
        if subject not in self._unruly:
            named = ", ".join(dict.fromkeys(changes))
            self.warn(
                f"{subject} changed the process: {named}; restored after the call, so that nothing else depends on it"
            )
        self._unruly.add(subject)


@contextlib.contextmanager
def _kept(aspects: tuple[Aspect, ...], changes: list[str]) -> Generator[None]:
    """Restore ``aspects``, and with all of them the standard streams too; add what was changed to ``changes``."""
    changed: list[str] = []
    descriptors: list[str] = []
    streams = contextlib.ExitStack()
    try:
        with streams:
            if aspects[: len(ASPECTS)] == ASPECTS:
                descriptors = streams.enter_context(descriptors_kept())
                streams.enter_context(streams_kept())
            with restored(aspects) as changed:
                yield
    finally:
        changes += changed + descriptors


@contextlib.contextmanager
def _own_faults(what: str, error: type[RobustnessError], timeout: float | None) -> Generator[None]:
    """Turn what would end the process into ``error``; what the handler of a signal raises is not the code's."""
    handlers, before = HandlersNoticed(), os._exit
    try:
        os._exit = _no_exit(os.getpid())  # type: ignore[assignment]
        with handlers:
            yield
    except StoppedError:
        raise
    except TooLongError as late:
        raise error(
            f"{what} took longer than --robustness-timeout={timeout:g} s for one batch, and is given up. Allow more "
            f"time, or leave it out."
        ) from late
    except (Exception, GeneratorExit):
        raise
    except BaseException as end:  # KeyboardInterrupt, SystemExit, or an outcome of pytest
        if end is not handlers.of_code:
            raise
        did = "raised" if isinstance(end, KeyboardInterrupt) else "tried to end the process:"
        raise error(f"{what} {did} {cause(end)}") from end
    finally:
        os._exit = before


def _no_exit(process: int) -> Callable[[int], NoReturn]:
    def exit_(status: int) -> NoReturn:
        if os.getpid() != process:  # a child that the user's code started
            _exit(status)
        raise ExitError(f"os._exit({status})")

    return exit_
