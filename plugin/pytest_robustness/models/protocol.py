"""The Protocol of a model source: what a module offers so that ``[source:]name[@weights]`` can name its models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_robustness.core import Model
    from pytest_robustness.models.weights import WeightsPolicy


class ModelSource(Protocol):
    """A module that provides models: those of a library, of the embedded zoo, of the user's own code.

    Importing it must be cheap: heavy packages are imported by the functions that need them, and by `check` only where
    nothing else can say whether a name is right.

    ``PUBLISHED`` says whether code and weights are those of a released package: then nothing but their hashes changes
    what a model answers.
    """

    PUBLISHED: bool

    def known(self) -> Sequence[str]:
        """Return the names that exist, or the forms that a name can take if there are too many to list."""

    def check(self, name: str, weights: str | None) -> None:
        """Raise `OptionError` unless ``name`` and ``weights`` can be right; no weights are read."""

    def load(self, name: str, weights: str | None, policy: WeightsPolicy) -> Model:
        """Return the model with its weights, its preprocessing and its classes.

        Parameters
        ----------
        name, weights
            As `check` accepted them.
        policy
            Where published weights come from, and which files may be read.

        Raises
        ------
        ModelError
            The model cannot be loaded. The zoo turns any other exception into one, with the model's name.
        """


@runtime_checkable
class PublishedSource(ModelSource, Protocol):
    """A source of released models that says which files weights are read from, so that a run may remember a model."""

    def weights_files(self, name: str, weights: str | None, policy: WeightsPolicy) -> tuple[Path, ...]:
        """Return every file that decides which weights `load` reads now, whether it is there or not.

        Nothing where that is not known from files alone. It is asked after `load`, and may import what that does.
        """
