"""How often the gate errs, by simulation: ``python benchmarks/gate.py`` (some minutes, no data, no model).

A candidate and a baseline answer the same images under control and nine transforms. *Churn* is the share of images on
which exactly one of the two is right for no reason, half of them lost and half gained: it is what telling the models
apart has to overcome. A *drop* of so many points is added to one transform: images that only the baseline gets right.
The verdicts are those of the product's own test, correction and rule; only the counting of images is left out, since
the number lost and gained is all that the test looks at (the script checks that on whole images first).
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_robustness.analysis import statistics
from pytest_robustness.analysis.baseline import rule
from pytest_robustness.analysis.baseline.comparison import compare_models
from pytest_robustness.analysis.test_result import Correction, Outcome, TestResult
from pytest_robustness.core import CONTROL, Condition

CONDITIONS = 10
BENT = 5
IMAGES = (500, 2_000, 10_000, 50_000)
CHURN = (0.02, 0.05, 0.10, 0.20, 0.30)
DROPS = (1, 2, 3, 5)
FALSE_ALARMS_ALLOWED = 0.05
CATCHES_REQUIRED = 0.95

Counts = NDArray[np.int64]


class Point(NamedTuple):
    """What is simulated: ``drop`` in points, ``shared`` the part of the churn that is the same under all conditions."""

    images: int
    churn: float
    drop: float = 0.0
    shared: float = 0.0


def draw(rng: np.random.Generator, point: Point, runs: int) -> tuple[Counts, Counts]:
    """Return the images lost and gained: int64 [runs, CONDITIONS] each."""
    half = point.churn / 2
    common = rng.multinomial(point.images, [point.shared * half] * 2 + [1 - point.shared * point.churn], runs)
    drop = np.where(np.arange(CONDITIONS) == BENT, point.drop / 100, 0.0)
    own = (1 - point.shared) * half
    chances = np.stack([own + drop, np.full(CONDITIONS, own)], axis=1) / (1 - point.shared * point.churn)
    chances = np.concatenate([chances, 1 - chances.sum(axis=1, keepdims=True)], axis=1)
    counts = common[:, None, :] + rng.multinomial(common[:, None, 2], chances[None])
    return counts[..., 0], counts[..., 1]


def test_counts(lost: Counts, gained: Counts, images: int, alpha: float) -> list[TestResult]:
    """Return the product's McNemar test of each count of images lost and gained: int64 [k] each."""
    found = statistics.mcnemar_from_counts(lost, gained, np.full(lost.shape, images), alpha=alpha)
    fields = {name: values.tolist() for name, values in found.items()}
    rows = zip(*fields.values(), statistics.accuracies(gained - lost, images).tolist(), strict=True)
    names = [*fields, "difference"]
    return [_result(images, dict(zip(names, row, strict=True))) for row in rows]


def _result(images: int, fields: dict[str, float]) -> TestResult:
    nan = float("nan")
    return TestResult("mcnemar", images, nan, nan, df=nan, p_adjusted=fields["p_value"], **fields)


def outcomes(lost: Counts, gained: Counts, images: int, policy: rule.GatePolicy) -> list[list[Outcome]]:
    """Return the outcome of every condition of every run."""
    results = test_counts(lost.ravel(), gained.ravel(), images, policy.alpha)
    # statsmodels collects garbage in each of its Holm corrections; frozen objects are not looked at.
    gc.freeze()
    runs = [results[start : start + CONDITIONS] for start in range(0, len(results), CONDITIONS)]
    return [
        [rule.judge(rule.Change.of(result), policy).outcome for result in statistics.adjust(run, policy.correction)]
        for run in runs
    ]


def simulate(point: Point, runs: int, seed: int, policy: rule.GatePolicy) -> list[list[Outcome]]:
    """Return the outcomes of ``runs`` gates; a point's draws do not depend on the other points."""
    rng = np.random.default_rng([seed, *(round(1000 * value) for value in point)])
    return outcomes(*draw(rng, point, runs), point.images, policy)


def any_is(found: list[list[Outcome]], outcome: Outcome) -> float:
    """Return the share of the runs in which some condition has this outcome."""
    return sum(outcome in run for run in found) / len(found)


def bent(found: list[list[Outcome]]) -> Counter[Outcome]:
    """Return how often the condition with the drop has each outcome."""
    return Counter(run[BENT] for run in found)


def listed_classes(runs: int, seed: int, images: int, churn: float, classes: int) -> float:
    """Return the share of the runs that list any class of an unchanged model, wrongly."""
    rng = np.random.default_rng([seed, images, classes])
    policy, per_class = rule.GatePolicy(), images // classes
    counts = rng.multinomial(per_class, [churn / 2, churn / 2, 1 - churn], (runs, CONDITIONS * classes))
    listed = 0
    for run in counts:
        results = statistics.adjust(test_counts(run[:, 0], run[:, 1], per_class, policy.alpha), "bh")
        listed += any(rule.Change.of(result).fell(policy) for result in results)
    return listed / runs


