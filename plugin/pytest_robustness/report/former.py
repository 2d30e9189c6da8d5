"""Set the report of an earlier run aside before a run has written its own.

A run that is refused, selects no test or is killed writes none. What programs read is removed, so that nobody takes the
earlier verdict for one of this run. The page is for people: it stays, and says that it is of an earlier run.
"""

from __future__ import annotations

import contextlib
import logging
from importlib import import_module
from typing import TYPE_CHECKING, Final

from pytest_robustness.core.files import alone_in, open_regular, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_log = logging.getLogger(__name__)

SENTENCE: Final = (
    "This page is of an earlier run. A later one was refused, found no test to run, was stopped, or is not finished: "
    "it has no page of its own."
)

_PAGE: Final = "index.html"
_TABLES: Final = "results.json"
_SNIFFED: Final = 4096
_TITLE: Final = b"<title>Robustness on "
_FORMER_TITLE: Final = b"<title>Earlier run: robustness on "
_BEGINS: Final = b"\n<main>\n"


def set_aside(folder: Path) -> None:
    """Remove from ``folder`` all files of an earlier run's report but its page, which says that it is of one.

    A link to a folder stays one. Where no report is, nothing is touched but a lone ``summary.md``; nor are other files
    in the folder. What cannot be removed stays: a run that is made cannot write its report there either, and says so.
    """
    from pytest_robustness import report

    with _tolerant():
        (folder / "summary.md").unlink(missing_ok=True)
    page = folder / _PAGE
    is_page = _TITLE in _beginning(page)
    # A page that says so was set aside with all that belonged to it.
    if not is_page and not _beginning(folder / _TABLES).startswith(b'{\n "schema_version": '):
        return
    with alone_in(folder):
        for name in report.REPORTS:
            for pattern in import_module(f"{report.__name__}.{name}").FILES:
                for path in folder.glob(pattern):
                    with _tolerant():
                        if path != page and path.is_file():
                            path.unlink()
        if is_page:
            with _tolerant():
                _mark(page)


def _mark(page: Path) -> None:
    """Have the page say at its head, and in its title, that it is of an earlier run."""
    text = page.read_bytes()
    said = _BEGINS + f'<p class="warning" role="alert">{SENTENCE}</p>\n'.encode()
    write_atomically(page, text.replace(_TITLE, _FORMER_TITLE, 1).replace(_BEGINS, said, 1))


def _beginning(path: Path) -> bytes:
    """Return how a file begins; nothing where there is none, or none that can be read."""
    with contextlib.suppress(OSError), open_regular(path) as file:
        return file.read(_SNIFFED)
    return b""


@contextlib.contextmanager
def _tolerant() -> Iterator[None]:
    try:
        yield
    except OSError:
        _log.debug("a file of an earlier run cannot be set aside", exc_info=True)
