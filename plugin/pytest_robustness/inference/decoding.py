"""Decoding processes: torch's DataLoader workers, one thread each, that answer requests in order.

They start from a fork server, because a process that has threads or a CUDA context may hang when it is forked. The
server imports torch ahead, once: the first workers are there after the 3 seconds that this takes, later ones after a
fraction of a second.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import warnings
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from pytest_robustness.errors import DataError
from pytest_robustness.inference.interrupts import interrupts_held

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from multiprocessing.context import BaseContext

Answer = TypeVar("Answer")


def answers(reader: Dataset[Answer], requests: Iterator[object], workers: int) -> Generator[Answer]:
    """Yield ``reader[request]`` for every request, in order.

    Without workers a request is taken when its answer is asked for; with workers up to two per worker are ahead. The
    processes end when the generator ends or is closed.

    Raises
    ------
    DataError
        Where the reader cannot be sent to a process, or a process died.
    """
    if not workers:
        yield from (reader[request] for request in requests)
        return
    with interrupts_held():
        iterator = _start(reader, requests, workers)
    try:
        yield from _each(iterator)
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise DataError(
            f"A decoding process died. {str(error).strip()} Use fewer --robustness-workers where memory is short, "
            f"or 0 to decode in the main process and see where it fails. A script that calls pytest.main() needs "
            f"if __name__ == '__main__' before it, because decoding processes import the script."
        ) from error
    finally:
        # Dropping the iterator would end them too, but after Ctrl-C a traceback holds on to it.
        with interrupts_held():
            iterator._shutdown_workers()


def _each(iterator: Iterator[Answer]) -> Generator[Answer]:
    while True:
        with interrupts_held():
            try:
                answer = next(iterator)
            except StopIteration:
                return
        yield answer


def _start(reader: Dataset[Answer], requests: Iterator[object], workers: int) -> Any:
    with warnings.catch_warnings():
        # torch warns of more workers than cores (the user's choice stands) and of what is raised below.
        warnings.filterwarnings("ignore", message="This DataLoader will create|Got pickle error")
        loader = DataLoader(
            reader,
            sampler=requests,
            batch_size=None,
            collate_fn=_as_it_is,
            num_workers=workers,
            multiprocessing_context=_context(),
            worker_init_fn=_leave_interrupts_to_parent,
            generator=torch.Generator(),  # else it would draw from the global one, which is the user's
        )
        try:
            return iter(loader)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise DataError(
                f"The dataset cannot be sent to a decoding process: {error}. Make it picklable (no lambda, no open "
                f"file), or use --robustness-workers 0."
            ) from error


def _context() -> BaseContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest_robustness.inference.loader"])
    return context


def _as_it_is(answer: Answer) -> Answer:
    return answer


def _leave_interrupts_to_parent(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
