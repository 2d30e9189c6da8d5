"""Read what an image processor of transformers does to images, as a `Preprocess`; compared with it, on three images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core import Preprocess
from pytest_robustness.core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from pytest_robustness.core.model import Interpolation

# Pillow's numbers, which processors use.
_INTERPOLATIONS: Final[Mapping[int, Interpolation]] = {0: "nearest-exact", 2: "bilinear", 3: "bicubic"}
# From here on ConvNeXt's processor resizes the whole image to the input.
_CONVNEXT_WHOLE: Final = 384
# The side of images where nothing says how large they are.
_SIDE: Final = 64
# Between the model's input and the processor's, in units of pixel values from 0 to 255: of Pillow's resize, which
# rounds otherwise than torchvision's, and of torchvision's own.
_PILLOW: Final = 2.0
_SAME: Final = 0.01


class _Sizes(NamedTuple):
    """How images are brought to the size of the input: the arguments of `Preprocess`."""

    resize: int | None
    crop: int | None
    squash: bool


class UnexpressedError(ValueError):
    """Something that a processor does and a `Preprocess` cannot say."""


def preprocess_of(name: str, processor: Any) -> Preprocess:
    """Return what ``processor`` does to an image before the model called ``name`` gets it.

    Sizes, interpolation, scale, mean and standard deviation are read from its attributes; then it is asked for three
    images, square, wide and tall, and must give what the `Preprocess` gives. The pixel at which a centre crop begins
    is the processor's but for images whose sides differ from the crop by an odd number, where torchvision and
    transformers round otherwise.

    Raises
    ------
    ModelError
        It does something else, too.
    """
    try:
        found = _read(_settings(processor), type(processor).__name__)
        away = max(_distance(processor, found, size) for size in _sizes(found))
    except UnexpressedError as error:
        raise _refusal(name, processor, str(error)) from error
    if away > (_SAME if getattr(processor, "backend", "") == "torchvision" else _PILLOW):
        raise _refusal(
            name, processor, f"gives pixels that are up to {away:.0f} of 255 away from what its settings say"
        )
    return found


def _refusal(name: str, processor: Any, what: str) -> ModelError:
    return ModelError(
        f"hf:{name}: its image processor, {type(processor).__name__}, {what}. A Preprocess cannot say that. Load the "
        f"model in a factory (python:FILE:FUNCTION) that returns Model(module, Preprocess(...)), or change its "
        f"preprocessor_config.json."
    )


def _settings(processor: Any) -> dict[str, Any]:
    """Return a processor's settings by name; those of timm's models in transformers are put in its words."""
    config = getattr(processor, "data_config", None)
    if config is None:
        return dict(vars(processor))
    size = config["input_size"][-1]
    resize = math.floor(size / config["crop_pct"])
    whole = config.get("crop_mode") == "squash"
    names = {"nearest": 0, "bilinear": 2, "bicubic": 3}
    return {
        "do_resize": True,
        "size": {"height": resize, "width": resize} if whole else {"shortest_edge": resize},
        "resample": names.get(config["interpolation"]),
        "do_center_crop": True,
        "crop_size": {"height": config["input_size"][-2], "width": size},
        "do_rescale": True,
        "do_normalize": True,
        "image_mean": config["mean"],
        "image_std": config["std"],
    }


def _read(settings: Mapping[str, Any], kind: str) -> Preprocess:
    sizes = _resized(settings, kind) if settings.get("do_resize") else _Sizes(None, _crop(settings), squash=False)
    if sizes.resize is not None and sizes.crop is None and not sizes.squash:
        raise UnexpressedError("resizes the shorter side and crops nothing, so that inputs are no squares")
    if sizes.resize is not None and sizes.crop is not None and sizes.crop > sizes.resize:
        raise UnexpressedError(f"pads images of {sizes.resize} pixels to a crop of {sizes.crop}")
    mean, std = _normalization(settings, kind)
    number = settings.get("resample")
    interpolation = _INTERPOLATIONS.get(2 if number is None else int(number))
    if interpolation is None:
        raise UnexpressedError(f"resizes by Pillow's filter number {number}; known are 0, 2 and 3")
    return Preprocess(
        resize=sizes.resize,
        crop=sizes.crop,
        mean=mean,
        std=std,
        interpolation=interpolation,
        antialias=True,
        squash=sizes.squash,
        channels="BGR" if settings.get("do_flip_channel_order") else "RGB",
    )


def _resized(settings: Mapping[str, Any], kind: str) -> _Sizes:
    """Return how images are resized and cropped, by the rule of the processor's kind."""
    size, crop = dict(settings.get("size") or {}), _crop(settings)
    shorter = size.get("shortest_edge")
    if kind.startswith("ConvNext"):
        if shorter is None:
            raise UnexpressedError(f"has the size {size}, and needs a shortest_edge")
        if shorter >= _CONVNEXT_WHOLE:
            return _Sizes(shorter, crop, squash=True)
        return _Sizes(int(shorter / settings["crop_pct"]), shorter if crop is None else crop, squash=False)
    if kind.startswith("PoolFormer") and settings.get("crop_pct") is not None:
        side = shorter or _square(size)
        return _Sizes(int(side / settings["crop_pct"]), crop, squash=False)
    if kind.startswith("Levit") and shorter is not None:
        return _Sizes(int((256 / 224) * shorter), crop, squash=False)
    if set(size) == {"shortest_edge"}:
        return _Sizes(shorter, crop, squash=False)
    return _Sizes(_square(size), crop, squash=True)


