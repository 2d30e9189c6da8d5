"""Write files whole or not at all, and show paths as a user would type them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_robustness.errors import RobustnessError, short_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["publish", "short_path", "write_atomically"]


def publish(texts: Mapping[str, str], folder: Path, option: str = "--robustness-report") -> list[Path]:
    """Write each of ``texts`` into ``folder``, which is created if it does not exist, and return the paths.

    Parameters
    ----------
    texts
        The content of each file by its name.
    folder
        The folder to write to.
    option
        The option that named the folder; an error suggests naming another one with it.

    Raises
    ------
    RobustnessError
        The folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_atomically(folder / name, text)
    except OSError as error:
        raise RobustnessError(
            f"The report cannot be written to {folder}: {error.strerror}. Name another folder with {option}=DIR; "
            f"nothing has to be computed again."
        ) from error
    return [folder / name for name in texts]


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace the file at ``path`` in one step: readers see the old content or the new, even if this process dies.

    Parameters
    ----------
    path
        The file, in a folder that exists.
    content
        Text is encoded as UTF-8.

    Raises
    ------
    OSError
        The file cannot be written. What was at ``path`` is unchanged, and no other file is left behind.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
