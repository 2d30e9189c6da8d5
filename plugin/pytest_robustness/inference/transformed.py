"""Apply a condition to images outside of a run: in a test or a notebook of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.core import CONTROL, Condition
from pytest_robustness.core.errors import OptionError, TransformError
from pytest_robustness.data.identity import as_array, of_pixels
from pytest_robustness.transforms import builtin

if TYPE_CHECKING:
    import torch

    from pytest_robustness.transforms import Registry


def transformed(
    images: torch.Tensor, condition: Condition, seed: int = 0, registry: Registry | None = None
) -> torch.Tensor:
    """Return ``images`` under ``condition``: a changed copy, of the same shape, on the same device.

    An image gets the same random draws in every batch: they depend on its pixels. Those of a run depend on the bytes of
    image files instead, so that an image may turn to the other side there.

    Parameters
    ----------
    images
        uint8 [B, 3, H, W].
    condition
        Such as ``Condition("rotation", 3)``, ``Condition("vflip")`` or ``Condition("rotation:17.5")``.
    seed
        Of the random draws.
    registry
        The known transforms; ``None``: the built-in ones.

    Raises
    ------
    OptionError
        It is no condition, there is no such transform, severity or magnitude, or it is a worst of k, which takes a
        model to choose.
    TransformError
        The images are not uint8 [B, 3, H, W], or a transform of one's own breaks its contract.

    Examples
    --------
    >>> import torch
    >>> from pytest_robustness import Condition
    >>> transformed(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), Condition("rotation:17.5")).shape
    torch.Size([2, 3, 8, 8])
    """
    import torch

    if not isinstance(images, torch.Tensor) or images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        form = f"{images.dtype} {list(images.shape)}" if isinstance(images, torch.Tensor) else type(images).__name__
        raise TransformError(
            f"transformed() got {form}. Valid: a tensor of images, uint8 [B, 3, H, W]. A single one is image[None]."
        )
    if not isinstance(condition, Condition):
        raise OptionError(
            f"transformed() got the condition {condition!r}. Valid: Condition('vflip'), Condition('rotation', 3) or "
            f"Condition('rotation:17.5'), from pytest_robustness."
        )
    if condition == CONTROL:
        return images.clone()
    transform = (registry or builtin()).get(condition.transform)
    if hasattr(transform, "variants"):
        raise OptionError(
            f"{condition.transform!r} is the worst of several draws, and which one that is depends on a model. Run it "
            f"by --robustness-transforms, or name the transform inside of it."
        )
    identities = as_array(of_pixels(image) for image in images.cpu().numpy())
    return transform(images, condition.severity, identities, seed)