def _crop(settings: Mapping[str, Any]) -> int | None:
    return _square(dict(settings.get("crop_size") or {})) if settings.get("do_center_crop") else None


def _square(size: Mapping[str, int]) -> int:
    if set(size) != {"height", "width"} or size["height"] != size["width"]:
        raise UnexpressedError(f"makes images of the size {dict(size)}, which is no square")
    return size["height"]


def _normalization(settings: Mapping[str, Any], kind: str) -> tuple[Sequence[float], Sequence[float]]:
    """Return mean and standard deviation for pixel values from 0 to 1 that do all that is done to the values.

    Rescaling, its offset and both normalizations are linear: ``(pixel / 255 - mean) / std``.
    """
    factor = 255 * (settings.get("rescale_factor") or 1 / 255) if settings.get("do_rescale") else 255.0
    offset = 1.0 if settings.get("do_rescale") and settings.get("rescale_offset") else 0.0
    # MobileViT's processor passes over a mean that it has.
    normalizes = settings.get("do_normalize") and not kind.startswith("MobileViT")
    means, stds = (
        (_three(settings[name]) for name in ("image_mean", "image_std")) if normalizes else ([0.0] * 3, [1.0] * 3)
    )
    again = (
        _three(settings["image_std"]) if kind.startswith("EfficientNet") and settings.get("include_top") else [1.0] * 3
    )
    mean = tuple((m + offset) / factor for m in means)
    return mean, tuple(s * t / factor for s, t in zip(stds, again, strict=True))


def _three(values: float | Sequence[float]) -> list[float]:
    return [float(values)] * 3 if isinstance(values, int | float) else [float(value) for value in values]


def _sizes(found: Preprocess) -> tuple[tuple[int, int], ...]:
    """Return heights and widths of three images: larger than what is made of them, and of it where nothing is."""
    if found.resize is None:
        side = found.crop or _SIDE
        # Without a crop the model gets the images of the data, which may be of any size.
        return ((side, side),) if found.crop is None else ((side, side), (side, side + 6), (side + 8, side))
    # Twice as large, and longer by a number that stays even, with the crop's, when it is halved.
    side = 2 * found.resize
    return (side, side), (side, side + 24), (side + 40, side)


def _distance(processor: Any, found: Preprocess, size: tuple[int, int]) -> float:
    """Return how far the processor's input is from that of ``found`` on one image, in pixel values from 0 to 255.

    Raises
    ------
    UnexpressedError
        It is of another size.
    """
    import torch
    from PIL import Image
    from torchvision.transforms.v2 import functional as tvf

    image = _picture(*size)
    shown = Image.fromarray(image.permute(1, 2, 0).numpy())
    given = processor(images=[shown], return_tensors="pt")["pixel_values"][0]
    expected = _applied(image, found)
    if given.shape != expected.shape:
        sides = " x ".join(map(str, size))
        raise UnexpressedError(f"makes an input of the shape {tuple(given.shape)} of an image of {sides} pixels")
    if found.channels == "BGR":
        expected = expected.flip(0)
    std = torch.tensor(found.std).view(3, 1, 1)
    return float(((tvf.to_dtype(given, torch.float32) - expected) * std).abs().max() * 255)


def _picture(height: int, width: int) -> torch.Tensor:
    """Return an image whose channels differ, with edges and slopes: uint8 [3, height, width]."""
    import torch

    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = torch.stack([torch.sin(x / 5 + y / 11), torch.sin(y / 7 - x / 23), torch.sin((x + y) / 3)])
    boxes = ((x // 16 + y // 16) % 2) * 60
    return ((waves + 1) * 90 + boxes).clamp(0, 255).to(torch.uint8)


def _applied(image: torch.Tensor, found: Preprocess) -> torch.Tensor:
    """Return the input that ``found`` makes of an image (uint8 [3, H, W]), but cropped where transformers crops it."""
    import torch
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional as tvf

    if found.resize is not None:
        sides = [found.resize] * (2 if found.squash else 1)
        image = tvf.resize(image, sides, InterpolationMode(found.interpolation), antialias=found.antialias)
    if found.crop is not None:
        top, left = ((side - found.crop) // 2 for side in image.shape[-2:])
        image = image[:, top : top + found.crop, left : left + found.crop]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (found.mean, found.std))
    return (image.float() / 255 - mean) / std
