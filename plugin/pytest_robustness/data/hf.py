"""Data sets of Hugging Face: on this machine as `datasets` reads them, or by their name on the hub."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.errors import OptionError
from pytest_robustness.data import spec_options
from pytest_robustness.data.protocol import lacks

if TYPE_CHECKING:
    from pytest_robustness.core import DataSource

FORMS: Final = {
    "hf:name[:split]": "a data set of Hugging Face, by name or in a folder; split defaults to test, then validation; "
    "hf:name:split#config=NAME,revision=NAME,image=COLUMN,label=COLUMN says more"
}
_OPTIONS: Final = ("config", "revision", "image", "label")


def check(spec: str, argument: str) -> None:
    """Raise `OptionError` if the name is missing, or an option behind it is not valid."""
    if not _parse(spec, argument)[0]:
        raise OptionError(lacks(spec, "its name", FORMS))


def open_source(spec: str, argument: str, *, download: bool) -> DataSource:
    """Return the rows of one split, in their order.

    Raises
    ------
    DataError
        `datasets` is not installed; the data set is not there, and not downloaded; its split is not clear; no column
        holds images or labels, or several may.
    """
    from pytest_robustness.data.tables import hf_rows

    return hf_rows.source_of(spec, *_parse(spec, argument), labelled=True, download=download)


def open_unlabelled(spec: str, argument: str, *, download: bool) -> DataSource:
    """Return the rows of one split, whatever labels they have.

    Raises
    ------
    DataError
        As `open_source`, without what concerns labels.
    """
    from pytest_robustness.data.tables import hf_rows

    return hf_rows.source_of(spec, *_parse(spec, argument), labelled=False, download=download)


def _parse(spec: str, argument: str) -> tuple[str, str, dict[str, str]]:
    """Return name, split ("" where none is given) and options."""
    name, options = spec_options.split(spec, argument, _OPTIONS)
    # A split is a word: in C:\photos the colon belongs to the path.
    match = re.fullmatch(r"(.+):(\w[\w.-]*)", name)
    return (match[1], match[2], options) if match else (name, "", options)
