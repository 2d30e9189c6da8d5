"""Take a model that a user's code has."""

from __future__ import annotations

from pytest_robustness.core import Model
from pytest_robustness.models.pretrained_cfg import completed


def as_model(found: object) -> Model | None:
    """Return a `Model` as it is and a ``torch.nn.Module`` as one; one of timm is preprocessed as it says of itself.

    ``None`` stands for what is neither, and for a `Model` of anything else; `kind_of` says what it is.
    """
    from torch import nn

    model = Model(found) if isinstance(found, nn.Module) else found
    return completed(model) if isinstance(model, Model) and isinstance(model.module, nn.Module) else None


def kind_of(found: object) -> str:
    """Return what there is in the place of a model: ``a value of type list``."""
    if isinstance(found, Model):
        return f"a Model of {kind_of(found.module)}, which is no torch.nn.Module"
    hint = " (its module() is one)" if type(found).__name__ == "ExportedProgram" else ""
    return f"a value of type {type(found).__name__}{hint}"
