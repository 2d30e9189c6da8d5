"""Train the digit reader: ``python train.py``; ``--plain`` leaves out the turned digits, and so its robustness."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torchvision.transforms.v2 import functional

from digit_reader import PREPROCESS, WEIGHTS, network

EPOCHS = 25
BATCH_SIZE = 64
LARGEST_TURN = 40.0  # degrees


def training_half() -> tuple[Tensor, Tensor]:
    """Return the digits at even indices, uint8 [N, 3, 16, 16] and int64 [N]; the others are what the tests judge on."""
    values, labels = load_digits(return_X_y=True)
    images = torch.from_numpy(np.rint(values * (255 / 16)).astype(np.uint8)).reshape(-1, 1, 8, 8).expand(-1, 3, -1, -1)
    return functional.resize(images, [16, 16])[0::2], torch.from_numpy(labels.astype(np.int64))[0::2]


def turned(images: Tensor) -> Tensor:
    """Return the images, each turned by an angle of its own."""
    angles = ((2 * torch.rand(len(images)) - 1) * LARGEST_TURN).tolist()
    bilinear = functional.InterpolationMode.BILINEAR
    return torch.stack([functional.rotate(image, angle, bilinear) for image, angle in zip(images, angles, strict=True)])


def normalized(images: Tensor) -> Tensor:
    """Return what the network sees of ``images``."""
    return functional.normalize(images.float() / 255, list(PREPROCESS.mean), list(PREPROCESS.std))


def train(plain: bool) -> nn.Module:
    """Return the trained network; one seed and one thread make it the same on each run on one kind of machine."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images, labels = training_half()
    module = network()
    optimizer = torch.optim.AdamW(module.parameters(), lr=6e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        seen = normalized(images if plain else turned(images))
        for batch in torch.randperm(len(labels)).split(BATCH_SIZE):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(seen[batch]), labels[batch]).backward()
            optimizer.step()
        schedule.step()
    return module.eval()


def main() -> None:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(description="Train the digit reader.")
    parser.add_argument("--plain", action="store_true", help="train on upright digits alone")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="the file to write (default: %(default)s)")
    options = parser.parse_args()
    save_file(train(options.plain).state_dict(), options.out)


if __name__ == "__main__":
    main()
