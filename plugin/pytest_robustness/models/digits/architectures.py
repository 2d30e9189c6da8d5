"""The twelve architectures of the embedded zoo: the article's twelve, small enough for 16 x 16 pixels and a CPU.

Each keeps its family's traits: AlexNet its large first kernel and its dropout before linear layers (Krizhevsky 2012),
SqueezeNet its fire modules and no linear layer (Iandola 2016), VGG its plain 3 x 3 stacks (Simonyan 2014), MobileNetV2
its inverted residuals (Sandler 2018), ResNet its basic and bottleneck blocks (He 2015). Depth and width are cut, in the
order of the originals: 19 is deeper than 16, and 101 than 50.

A model's fingerprint covers the source of the classes below: to edit one, even its docstring, changes the store's keys.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_CLASSES = 10


def build(name: str) -> nn.Module:
    """Return the architecture ``name``, one of `pytest_robustness.models.digits.NAMES`, freshly initialized.

    It maps float images [B, 3, H, W], H and W at least 16, to logits [B, 10].
    """
    return _BUILDERS[name]()


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def _mean_of_pixels() -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def alexnet() -> nn.Sequential:
    """Return five convolutions, the first large and strided, then three linear layers with dropout."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(24, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 24, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(24, 24, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(96, 64),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, _CLASSES),
    )


class Fire(nn.Module):
    """Squeeze to a few channels by 1 x 1, then expand by 1 x 1 and 3 x 3 side by side."""

    def __init__(self, inputs: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, 2 * expand, H, W]."""
        x = torch.relu(self.squeeze(x))
        return torch.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1))


def squeezenet(stem: int, kernel: int, early_pool: bool) -> nn.Sequential:
    """Return fire modules between poolings; 1.1 differs from 1.0 by a smaller stem and an earlier pooling."""
    pool = nn.MaxPool2d(2)
    middle = [pool, Fire(48, 12, 24)] if early_pool else [Fire(48, 12, 24), pool]
    return nn.Sequential(
        nn.Conv2d(3, stem, kernel, stride=2, padding=kernel // 2),
        nn.ReLU(),
        Fire(stem, 12, 24),
        *middle,
        Fire(48, 16, 32),
        Fire(64, 16, 32),
        nn.Conv2d(64, _CLASSES, 1),
        _mean_of_pixels(),
    )


def vgg(depths: Sequence[int], batch_norm: bool) -> nn.Sequential:
    """Return blocks of 3 x 3 convolutions, ``depths[i]`` in the i-th, each block followed by a pooling."""
    layers: list[nn.Module] = []
    channels = 3
    for width, depth in zip((8, 16, 32), depths, strict=True):
        for _ in range(depth):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            layers += [nn.BatchNorm2d(width), nn.ReLU()] if batch_norm else [nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    head = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, 64), nn.ReLU(), nn.Linear(64, _CLASSES)]
    return nn.Sequential(*layers, *head)


class InvertedResidual(nn.Module):
    """Widen by 1 x 1, filter each channel by itself, narrow by 1 x 1 without an activation; add where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, widen: int = 3) -> None:
        super().__init__()
        hidden = inputs * widen
        self.layers = nn.Sequential(
            _conv_bn(inputs, hidden, 1),
            nn.ReLU6(),
            _conv_bn(hidden, hidden, 3, stride, groups=hidden),
            nn.ReLU6(),
            _conv_bn(hidden, outputs, 1),
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
        filtered: Tensor = self.layers(x)
        return x + filtered if self.adds else filtered


def mobilenet_v2() -> nn.Sequential:
    """Return inverted residuals between a strided stem and a wide last 1 x 1 convolution."""
    return nn.Sequential(
        _conv_bn(3, 12, 3, stride=2),
        nn.ReLU6(),
        InvertedResidual(12, 12, 1),
        InvertedResidual(12, 16, 2),
        InvertedResidual(16, 16, 1),
        InvertedResidual(16, 24, 2),
        InvertedResidual(24, 24, 1),
        _conv_bn(24, 64, 1),
        nn.ReLU6(),
        _mean_of_pixels(),
        nn.Linear(64, _CLASSES),
    )


class Residual(nn.Module):
    """What both blocks of ResNet share: layers beside a shortcut, which is projected where the shape changes."""

    def __init__(self, layers: nn.Sequential, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = layers
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _conv_bn(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
        return torch.relu(self.layers(x) + self.shortcut(x))


def basic(inputs: int, outputs: int, stride: int) -> Residual:
    """Return the block of ResNet-18 and -34: two 3 x 3 convolutions."""
    layers = nn.Sequential(_conv_bn(inputs, outputs, 3, stride), nn.ReLU(), _conv_bn(outputs, outputs, 3))
    return Residual(layers, inputs, outputs, stride)


def bottleneck(inputs: int, outputs: int, stride: int) -> Residual:
    """Return the block of ResNet-50 and -101: 1 x 1 down to a quarter, 3 x 3, 1 x 1 up."""
    narrow = outputs // 4
    layers = nn.Sequential(
        _conv_bn(inputs, narrow, 1),
        nn.ReLU(),
        _conv_bn(narrow, narrow, 3, stride),
        nn.ReLU(),
        _conv_bn(narrow, outputs, 1),
    )
    return Residual(layers, inputs, outputs, stride)


def resnet(block: Callable[[int, int, int], Residual], widths: Sequence[int], depths: Sequence[int]) -> nn.Sequential:
    """Return stages of ``depths[i]`` blocks with ``widths[i]`` channels; all but the first stage halve the image."""
    stem = widths[0]
    layers: list[nn.Module] = [_conv_bn(3, stem, 3, stride=2), nn.ReLU()]
    channels = stem
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        for position in range(depth):
            layers.append(block(channels, width, 2 if stage and not position else 1))
            channels = width
    return nn.Sequential(*layers, _mean_of_pixels(), nn.Linear(channels, _CLASSES))


_BUILDERS: Mapping[str, Callable[[], nn.Module]] = {
    "alexnet": alexnet,
    "squeezenet1_0": partial(squeezenet, stem=24, kernel=5, early_pool=False),
    "squeezenet1_1": partial(squeezenet, stem=16, kernel=3, early_pool=True),
    "vgg16": partial(vgg, (1, 2, 2), batch_norm=False),
    "vgg16_bn": partial(vgg, (1, 2, 2), batch_norm=True),
    "vgg19": partial(vgg, (2, 2, 3), batch_norm=False),
    "vgg19_bn": partial(vgg, (2, 2, 3), batch_norm=True),
    "mobilenet_v2": mobilenet_v2,
    "resnet18": partial(resnet, basic, (12, 24, 32), (1, 1, 1)),
    "resnet34": partial(resnet, basic, (12, 24, 32), (2, 2, 1)),
    "resnet50": partial(resnet, bottleneck, (32, 48, 64), (2, 2, 2)),
    "resnet101": partial(resnet, bottleneck, (32, 48, 64), (2, 4, 2)),
}
