"""Names of models and conditions as people read them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.core import Condition


def condition_text(condition: Condition) -> str:
    """Return a condition as a sentence has it.

    Examples
    --------
    >>> from pytest_robustness.core import Condition
    >>> condition_text(Condition("zoom", 3)), condition_text(Condition("vflip"))
    ('zoom (severity 3)', 'vflip')
    """
    return (
        condition.transform if condition.severity is None else f"{condition.transform} (severity {condition.severity})"
    )


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
