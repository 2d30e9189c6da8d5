"""Each transform on a batch, against torchvision image by image, kornia and albumentations, where these are installed.

``python benchmarks/transforms.py [--device cuda] [--pairs N]`` prints milliseconds per image of 256 x 256 pixels, and
how often ours is as fast, as a median over pairs timed in turn. kornia works on float batches, albumentations on one
array at a time; both are given what they like best, and their conversions do not count.
"""

from __future__ import annotations

import argparse
import statistics
from typing import TYPE_CHECKING

import numpy as np
import torch
from paired import seconds
from rich.console import Console
from rich.table import Table
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.inference.device import resolve_device
from pytest_robustness.transforms import builtin

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[], object]

SIDE = 256


def main() -> None:
    """Print the table and the median ratio against torchvision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=9)
    options = parser.parse_args()
    device = resolve_device(options.device)
    images = torch.randint(0, 256, (options.batch, 3, SIDE, SIDE), dtype=torch.uint8, device=device)
    rivals = {"torchvision": torchvision_per_image(images), "kornia": kornia(images)}
    if device.type == "cpu":
        rivals["albumentations"] = albumentations(images)
    table = Table("transform", "ours, ms", *(f"{name}, times ours" for name in rivals))
    against_torchvision = []
    for name in builtin().names():
        own = ours(images, name)
        row = [name]
        milliseconds = []
        for rival, works in rivals.items():
            if name not in works:
                row.append("-")
                continue
            ratio, each = _ratio(options.pairs, works[name], own, device)
            milliseconds.append(each * 1000 / options.batch)
            row.append(f"{ratio:.1f}")
            if rival == "torchvision":
                against_torchvision.append(ratio)
        table.add_row(row[0], f"{statistics.median(milliseconds):.3f}", *row[1:])
    Console().print(table)
    print(f"ratio: {statistics.median(against_torchvision):.2f}")


def ours(images: torch.Tensor, name: str) -> Work:
    """Return what applies our transform to the batch."""
    transform = builtin().get(name)
    severity = 3 if transform.severities else None
    identities = np.frombuffer(np.arange(2 * len(images), dtype="<u8").tobytes(), "V16")
    return lambda: transform(images, severity, identities, 0)


def torchvision_per_image(images: torch.Tensor) -> dict[str, Work]:
    """Return torchvision's own operators, applied to one image after the other."""
    bilinear = v2.InterpolationMode.BILINEAR

    def zoom(image: torch.Tensor) -> torch.Tensor:
        return tvf.affine(image, 0, [0, 0], 1.5, [0, 0], interpolation=bilinear)

    operators: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "rotation": lambda image: tvf.rotate(image, 30, interpolation=bilinear),
        "brightness": lambda image: tvf.adjust_brightness(image, 1.5),
        "translate": lambda image: tvf.affine(image, 0, [51, 51], 1, [0, 0], interpolation=bilinear),
        "zoom": zoom,
        "perspective": v2.RandomPerspective(0.5, p=1.0),
        "equalize": tvf.equalize,
        "hflip": tvf.horizontal_flip,
        "vflip": tvf.vertical_flip,
        "equalize_zoom_brightness": lambda image: tvf.adjust_brightness(zoom(tvf.equalize(image)), 1.5),
    }

    def each(operator: Callable[[torch.Tensor], torch.Tensor]) -> Work:
        return lambda: torch.stack([operator(image) for image in images])

    return {name: each(operator) for name, operator in operators.items()}


def kornia(images: torch.Tensor) -> dict[str, Work]:
    """Return kornia's operators on the batch in float."""
    try:
        import kornia.enhance as enhance
        import kornia.geometry.transform as geometry
    except ImportError:
        return {}
    floats = images.float() / 255
    count = len(images)
    angles = torch.full((count,), 30.0, device=images.device)
    factors = torch.full((count, 2), 1.5, device=images.device)
    offsets = torch.full((count, 2), 51.0, device=images.device)
    corners = torch.tensor([[[0.0, 0.0], [255, 0], [255, 255], [0, 255]]], device=images.device).expand(count, -1, -1)
    moved = corners + torch.rand(corners.shape, device=images.device) * 30
    return {
        "rotation": lambda: geometry.rotate(floats, angles),
        "brightness": lambda: (floats * 1.5).clamp(0, 1),
        "translate": lambda: geometry.translate(floats, offsets),
        "zoom": lambda: geometry.scale(floats, factors),
        "perspective": lambda: geometry.warp_perspective(
            floats, geometry.get_perspective_transform(corners, moved), (SIDE, SIDE)
        ),
        "equalize": lambda: enhance.equalize(floats),
        "hflip": lambda: geometry.hflip(floats),
        "vflip": lambda: geometry.vflip(floats),
    }


def albumentations(images: torch.Tensor) -> dict[str, Work]:
    """Return albumentations' operators, applied to one array [H, W, 3] after the other."""
    try:
        import albumentations as album
    except ImportError:
        return {}
    arrays = [np.ascontiguousarray(image.permute(1, 2, 0).numpy()) for image in images]
    operators = {
        "rotation": album.Rotate((30, 30), p=1),
        "brightness": album.ColorJitter((1.5, 1.5), (1, 1), (1, 1), (0, 0), p=1),
        "translate": album.Affine(translate_px=51, p=1),
        "zoom": album.Affine(scale=1.5, p=1),
        "perspective": album.Perspective((0.1, 0.1), p=1),
        "equalize": album.Equalize(p=1),
        "hflip": album.HorizontalFlip(p=1),
        "vflip": album.VerticalFlip(p=1),
    }

    def each(operator: Callable[..., dict[str, object]]) -> Work:
        return lambda: [operator(image=array)["image"] for array in arrays]

    return {name: each(operator) for name, operator in operators.items()}


def _ratio(pairs: int, theirs: Work, ours: Work, device: torch.device) -> tuple[float, float]:
    """Return the median ratio of paired times, and the median seconds of ours."""

    def timed(work: Work) -> float:
        def waited() -> None:
            work()
            if device.type == "cuda":
                torch.cuda.synchronize(device)

        return seconds(waited)

    timed(theirs), timed(ours)
    times = [(timed(theirs), timed(ours)) for _ in range(pairs)]
    return statistics.median(a / b for a, b in times), statistics.median(b for _, b in times)


if __name__ == "__main__":
    main()
