"""Models that are files: check them, hash them, and name them in an engine's errors."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_robustness.core.errors import ModelError, OptionError, RobustnessError
from pytest_robustness.core.extras import pip_install

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_log = logging.getLogger(__name__)


def check_file(source: str, name: str, weights: str | None, suffixes: Sequence[str]) -> None:
    """Raise `OptionError` unless ``name`` is the path of a file with one of ``suffixes``, without weights."""
    if weights is not None:
        raise OptionError(f"'{source}:{name}' holds its own weights; leave '@{weights}' out.")
    path = Path(name)
    if path.suffix.lower() not in suffixes:
        raise OptionError(f"'{source}:{name}' must name a file that ends in {' or '.join(suffixes)}.")
    if not path.is_file():
        raise OptionError(f"'{source}:{name}' names the file {name}, which is not there (from {Path.cwd()}).")


def require(model: str, extra: str, packages: Iterable[str]) -> None:
    """Raise `OptionError` unless ``packages``, which ``extra`` installs, are installed; none is imported."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise OptionError(f"'{model}' needs {' and '.join(missing)}, which is not installed: {pip_install(extra)}")


@contextlib.contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn any exception of an engine that cannot read ``path`` as ``kind`` into a `ModelError`."""
    try:
        yield
    except RobustnessError:
        raise
    except Exception as error:
        _log.debug("%s cannot be loaded as %s", path, kind, exc_info=True)
        # The first lines of an engine's message name lines of its own source.
        lines = [line for line in map(str.strip, str(error).splitlines()) if line]
        cause = f"{type(error).__name__}: {lines[-1] if lines else 'no reason given'}"
        link = (
            " It is a link: if the engine does not find what belongs to it, copy all of its files into one folder."
            if path.is_symlink()
            else ""
        )
        raise ModelError(
            f"{path} cannot be loaded as {kind} ({cause}). Replace it, or export it again.{link}"
        ) from error
