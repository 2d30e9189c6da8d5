"""The versions that a node has. Sent to nodes by value, so that one without this package answers too.

It imports the standard library alone, and inside of its function.
"""

from __future__ import annotations

from typing import Final

# What answers depend on, whatever a model and a transform consist of.
PACKAGES: Final = ("pytest-robustness", "torch", "torchvision", "numpy", "pillow")


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the version of each package here, without the build of it (``+cpu``); empty where it is not installed."""
    from importlib import metadata

    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found
