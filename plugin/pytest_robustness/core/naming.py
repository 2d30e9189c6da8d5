"""Short names of models."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def short_names(models: Sequence[str]) -> dict[str, str]:
    """Return a short name for each model: without its source where that is still unambiguous.

    Examples
    --------
    >>> short_names(["digits:resnet18", "digits:vgg16"])
    {'digits:resnet18': 'resnet18', 'digits:vgg16': 'vgg16'}
    >>> short_names(["resnet18", "digits:resnet18"])
    {'resnet18': 'resnet18', 'digits:resnet18': 'digits:resnet18'}
    """
    short = {model: model.rpartition(":")[2] for model in models}
    taken = Counter(short.values())
    return {model: name if taken[name] == 1 else model for model, name in short.items()}
