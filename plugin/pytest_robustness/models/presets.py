"""The presets: names that each stand for several models."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ARTICLE_MODELS = (
    "alexnet",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "mobilenet_v2",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
)
"""The twelve architectures of the article; the embedded zoo has a small namesake of each."""

PRESETS: Mapping[str, Sequence[str]] = {
    "imagenet12": ARTICLE_MODELS,
    "digits12": tuple(f"digits:{name}" for name in ARTICLE_MODELS),
}
