"""What a module must offer to be a kind of dataset that ``--robustness-data`` can name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.core import DataSource


class SourceKind(Protocol):
    """One module of this package; it must import neither torch nor numpy until a source is opened."""

    @property
    def FORMS(self) -> Mapping[str, str]:  # noqa: N802 (a module's constant)
        """What the user may write, each with one line of explanation."""

    def check(self, spec: str, argument: str) -> None:
        """Raise `OptionError` unless ``argument``, what follows the first colon of ``spec``, has the right parts."""

    def open_source(self, spec: str, argument: str, *, download: bool) -> DataSource:
        """Return the source that ``spec`` names; raise `DataError` where the data is absent or not as expected."""


def lacks(spec: str, part: str, forms: Mapping[str, str]) -> str:
    """Return the sentence for a spec that lacks a part: ``'folder' lacks its path. Valid: folder:path.``."""
    return f"{spec!r} lacks {part}. Valid: {', '.join(forms)}."
