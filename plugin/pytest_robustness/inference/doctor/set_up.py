"""Put a model up in another way, with all of its outputs, so that these can be read in any way too."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_robustness.inference.doctor.mistakes import GivenSetUp
from pytest_robustness.models.engines.module import EngineModule, with_sidecar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_robustness.core import ClassLabel, Model, Preprocess


class SetUp(NamedTuple):
    """A model that gives all of its outputs, and how they are read.

    ``offset`` is how many of the leading outputs are dropped, ``None`` where their number decides; ``normalizes``
    whether a model file gets normalized values.
    """

    model: Model
    offset: int | None
    classes: Sequence[str] | None
    normalizes: bool

    @property
    def inputs(self) -> tuple[Preprocess, bool]:
        """What the outputs depend on: set-ups with the same have the same."""
        return self.model.preprocess, self.normalizes

    def dropped(self, outputs: int) -> int:
        """Return how many of ``outputs`` are dropped."""
        if self.offset is not None:
            return self.offset
        module = self.model.module
        own = module.sidecar if isinstance(module, EngineModule) else None
        if own is None:
            return 0
        # As the file is read without a word on it.
        return dataclasses.replace(own, output_offset=None, classes=_tuple(self.classes)).offset(outputs)


def changed(model: Model, changes: Mapping[str, Any]) -> SetUp:
    """Return ``model`` set up with ``changes``, whose keys are those of a sidecar, or of `Preprocess` and `Model`.

    Raises
    ------
    ModelError, ValueError
        It cannot be set up so.
    """
    if not isinstance(model.module, EngineModule):
        settings = {name: value for name, value in changes.items() if hasattr(model.preprocess, name)}
        preprocess = dataclasses.replace(model.preprocess, **settings)
        offset = changes.get("output_offset", model.output_offset)
        classes = changes.get("classes", model.classes)
        return SetUp(dataclasses.replace(model, preprocess=preprocess, output_offset=0), offset, classes, True)
    sidecar = model.module.sidecar.changed(changes)
    whole = with_sidecar(model, dataclasses.replace(sidecar, output_offset=0))
    return SetUp(whole, sidecar.output_offset, sidecar.classes, sidecar.normalizes)


def _tuple(classes: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if classes is None else tuple(classes)


def given(model: Model, data_classes: Sequence[ClassLabel], side: int) -> GivenSetUp:
    """Return what ``model`` is set up with; ``side`` is the shorter side of an image of the data."""
    module = model.module
    if not isinstance(module, EngineModule):
        return GivenSetUp(model.preprocess, model.classes, model.output_offset, data_classes, side)
    signature = module.engine.signature
    outputs = signature.output.shape[-1] if signature.output.shape else None
    offset = module.sidecar.output_offset
    if offset is None:
        offset = 0 if outputs is None else module.sidecar.offset(outputs)
    integers = not signature.input.dtype.startswith("float")
    normalizes = module.sidecar.normalizes
    return GivenSetUp(model.preprocess, model.classes, offset, data_classes, side, True, integers, normalizes)
