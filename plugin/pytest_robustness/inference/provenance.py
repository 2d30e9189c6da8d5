"""Record where a result comes from: enough to repeat the run."""

from __future__ import annotations

import dataclasses
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from pytest_robustness.core.files import short_path
from pytest_robustness.core.text import pasted

_PACKAGES = (
    "pytest-robustness",
    "pytest",
    "torch",
    "torchvision",
    "onnxruntime",
    "openvino",
    "timm",
    "numpy",
    "scipy",
    "pillow",
)


def of_run(options: Any) -> dict[str, Any]:
    """Return the environment, the command and the options of this run; ``options`` is a frozen dataclass."""
    return {**environment(), "command": command(), "options": plain(options)}


def environment() -> dict[str, Any]:
    """Return the versions of Python and of the packages that results depend on, and the machine's kind."""
    return {
        "python": platform.python_version(),
        # No release of the kernel: no result depends on it, and it may name a machine.
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: version for name in _PACKAGES if (version := version_of(name)) is not None},
    }


def command() -> str:
    """Return the command line that was typed, as a shell takes it, without the path of the interpreter."""
    program = Path(sys.argv[0])
    # `python -m pytest` runs pytest/__main__.py.
    name = program.parent.name if program.name == "__main__.py" else program.name
    return " ".join(map(pasted, [name, *sys.argv[1:]]))


def plain(options: Any) -> dict[str, Any]:
    """Return a frozen options object as JSON values: paths become text, as short as from here, and tuples lists."""
    return {name: _plain(value) for name, value in dataclasses.asdict(options).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return short_path(value)
    return list(value) if isinstance(value, tuple) else value


def version_of(name: str) -> str | None:
    """Return the version of a package; ``None`` where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
