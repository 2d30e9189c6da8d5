"""The folder of a dataset that can be downloaded, and the error if it is absent."""

from __future__ import annotations

from pathlib import Path

from pytest_robustness.core.files import user_path


def dataset_root(argument: str, kind: str) -> Path:
    """Return the folder ``argument``; by default the user's cache, on Linux ``~/.cache/pytest-robustness/KIND``."""
    import platformdirs

    if argument:
        return user_path(argument).absolute()
    return Path(platformdirs.user_cache_dir("pytest-robustness")) / kind


def absent(title: str, where: Path, archive: str, *, download: bool, reason: Exception) -> str:
    """Return the error for a dataset that is not in ``where``, the folder that unpacking ``archive`` creates."""
    by_hand = f"unpack {archive} in {where.parent}, so that {where} exists."
    if download:
        return f"{title} could not be downloaded to {where.parent}: {reason} Without a network, {by_hand}"
    return f"{title} was looked for in {where} and is not there, or not whole. Add --robustness-download, or {by_hand}"
