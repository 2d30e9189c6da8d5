"""Say why no image of the data could be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.core.errors import DataError

if TYPE_CHECKING:
    from pytest_robustness.core import DataSource
    from pytest_robustness.core.errors import BadImageError


def none_readable(source: DataSource, tried: int, first: BadImageError | None) -> DataError:
    """Return the error for data of which none of the ``tried`` images can be read; ``first`` is why the first cannot.

    One cause is likely common to all: a format, a server, a disk.
    """
    why = "" if first is None else f" The first: {str(first).rstrip('.')}."
    return DataError(f"{source.name} holds no readable image, of {tried} that were tried.{why}")
