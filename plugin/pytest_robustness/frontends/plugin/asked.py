"""Which studies a run of pytest asks for; which of them a test asks, and whether it asks anything."""

from __future__ import annotations

import ast
import itertools
import logging
import re
from operator import and_, or_
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_robustness.analysis.studies import STUDIES
from pytest_robustness.frontends.plugin.configuration import resolve_options
from pytest_robustness.frontends.plugin.fixture_names import SESSION
from pytest_robustness.frontends.session.options.studies import asked_for, require_study

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = logging.getLogger(__name__)

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
    """Return whether a run asks for a study: by an option, or where ``-k`` or ``-m`` selects tests because it names it.

    ``-k`` names a study by its name, that of its test, or a part of four letters; ``-m`` by its marker. Neither does so
    where it excludes what it names.

    Raises
    ------
    OptionError
        On an option that is not valid.
    """
    require_study(name)
    return (
        name in asked_for(resolve_options(config))
        or _selects(config.getoption("keyword", ""), lambda word: _part_of(word, name))
        or _selects(config.getoption("markexpr", ""), lambda word: word == name)
    )


def _part_of(word: str, name: str) -> bool:
    return any(part in name or name in part for part in re.findall(r"\w{4,}", word.lower()))


def _selects(expression: str, of_study: Callable[[str], bool]) -> bool:
    """Return whether an expression selects tests that it would not select if they were not of a study.

    Parameters
    ----------
    expression
        Of ``-k`` or ``-m``.
    of_study
        Whether a word of it names the study. Any other word may be true of a test or not.
    """
    words: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        if found[0] in ("and", "or", "not", "(", ")"):
            return found[0]
        words.append(found[0])
        return f"_{len(words) - 1}"

    # Words of pytest need not be names in Python: `test_it[vflip-resnet18]`.
    text = re.sub(r"[()]|[^\s()]+", numbered, expression)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:  # pytest says what is wrong with it
        _log.debug("%r is no expression", expression, exc_info=True)
        return False
    return (False, True) in _values(tree, [of_study(word) for word in words])


def _values(tree: ast.expr, of_study: Sequence[bool]) -> set[tuple[bool, bool]]:
    """Return what an expression can be: for a test that is not of a study, and for the same one if it were."""
    match tree:
        case ast.Name(id):
            return {(False, True)} if of_study[int(id[1:])] else {(False, False), (True, True)}
        case ast.Call(func):  # a marker with its arguments
            return _values(func, of_study)
        case ast.UnaryOp(ast.Not(), operand):
            return {(not without, not within) for without, within in _values(operand, of_study)}
        case ast.BoolOp(operator, values):
            join = and_ if isinstance(operator, ast.And) else or_
            found = _values(values[0], of_study)
            for value in values[1:]:
                pairs = itertools.product(found, _values(value, of_study))
                found = {(join(one[0], other[0]), join(one[1], other[1])) for one, other in pairs}
            return found
    return set()


def study_of(node: pytest.Item) -> str | None:
    """Return the study that a test asks, by its marker; ``None`` where it has no such marker."""
    return next((name for name in STUDIES if node.get_closest_marker(name) is not None), None)
