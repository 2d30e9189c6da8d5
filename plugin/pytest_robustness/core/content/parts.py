"""What an object consists of: the one place that knows all kinds of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.core.content import arrays, definitions, files, modules, objects, sources

if TYPE_CHECKING:
    from pytest_robustness.core.content.plain import Content


def content_of(value: object) -> Content | None:
    """Return the content of an object that is not plain; ``None`` if it cannot be read."""
    return arrays.content_of(value) or definitions.content_of(value) or objects.content_of(value)


def key_of(value: object) -> object:
    """Return what an object is known by in one walk."""
    if isinstance(value, modules.NamedIn):
        return id(value.module), value.names
    if isinstance(value, modules.Whole):
        return "whole", id(value.namespace)
    return value if isinstance(value, files.FileContent | sources.Source) else id(value)
