"""Keep a run going when Allure's results cannot be written: on a full disk, say."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import allure_commons

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_log = logging.getLogger(__name__)


def explained(folder: Path | str, error: OSError) -> str:
    """Return why the results in ``folder`` are not whole, and what to do."""
    return (
        f"The results cannot be written to {folder}: {error.strerror}. Make room, or name another folder with "
        f"--alluredir=DIR; nothing has to be computed again."
    )


class ResultsGuard:
    """Catches what goes wrong when allure-pytest writes a file, which would end the run as an error of pytest's own.

    ``error`` is the first of them: the results are not whole, and no gate can judge them.
    """

    def __init__(self) -> None:
        self.error: OSError | None = None

    @allure_commons.hookimpl(wrapper=True)
    def report_result(self) -> Generator[None, Any, Any]:
        """Catch what keeps a result from being written."""
        return (yield from self._caught())

    @allure_commons.hookimpl(wrapper=True)
    def report_container(self) -> Generator[None, Any, Any]:
        """Catch what keeps the fixtures of results from being written."""
        return (yield from self._caught())

    @allure_commons.hookimpl(wrapper=True)
    def report_attached_file(self) -> Generator[None, Any, Any]:
        """Catch what keeps an attached file from being copied."""
        return (yield from self._caught())

    @allure_commons.hookimpl(wrapper=True)
    def report_attached_data(self) -> Generator[None, Any, Any]:
        """Catch what keeps an attachment from being written."""
        return (yield from self._caught())

    @allure_commons.hookimpl(wrapper=True)
    def report_globals(self) -> Generator[None, Any, Any]:
        """Catch what keeps the list of the run's own attachments from being written."""
        return (yield from self._caught())

    def _caught(self) -> Generator[None, Any, Any]:
        try:
            return (yield)
        except OSError as error:
            _log.debug("a file of Allure's results cannot be written", exc_info=True)
            self.error = self.error or error
            return []
