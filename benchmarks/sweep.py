"""The sweep against what one would write without it, and against the models alone.

``python benchmarks/sweep.py`` compares with a loop: for each model and condition a pass of a DataLoader, torchvision's
transforms image by image, the model in eager PyTorch. ``--against forward`` compares with the same runners on tensors
that are ready: the limit. Models have random weights, images are JPEG files of ImageNet's usual size; neither changes
the time. The last line is the ratio, as a median over ``--pairs``.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.process import limit_openmp_spin

limit_openmp_spin()  # before PyTorch is imported, as in a run of pytest

# ruff: noqa: E402
import numpy as np
import torch
from paired import compare, seconds
from PIL import Image
from repeated import in_turn
from torch.utils.data import DataLoader, Dataset
from torchvision.models import get_model
from torchvision.transforms import v2

from pytest_robustness import data
from pytest_robustness.core import CONTROL, ClassMatch, Model, Preprocess, Progress, Runner, Selection, Workload
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.frontends.session.progress import SilentProgress
from pytest_robustness.inference.device import resolve_device
from pytest_robustness.inference.jobs import job
from pytest_robustness.inference.loader.loader import default_workers
from pytest_robustness.inference.loading.loaded_model import LoadedModel
from pytest_robustness.inference.precision import fp32_products
from pytest_robustness.inference.preprocess import to_inputs
from pytest_robustness.inference.runtimes.choice import RuntimeChoice
from pytest_robustness.inference.store.store import Store
from pytest_robustness.inference.sweep.claims import ShardClaims
from pytest_robustness.inference.sweep.executors.local import LocalExecutor
from pytest_robustness.inference.sweep.settings import SweepSettings
from pytest_robustness.inference.sweep.sweep import Sweep
from pytest_robustness.models.presets import ARTICLE_MODELS
from pytest_robustness.transforms import builtin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODELS = ("squeezenet1_1", "mobilenet_v2", "resnet18", "resnet50")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PREPROCESS = Preprocess(resize=256, crop=224, mean=MEAN, std=STD)
CLASSES = 10
# The full protocol: ImageNet's training set, the article's models, control and nine transforms.
PROTOCOL = 1_281_167 * 12 * 10


def main() -> None:
    """Print every pair and the median ratio."""
    options = _options()
    torch.manual_seed(0)
    modules = {name: get_model(name, weights=None).eval() for name in options.models}
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "images"
        write_images(files, options.images)
        bench = SweepBench(modules, files, Path(folder), options)
        if not options.count_compilation:
            bench.prepare_all()
        if options.against == "forward":
            ratio = compare(options.pairs, ("forward", bench.forward_only), ("sweep", bench.sweep))
        elif options.against == "loop":
            loop = Loop(modules, files, options)
            name = "loop" if options.loop_share == 1 else f"1/{options.loop_share} of the loop"
            ratio = options.loop_share * compare(options.pairs, (name, loop.run), ("sweep", bench.sweep))
        else:
            once = min(seconds(bench.sweep) for _ in range(options.pairs))
            passes = options.images * bench.conditions * len(modules)
            hours = once * PROTOCOL / passes / 3600
            print(f"{passes} passes in {once:.1f} s; the full protocol of {PROTOCOL:.3g} passes: {hours:.2f} hours")
            ratio = 1.0
        print(f"engines: {', '.join(sorted({str(runner.engine) for runner in bench.runners.values()}))}")
    print(f"ratio: {ratio:.2f}")


def write_images(folder: Path, count: int) -> None:
    """Write ``count`` JPEG files of 500 x 375 pixels, smooth with some noise, in `CLASSES` folders."""
    rng = np.random.default_rng(0)
    for index in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((500, 375))
        noisy = np.asarray(coarse, np.int16) + rng.integers(-12, 13, (375, 500, 3), dtype=np.int16)
        path = folder / f"class{index % CLASSES}" / f"{index:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=90)


class SweepBench:
    """The sweep of this project on the models and images, with a new store each time."""

    def __init__(self, modules: dict[str, torch.nn.Module], files: Path, folder: Path, options: Any) -> None:
        source = data.open_source(f"folder:{files}", download=False)
        indices = np.arange(len(source.labels))
        self.selection = Selection(source, indices, source.labels, data.identities(source, indices, FileHashes()))
        self.progress: Progress = SilentProgress()
        self.device = resolve_device(options.device)
        self.options = options
        self.folder = folder
        self.runners: dict[str, Runner] = {}
        self.batch_size = 0
        self._choice = RuntimeChoice(options.runtime, print)
        match = ClassMatch("position", tuple(range(CLASSES)))
        registry = builtin()
        cells = [CONTROL, *registry.conditions(registry.names(), [3])]
        self.conditions = len(cells)
        loaded_models = [
            LoadedModel(name, Model(module, PREPROCESS, fingerprint=name), match, 256 * 256)
            for name, module in modules.items()
        ]
        self.jobs = [
            job(
                loaded,
                cell,
                None if cell == CONTROL else registry.get(cell.transform),
                0,
                options.precision,
            )
            for loaded in loaded_models
            for cell in cells
        ]

    def take(self, count: int) -> None:
        """Judge ``count`` images from now on: the files in turn, each time as an image of its own."""
        self.selection = in_turn(self.selection, count)

    def sweep(self) -> None:
        """Compute every cell."""
        if self.options.count_compilation:
            self.runners.clear()
        with self._made() as made:
            made.run()
        if made.errors:
            raise RuntimeError(f"{len(made.errors)} cells failed, first: {next(iter(made.errors.values()))}")

    def prepare_all(self) -> None:
        """Make every model ready, by a sweep over what is asked for, whose time does not count."""
        self.sweep()

    def forward_only(self) -> None:
        """Run every model as often as the sweep does, on inputs that are ready."""
        size = self.batch_size
        canvas = torch.randint(0, 256, (size, 3, 256, 256), dtype=torch.uint8, device=self.device)
        inputs = to_inputs(canvas, PREPROCESS)
        with fp32_products(tf32=self.options.precision == "tf32"), torch.inference_mode():
            for start in range(0, len(self.selection.indices), size):
                batch = inputs[: min(size, len(self.selection.indices) - start)]
                for _ in range(self.conditions):
                    for runner in self.runners.values():
                        answer = runner.run(batch)
            answer.sum().item()  # waits for a GPU

    def _prepare(self, name: str, model: Model, workload: Workload) -> Runner:
        self.batch_size = len(workload.example)
        if name not in self.runners:
            self.runners[name] = self._choice.prepare(name, model, workload)
        return self.runners[name]

    @contextlib.contextmanager
    def _made(self) -> Iterator[Sweep]:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            store = Store(Path(folder) / "store.sqlite")
            workers = self.options.workers
            yield Sweep(
                self.jobs,
                self.selection,
                store=store,
                executor=LocalExecutor(self._prepare, ShardClaims(Path(folder) / "locks", "images")),
                progress=self.progress,
                settings=SweepSettings(
                    self.device,
                    self.options.precision,
                    0,
                    default_workers(self.device.type, len(self.selection.indices), len(self.jobs))
                    if workers is None
                    else workers,
                    "error",
                ),
            )
            store.close()


class Loop:
    """What one would write: model by model, condition by condition, image by image."""

    def __init__(self, modules: dict[str, torch.nn.Module], files: Path, options: Any) -> None:
        self.modules = modules
        self.paths = sorted(files.rglob("*.jpg"))[:: options.loop_share]
        self.device = resolve_device(options.device)
        self.workers = options.loop_workers

    def run(self) -> None:
        """Evaluate every model under every condition."""
        with torch.inference_mode():
            for module in self.modules.values():
                module.to(self.device, memory_format=torch.contiguous_format)
                for transform in TRANSFORMS:
                    loader = DataLoader(Images(self.paths, transform), batch_size=32, num_workers=self.workers)
                    for batch in loader:
                        module(batch.to(self.device)).argmax(dim=1).cpu()


class Images(Dataset[torch.Tensor]):
    """Image files, decoded, transformed and normalized one by one."""

    def __init__(self, paths: list[Path], transform: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.paths = paths
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Image.open(self.paths[index]) as image:
            pixels = v2.functional.pil_to_tensor(image.convert("RGB"))
        pixels = v2.functional.center_crop(v2.functional.resize(pixels, [256]), [256, 256])
        pixels = v2.functional.center_crop(self.transform(pixels), [224, 224])
        return v2.functional.normalize(v2.functional.to_dtype(pixels, torch.float32, scale=True), MEAN, STD)


def _sign() -> int:
    return random.choice((-1, 1))


def _zoom(image: torch.Tensor) -> torch.Tensor:
    return v2.functional.affine(image, 0, [0, 0], 1.5, [0, 0], interpolation=v2.InterpolationMode.BILINEAR)


def _brightness(image: torch.Tensor) -> torch.Tensor:
    return v2.functional.adjust_brightness(image, 1.5)


def _control(image: torch.Tensor) -> torch.Tensor:
    return image


def _rotation(image: torch.Tensor) -> torch.Tensor:
    return v2.functional.rotate(image, 30 * _sign(), interpolation=v2.InterpolationMode.BILINEAR)


def _translate(image: torch.Tensor) -> torch.Tensor:
    return v2.functional.affine(image, 0, [51 * _sign(), 51 * _sign()], 1, [0, 0])


def _chain(image: torch.Tensor) -> torch.Tensor:
    return _brightness(_zoom(v2.functional.equalize(image)))


TRANSFORMS: tuple[Callable[[torch.Tensor], torch.Tensor], ...] = (
    _control,
    _rotation,
    _brightness,
    _translate,
    _zoom,
    v2.RandomPerspective(0.5, p=1.0),
    v2.functional.equalize,
    v2.functional.horizontal_flip,
    v2.functional.vertical_flip,
    _chain,
)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", choices=("loop", "forward", "nothing"), default="loop")
    parser.add_argument("--models", nargs="+", default=MODELS, help="torchvision's names, or imagenet12")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=None, help="decoding processes of the sweep")
    parser.add_argument("--loop-workers", type=int, default=0, help="decoding processes of the loop")
    parser.add_argument(
        "--loop-share", type=int, default=1, metavar="N", help="run the loop on one image in N; it starts nothing anew"
    )
    parser.add_argument("--count-compilation", action="store_true", help="compile anew, and count the time")
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    if list(options.models) == ["imagenet12"]:
        options.models = ARTICLE_MODELS
    return options


if __name__ == "__main__":
    main()
