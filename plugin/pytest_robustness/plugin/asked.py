"""Which studies a run of pytest asks for; which of them a test asks, and whether it asks anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_robustness.analysis.studies import STUDIES
from pytest_robustness.plugin.configuration import resolve_options
from pytest_robustness.plugin.fixture_names import SESSION
from pytest_robustness.session.studies import asked_for, require_study

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_ASKING: Final = ("_pytest.", "pytest_robustness.")
"""Where fixtures are from that ask for no result on a test's behalf, or do so by name."""


def asks(item: pytest.Item) -> bool:
    """Return whether a test uses the plugin's session: by a fixture that it names, or that it has asked for by now.

    A project may have a fixture called ``robustness`` for something else.
    """
    return names_session(item) or SESSION in getattr(getattr(item, "_request", None), "_fixture_defs", ())


def names_session(item: pytest.Item) -> bool:
    """Return whether a test names the ``robustness`` of this plugin, or another of its fixtures."""
    if SESSION in getattr(item, "fixturenames", ()):
        return True
    # Before pytest 9.1 the names do not show what a fixture needs that another of the same name builds on.
    for definition in reversed(_definitions(item).get("robustness", ())):
        if SESSION in definition.argnames:
            return True
        if "robustness" not in definition.argnames:
            break
    return False


def may_ask(item: pytest.Item) -> bool:
    """Return whether a test can ask while it runs: its ``request``, or that of a fixture, gets what nothing names.

    The steps of pytest-bdd do so. Fixtures of pytest itself have a ``request`` for other ends.
    """
    if isinstance(item, pytest.DoctestItem):
        return True
    return "request" in getattr(getattr(item, "_fixtureinfo", None), "argnames", ()) or any(
        "request" in definition.argnames and not str(definition.func.__module__).startswith(_NOT_ASKING)
        for definitions in _definitions(item).values()
        for definition in definitions
    )


def mark(item: pytest.Item) -> None:
    """Mark a test that asks, so that ``-m robustness`` and the reports know it."""
    if asks(item) and item.get_closest_marker("robustness") is None:
        item.add_marker("robustness")


def _definitions(item: pytest.Item) -> dict[str, Sequence[Any]]:
    """Return the fixtures that a test names, or that these name, each with those of its name that it builds on."""
    return getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})


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
