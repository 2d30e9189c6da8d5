"""What a run knows of a model once it was loaded, as plain data: for reports, for the store, for other processes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from pytest_robustness.core import Preprocess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.core import Origin, Setting
    from pytest_robustness.inference.loading.loaded_model import LoadedModel

_LISTS: Final = ("outputs", "assumed", "unhashed", "classes", "kept")
# What a log of before may lack.
_ADDED: Final = {"kept": ()}
# Of these there may be a thousand.
_LONG: Final = ("outputs", "classes", "kept")


@dataclasses.dataclass(frozen=True)
class ModelFacts:
    """What a report says of a model: the hash of its weights and code, how its classes were matched, its inputs.

    ``outputs`` has the output that stands for each class of the data.
    ``assumed`` lists what nothing gave and a default stands for: of ``mean``, ``std``, ``size``, ``classes`` and
    ``numbers``. ``unhashed`` names what the model holds and its fingerprint does not cover: see `Model`. ``classes``
    names the outputs where the images have no labels, so that each output is a class.
    ``output_count`` is how many outputs the model has, 0 where that is not known; ``kept`` are those that its answers
    are among, empty where they are all. ``origins`` says where each part of its set-up comes from.
    """

    fingerprint: str
    class_match: str
    outputs: tuple[int, ...]
    preprocess: Preprocess
    assumed: tuple[str, ...] = ()
    unhashed: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    kept: tuple[int, ...] = ()
    output_count: int = dataclasses.field(default=0, compare=False)
    origins: Mapping[Setting, Origin] = dataclasses.field(default_factory=dict, compare=False)

    @property
    def ranked(self) -> int:
        """Among how many outputs the true class has its rank: as many as are known of."""
        return len(self.kept) or max(self.output_count, len(self.outputs))

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        lists = {name: list(getattr(self, name)) for name in _LISTS}
        return dataclasses.asdict(self) | lists

    def shown(self) -> dict[str, Any]:
        """Return what people read: without outputs and classes, and how many outputs are kept, where not all are."""
        found = {name: value for name, value in self.as_dict().items() if name not in _LONG}
        return found | {"kept_outputs": len(self.kept) or None}

    @classmethod
    def of_model(cls, loaded: LoadedModel) -> ModelFacts:
        """Return the facts of a model that is ready to be judged."""
        return cls(
            loaded.model.fingerprint,
            loaded.match.method,
            loaded.match.outputs,
            loaded.model.preprocess,
            loaded.assumed,
            tuple(loaded.model.unhashed),
            loaded.classes,
            loaded.kept,
            loaded.output_count,
            dict(loaded.origins),
        )

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> ModelFacts:
        """Return the facts that `as_dict` was called on."""
        known = {**_ADDED, **facts}
        tuples = {name: tuple(known[name]) for name in _LISTS}
        return cls(**{**known, **tuples, "preprocess": Preprocess(**facts["preprocess"])})