def check_on_images(seed: int, runs: int = 20, images: int = 2_000) -> None:
    """Compare the simulation's verdicts with `compare_models` on answers image by image."""
    rng = np.random.default_rng(seed)
    policy = rule.GatePolicy()
    lost, gained = draw(rng, Point(images, 0.05, drop=3), runs)
    conditions = [CONTROL, *(Condition(f"t{i}") for i in range(1, CONDITIONS))]
    for counts, expected in zip(np.stack([lost, gained], -1), outcomes(lost, gained, images, policy), strict=True):
        answers = {c: _answers(rng, int(m), int(k), images) for c, (m, k) in zip(conditions, counts, strict=True)}
        result = compare_models(
            {c: pair[0] for c, pair in answers.items()},
            {c: pair[1] for c, pair in answers.items()},
            labels=np.zeros(images, np.int64),
            classes=["any"],
            policy=policy,
        )
        if [change.verdict.outcome for change in result.conditions] != expected:
            raise AssertionError("the simulation and compare_models disagree")


def _answers(rng: np.random.Generator, lost: int, gained: int, images: int) -> NDArray[np.bool_]:
    kept = (images - lost - gained) // 2
    kinds = np.repeat([[1, 0], [0, 1], [1, 1], [0, 0]], [lost, gained, kept, images - lost - gained - kept], axis=0)
    return rng.permutation(kinds.astype(np.bool_)).T


def false_alarm_rows(runs: int, seed: int) -> tuple[list[str], float]:
    """Return the table of an unchanged model, and the worst share of false alarms with the default correction."""
    rows = ["images  churn  shared  correction  some FAIL  some INCONCLUSIVE"]
    worst = 0.0
    cases: list[tuple[Point, Correction]] = [
        (Point(images, churn), "holm") for images in IMAGES for churn in (0.0, *CHURN)
    ]
    cases += [(Point(10_000, churn, shared=0.5), "holm") for churn in CHURN]
    cases += [(Point(2_000, 0.2), "bh"), (Point(2_000, 0.2), "none")]
    for point, correction in cases:
        found = simulate(point, runs, seed, rule.GatePolicy(correction=correction))
        alarms = any_is(found, Outcome.FAIL)
        worst = max(worst, alarms) if correction == "holm" else worst
        rows.append(
            f"{point.images:>6}  {point.churn:>5.0%}  {point.shared:>6.0%}  {correction:>10}  {alarms:>9.2%}  "
            f"{any_is(found, Outcome.INCONCLUSIVE):>17.1%}"
        )
    return rows, worst


def power_rows(runs: int, seed: int) -> tuple[list[str], float]:
    """Return the table of drops, and the smallest share of 3-point drops caught in 10,000 images."""
    rows = ["FAIL / INCONCLUSIVE / PASS, in %, of the condition with a drop of ... points"]
    rows.append("images  churn  " + "".join(f"{drop:>18}" for drop in DROPS))
    least = 1.0
    for images in IMAGES:
        for churn in CHURN:
            cells = []
            for drop in DROPS:
                found = bent(simulate(Point(images, churn, drop), runs, seed, rule.GatePolicy()))
                shares = [100 * found[outcome] / runs for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)]
                cells.append("/".join(f"{share:.1f}" for share in shares))
                if (images, drop) == (10_000, 3):
                    least = min(least, found[Outcome.FAIL] / runs)
            rows.append(f"{images:>6}  {churn:>5.0%}  " + "".join(f"{cell:>18}" for cell in cells))
    return rows, least


def main() -> int:
    """Print the tables and whether both figures are met."""
    parser = argparse.ArgumentParser(description="Measure the gate's error rates by simulation.")
    parser.add_argument("--runs", type=int, default=2_000, help="runs a point (default: 2000)")
    parser.add_argument("--seed", type=int, default=2020)
    args = parser.parse_args()
    check_on_images(args.seed)
    print(f"seed {args.seed}, {args.runs} runs a point, {CONDITIONS} conditions, tolerance 1.0 points, alpha 0.05\n")
    rows, alarms = false_alarm_rows(args.runs, args.seed)
    print("An unchanged model\n", *rows, sep="\n")
    for classes in (10, 100):
        share = listed_classes(args.runs, args.seed, 10_000, 0.1, classes)
        print(f"some class listed, of {classes} in {CONDITIONS} conditions (10,000 images, churn 10 %): {share:.2%}")
    rows, caught = power_rows(args.runs, args.seed)
    print("\nA drop in one of the conditions\n", *rows, sep="\n")
    met = alarms <= FALSE_ALARMS_ALLOWED and caught >= CATCHES_REQUIRED
    print(
        f"\ngate: false alarms at most {alarms:.2%} (5 % allowed), 3 points in 10,000 images caught at least "
        f"{caught:.2%} (95 % required): {'met' if met else 'NOT MET'}"
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
