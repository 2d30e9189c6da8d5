"""The table of model sources. A new source is one module that follows `ModelSource`, and its line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_robustness.models.sources import clip, digits, factory, hf, onnx, openvino, timm, torchvision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.models.protocol import ModelSource

DEFAULT_SOURCE: Final = "torchvision"

SOURCES: Final[Mapping[str, ModelSource]] = {
    "torchvision": torchvision,
    "timm": timm,
    "hf": hf,
    "clip": clip,
    "digits": digits,
    "python": factory,
    "onnx": onnx,
    "openvino": openvino,
}
