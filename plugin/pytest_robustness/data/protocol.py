"""The Protocol of a kind of dataset: what a module offers so that ``kind[:argument]`` can name its datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.core import DataSource


class DatasetKind(Protocol):
    """A module that opens one kind of dataset.

    Importing it must be cheap: neither torch nor numpy is imported before a dataset is opened.
    """

    @property
    def FORMS(self) -> Mapping[str, str]:  # noqa: N802 (a constant of the module)
        """The forms that a name can take, each with one line of explanation."""

    def check(self, spec: str, argument: str) -> None:
        """Raise `OptionError` unless ``argument``, which follows the first colon of ``spec``, has the right parts."""

    def open_source(self, spec: str, argument: str, *, download: bool) -> DataSource:
        """Return the dataset that ``spec`` names.

        Parameters
        ----------
        spec, argument
            As `check` accepted them.
        download
            Download the data if it is absent and can be downloaded.

        Raises
        ------
        DataError
            The data is absent or not as expected.
        """


@runtime_checkable
class UnlabelledKind(Protocol):
    """What a kind of dataset may offer besides: to open data whose layout names no classes."""

    def open_unlabelled(self, spec: str, argument: str, *, download: bool) -> DataSource:
        """Return the images that ``spec`` names, whatever their layout; raises what `DatasetKind.open_source` raises.

        The label of an image is the place that it comes from, its folder, say, and only serves to draw from each.
        """


def lacks(spec: str, part: str, forms: Mapping[str, str]) -> str:
    """Return the error for a spec that lacks a part: ``'folder' lacks its path. Valid: folder:path.``."""
    return f"{spec!r} lacks {part}. Valid: {', '.join(forms)}."
