"""A small classifier that is right with one set-up alone, and images for it: each mistake in a set-up costs accuracy.

It bounds what it gets, averages that over a grid, and compares it with the mean of each class under the right set-up.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from pytest_robustness.core import ClassLabel, Model, Preprocess
from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.inference.preprocess import to_canvas, to_inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

GRID = 8
SIZE = (48, 80)
"""Height and width of the images."""
RIGHT = Preprocess(resize=40, crop=32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def images(names: Sequence[str], each: int, noise: float = 60.0, seed: int = 0) -> ArraySource:
    """Return images of as many classes as ``names``, under noise of that size.

    Two classes share a coloured pattern, at a high and at a low contrast: without the scale they are not told apart.
    """
    rng = np.random.default_rng(seed)
    count = np.arange(len(names))
    patterns = (
        rng.uniform(-1, 1, (len(names), 3, GRID, 2 * GRID))[count // 2]
        * np.where(count % 2, 45, 100)[:, None, None, None]
    )
    large = functional.interpolate(torch.from_numpy(120 + patterns), SIZE, mode="nearest").numpy()
    labels = np.repeat(count, each)
    noisy = large[labels] + noise / 4 * rng.standard_normal((len(labels), 3, 1, 1))
    noisy += noise * rng.standard_normal((len(labels), 3, *SIZE))
    classes = tuple(ClassLabel(name, name) for name in names)
    return ArraySource("made", classes, labels, noisy.clip(0, 255).round().astype(np.uint8))


def features(inputs: torch.Tensor) -> torch.Tensor:
    """Return what the classifier sees of inputs: float32 [B, 3, 8, 8]."""
    return functional.adaptive_avg_pool2d((2 * inputs).tanh(), GRID)


class Prototypes(nn.Module):
    """Answers with the class whose mean is nearest to an image; ``layout`` is that of its input."""

    def __init__(self, means: torch.Tensor, layout: str, background: int) -> None:
        super().__init__()
        self.register_buffer("means", means)
        self.layout = layout
        self.background = background

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return minus the distances, behind as many background classes that are never the nearest."""
        if self.layout == "NHWC":
            inputs = inputs.permute(0, 3, 1, 2)
        if inputs.shape[1] != 3:
            raise ValueError(f"three channels are needed; got an input of shape {list(inputs.shape)}")
        seen = features(inputs)
        logits = -((seen[:, None] - self.means) ** 2).mean(dim=(2, 3, 4))
        return torch.cat([logits.new_full((len(logits), self.background), -1e4), logits], dim=1)


def trained(source: ArraySource, right: Preprocess = RIGHT, background: int = 0) -> Model:
    """Return the model that is right with ``right``; its outputs are in the order of the classes of ``source``."""
    plain = dataclasses.replace(right, layout="NCHW")
    canvases = [to_canvas(source.read(index), right.canvas) for index in range(len(source.labels))]
    seen = features(to_inputs(torch.stack(canvases), plain))
    labels = torch.from_numpy(source.labels)
    means = torch.stack([seen[labels == label].mean(dim=0) for label in range(len(source.classes))])
    module = Prototypes(means, right.layout, background)
    return Model(module, right, [label.key for label in source.classes], output_offset=background)


def accuracy(model: Model, source: ArraySource) -> float:
    """Return the accuracy in percent by a plain loop over single images."""
    names = list(model.classes or ())
    right = 0
    for index, label in enumerate(source.labels.tolist()):
        inputs = to_inputs(to_canvas(source.read(index), model.preprocess.canvas)[None], model.preprocess)
        answer = int(model.module(inputs)[0, model.output_offset :].argmax())
        right += names[answer] == source.classes[label].key
    return 100 * right / len(source.labels)
