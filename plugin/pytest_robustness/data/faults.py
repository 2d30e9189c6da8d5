"""Tell faults of the moment from faults of an image."""

from __future__ import annotations

import gc
import logging
import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)
_Value = TypeVar("_Value")

_WAITS: Final = (0.2, 1.0)
"""Seconds before a network is asked again."""

NO_RANGES: Final = (
    "the server answers no range requests, it sends whole files alone. Download the file and name it there, or use a "
    "server that answers range requests"
)
"""What to say of a server that serves no parts of files."""

# Clients of storages have errors of their own for what the network does, and no common class for them.
_NETWORK: Final = (
    "ServerDisconnected", "ServerTimeout", "ConnectTimeout", "ReadTimeout", "EndpointConnection", "ConnectionClosed",
    "ClientPayload", "ClientOSError", "ClientConnector", "ConnectError", "IncompleteRead", "FSTimeoutError",
)  # fmt: skip


def retried(action: Callable[[], _Value]) -> _Value:
    """Return what ``action`` returns; try once more where memory runs short, and twice where the network fails."""
    for wait in _WAITS:
        try:
            return action()
        except MemoryError:
            _log.debug("memory ran short; trying again", exc_info=True)
            break
        except Exception as error:
            if not of_the_network(error):
                raise
            _log.debug("the network failed; trying again in %s s", wait, exc_info=True)
        time.sleep(wait)
    gc.collect()
    return action()


def of_the_network(error: BaseException) -> bool:
    """Return whether a connection failed or a server was too busy, which may pass."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return status in (408, 425, 429) or status >= 500
    return isinstance(error, TimeoutError | ConnectionError) or type(error).__name__.startswith(_NETWORK)


def in_passing(error: BaseException) -> bool:
    """Return whether ``error`` may be gone the next time: no memory, no descriptor, a disk or a library that fails.

    Pillow raises `OSError` for damaged content too, but without a number.
    """
    if isinstance(error, MemoryError | ImportError):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return True
    return "out of memory" in str(error).lower()


def without_ranges(error: BaseException) -> bool:
    """Return whether fsspec says that a server sends whole files alone; it has no class of its own for that."""
    return isinstance(error, ValueError) and "range requests" in str(error)


def reason_of(error: BaseException) -> str:
    """Return what an error says, without the file that it is about, which the message names."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
