"""Undo what Ctrl-C leaves half done: in a notebook, and in a run of pytest that still writes its report."""

from __future__ import annotations

import contextlib
import traceback
from typing import TYPE_CHECKING

from pytest_robustness.core.process_state import put_back, states

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from pytest_robustness.core.process_state import Aspect


def let_go(raised: BaseException) -> None:
    """Leave the contexts that an exception was raised in the midst of entering or leaving.

    Python leaves none that the handler of a signal interrupted there: what it had set is put back, and its lock given
    back, when it is freed. The traceback, which a notebook keeps until the next one, would keep it. An exception that
    led to this one has a traceback too.
    """
    pending, known = [raised], set()
    while pending:
        error = pending.pop()
        if id(error) not in known:
            known.add(id(error))
            traceback.clear_frames(error.__traceback__)
            pending += [other for other in (error.__context__, error.__cause__) if other is not None]


@contextlib.contextmanager
def interrupts_undone(aspects: Callable[[], Sequence[Aspect]]) -> Generator[None]:
    """Leave the process as it was before the block where Ctrl-C ends it, or what else is no error.

    In the instant in which a context is entered or left it keeps that context from being left: see `let_go`. Contexts
    of PyTorch and of Python that are no generators, such as those of gradients and warnings, are never left then.

    Parameters
    ----------
    aspects
        Returns what is put back; asked when the block begins.
    """
    before = states(aspects())
    try:
        yield
    except Exception:
        raise
    except BaseException as raised:
        let_go(raised)
        put_back(before, [])
        raise
