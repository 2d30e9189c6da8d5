"""How often the verdicts err: ``python benchmarks/verdicts.py`` prints one table, with what is required beside it.

Real predictions come from stores of finished runs, named by ``--store``; without one, the embedded models are run
first. ``--quick`` draws a tenth as often and times nothing. All draws are seeded. The statistics, margins and rules are
the product's own; where only counts of images matter, only counts are drawn, and `check_on_images` compares that with
whole images.
"""

from __future__ import annotations

import argparse
import bisect
import contextlib
import functools
import json
import math
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.average_change import average_changes
from pytest_robustness.analysis.baseline import rule
from pytest_robustness.analysis.baseline.apart import fell_apart
from pytest_robustness.analysis.baseline.candidate import compare_models
from pytest_robustness.analysis.baseline.growth_apart import ChangesApart, class_growth_apart, model_growth_apart
from pytest_robustness.analysis.class_test import class_test
from pytest_robustness.analysis.image_evidence import (
    ChangedImages,
    class_images,
    classes_by_model,
    falls_alone,
    model_changes,
    panel_changes,
)
from pytest_robustness.analysis.model_test import model_tests
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import Answers, counts_of
from pytest_robustness.analysis.statistics import correct, mcnemar_by_class
from pytest_robustness.analysis.statistics.crossed import crossed_interval
from pytest_robustness.analysis.statistics.paired_change import PairedChange, interval, p_above, p_below
from pytest_robustness.analysis.statistics.partial_pooling import pool, pooled_changes, sampling_variance
from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.core.text import counted
from pytest_robustness.inference.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_robustness.analysis.predictions import Counts

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

ALPHA = 0.05
CONDITIONS = 10
MARGIN = 0.02
CLASS_MARGIN = 10
CHURNS = (0.02, 0.03, 0.05, 0.1, 0.2, 0.4)
SIZES = ((10, 20), (10, 89), (1000, 5), (1000, 50))
TOLERANCES = (0.5, 1.0, 2.0, 3.0)
GATE_CHURNS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)
# Of the comparisons of an unchanged model, those that pass on the images that are recommended.
USUALLY = 0.9
SIZING_RUNS = 5_000
SEED = 2020
# Standard errors that Monte Carlo noise may add to what is allowed.
NOISE = 3.0


class Row(NamedTuple):
    """A line of the table: what was measured, what is required, the figures, and whether they meet it."""

    what: str
    required: str
    measured: str
    met: bool


class World(NamedTuple):
    """Real predictions: how models changed, int8 [M, N] by transform, and the classes of the images."""

    name: str
    labels: Ints
    classes: int
    changes: dict[str, NDArray[np.int8]]


