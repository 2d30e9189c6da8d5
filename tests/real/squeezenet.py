"""SqueezeNet 1.0 with weights of ImageNet, decoded from the files of Deep Compression (Han et al., ICLR 2016).

No class list: 1000 outputs in ImageNet's order, which is what the plugin takes a model without a list to have.
"""

from __future__ import annotations

from pathlib import Path

from torchvision.models import squeezenet1_0 as architecture

from pytest_robustness import Model, Preprocess
from pytest_robustness.models import read_state_dict

WEIGHTS = Path(__file__).resolve().parents[2] / "../shared/data/models/squeezenet1_0-deep-compression.safetensors"
# The network takes pixels from 0 to 255, less their means.
PREPROCESS = Preprocess(
    resize=256,
    crop=227,
    mean=(123 / 255, 117 / 255, 104 / 255),
    std=(1 / 255,) * 3,
    interpolation="bilinear",
    antialias=True,
)


def squeezenet1_0() -> Model:
    module = architecture()
    module.load_state_dict(read_state_dict(WEIGHTS))
    return Model(module, PREPROCESS)
