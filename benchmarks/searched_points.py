"""Whether a search finds the breaking point that all magnitudes show: ``python benchmarks/searched_points.py``.

A model answers the images of a folder at 200 equidistant magnitudes of each transform; where the isotonic regression of
the fall (SciPy's) first exceeds the margin is the point that the search is held against. The images are then drawn
again with replacement, many times: each draw is searched as the study does, and also has a point of all magnitudes.

``python benchmarks/searched_points.py --data folder:PATH --model python:FILE:FACTORY --limit 100``
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.optimize import isotonic_regression

from pytest_robustness import data, transformed
from pytest_robustness.analysis.studies.fall_curve import breaking_point, fall_curve
from pytest_robustness.analysis.studies.magnitude_search import next_magnitudes
from pytest_robustness.core import Condition
from pytest_robustness.inference.preprocess import to_canvas, to_inputs
from pytest_robustness.models import ModelZoo
from pytest_robustness.transforms import builtin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.studies.fall_curve import FallCurve
    from pytest_robustness.core import Model
    from pytest_robustness.transforms import Span

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

MAGNITUDES = 200
SEVERITY = 3
# What the study has where nothing else is asked.
MARGIN, ALPHA = 2.0, 0.05
BATCH = 128


class Answers:
    """Which of n images a model gets right: bool [n] by condition, each computed once."""

    def __init__(self, model: Model, images: torch.Tensor, labels: Ints) -> None:
        self._model, self._images, self.labels = model, images, labels
        self._right: dict[str, Bools] = {}

    def under(self, name: str) -> Bools:
        """Return which images the model gets right under a condition."""
        if name not in self._right:
            self._right[name] = np.concatenate([self._batch(name, part) for part in torch.split(self._images, BATCH)])
            self._right[name] = self._right[name] == self.labels
        return self._right[name]

    def _batch(self, name: str, images: torch.Tensor) -> Ints:
        seen = images if name == "control" else transformed(images, Condition(name))
        with torch.inference_mode():
            answers: Ints = self._model.module(to_inputs(seen, self._model.preprocess)).argmax(1).numpy()
        return answers


class Transform(NamedTuple):
    """The magnitudes of a transform, and what a model answers there."""

    name: str
    answers: Answers

    @property
    def span(self) -> Span:
        """Where the magnitudes lie."""
        return builtin().span(self.name)

    def right(self, magnitude: float) -> Bools:
        """Return which images are right at a magnitude: bool [n]; neutral changes nothing."""
        if magnitude == self.span.neutral:
            return self.answers.under("control")
        return self.answers.under(str(builtin().at(self.name, magnitude)))

    def searched(self, images: Ints) -> FallCurve:
        """Search as the study does, on images by their position: int64 [m], some of them more than once."""
        labels, control = self.answers.labels[images], self.answers.under("control")[images]
        level = builtin().span(self.name, SEVERITY).extreme
        found: dict[float, Bools] = {}
        while True:
            curve = fall_curve(self.span, labels, control, found, margin=MARGIN, alpha=ALPHA / 2)
            wanted = next_magnitudes(curve, (level,))
            if not wanted:
                return curve
            found |= {magnitude: self.right(magnitude)[images] for magnitude in wanted}

    def grid(self) -> list[float]:
        """Return neutral and the magnitudes that are all evaluated: 201."""
        span = self.span
        return [span.neutral + (span.extreme - span.neutral) * i / MAGNITUDES for i in range(MAGNITUDES + 1)]

    def of_all(self, images: Ints) -> float | None:
        """Return the first of all magnitudes at which the isotonic regression of the fall is beyond the margin."""
        labels = self.answers.labels[images]
        right = np.array([self.right(magnitude)[images] for magnitude in self.grid()])
        accuracy = np.array([100 * right[:, labels == label].mean(axis=1) for label in np.unique(labels)]).mean(axis=0)
        beyond = isotonic_regression(accuracy[0] - accuracy).x > MARGIN + 1e-9
        return self.grid()[int(beyond.argmax())] if beyond.any() else None


class Compared(NamedTuple):
    """One search beside all magnitudes; places are percent of the span, 100 where there is no point."""

    point: float
    of_all: float
    low: float
    high: float
    evaluations: int

    @classmethod
    def of(cls, transform: Transform, images: Ints) -> Compared:
        """Search on some images, and look at all magnitudes of the same ones."""
        curve = transform.searched(images)
        point, low, high = breaking_point(curve)
        fraction = transform.span.fraction
        ends = (point, transform.of_all(images), low, high)
        at = [100.0 if end is None else 100 * float(fraction(end)) for end in (*ends[:2], ends[3])]
        return cls(at[0], at[1], 0.0 if low is None else 100 * float(fraction(low)), at[2], len(curve.evaluated))

    def covers(self, place: float) -> bool:
        """Whether the interval holds a place; the grid tells no two that are closer than one of its steps."""
        return self.low <= place <= self.high + 100 / MAGNITUDES


def main(arguments: Sequence[str] | None = None) -> None:
    """Search each transform, on all images and on draws of them, and print the table."""
    options = _parser().parse_args(arguments)
    model, images, labels = _given(options)
    answers = Answers(model, images, labels)
    found: dict[str, list[Compared]] = {}
    print(f"{len(labels)} images, {100 * answers.under('control').mean():.1f} % right in control")
    print("| | point of all 200, % of the span | search (interval) | evaluations | error of draws, mean (within 2 %) | "
          "evaluations of draws | coverage of draws | seconds |\n" + "| --- " * 8 + "|", flush=True)  # fmt: skip
    for name in options.transforms:
        started = time.monotonic()
        transform, everything = Transform(name, answers), np.arange(len(labels))
        draws = np.random.default_rng(options.seed).integers(0, len(labels), (options.draws, len(labels)))
        whole = Compared.of(transform, everything)
        found[name] = [Compared.of(transform, images) for images in draws]
        print(_row(name, whole, found[name], time.monotonic() - started), flush=True)
        found[name].insert(0, whole)
    if options.out is not None:
        options.out.write_text(json.dumps({name: [one._asdict() for one in many] for name, many in found.items()}))


def _row(name: str, whole: Compared, draws: Sequence[Compared], seconds: float) -> str:
    errors = np.abs([one.point - one.of_all for one in draws])
    covered = np.mean([one.covers(whole.of_all) for one in draws])
    return (
        f"| {name} | {whole.of_all:.1f} | {whole.point:.1f} ({whole.low:.1f} to {whole.high:.1f}) | "
        f"{whole.evaluations} | {errors.mean():.1f} ({100 * np.mean(errors <= 2):.0f} %) | "
        f"{np.mean([one.evaluations for one in draws]):.1f} | {100 * covered:.0f} % | {seconds:.0f} |"
    )


def _given(options: argparse.Namespace) -> tuple[Model, torch.Tensor, Ints]:
    """Return the model, the images that it is shown (uint8 [n, 3, H, W], all of one size) and their labels."""
    source = data.open_source(options.data, download=False)
    labels = np.asarray(source.labels)
    first = [np.flatnonzero(labels == label)[: options.limit] for label in np.unique(labels)]
    rows = np.sort(np.concatenate(first))
    model = ModelZoo().load(options.model)
    names = tuple(label.name for label in source.classes)
    if model.classes is not None and tuple(model.classes) != names:
        raise SystemExit(f"the model's classes are not those of the data, in their order: {model.classes}, {names}")
    canvases = [to_canvas(source.read(int(row)), model.preprocess.canvas) for row in rows]
    return model, torch.stack(canvases), labels[rows]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits", help="as --robustness-data takes it (default: %(default)s)")
    parser.add_argument("--model", default="digits:resnet18", help="its name (default: %(default)s)")
    parser.add_argument("--transforms", nargs="+", default=LEVELLED, help=f"(default: {' '.join(LEVELLED)})")
    parser.add_argument("--limit", type=int, default=None, help="images of each class; all by default")
    parser.add_argument("--draws", type=int, default=50, help="of the images, with replacement (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=None, help="a JSON file for every search")
    return parser


LEVELLED = ("rotation", "brightness", "translate", "zoom", "perspective")

if __name__ == "__main__":
    main()
