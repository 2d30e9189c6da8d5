"""SqueezeNet 1.0 with the ImageNet weights of Deep Compression (Han et al., 2016); the file lies beside the checkout.

``python:squeezenet.py:squeezenet`` is the model as it was trained: pixels from 0 to 255 less a mean, a crop of 227.
"""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torchvision.models import squeezenet1_0

from pytest_robustness import Model, Preprocess

WEIGHTS = Path(__file__).resolve().parents[2] / "../shared/data/models/squeezenet1_0-deep-compression.safetensors"
PREPROCESS = Preprocess(resize=256, crop=227, mean=(123 / 255, 117 / 255, 104 / 255), std=(1 / 255,) * 3)


def squeezenet() -> Model:
    module = squeezenet1_0(weights=None)
    module.load_state_dict(load_file(WEIGHTS))
    return Model(module.eval(), PREPROCESS)
