"""Which studies a run of pytest asks for; which of them a test asks, and whether it asks anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_robustness.analysis.studies import STUDIES
from pytest_robustness.plugin.configuration import resolve_options
from pytest_robustness.plugin.fixture_names import SESSION
from pytest_robustness.session.studies import asked_for, require_study

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


def asks(item: pytest.Item) -> bool:
    """Return whether a test uses the plugin's session, by its ``robustness`` or another of its fixtures.

    A project may have a fixture of that name for something else.
    """
    if SESSION in getattr(item, "fixturenames", ()):
        return True
    # Before pytest 9.1 the names do not show what a fixture needs that another of the same name builds on.
    known: dict[str, Sequence[Any]] = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    for definition in reversed(known.get("robustness", ())):
        if SESSION in definition.argnames:
            return True
        if "robustness" not in definition.argnames:
            break
    return False


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
