"""Train the embedded zoo: ``python -m pytest_robustness.models.digits.train``.

Each architecture is trained on the training half alone, without augmentation: models trained on flipped or rotated
digits would hardly be sensitive to them. With one seed and one thread the run is repeatable to the last bit on one kind
of machine.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from pytest_robustness.core.errors import ModelError
from pytest_robustness.core.extras import pip_install
from pytest_robustness.models.digits import NAMES, PREPROCESS, WEIGHTS
from pytest_robustness.models.digits.architectures import build

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Augment = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

_BATCH_SIZE = 64
_PEAK_RATE = 6e-3
_WEIGHT_DECAY = 1e-2


class Half(NamedTuple):
    """One half of the digits: uint8 images [N, 3, 16, 16], as transforms see them, and int64 labels [N]."""

    images: Tensor
    labels: Tensor


def halves() -> tuple[Half, Half]:
    """Return the training half and the judged half: the digits at even and at odd indices.

    Raises
    ------
    ModelError
        scikit-learn, which ships the digits, is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ModelError(
            f"The digits come with scikit-learn, which is not installed: {pip_install('digits')}"
        ) from error
    values, labels = load_digits(return_X_y=True)
    images = canvases(torch.from_numpy(np.rint(values * (255 / 16)).astype(np.uint8)).reshape(-1, 1, 8, 8))
    classes = torch.from_numpy(labels.astype(np.int64))
    return Half(images[0::2], classes[0::2]), Half(images[1::2], classes[1::2])


def canvases(images: Tensor) -> Tensor:
    """Enlarge ``images`` (uint8 [N, 1, 8, 8]) to the canvas of the zoo's models: uint8 [N, 3, 16, 16]."""
    size = [PREPROCESS.resize or images.shape[-1]] * 2
    return functional.resize(
        images.expand(-1, 3, -1, -1), size, InterpolationMode(PREPROCESS.interpolation), antialias=PREPROCESS.antialias
    )


def normalized(images: Tensor) -> Tensor:
    """Return canvases (uint8 [N, 3, 16, 16]) as the zoo's models need them: float of the same shape."""
    return functional.normalize(images.float() / 255, list(PREPROCESS.mean), list(PREPROCESS.std))


def train(name: str, half: Half, epochs: int, seed: int, augment: Augment | None = None) -> nn.Module:
    """Return the architecture ``name``, trained on ``half`` by AdamW with a one-cycle schedule, in eval mode.

    ``augment`` changes each batch of images and labels before it is learnt from.
    """
    torch.manual_seed(seed)
    module = build(name)
    optimizer = torch.optim.AdamW(module.parameters(), weight_decay=_WEIGHT_DECAY)
    batches = len(half.labels) // _BATCH_SIZE
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _PEAK_RATE, total_steps=epochs * batches)
    for _ in range(epochs):
        for batch in torch.randperm(len(half.labels))[: batches * _BATCH_SIZE].view(batches, _BATCH_SIZE):
            images, labels = half.images[batch], half.labels[batch]
            if augment is not None:
                images, labels = augment(images, labels)
            optimizer.zero_grad()
            torch.autograd.backward(nn.functional.cross_entropy(module(normalized(images)), labels))
            optimizer.step()
            schedule.step()
    return module.eval()


def accuracy(module: nn.Module, half: Half) -> float:
    """Return the top-1 accuracy of ``module`` on ``half``, in percent."""
    with torch.inference_mode():
        correct = module(normalized(half.images)).argmax(dim=1) == half.labels
    return float(100 * correct.double().mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """Train all twelve, print the accuracies, write the weights."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    console = Console()
    training, judged = halves()
    modules = {
        name: train(name, training, options.epochs, options.seed) for name in track(NAMES, "Training", console=console)
    }
    accuracies = {name: round(accuracy(module, judged), 2) for name, module in modules.items()}
    _write(options.out, modules, _provenance(options, accuracies))
    table = Table("model", "parameters", "accuracy on the judged half, %")
    for name, module in modules.items():
        table.add_row(name, f"{sum(p.numel() for p in module.parameters()):,}", f"{accuracies[name]:.2f}")
    console.print(table, f"Wrote {options.out} ({options.out.stat().st_size / 1e6:.2f} MB).")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pytest_robustness.models.digits.train", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="the file to write (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=80, help="passes over the training half (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the initialization and order (default: %(default)s)")
    return parser


def _provenance(options: argparse.Namespace, accuracies: dict[str, float]) -> dict[str, str]:
    versions = {package: version(package) for package in ("torch", "torchvision", "scikit-learn")}
    settings = {"seed": str(options.seed), "epochs": str(options.epochs)}
    return settings | versions | {"accuracy": json.dumps(accuracies)}


def _write(path: Path, modules: dict[str, nn.Module], metadata: dict[str, str]) -> None:
    tensors = {
        f"{name}.{key}": tensor.contiguous()
        for name, module in modules.items()
        for key, tensor in module.state_dict().items()
    }
    save_file(tensors, path, metadata)


if __name__ == "__main__":
    main()
