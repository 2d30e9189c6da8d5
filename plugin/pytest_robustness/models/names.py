"""Parse the name of a model: ``[source:]name[@weights]``."""

from __future__ import annotations

from typing import NamedTuple

from pytest_robustness.core.errors import OptionError, unknown
from pytest_robustness.models.sources import DEFAULT_SOURCE, SOURCES

_FORM = "A model is named [source:]name[@weights]."


class ModelName(NamedTuple):
    """The parts of a model's name. As text it is canonical: the default source is left out.

    >>> str(ModelName("torchvision", "resnet18", None)), str(ModelName("digits", "resnet18", None))
    ('resnet18', 'digits:resnet18')
    """

    source: str
    name: str
    weights: str | None

    def __str__(self) -> str:
        source = "" if self.source == DEFAULT_SOURCE else f"{self.source}:"
        weights = "" if self.weights is None else f"@{self.weights}"
        return f"{source}{self.name}{weights}"


def parse(spec: str) -> ModelName:
    """Return the parts of ``[source:]name[@weights]``, without checking whether that model exists.

    >>> parse("resnet50@IMAGENET1K_V2")
    ModelName(source='torchvision', name='resnet50', weights='IMAGENET1K_V2')
    >>> parse("python:nets/tiny.py:make")
    ModelName(source='python', name='nets/tiny.py:make', weights=None)

    Raises
    ------
    OptionError
        The source is not known, or a part is empty.
    """
    source, colon, rest = spec.strip().partition(":")
    if not colon:
        source, rest = DEFAULT_SOURCE, source
    if source not in SOURCES:
        raise OptionError(f"{unknown('model source', source, SOURCES)} {_FORM}")
    name, weights = _split_weights(rest)
    if not name or weights == "":
        raise OptionError(f"{spec!r} does not name a model. {_FORM}")
    return ModelName(source, name, weights)


def _split_weights(text: str) -> tuple[str, str | None]:
    """Split off ``@weights``. An ``@`` inside a path is recognized by the path characters after it."""
    name, at, weights = text.rpartition("@")
    if not at or any(sign in weights for sign in "/\\:."):
        return text, None
    return name, weights
