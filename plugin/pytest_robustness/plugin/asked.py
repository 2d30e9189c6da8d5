"""Which studies a run of pytest asks for, and which of them a test asks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_robustness.analysis.studies import STUDIES
from pytest_robustness.plugin.configuration import resolve_options
from pytest_robustness.session.studies import asked_for, require_study

if TYPE_CHECKING:
    import pytest


def asks_study(config: pytest.Config, name: str) -> bool:
    """Return whether a run asks for a study: by an option, or where ``-k`` or ``-m`` names it, its test, or a part.

    Raises
    ------
    OptionError
        On an option that is not valid.
    """
    require_study(name)
    expressions = f"{config.getoption('keyword', '')} {config.getoption('markexpr', '')}"
    words = re.findall(r"\w{4,}", expressions.lower())
    return name in asked_for(resolve_options(config)) or any(word in name or name in word for word in words)


def study_of(node: pytest.Item) -> str | None:
    """Return the study that a test asks, by its marker; ``None`` where it has no such marker."""
    return next((name for name in STUDIES if node.get_closest_marker(name) is not None), None)
