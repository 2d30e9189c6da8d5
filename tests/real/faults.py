"""Set-ups of real models: right ones, and ones with one fault each.

``python:FILE:NAME`` names them by what `write` puts into a folder: a factory that applies the fault to a published
model, or a model file with its sidecar.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class SetUp(NamedTuple):
    """A model of this folder with a fault: ``changes`` to its `Preprocess` or `Model`, or to a file's sidecar."""

    model: str
    changes: dict[str, Any]
    setting: str
    """What the doctor has to call wrong."""
