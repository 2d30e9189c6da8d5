"""The options behind a path in the name of a data set: ``path#image=photo,label=species``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pytest_robustness.core.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Collection


def split(spec: str, argument: str, valid: Collection[str]) -> tuple[str, dict[str, str]]:
    """Return a path, and the options that follow its last ``#``; a value may hold escapes (``%2C`` is a comma).

    >>> split("", "photos.parquet#image=img,label=fine_label", ["image", "label"])
    ('photos.parquet', {'image': 'img', 'label': 'fine_label'})

    Raises
    ------
    OptionError
        An option is not one of ``valid``, or is given twice.
    """
    path, mark, text = argument.rpartition("#")
    if not mark or not all(re.fullmatch(r"[a-z]+=[^=]+", item) for item in text.split(",")):
        return argument, {}
    options: dict[str, str] = {}
    for item in text.split(","):
        name, _, value = item.partition("=")
        if name not in valid:
            raise OptionError(f"{spec!r}: {name!r} is no option of it. Valid: {', '.join(f'{v}=...' for v in valid)}.")
        if name in options:
            raise OptionError(f"{spec!r} has {name!r} twice.")
        options[name] = unquote(value)
    return path, options
