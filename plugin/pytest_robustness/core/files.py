"""How a report gets to its place: each file appears whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_robustness.errors import RobustnessError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def publish(texts: Mapping[str, str], folder: Path, option: str = "--robustness-report") -> list[Path]:
    """Write each of ``texts`` into ``folder``, made where absent, and return the paths.

    Parameters
    ----------
    texts
        The content of each file by its name.
    folder
        Where they go.
    option
        The option that named the folder: an error says to name another with it.

    Raises
    ------
    RobustnessError
        When the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_replace(folder / name, text) for name, text in texts.items()]
    except OSError as error:
        raise RobustnessError(
            f"The report cannot be written to {folder}: {error.strerror}. Name another folder with {option}=DIR; "
            f"nothing has to be computed again."
        ) from error


def _replace(path: Path, text: str) -> Path:
    part = path.with_name(path.name + f".{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    return path
