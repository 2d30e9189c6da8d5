"""What fails in a sweep is an error of the jobs that it concerns, so that the others go on."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from pytest_robustness.core.errors import ErrorText, cause
from pytest_robustness.inference.memory import BatchTooLargeError, is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_robustness.core import Cell
    from pytest_robustness.inference.jobs import Job

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def failures_of(jobs: Sequence[Job], what: str, images: int, errors: dict[Cell, str]) -> Iterator[None]:
    """Turn a failure of ``what``, on so many ``images``, into an error of each of ``jobs``, added to ``errors``.

    Raises
    ------
    BatchTooLargeError
        When memory did not suffice for more than one image.
    """
    try:
        yield
    except BatchTooLargeError:
        raise
    except Exception as error:
        _log.debug("%s failed during the sweep", what, exc_info=True)
        if is_out_of_memory(error) and images > 1:
            raise BatchTooLargeError from error
        message = ErrorText(f"{what} failed during the sweep: {cause(error)}", error)
        errors.update({job.cell: message for job in jobs})