def read_world(path: Path) -> World:
    """Return the changes that a store holds; images that some model could not read are left out."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (fingerprint,) = connection.execute("SELECT fingerprint FROM selection").fetchone()
        cells = [(key, json.loads(text)) for key, text in connection.execute("SELECT key, description FROM cell")]
    with contextlib.closing(Store(path)) as store:
        selection = store.selection(fingerprint)
        labels, images = selection.labels, selection.images.tolist()
        right: dict[tuple[str, str], Bools] = {}
        readable = np.ones(len(labels), np.bool_)
        for key, cell in cells:
            known: dict[bytes, bool] = {}
            for result in store.read(key):
                known |= zip(store.block(result).images.tolist(), result.predictions.rank == 0, strict=True)
            readable &= [image in known for image in images]
            right[cell["model"], cell["transform"]] = np.array([known.get(image, False) for image in images], np.bool_)
    models = sorted({model for model, _ in right})
    names = sorted({transform for _, transform in right} - {CONTROL.transform})
    changes = {
        name: np.stack([right[m, name].view(np.int8) - right[m, CONTROL.transform].view(np.int8) for m in models])
        for name in names
        if all((m, name) in right for m in models)
    }
    kept = {name: change[:, readable] for name, change in changes.items()}
    return World(f"{len(models)} models, {readable.sum()} images", labels[readable], int(labels.max()) + 1, kept)


def embedded_store(folder: Path) -> Path:
    """Run the embedded models under the nine transforms, and return the store."""
    store = folder / "embedded.sqlite"
    command = [sys.executable, "-m", "pytest", "-q", "--pyargs", "robustness_tests", "-p", "no:cacheprovider"]
    options = [f"--robustness-store={store}", f"--robustness-report={folder / 'report'}"]
    subprocess.run([*command, *options], cwd=folder, check=False, stdout=subprocess.DEVNULL)
    return store


def share(rate: float) -> str:
    """Return a rate as a percentage."""
    return f"{100 * rate:.1f}"


def within_limit(rate: float, limit: float, runs: int) -> bool:
    """Whether a rate is at most ``limit``, or above the level of 5 % by no more than chance may add."""
    return rate <= max(limit, ALPHA + NOISE * math.sqrt(ALPHA * (1 - ALPHA) / runs))


def nulls(world: World, rng: np.random.Generator, runs: int) -> Row:
    """Swap control and treated of each image by a coin, for all models: no class changed. Count who is significant."""
    rates = {}
    for name, change in world.changes.items():
        sums = change.sum(axis=0, dtype=np.int16)
        found = 0
        for _ in range(runs):
            drawn = ChangedImages(sums * rng.choice(np.array([-1, 1], np.int16), len(sums)), world.labels, len(change))
            found += any(image.significant(ALPHA) for image in class_images(drawn, world.classes, ALPHA))
        rates[name] = found / runs
    measured = ", ".join(f"{name} {share(rate)}" for name, rate in rates.items())
    met = within_limit(max(rates.values()), 0.05, runs)
    return Row(f"some class significant in a real null ({world.name}), %", "<= 5", measured, met)


def nulls_alone(world: World, rng: np.random.Generator, runs: int) -> Row:
    """Do the same for each class of each model by itself, with and without what is smaller than the margin."""
    names, models = (
        list(map(str, range(world.classes))),
        [f"m{i}" for i in range(len(next(iter(world.changes.values()))))],
    )
    rates: dict[str, tuple[float, float]] = {}
    for name, change in world.changes.items():
        significant = beyond = 0
        for _ in range(runs):
            drawn = change * rng.choice(np.array([-1, 1], np.int8), change.shape[1])
            changes = [ChangedImages(of_model.astype(np.int16), world.labels, 1) for of_model in drawn]
            significant += bool((classes_by_model(changes, world.classes).p_adjusted < ALPHA).any())
            beyond += bool(falls_alone(models, changes, names, 10.0, ALPHA, ()).shown)
        rates[name] = significant / runs, beyond / runs
    measured = ", ".join(f"{name} {share(rate)} ({share(fails)})" for name, (rate, fails) in rates.items())
    met = within_limit(max(rate for rate, _ in rates.values()), 0.05, runs)
    return Row(
        f"some class of a single model significant in a real null ({world.name}), and shown to have fallen by more "
        "than 10 points, %",
        "<= 5",
        measured,
        met,
    )


def alone(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """Count how often the fall of a class in one model of twelve is shown; 2 % of all other answers change."""
    for classes, images in ((10, 89), (100, 20), (100, 50), (1000, 50)):
        names, models = list(map(str, range(classes))), [f"m{i}" for i in range(12)]
        labels, found = np.repeat(np.arange(classes), images), {}
        for fall in (0.2, 0.3, 0.5, 0.8):
            shown = 0
            for _ in range(runs if classes < 1000 else max(runs // 10, 20)):
                change = rng.choice(np.array([-1, 0, 1], np.int16), (12, len(labels)), p=[0.01, 0.98, 0.01])
                change[0, :images] = np.where(rng.random(images) < fall, -1, change[0, :images])
                changes = [ChangedImages(of_model, labels, 1) for of_model in change]
                falls = falls_alone(models, changes, names, 10.0, ALPHA, ()).shown
                shown += any(one.model == "m0" and one.index == 0 for one in falls)
            found[fall] = shown / (runs if classes < 1000 else max(runs // 10, 20))
        yield Row(
            f"a class falls in one of twelve models, {classes} x {images} images: shown, %, by the fall in points",
            ">= 50 at 80" if images == 20 else ">= 95 at 80",
            ", ".join(f"{100 * fall:g}: {share(rate)}" for fall, rate in found.items()),
            found[0.8] >= (0.5 if images == 20 else 0.95),
        )


def fallen_class(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """Count how often a class is found that loses images in all twelve models, which agree on them more or less."""
    required = {12: 0.95, 8: 0.7}
    for points, least in required.items():
        rates = {}
        for alike in (0.0, 0.25, 0.5, 1.0):
            found = named = 0
            for _ in range(runs):
                drawn = _drop(rng, points / 100, alike)
                image = class_images(drawn, 10, ALPHA)[0]
                found += image.significant(ALPHA)
                named += image.significant(ALPHA) and image.difference < -10
            rates[alike] = found / runs, named / runs
        text = "; ".join(f"{alike:g}: {share(f)} ({share(n)})" for alike, (f, n) in rates.items())
        yield Row(
            f"one class of ten loses {points} points in all twelve models, 89 images: significant (and named: by more "
            "than 10 points), %, by the correlation between the models' losses",
            f">= {100 * least:g}",
            text,
            rates[0.25][0] >= least,
        )


def smaller_falls(rng: np.random.Generator, runs: int) -> Row:
    """Count how often a class fails by the margin though each truly loses less: the rule tests that a class changed."""
    rates = {}
    for classes, images, points in ((10, 89, 5), (10, 89, 8), (10, 89, 9), (10, 1000, 9), (100, 50, 8)):
        labels, failed = np.repeat(np.arange(classes), images), 0
        for _ in range(runs):
            chance = rng.random(classes * images)
            lost, changed = 0.02 + points / 100, 0.04 + points / 100
            sums = np.where(chance < lost, -1, np.where(chance < changed, 1, 0)).astype(np.int16)
            found = class_images(ChangedImages(sums, labels, 1), classes, ALPHA)
            failed += any(abs(image.difference) > CLASS_MARGIN and image.significant(ALPHA) for image in found)
        rates[f"{classes} x {images}, {points} points"] = failed / runs
    measured = "; ".join(f"{name}: {share(rate)}" for name, rate in rates.items())
    what = "some class fails by the class margin of 10 points though each truly loses less, one model, churn 4 %, %"
    return Row(what, "no claim", measured, True)


def smaller_class_falls(rng: np.random.Generator, runs: int) -> Row:
    """Count how often the gate fails by a class though none truly falls by the class tolerance, nor accuracy by 1."""
    rates = {}
    for classes, images, points, falling, conditions in (
        (10, 89, 8, 1, 1), (10, 200, 9, 1, 1), (10, 1000, 9, 1, 1), (100, 100, 9.5, 10, 1), (100, 100, 9.5, 10, 5),
    ):  # fmt: skip
        labels, failed = np.repeat(np.arange(classes), images), 0
        asked = [CONTROL, *(Condition(f"t{number}") for number in range(conditions))]
        for _ in range(runs):
            before = {condition: rng.random(len(labels)) < 0.9 for condition in asked}
            chance = np.where(labels < falling, points / 100 / 0.9, 0.0)
            lost = {c: (rng.random(len(labels)) < chance) & (c != CONTROL) for c in asked}
            now = {condition: right & ~lost[condition] for condition, right in before.items()}
            names = [str(number) for number in range(classes)]
            found = compare_models(before, now, labels=labels, classes=names, policy=rule.GatePolicy())
            failed += any(condition.broken for condition in found.conditions)
        named = f"{falling} of {classes} x {images} by {points:g} points, {counted(conditions, 'condition')}"
        rates[named] = failed / runs
    measured = "; ".join(f"{name}: {share(rate)}" for name, rate in rates.items())
    what = "gate: FAIL by a class though none truly falls by the class tolerance of 10 points, accuracy by at most 1, %"
    return Row(what, "no claim", measured, True)


def _drop(rng: np.random.Generator, drop: float, alike: float, churn: float = 0.04) -> ChangedImages:
    """Return twelve models' changes to 10 x 89 images: churn of no direction, and a drop in class 0.

    Losses are Bernoulli, and correlated by ``alike`` between the models: an image's chance is of a beta distribution.
    """
    labels = np.repeat(np.arange(10), 89)
    change = rng.choice(np.array([-1, 0, 1], np.int8), (12, 890), p=[churn / 2, 1 - churn, churn / 2])
    if alike == 1:
        chance = (rng.random(89) < drop).astype(float)
    elif alike == 0:
        chance = np.full(89, drop)
    else:
        scale = (1 - alike) / alike
        chance = rng.beta(drop * scale, (1 - drop) * scale, 89)
    change[:, :89] = np.where(rng.random((12, 89)) < chance, -1, change[:, :89])
    return ChangedImages(change.sum(axis=0, dtype=np.int16), labels, 12)


def draw_change(
    rng: np.random.Generator, shape: tuple[int, int], churn: float, drop: float, tenth: bool, runs: int
) -> PairedChange:
    """Return ``runs`` draws of a model's change: ``churn`` of the images change, ``drop`` more are lost than gained."""
    classes, images = shape
    lost, gained = np.full(classes, (churn + drop) / 2), np.full(classes, (churn - drop) / 2)
    if tenth:
        bent = max(classes // 10, 1)
        lost, gained = (np.full(classes, max(churn - drop, 0.0) / 2) for _ in range(2))
        lost[:bent] += drop * classes / bent
    counts = rng.binomial(images, lost, (runs, classes))
    back = rng.binomial(images - counts, gained / (1 - lost))
    return PairedChange.of_classes(counts, back, np.full(counts.shape, images))


def within(change: PairedChange, margin: float) -> Bools:
    """Return where the verdict ``margin`` passes: the interval lies within the margin."""
    low, high = interval(change, ALPHA)
    passed: Bools = (low > -margin) & (high < margin)
    return passed


def false_passes(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """Count how often a model passes that lost just the margin."""
    for shape in SIZES:
        for tenth in (False, True):
            rates = [within(draw_change(rng, shape, churn, MARGIN, tenth, runs), MARGIN).mean() for churn in CHURNS]
            where = "in a tenth of the classes" if tenth else "in all classes alike"
            yield Row(
                f"`margin`: PASS of a loss of 2 points {where}, {shape[0]} x {shape[1]} images, %, at churn "
                + ", ".join(f"{churn:.0%}" for churn in CHURNS),
                "<= 6",
                ", ".join(map(share, rates)),
                within_limit(max(rates), 0.06, runs),
            )


def uneven_passes(rng: np.random.Generator, runs: int) -> Row:
    """Count the same with classes of unlike sizes, where the loss lies in the smallest or in all."""
    rates = {}
    for sizes in ((5, *[500] * 9), (20, *[200] * 9), (3, 30, 300, 3000)):
        n = np.broadcast_to(np.array(sizes), (runs, len(sizes)))
        for where, chance in (("all", np.full(len(sizes), MARGIN)), ("smallest", np.eye(len(sizes))[0])):
            lost = rng.binomial(n, chance * (1 if where == "all" else MARGIN * len(sizes)))
            passed = within(PairedChange.of_classes(lost, np.zeros_like(lost), n), MARGIN).mean()
            rates[f"{sizes[0]} to {sizes[-1]}, {where}"] = passed
    measured = "; ".join(f"{name}: {share(rate)}" for name, rate in rates.items())
    met = within_limit(max(rates.values()), 0.06, runs)
    return Row("the same, classes of unlike sizes, %", "<= 6", measured, met)


def unchanged(rng: np.random.Generator, runs: int) -> Row:
    """Count how often a model passes that did not change."""
    churns = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.2)
    rates = [within(draw_change(rng, (10, 89), churn, 0.0, False, runs), MARGIN).mean() for churn in churns]
    measured = ", ".join(f"{churn:.0%}: {share(rate)}" for churn, rate in zip(churns, rates, strict=True))
    return Row("an unchanged model passes, 10 x 89 images, margin 2, %, by churn", ">= 80", measured, rates[3] >= 0.8)


def grown(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """Count how often a model that did not change is held back on data that grew by images of the same kind.

    Each image is easy or hard under all conditions, and each condition costs more than the one before.
    """
    cases = [(10, 40, 40), (10, 40, 360), (10, 400, 40), (10, 20, 180), (100, 40, 40), (1000, 5, 5)]
    tests = {
        "the gate": (_held_by_gate, cases),
        "known findings of model and classes": (_held_known, cases[:3]),
    }
    for what, (held, drawn) in tests.items():
        rates = {case: float(np.mean([held(rng, *case) for _ in range(runs)])) for case in drawn}
        measured = "; ".join(f"{c} x {b}, {n} more: {share(rate)}" for (c, b, n), rate in rates.items())
        yield Row(
            f"an unchanged model on grown data is held back: {what}, ten conditions, %, by classes x images",
            "<= 5",
            measured,
            within_limit(max(rates.values()), 0.05, runs),
        )


def _right(rng: np.random.Generator, classes: int, images: int) -> Bools:
    """Draw which images are right in control and under ten conditions: bool [11, C, images]."""
    ease, costs = rng.normal(2.0, 1.5, (classes, images)), np.linspace(0, 2, CONDITIONS + 1)
    return rng.random((CONDITIONS + 1, classes, images)) < 1 / (1 + np.exp(costs[:, None, None] - ease))


def _held_by_gate(rng: np.random.Generator, classes: int, before: int, new: int) -> bool:
    right = _right(rng, classes, before + new)
    old, more = right[..., :before], right[..., before:]
    sizes = [np.full(old.shape[:2], size) for size in (before, new)]
    return bool(fell_apart(sizes[0], old.sum(axis=2), sizes[1], more.sum(axis=2), rule.GatePolicy()).any())


class Drawn:
    """The answers of one model to drawn images: bool [11, C, images], as a run has them."""

    def __init__(self, right: Bools, conditions: Sequence[Condition]) -> None:
        _, classes, images = right.shape
        self.class_names = tuple(map(str, range(classes)))
        self.labels = np.repeat(np.arange(classes), images)
        self._right = dict(zip(conditions, right.reshape(len(right), -1), strict=True))
        self._all = np.ones(classes * images, np.bool_)

    @property
    def distinct(self) -> Bools:
        """Which images are no copies: all."""
        return np.ones(len(self.labels), np.bool_)

    def labels_of(self, model: str) -> Ints:  # noqa: ARG002 (there is one)
        """Return the class of each image."""
        return self.labels

    def answers(self, cell: Cell) -> Answers:
        """Return the answers under one condition."""
        return Answers(self._all, self._right[cell.condition])

    def counts(self, cell: Cell) -> Counts:
        """Return the same, counted by class."""
        return counts_of(self.answers(cell), self.labels, len(self.class_names))


def _held_known(rng: np.random.Generator, classes: int, before: int, new: int) -> bool:
    """Make the tests on all images and on those of the baseline, and ask what the others enlarge."""
    conditions = [CONTROL, *(Condition(f"t{i}") for i in range(CONDITIONS))]
    right = _right(rng, classes, before + new)
    every, old, more = (Drawn(part, conditions) for part in (right, right[..., :before], right[..., before:]))
    gate, policy = rule.GatePolicy(alpha=ALPHA / CONDITIONS), TestPolicy()
    for condition in conditions[1:]:
        panel = Panel(condition, ("m",))
        known, found = panel_changes(old, panel), [class_test(source, panel, policy) for source in (every, old)]
        changes = ChangesApart(known, known, panel_changes(more, panel))
        ours, were = (model_tests(source, ["m"], condition, policy)["m"] for source in (every, old))
        if model_growth_apart(ours, were.change, changes, gate, classes):
            return True
        if class_growth_apart(*found, changes, gate, every.class_names):
            return True
    return False


@functools.cache
def recommended(tolerance: float, churn: float) -> int:
    """Return the least number of images, to two digits, on which an unchanged model passes in nine of ten comparisons.

    With churn 0 every comparison is the same, and it passes from that number on.
    """
    sizes = [digits * 10**power for power in range(6) for digits in range(10, 100)]

    def suffice(images: int) -> bool:
        return passes(np.random.default_rng(SEED), images, churn, SIZING_RUNS, tolerance) >= USUALLY

    return sizes[bisect.bisect_left(sizes, True, key=suffice)]


def passes(rng: np.random.Generator, images: int, churn: float, runs: int, tolerance: float) -> float:
    """Return how often an unchanged model passes under all conditions."""
    lost = rng.binomial(images, churn / 2, runs * CONDITIONS)
    gained = rng.binomial(images - lost, churn / 2 / (1 - churn / 2))
    change = PairedChange(lost / images, gained / images, np.full(lost.size, float(images)))
    kept = p_above(change, -tolerance / 100).reshape(runs, CONDITIONS) < ALPHA
    return float(kept.all(axis=1).mean())


class Gate(NamedTuple):
    """The outcome of every condition of every run: bool [runs, CONDITIONS] each."""

    failed: Bools
    passed: Bools


def gate(
    rng: np.random.Generator, images: int, churn: float, drops: Sequence[float], runs: int, tolerance: float
) -> Gate:
    """Return the gate's outcomes; ``drops`` are the true drops of the conditions, in points."""
    drop = np.array(drops) / 100
    # Churn has no direction; the drop comes on top of it.
    lost, gained = churn / 2 + drop, churn / 2
    counts = rng.binomial(images, lost, (runs, len(drops)))
    back = rng.binomial(images - counts, gained / (1 - lost))
    n = np.full(counts.size, float(images))
    change = PairedChange(counts.ravel() / images, back.ravel() / images, n)
    worse = p_below(change, -tolerance / 100).reshape(counts.shape)
    kept = p_above(change, -tolerance / 100).reshape(counts.shape)
    corrected = np.stack([correct(p, rule.GatePolicy().correction) for p in worse])
    return Gate(corrected < ALPHA, (kept < ALPHA) & ~(corrected < ALPHA))


def gates(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """Count how the gate errs at its tolerance, and what it finds at the recommended sizes."""
    cases = [(images, churn) for images in (500, 2_000, 10_000, 50_000) for churn in (0.02, 0.05, 0.1, 0.3)]
    at = {case: gate(rng, *case, [1.0] * CONDITIONS, runs, 1.0) for case in cases}
    some_fail = {case: found.failed.any(axis=1).mean() for case, found in at.items()}
    a_pass = {case: found.passed.mean() for case, found in at.items()}
    yield Row(
        "gate: some of ten conditions FAILs whose true drop is the tolerance (1 point), %, the most of 500 to 50,000 "
        "images x 2 to 30 % churn",
        "<= 5.5",
        _most(some_fail),
        within_limit(max(some_fail.values()), 0.055, runs),
    )
    yield Row(
        "gate: such a condition PASSes, %, the most",
        "<= 5.5",
        _most(a_pass),
        within_limit(max(a_pass.values()), 0.055, CONDITIONS * runs),
    )
    small = {
        drop: gate(rng, 10_000, 0.1, [drop] * CONDITIONS, runs, 1.0).failed.any(axis=1).mean() for drop in (0.5, 0.9)
    }
    yield Row(
        "gate: some FAIL where ten conditions truly drop by less than the tolerance, 10,000 images, 10 % churn, %",
        "<= 5",
        "; ".join(f"{drop:g} points: {share(rate)}" for drop, rate in small.items()),
        within_limit(max(small.values()), 0.05, runs),
    )
    for points, least in ((3.0, 0.99), (2.0, 0.6)):
        found = {}
        for churn in GATE_CHURNS[1:]:
            drops = [0.0] * (CONDITIONS - 1) + [points]
            found[churn] = gate(rng, recommended(1.0, churn), churn, drops, runs, 1.0).failed[:, -1].mean()
        yield Row(
            f"gate: {points:g} points in one of ten conditions found, recommended sizes, tolerance 1, %, by churn",
            f">= {100 * least:g}",
            ", ".join(f"{churn:.0%}: {share(rate)}" for churn, rate in found.items()),
            min(found.values()) >= least,
        )


def _most(rates: dict[tuple[int, float], float]) -> str:
    (images, churn), most = max(rates.items(), key=lambda item: item[1])
    return f"{share(most)} ({images} images, {churn:.0%} churn)"


def table_of_sizes() -> list[str]:
    """Return the documentation's table: images by churn and tolerance."""
    lines = [
        "| churn | " + " | ".join(f"tolerance {t:g}" for t in TOLERANCES) + " |",
        "| --- |" + " --- |" * len(TOLERANCES),
    ]
    for churn in GATE_CHURNS:
        cells = [f"{recommended(tolerance, churn):,}" for tolerance in TOLERANCES]
        lines.append(f"| {churn:.0%} | " + " | ".join(cells) + " |")
    return lines


def shrunken(world: World, rng: np.random.Generator, runs: int) -> Row:
    """Draw 10 images of each class, and compare the three worst classes with all images."""
    raw, pooled, covered = [], [], []
    members = [np.flatnonzero(world.labels == c) for c in range(world.classes)]
    labels = np.repeat(np.arange(world.classes), 10)
    for change in world.changes.values():
        truth = np.array([100 * change[:, images].mean() for images in members])
        sums = change.sum(axis=0, dtype=np.int16)
        for _ in range(runs):
            drawn = np.concatenate([rng.choice(images, 10) for images in members])
            found = class_images(ChangedImages(sums[drawn], labels, len(change)), world.classes, ALPHA)
            shown, expected = (
                np.array(values) for values in zip(*((f.difference, f.pooled.value) for f in found), strict=True)
            )
            raw.append((shown - truth)[np.argsort(shown)[:3]].mean())
            pooled.append((expected - truth)[np.argsort(expected)[:3]].mean())
            covered.append([f.pooled.low <= t <= f.pooled.high for f, t in zip(found, truth, strict=True)])
    relative, coverage = np.mean(pooled) / np.mean(raw), np.mean(covered)
    return Row(
        f"shrunken worst three, 10 images a class ({world.name}): bias, % of the raw bias; coverage of 90 % intervals",
        "within 25; >= 90",
        f"{share(relative)} (raw {np.mean(raw):+.1f} points, shrunken {np.mean(pooled):+.1f}); {share(coverage)}",
        bool(abs(relative) <= 0.25 and coverage >= 0.9),
    )


def apart(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """Draw classes of 50 images that do not change, but for some that fall by 50 points, and count what holds these.

    Beside it stands what a normal distribution of the classes alone gives.
    """
    for fallen in (0, 1, 3):
        texts, least = [], 1.0
        for classes in (10, 20, 100, 1000):
            held = [_held(rng, classes, fallen) for _ in range(runs)]
            every, first, normal, width, normal_width, value = np.mean(held, axis=0)
            least = min(least, every, first)
            texts.append(
                f"{classes}: {share(every)} and {share(first)} ({share(normal)}), widths {share(width)} "
                f"({share(normal_width)})" + f", expected {100 * value:+.1f}" * bool(fallen)
            )
        yield Row(
            f"{fallen} classes of 50 images truly fall by 50 points, the others by none, 2 % churn: 90 % intervals of "
            "all classes, and of the one shown first, that hold the truth, % (first of a normal distribution alone); "
            "mean width, points; by the number of classes",
            ">= 85",
            "; ".join(texts),
            least >= 0.85,
        )


def unequal(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """Draw classes of very different sizes of which the smallest falls, and count the intervals that hold its fall."""
    falls = (0.0, 0.05, 0.1, 0.2, 0.5)
    for sizes in ([50] * 10, [970, 30], [900, 100], [3000] * 9 + [30], [300] * 8 + [30, 10]):
        n, texts, least = np.array(sizes), [], 1.0
        for fall in falls:
            truth = np.zeros(len(n))
            truth[-1] = -fall
            lost = rng.binomial(n, 0.01 - truth, (runs, len(n)))
            gained = rng.binomial(n - lost, 0.01 / (0.99 + truth))
            found = [pooled_changes(n, up - down, up + down) for down, up in zip(lost, gained, strict=True)]
            held = np.array([(one.low <= truth) & (truth <= one.high) for one in found])
            first = [of_all[np.argmin(one.value)] for of_all, one in zip(held, found, strict=True)]
            least = min(least, held[:, -1].mean(), float(np.mean(first)))
            texts.append(f"{100 * fall:g}: {share(held[:, -1].mean())} and {share(float(np.mean(first)))}")
        sizes_text = ", ".join(f"{sizes.count(size)} x {size}" for size in dict.fromkeys(sizes))
        yield Row(
            f"classes of {sizes_text} images, the last falls: 90 % intervals of it, and of the one shown first, that "
            "hold the truth, %, by the fall in points",
            ">= 82",
            "; ".join(texts),
            least >= 0.82,
        )


def _held(rng: np.random.Generator, classes: int, fallen: int) -> tuple[float, ...]:
    """Return the share of intervals that hold the truth, those shown first, widths, and the value of the fallen."""
    truth, n = np.zeros(classes), np.full(classes, 50)
    truth[:fallen] = -0.5
    lost = rng.binomial(50, 0.01 - truth)
    gained = rng.binomial(50 - lost, 0.01 / (0.99 + truth))
    sums = n, gained - lost, gained + lost
    found = pooled_changes(*sums)
    alone = pool((gained - lost) / n, sampling_variance(*sums))
    half = 1.645 * alone.error
    held = (found.low <= truth) & (truth <= found.high)
    first, normal_first = held[np.argmin(found.value)], (np.abs(alone.mean - truth) <= half)[np.argmin(alone.mean)]
    widths = (found.high - found.low).mean(), 2 * half.mean()
    return (
        float(held.mean()),
        float(first),
        float(normal_first),
        *map(float, widths),
        found.value[:fallen].sum() / max(fallen, 1),
    )


def crossed(world: World, rng: np.random.Generator, runs: int) -> Row:
    """Draw models and images from a world, and count the intervals that hold the mean over all of both."""
    covered: dict[str, list[bool]] = {}
    alone = []
    models, images = next(iter(world.changes.values())).shape
    for change in world.changes.values():
        truth = change.mean()
        for m in (6, 12) if models > 2 else (2,):
            for n in (100, min(images, 1000)):
                for _ in range(runs):
                    drawn = change[np.ix_(rng.integers(0, models, m), rng.integers(0, images, n))]
                    _, low, high = crossed_interval(drawn)
                    covered.setdefault(f"{m} models, {n} images", []).append(bool(low <= truth <= high))
                    by_model = drawn.mean(axis=1)
                    half = 2.2 * by_model.std(ddof=1) / math.sqrt(m)
                    alone.append(bool(abs(by_model.mean() - truth) <= half))
    measured = "; ".join(f"{name}: {share(float(np.mean(hits)))}" for name, hits in covered.items())
    total = float(np.mean([hit for hits in covered.values() for hit in hits]))
    return Row(
        f"crossed 95 % interval of the average over models, resampled ({world.name}): coverage, %",
        "93 to 97",
        f"{measured}; all {share(total)} (over models alone {share(float(np.mean(alone)))})",
        0.93 <= total <= 0.97,
    )


class Large:
    """Answers of 12 models to 1,000 x 50 images under 45 conditions."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.class_names = tuple(map(str, range(1000)))
        self.labels = np.repeat(np.arange(1000), 50)
        self.models = tuple(f"m{i}" for i in range(12))
        self.conditions = [Condition(f"t{i}", severity) for i in range(9) for severity in range(1, 6)]
        ease, every = rng.normal(1.2, 1.5, 50_000), np.ones(50_000, np.bool_)
        self._answers = {}
        self._counts: dict[Cell, Counts] = {}
        for condition in (CONTROL, *self.conditions):
            for model in self.models:
                cost = 0.0 if condition == CONTROL else 2 * rng.random()
                right = rng.random(50_000) < 1 / (1 + np.exp(cost - ease))
                self._answers[Cell(model, condition)] = Answers(every, right)

    @property
    def distinct(self) -> Bools:
        """Which images are no copies: all."""
        return np.ones(len(self.labels), np.bool_)

    def labels_of(self, model: str) -> Ints:  # noqa: ARG002 (the same for every model)
        """Return the class of each image."""
        return self.labels

    def answers(self, cell: Cell) -> Answers:
        """Return the answers of one model under one condition."""
        return self._answers[cell]

    def counts(self, cell: Cell) -> Counts:
        """Return the same, counted by class."""
        if cell not in self._counts:
            self._counts[cell] = counts_of(self._answers[cell], self.labels, 1000)
        return self._counts[cell]

    def judge(self) -> None:
        """Make all tests, verdicts, pooled classes and averages."""
        self._counts.clear()
        policy = TestPolicy()
        for condition in self.conditions:
            model_tests(self, self.models, condition, policy)
            class_test(self, Panel(condition, self.models), policy)
        average_changes(self, self._answers)


def speed(rng: np.random.Generator, tries: int) -> Row:
    """Time everything that is concluded from a large run."""
    large = Large(rng)
    walls, cpus = [], []
    for _ in range(tries):
        wall, cpu = time.perf_counter(), time.process_time()
        large.judge()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return Row(
        "12 models x 45 conditions x 1,000 classes x 50 images: all tests, verdicts and shrinkage, seconds of one core",
        "<= 3",
        f"{min(cpus):.1f} (by the clock {min(walls):.1f})",
        min(cpus) <= 3,
    )


def check_on_images(rng: np.random.Generator) -> None:
    """Compare counts alone with whole images: `model_changes` and `rule.evidence` must say the same."""
    lost, gained = rng.integers(0, 9, (2, 20, 10))
    n = np.full(10, 40)
    listed = [_images(pair, n) for pair in zip(lost, gained, strict=True)]
    by_images = model_changes(listed, 10, alpha=ALPHA, margin=2.0)
    low, high = interval(PairedChange.of_classes(lost, gained, np.broadcast_to(n, (20, 10))), ALPHA)
    if not np.allclose([(c.low, c.high) for c in by_images], 100 * np.stack([low, high], 1)):
        raise AssertionError("counts and images give different intervals")
    labels = np.repeat(np.arange(10), n)
    results = mcnemar_by_class(listed[0].sums <= 0, listed[0].sums >= 0, labels, 10)
    policy = rule.GatePolicy()
    change = PairedChange(lost[0] / 40, gained[0] / 40, n.astype(float))
    worse = correct(p_below(change, -policy.tolerance / 100), policy.correction)
    if not np.allclose(worse, [found.p_worse for found in rule.evidence(results, policy)]):
        raise AssertionError("counts and images give different p-values of the gate")


def _images(pair: tuple[Ints, Ints], n: Ints) -> ChangedImages:
    kinds = [np.repeat([-1, 1, 0], [a, b, k - a - b]) for a, b, k in zip(*pair, n, strict=True)]
    return ChangedImages(np.concatenate(kinds).astype(np.int16), np.repeat(np.arange(len(n)), n), 1)


def rows(worlds: Sequence[World], seed: int, scale: float) -> Iterator[Row]:
    """Return the rows of the table; ``scale`` multiplies the number of draws."""

    def rng(part: int) -> np.random.Generator:
        return np.random.default_rng([seed, part])

    def times(runs: int) -> int:
        return max(int(runs * scale), 20)

    check_on_images(rng(0))
    for i, world in enumerate(worlds):
        yield nulls(world, rng(10 + i), times(1000))
        yield nulls_alone(world, rng(40 + i), times(1000))
        yield shrunken(world, rng(20 + i), times(200))
        yield crossed(world, rng(30 + i), times(200))
    yield from apart(rng(7), times(500))
    yield from unequal(rng(50), times(500))
    yield from alone(rng(8), times(500))
    yield from fallen_class(rng(1), times(1000))
    yield smaller_falls(rng(7), times(1000))
    yield smaller_class_falls(rng(8), times(300))
    yield from false_passes(rng(2), times(4000))
    yield uneven_passes(rng(3), times(10_000))
    yield unchanged(rng(4), times(10_000))
    yield from gates(rng(5), times(5000))
    yield from grown(rng(9), times(300))
    if scale == 1:
        yield speed(rng(6), 3)


def main() -> int:
    """Print the table, then the table of sizes, and whether all requirements are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, action="append", default=[], help="a store of a finished run; repeatable")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--quick", action="store_true", help="draw a tenth as often, and time nothing")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stores = args.store or [embedded_store(Path(folder))]
        worlds = [read_world(path) for path in stores]
    scale = 0.1 if args.quick else 1.0
    print("| what | required | measured | met |\n| --- | --- | --- | --- |", flush=True)
    unmet = 0
    for row in rows(worlds, args.seed, scale):
        unmet += not row.met
        print(f"| {row.what} | {row.required} | {row.measured} | {'yes' if row.met else 'NO'} |", flush=True)
    print("\nImages on which an unchanged model passes the gate in all ten conditions, in nine of ten comparisons:\n")
    print("\n".join(table_of_sizes()))
    print(f"\n{unmet} requirements not met")
    return min(unmet, 1)


if __name__ == "__main__":
    sys.exit(main())
