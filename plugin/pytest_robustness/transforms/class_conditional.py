"""A torchvision transform that changes each image by the augmentations of its class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import PIL.Image
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from pytest_robustness.core.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pytest_robustness.transforms.augmentations import Augmentation
    from pytest_robustness.transforms.registry import Registry

_TAKES = (
    "ClassConditional takes an image and its label: uint8 [3, H, W] or [1, H, W], or a PIL image, with an int; "
    "or a batch: uint8 [B, 3, H, W] or [B, 1, H, W] with labels int64 [B]"
)


class ClassConditional(v2.Transform):
    """Changes images by the augmentations of their classes, one at most for each image.

    It is called with an image and its label, or a batch and its labels, and returns both, as torchvision's CutMix does:
    it is the ``transforms=`` of a torchvision dataset, a step of ``v2.Compose``, or called in a collate function. It
    belongs before conversion to floating point and before normalization. All draws come from torch's random numbers, so
    ``torch.manual_seed`` repeats them. In a batch, images that get the same transform between the same magnitudes share
    the magnitude; signs, directions and corners are drawn for each image.

    Parameters
    ----------
    augmentations
        By label.
    class_count
        Labels are 0 to ``class_count - 1``.
    registry
        Knows the transforms.

    Raises
    ------
    OptionError
        A transform is not known, lacks its magnitudes, or does not take them.
    """

    def __init__(
        self, augmentations: Mapping[int, Sequence[Augmentation]], class_count: int, registry: Registry
    ) -> None:
        super().__init__()
        self._registry = registry
        # Two classes share an entry where transform and magnitudes are the same.
        self._steps = list(
            dict.fromkeys((one.transform, one.magnitudes) for listed in augmentations.values() for one in listed)
        )
        for transform, magnitudes in self._steps:
            check_magnitudes(registry, transform, magnitudes)
        probabilities = torch.zeros(class_count, len(self._steps) + 1, dtype=torch.float64)
        for label, listed in augmentations.items():
            for one in listed:
                probabilities[label, self._steps.index((one.transform, one.magnitudes))] += one.probability
        probabilities[:, -1] = (1 - probabilities.sum(1)).clamp(min=0)
        self._probabilities = probabilities
        self._described = {label: tuple(listed) for label, listed in augmentations.items() if listed}

    def extra_repr(self) -> str:
        """Say how many classes have augmentations, for ``print``."""
        names = ", ".join(dict.fromkeys(transform for transform, _ in self._steps))
        return f"{len(self._described)} of {len(self._probabilities)} classes: {names or 'nothing'}"

    def forward(self, *inputs: Any) -> tuple[Any, Any]:
        """Return the image or batch, changed, and its label or labels, as they were.

        Raises
        ------
        TypeError
            The input is not an image with a label, or a batch with its labels.
        ValueError
            A label is not one of the classes, or the image is not uint8.
        """
        image, label = _image_and_label(inputs)
        batch = _as_batch(image)
        labels = self._labels(label, batch, single=_is_single(image))
        return _as_before(self._changed(batch, labels), image), label

    def _changed(self, batch: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if not len(batch):
            return batch
        chosen = torch.multinomial(self._probabilities[labels], 1)[:, 0]
        changed = batch.clone()
        for step in sorted(set(chosen.tolist())):
            if step == len(self._steps):
                continue
            where = (chosen == step).nonzero()[:, 0].to(batch.device)
            images = batch[where].expand(-1, 3, -1, -1)
            transform, magnitudes = self._steps[step]
            changed[where] = self._augmented(transform, magnitudes, images)[:, : batch.shape[1]]
        return changed

    def _augmented(self, transform: str, magnitudes: tuple[float, float] | None, images: torch.Tensor) -> torch.Tensor:
        name = transform
        if magnitudes is not None:
            low, high = magnitudes
            magnitude = low + (high - low) * float(torch.rand((), dtype=torch.float64))
            whole = self._registry.span(transform).whole
            name = self._registry.at(transform, round(magnitude) if whole else magnitude).transform
        return self._registry.get(name)(images, None, _random_identities(len(images)), 0)

    def _labels(self, label: Any, batch: torch.Tensor, *, single: bool) -> torch.Tensor:
        labels = torch.as_tensor(label).cpu()
        if labels.is_floating_point() or labels.dtype == torch.bool or labels.is_complex():
            raise TypeError(f"{_TAKES}; got labels of {labels.dtype}.")
        if single and labels.ndim == 0:
            labels = labels[None]
        if labels.shape != (len(batch),):
            raise TypeError(f"{_TAKES}; got images {list(batch.shape)} with labels {list(labels.shape)}.")
        known = (labels >= 0) & (labels < len(self._probabilities))
        if not known.all():
            raise ValueError(
                f"Label {int(labels[~known][0])} is not a class of the augmentations. Valid: 0 to "
                f"{len(self._probabilities) - 1}, in the order of the classes of the data that was judged."
            )
        return labels.long()


def check_magnitudes(registry: Registry, transform: str, magnitudes: tuple[float, float] | None) -> None:
    """Raise `OptionError` unless ``transform`` is known and takes both ``magnitudes``, or takes and has none."""
    if not registry.get(transform).severities:
        if magnitudes is not None:
            raise OptionError(f"{transform!r} has a single level: leave out its range, {list(magnitudes)}.")
        return
    if magnitudes is None:
        span = registry.span(transform)
        raise OptionError(
            f"{transform!r} has levels and needs a range of magnitudes, two numbers from {span.neutral:g} to "
            f"{span.extreme:g}."
        )
    for magnitude in magnitudes:
        registry.at(transform, magnitude)


def _image_and_label(inputs: tuple[Any, ...]) -> tuple[Any, Any]:
    pair = inputs[0] if len(inputs) == 1 else inputs
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(f"{_TAKES}; got {', '.join(type(item).__name__ for item in inputs) or 'nothing'}.")
    return pair[0], pair[1]


def _is_single(image: Any) -> bool:
    return isinstance(image, PIL.Image.Image) or image.ndim == 3


def _as_batch(image: Any) -> torch.Tensor:
    if isinstance(image, PIL.Image.Image):
        if image.mode not in ("RGB", "L"):
            raise ValueError(f"The image's mode is {image.mode}. Convert it first: image.convert('RGB').")
        tensor = functional.pil_to_tensor(image)
    elif isinstance(image, torch.Tensor):
        tensor = image.as_subclass(torch.Tensor)
    else:
        raise TypeError(f"{_TAKES}; got {type(image).__name__}.")
    if tensor.ndim not in (3, 4) or tensor.shape[-3] not in (1, 3):
        raise TypeError(f"{_TAKES}; got an image of shape {list(tensor.shape)}.")
    if tensor.dtype != torch.uint8:
        raise ValueError(
            f"The image is {str(tensor.dtype).removeprefix('torch.')}, not uint8. Put ClassConditional before the "
            f"conversion to floating point and before normalization."
        )
    return tensor[None] if tensor.ndim == 3 else tensor


def _as_before(batch: torch.Tensor, image: Any) -> Any:
    if isinstance(image, PIL.Image.Image):
        return functional.to_pil_image(batch[0])  # type: ignore[no-untyped-call]
    tensor = batch[0] if image.ndim == 3 else batch
    return tv_tensors.wrap(tensor, like=image) if isinstance(image, tv_tensors.Image) else tensor


def _random_identities(n: int) -> NDArray[np.void]:
    """Return ``n`` random identities, V16 [n]: transforms draw signs, directions and corners by them."""
    drawn: NDArray[np.uint8] = torch.randint(0, 256, (n, 16), dtype=torch.uint8).numpy()
    return drawn.view("V16")[:, 0]
