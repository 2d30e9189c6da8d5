"""A small reader of handwritten digits: the model whose robustness this project guards."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from pytest_robustness import Model, Preprocess

WEIGHTS = Path(__file__).with_name("digit_reader.safetensors")
CLASSES = tuple("0123456789")
PREPROCESS = Preprocess(resize=16, mean=(0.306,) * 3, std=(0.319,) * 3)


def network() -> nn.Sequential:
    """Return the network without weights: images [B, 3, 16, 16] to logits [B, 10]."""
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(24 * 4 * 4, len(CLASSES)),
    )


def reader() -> Model:
    """Return the model that ships; what the tests judge."""
    module = network()
    module.load_state_dict(load_file(WEIGHTS))
    return Model(module.eval(), PREPROCESS, CLASSES)
