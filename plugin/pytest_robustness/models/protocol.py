"""Where models come from: the Protocol behind which every source stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.core import Model


class ModelSource(Protocol):
    """One kind of place that models come from: a library, the embedded zoo, the user's own code.

    A source is made for every run, so making one must be cheap: heavy packages are imported by the methods that need
    them, and `check` needs as little as it can.
    """

    @property
    def name(self) -> str:
        """The prefix that stands for the source in ``[source:]name[@weights]``."""

    def known(self) -> Sequence[str]:
        """Return the names that exist, or the forms that a name can take where any name might."""

    def check(self, name: str, weights: str | None) -> None:
        """Raise `OptionError` unless ``name`` and ``weights`` can be right; no weights are read."""

    def load(self, name: str, weights: str | None) -> Model:
        """Return the model with its weights, its preprocessing and its classes.

        Raises
        ------
        ModelError
            The model cannot be had. Any other exception is turned into one by the zoo, with the model's name.
        """
