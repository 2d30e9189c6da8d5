"""Parametrize tests as pytest collects them, or again when every transform is known; refuse what comes too late."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.core.errors import OptionError, RobustnessError, UnknownTransformError
from pytest_robustness.frontends.plugin.active import robustness_session
from pytest_robustness.frontends.plugin.collection import markers, merged, parametrize
from pytest_robustness.frontends.plugin.fixture_names import TARGETS
from pytest_robustness.frontends.plugin.refusal import PROBLEM

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    _Function = tuple[str, str]

_log = logging.getLogger(__name__)

COLLECTED = pytest.StashKey[bool]()
"""Whether pytest has read every conftest.py that it is going to read."""

_DEFERRED = pytest.StashKey["set[_Function]"]()
_MARKERS = pytest.StashKey["dict[_Function, list[pytest.Mark]]"]()


def parametrize_test(metafunc: pytest.Metafunc) -> None:
    """Run a test over the cells or conditions that its fixtures ask for; keep what makes that impossible."""
    targets = asked_targets(metafunc)
    if not targets:
        return
    stash, function = metafunc.config.stash, _function(metafunc.definition)
    try:
        parametrize(metafunc, robustness_session(metafunc.config), targets)
    except RobustnessError as error:
        # Raised here it would read as a broken test module; `pytest_collection_modifyitems` makes it a usage error.
        _log.debug("a robustness test cannot be parametrized", exc_info=True)
        if isinstance(error, UnknownTransformError) and not stash.get(COLLECTED, False):
            # A conftest.py that pytest has not read yet may register it.
            stash.setdefault(_DEFERRED, set()).add(function)
        else:
            stash[PROBLEM] = error
    else:
        stash.setdefault(_MARKERS, {})[function] = list(markers(metafunc.definition))


def asked_targets(metafunc: pytest.Metafunc) -> set[str]:
    """Return the fixtures to parametrize that a test's own still lead to.

    The names that pytest gives are those of before its hooks ran: one of these may have given ``cell`` values that have
    nothing to do with the plugin.
    """
    known, found = metafunc._arg2fixturedefs, set[str]()
    waiting = list(metafunc.definition._fixtureinfo.initialnames)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for definition in reversed(known.get(name, ())):
            waiting += definition.argnames
            if name not in definition.argnames:
                break
    return found & TARGETS & set(metafunc.fixturenames)


def collected_again(config: pytest.Config, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return ``items``, with tests that waited for a transform collected once more: all transforms are known now."""
    waiting = config.stash.get(_DEFERRED, set())
    again: list[pytest.Item] = []
    done = set[tuple[pytest.Collector, str]]()
    for item in items:
        parent = item.parent
        waited = isinstance(item, pytest.Function) and _function(item) in waiting
        if not waited or not isinstance(item, pytest.Function) or not isinstance(parent, pytest.Collector):
            again.append(item)
        elif (parent, item.originalname) not in done:
            done.add((parent, item.originalname))
            again += _made(parent, item.originalname)
    return again


def refuse_late_markers(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """Raise `OptionError` where a marker came after a test was given its cells, and would have given it others.

    That is one of a ``pytest.param``, or one that a hook added.
    """
    seen_by = config.stash.get(_MARKERS, {})
    for item in items:
        seen = seen_by.get(_function(item))
        if seen is None:
            continue
        late = everything = list(markers(item))
        for marker in seen:
            if marker in late:
                place = late.index(marker)
                late = late[:place] + late[place + 1 :]
        late = [marker for marker in late if marker.args or marker.kwargs]
        if late and merged(everything, item.nodeid) != merged(seen, item.nodeid):
            said = ", ".join(f"{name}={value!r}" for name, value in late[0].kwargs.items())
            raise OptionError(
                f"@pytest.mark.robustness({said}) came too late for {item.nodeid}: the mark of a pytest.param, or of a "
                f"hook, changes nothing of what the test runs over. Put it on the test, its class or its file."
            )


def _made(parent: pytest.Collector, name: str) -> list[pytest.Item]:
    """Return the tests that pytest makes of a function; its file or class is not read again, nor are their fixtures."""
    function = getattr(getattr(parent, "obj", None), name)
    found = parent.ihook.pytest_pycollect_makeitem(collector=parent, name=name, obj=function)
    made = [item for item in found or () if isinstance(item, pytest.Item)]
    for item in made:
        item.ihook.pytest_itemcollected(item=item)
    return made


def _function(item: pytest.Item) -> _Function:
    """Return what a test has in common with those that its function makes under other parameters."""
    return getattr(item.parent, "nodeid", ""), getattr(item, "originalname", item.name)
