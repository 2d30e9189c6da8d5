"""Take a model that a user's code has."""

from __future__ import annotations

from pytest_robustness.core import Model
from pytest_robustness.models.pretrained_cfg import completed


def as_model(found: object) -> Model | None:
    """Return a `Model` as it is and a ``torch.nn.Module`` as one; one of timm is preprocessed as it says of itself.

    ``None`` stands for what is neither.
    """
    from torch import nn

    model = Model(found) if isinstance(found, nn.Module) else found
    return completed(model) if isinstance(model, Model) else None
