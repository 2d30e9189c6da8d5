"""The CIFAR-10 ResNets of He et al., "Deep Residual Learning for Image Recognition" (2016), section 4.2.

``python:cifar_resnets:resnet20`` and ``python:cifar_resnets:resnet56`` are models trained on CIFAR-10 as published with
https://github.com/akamaster/pytorch_resnet_cifar10; their files lie beside the checkout.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_robustness import Model, Preprocess
from pytest_robustness.models import read_state_dict

WEIGHTS = Path(__file__).resolve().parents[2] / "../shared/data/models"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PREPROCESS = Preprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut without weights.

    Where the block halves the image and widens the channels, the shortcut takes every other pixel and pads the new
    channels with zeros, as many before the old ones as behind them (option A of the paper).
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.stride = 1 if channels == width else 2
        self.padding = (width - channels) // 2
        self.conv1 = nn.Conv2d(channels, width, 3, self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, images: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(images)))))
        shortcut = images[:, :, :: self.stride, :: self.stride]
        return functional.relu(residual + functional.pad(shortcut, (0, 0, 0, 0, self.padding, self.padding)))


class ResNet(nn.Module):
    """A convolution, three stages of ``depth`` blocks 16, 32 and 64 channels wide, the mean over the image, a layer."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, depth)
        self.layer2 = _stage(16, 32, depth)
        self.layer3 = _stage(32, 64, depth)
        self.linear = nn.Linear(64, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        features = functional.relu(self.bn1(self.conv1(images)))
        features = self.layer3(self.layer2(self.layer1(features)))
        return self.linear(features.mean(dim=(2, 3)))


def resnet20() -> Model:
    """ResNet-20: three blocks in each stage."""
    return _published("resnet20-12fca82f.th", depth=3)


def resnet56() -> Model:
    """ResNet-56: nine blocks in each stage."""
    return _published("resnet56-4bfd9763.th", depth=9)


def _stage(channels: int, width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(Block(channels, width), *(Block(width, width) for _ in range(depth - 1)))


def _published(file: str, depth: int) -> Model:
    module = ResNet(depth)
    module.load_state_dict(read_state_dict(WEIGHTS / file))
    return Model(module, PREPROCESS, CLASSES)


def shuffled() -> Model:
    """ResNet-20 with a class list in another order: each output goes by its neighbour's name."""
    return replace(resnet20(), classes=(*CLASSES[1:], CLASSES[0]))


class Dazzled(nn.Module):
    """A model that answers with what it thinks least likely where an image is brighter than images are.

    The mean of its pixels, in [0, 1], is above 0.9: so it is in 12 of the 10,000 test images, and in 385 of them after
    brightness by a factor of 1.5.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        values = (PREPROCESS.mean, PREPROCESS.std)
        mean, std = (torch.tensor(value, device=images.device).view(3, 1, 1) for value in values)
        brightness = (images * std + mean).mean(dim=(1, 2, 3))
        logits = self.model(images)
        return torch.where(brightness[:, None] > 0.9, -logits, logits)


def dazzled() -> Model:
    """ResNet-20 that bright images dazzle."""
    published = resnet20()
    return replace(published, module=Dazzled(published.module))
