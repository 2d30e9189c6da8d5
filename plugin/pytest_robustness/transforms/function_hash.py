"""Hash a transform's code and all that it uses, so that results are computed again when any of it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_robustness.core.errors import TransformError

if TYPE_CHECKING:
    from collections.abc import Callable


def code_version(name: str, function: Callable[..., Any]) -> str:
    """Return a short hash of the function's code and of everything that can be reached from it.

    That is what it closes over, its defaults, the globals that it names, and the same of the user's functions and
    classes among these; an installed package counts as a whole.

    Raises
    ------
    TransformError
        The function uses an object that cannot be hashed.
    """
    from pytest_robustness.core.content import content_hash  # here, because the built-in transforms have versions

    hashed = content_hash(function)
    if hashed.unhashed:
        raise TransformError(
            f"Transform {name!r} uses {', '.join(hashed.unhashed)}, which cannot be hashed, so a change in it would go "
            f"unseen. Give it a version, version=1, and raise that when you change it."
        )
    return hashed.digest.hex()[:16]
