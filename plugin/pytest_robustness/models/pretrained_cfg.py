"""Read what a module of timm says of itself, in its ``pretrained_cfg``: its preprocessing and its classes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from pytest_robustness.core import Model, Preprocess
from pytest_robustness.core.class_names import in_order
from pytest_robustness.core.errors import ModelError

if TYPE_CHECKING:
    from torch import nn

    from pytest_robustness.core import Origin, Setting

_GIVEN_BY: Final = {"mean": "mean", "std": "std", "size": "input_size"}
_SAID_AS: Final[Mapping[Setting, str]] = {
    "mean": "mean",
    "std": "std",
    "size": "input_size",
    "interpolation": "interpolation",
}
# timm's names for Pillow's filters.
_INTERPOLATIONS: Final = {"nearest": "nearest-exact", "bilinear": "bilinear", "bicubic": "bicubic"}
_IMAGENET: Final = 1000
_NOTHING: Final[Mapping[str, Any]] = {}


def completed(model: Model) -> Model:
    """Return ``model`` with the preprocessing and the classes of its ``pretrained_cfg``.

    timm puts that on every module of an architecture, whether it has the published weights, weights of a training of
    one's own, or none: so it is no more than timm's default, and the origins say that. ``model`` is returned as it is
    where the module has no such attribute, or where it brings a mean, a standard deviation or a size: then its
    preprocessing is its own. What it brings of the other settings stays, and timm says the rest.

    Raises
    ------
    ModelError
        timm evaluates the module on images that are not square, larger than what they are cut from, or resized as no
        `Preprocess` can say.
    """
    config = _config(model.module)
    if not config or not set(_GIVEN_BY).issubset(model.preprocess.assumed):
        return model
    name = ".".join(config[key] for key in ("architecture", "tag") if config.get(key)) or type(model.module).__name__
    # A thousand outputs are ImageNet's only where the data's classes are, which is known later.
    known = None if getattr(model.module, "num_classes", None) == _IMAGENET else classes(model.module)
    return dataclasses.replace(
        model,
        preprocess=preprocess(name, model.module, model.preprocess.written),
        classes=known if model.classes is None else model.classes,
        assumed=[setting for setting, key in _GIVEN_BY.items() if config.get(key) is None],
        origins={**_origins(config, model), **model.origins},
    )


def _origins(config: Mapping[str, Any], model: Model) -> dict[Setting, Origin]:
    """Return where the part of the set-up comes from that ``model`` does not bring."""
    found: dict[Setting, Origin] = {
        setting: "architecture" for setting, key in _SAID_AS.items() if config.get(key) is not None
    }
    # timm evaluates with Pillow, which antialiases.
    found["antialias"] = "architecture"
    if model.classes is None:
        found["classes"] = "architecture"
    return {setting: origin for setting, origin in found.items() if setting not in model.preprocess.given}


def has_other_outputs(module: nn.Module, outputs: int) -> bool:
    """Return whether ``outputs`` are not as many as the weights have that the module's ``pretrained_cfg`` describes.

    Then the last layer was made anew and trained, and nothing says on what input. Where the configuration does not
    count the outputs, it is not known, and not so.
    """
    return bool(_config(module).get("num_classes", outputs) != outputs)


def preprocess(name: str, module: nn.Module, given: Mapping[str, Any] = _NOTHING) -> Preprocess:
    """Return what timm does to an image before the module ``name`` gets it, in evaluation.

    Parameters
    ----------
    name, module
        The module, and what an error calls it.
    given
        Arguments of `Preprocess` that take the place of timm's.

    Raises
    ------
    ModelError
        That is not a square cut from a larger image, or one that is resized as no `Preprocess` can say.
    """
    from timm.data import resolve_model_data_config

    config = resolve_model_data_config(module, pretrained_cfg=_config(module))
    _, height, width = config["input_size"]
    resize = math.floor(height / config["crop_pct"])
    interpolation = given.get("interpolation", _INTERPOLATIONS.get(config["interpolation"]))
    refused = ""
    if height != width or resize < height:
        refused = (
            f"on {height} x {width} pixels cut from a shorter side of {resize}; it must be a square that lies within "
            f"the image"
        )
    elif config.get("crop_mode") == "border":
        refused = "on whole images with a border around them (crop_mode border), which a Preprocess cannot say"
    elif interpolation is None:
        refused = f"on images resized by {config['interpolation']}; known are {', '.join(_INTERPOLATIONS)}"
    if refused:
        raise ModelError(
            f"timm evaluates {name} {refused}. To judge it otherwise, return Model(module, Preprocess(resize=..., "
            f"crop=..., mean=..., std=...)) from a factory of yours."
        )
    published = {
        "resize": resize,
        "crop": height,
        "mean": config["mean"],
        "std": config["std"],
        "interpolation": interpolation,
        "antialias": True,  # timm evaluates with Pillow, which antialiases
        "squash": config.get("crop_mode") == "squash",
    }
    return Preprocess(**{**published, **given})


def classes(module: nn.Module) -> tuple[str, ...] | None:
    """Return the classes of the outputs, or ``None`` where timm does not know them.

    They are WordNet ids if their number is that of a subset of ImageNet that timm knows, else the names that came with
    the weights, if there is one for each output.

    Raises
    ------
    ModelError
        The names have no order.
    """
    from timm.data import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset(module)
    if subset is not None:
        return tuple(ImageNetInfo(subset).label_names())
    try:
        names = in_order(_config(module).get("label_names") or ())
    except TypeError as error:
        raise ModelError(
            f"label_names of the pretrained_cfg of {type(module).__name__} must be a list of names, one for each "
            f"output; got {error}."
        ) from error
    return tuple(map(str, names)) if names and len(names) == getattr(module, "num_classes", None) else None


def _config(module: nn.Module) -> dict[str, Any]:
    """Return the module's ``pretrained_cfg`` as a dict; empty where it has none that timm could read."""
    found: Any = getattr(module, "pretrained_cfg", None)
    content = found.to_dict() if hasattr(found, "to_dict") else found
    if not isinstance(content, Mapping) or content.keys().isdisjoint(_GIVEN_BY.values()) or not find_spec("timm"):
        return {}
    return dict(content)
