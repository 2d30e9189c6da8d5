"""Ask the Hugging Face hub once whether it answers: its client tries a file for a minute before it gives up."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.errors import message

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)
_SECONDS: Final = 5.0


@contextlib.contextmanager
def asked_once(repository: str) -> Iterator[None]:
    """Return a context in which the hub's client reads its cache alone, if the hub cannot be reached now.

    Parameters
    ----------
    repository
        What is about to be read, as the hub names it: ``timm/resnet18.a1_in1k``.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _answers(repository)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def first_line(error: Exception) -> str:
    """Return the type of an error and its first line: its other lines give advice that does not hold here."""
    return f"{type(error).__name__}: {message(error).strip().partition(chr(10))[0]}"


def _answers(repository: str) -> bool:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi().model_info(repository, timeout=_SECONDS)
    except HfHubHTTPError:  # it answers; what it says, it says again to whoever reads the file
        _log.debug("the hub does not show %s", repository, exc_info=True)
    except Exception:  # whichever library carries the request
        _log.debug("the hub cannot be reached", exc_info=True)
        return False
    return True
