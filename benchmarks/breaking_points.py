"""How often a test of a breaking point fails wrongly: ``python benchmarks/breaking_points.py`` prints one table.

No magnitude truly loses more than the margin of 2 points, so that every FAIL is wrong. The worst case is a model that
loses just the margin at every magnitude, with images that change at each one anew; in a real model neighbouring
magnitudes change the same images, which ``alike`` imitates. The search and the rule are the product's own.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from pytest_robustness.analysis.studies.fall_curve import breaking_point, fall_curve
from pytest_robustness.analysis.studies.magnitude_search import next_magnitudes
from pytest_robustness.transforms import Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_robustness.analysis.studies.fall_curve import FallCurve

    Bools = NDArray[np.bool_]

ALPHA = 0.05
MARGIN = 2.0
CLASSES = 10
SPAN = Span(0.0, 100.0, whole=False)


class World(NamedTuple):
    """What is true: the fall in points at every magnitude up to the level, and beyond it; how answers change."""

    images: int
    fall: float
    beyond: float
    churn: float
    alike: float
    level: float


class Model:
    """Answers of a model that is right on half of the images, and how they change at each magnitude."""

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self._world, self._rng = world, rng
        self.labels = np.arange(world.images) % CLASSES
        self.control = rng.random(world.images) < 0.5
        self._shared = rng.standard_normal(world.images)

    def at(self, magnitude: float) -> Bools:
        """Return which images are right at a magnitude: bool [n]."""
        world = self._world
        own = self._rng.standard_normal(world.images)
        rank = special.ndtr(math.sqrt(world.alike) * self._shared + math.sqrt(1 - world.alike) * own)
        fall = (world.fall if magnitude <= world.level else world.beyond) / 100
        right: Bools = np.where(self.control, rank >= world.churn + fall, rank < world.churn - fall)
        return right


def searched(model: Model, level: float) -> FallCurve:
    """Search as the study does, with the level among the first magnitudes, and return the curve."""
    answers: dict[float, Bools] = {}
    while True:
        curve = fall_curve(SPAN, model.labels, model.control, answers, margin=MARGIN, alpha=ALPHA / 2)
        wanted = next_magnitudes(curve, (level,))
        if not wanted:
            return curve
        answers |= {magnitude: model.at(magnitude) for magnitude in wanted}


def failures(world: World, rng: np.random.Generator, runs: int) -> tuple[float, float, float]:
    """Return how often a test fails, how often by a magnitude milder than the level, and how many are evaluated."""
    failed = milder = evaluated = 0
    for _ in range(runs):
        curve = searched(Model(world, rng), world.level)
        shown, high = curve.shown(world.level), breaking_point(curve).high
        # Where both the level and its interval's end are shown, the test fails as well.
        failed += shown is not None or (high is not None and high < world.level)
        milder += shown is not None and shown < world.level
        evaluated += len(curve.evaluated)
    return failed / runs, milder / runs, evaluated / runs


def main() -> int:
    """Print the table; return whether some rate exceeds alpha by more than chance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=2020)
    args = parser.parse_args()
    allowed = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / args.runs)
    print("| images | fall up to the level, and beyond | level | churn | alike | FAIL, % | by a milder magnitude, % | "
          "evaluated |\n" + "| --- " * 8 + "|", flush=True)  # fmt: skip
    worst = 0.0
    for number, world in enumerate(WORLDS):
        failed, milder, evaluated = failures(world, np.random.default_rng([args.seed, number]), args.runs)
        worst = max(worst, failed)
        print(
            f"| {world.images:,} | {world.fall:g}, {world.beyond:g} | {world.level:g} | {world.churn:g} | "
            f"{world.alike:g} | {100 * failed:.1f} | {100 * milder:.1f} | {evaluated:.1f} |",
            flush=True,
        )
    print(f"\nthe most: {100 * worst:.1f} %, allowed {100 * allowed:.1f} %")
    return int(worst > allowed)


WORLDS = tuple(
    World(images, fall, beyond, 0.1, alike, level)
    for images, fall, beyond, alike, level in (
        (1000, 2.0, 2.0, 0.0, 100.0),
        (1000, 2.0, 2.0, 0.5, 100.0),
        (1000, 2.0, 2.0, 0.9, 100.0),
        (1000, 2.0, 2.0, 0.0, 50.0),
        (1000, 2.0, 20.0, 0.0, 50.0),
        (1000, 2.0, 20.0, 0.9, 50.0),
        (5000, 2.0, 2.0, 0.0, 100.0),
        (1000, 1.5, 1.5, 0.0, 100.0),
        (1000, 1.0, 1.0, 0.0, 100.0),
    )
)
"""Falls of the margin or less up to the level."""

if __name__ == "__main__":
    sys.exit(main())
