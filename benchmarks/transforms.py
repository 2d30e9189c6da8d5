"""Each transform on a batch, against torchvision image by image, kornia and albumentations, where these are installed.

``python benchmarks/transforms.py [--busy] [--device cuda] [--pairs N]`` prints milliseconds per image of 256 x 256
pixels, and how often ours is as fast, as a median over pairs timed in turn; with ``--busy`` again beside a process that
keeps a core busy. kornia works on float batches, albumentations (OpenCV) on one array at a time; both are given what
they like best, and their conversions do not count. The last line is the verdict.
"""

from __future__ import annotations

import argparse
import statistics
from typing import TYPE_CHECKING

from pytest_robustness.core.process import limit_openmp_spin

limit_openmp_spin()  # before PyTorch is imported, as in a run of pytest

# ruff: noqa: E402
import numpy as np
import torch
from neighbour import neighbour
from paired import seconds
from rich.console import Console
from rich.table import Table
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.inference.device import resolve_device
from pytest_robustness.transforms import builtin
from pytest_robustness.transforms.cpu.choice import CHOICE

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[], object]

SIDE = 256
# How fast ours has to be, as a share of theirs.
LEAST = {"torchvision": 1.0, "kornia": 1.0, "albumentations": 0.9}


def main() -> None:
    """Print a table for each place, and which transforms are slower than they have to be."""
    options = _options()
    device = resolve_device(options.device)
    images = torch.randint(0, 256, (options.batch, 3, SIDE, SIDE), dtype=torch.uint8, device=device)
    rivals = {"torchvision": torchvision_per_image(images), "kornia": kornia(images)}
    if device.type == "cpu":
        rivals["albumentations"] = albumentations(images)
    CHOICE.expect(2**40)  # a long run
    slow: list[str] = []
    for place in ("quiet", "busy") if options.busy else ("quiet",):
        with neighbour(busy=place == "busy"):
            ratios = _print_table(place, images, rivals, options.pairs)
        slow += [
            f"{name} against {rival} ({place}, {ratio:.2f})"
            for (name, rival), ratio in ratios.items()
            if ratio < LEAST[rival]
        ]
    absent = "".join(
        f"; not measured, for it cannot be imported: {name}" for name, works in rivals.items() if not works
    )
    print(f"verdict: {'slower: ' + ', '.join(slow) if slow else 'as fast as it has to be'} ({LEAST}){absent}")


def _print_table(
    place: str, images: torch.Tensor, rivals: dict[str, dict[str, Work]], pairs: int
) -> dict[tuple[str, str], float]:
    """Print how often ours is as fast as each rival; return that by transform and rival."""
    ratios: dict[tuple[str, str], float] = {}
    table = Table(f"transform, {place}", "ours, ms", *(f"{name}, times ours" for name in rivals))
    for name in builtin().names():
        own = ours(images, name)
        milliseconds = []
        for rival, works in rivals.items():
            if name in works:
                ratios[name, rival], each = _ratio(pairs, works[name], own, images.device)
                milliseconds.append(each * 1000 / len(images))
        row = [f"{ratios[name, rival]:.1f}" if (name, rival) in ratios else "-" for rival in rivals]
        table.add_row(name, f"{statistics.median(milliseconds):.3f}", *row)
    Console().print(table)
    return ratios


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--busy", action="store_true", help="measure beside a busy process as well")
    return parser.parse_args()


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
