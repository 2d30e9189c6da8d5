"""A result of any size without a run: drawn accuracies, the real statistics, and pictures of nothing.

Loaded by path (`runpy`), from tests and from ``benchmarks/report.py``.
"""

from __future__ import annotations

import base64
import dataclasses
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pytest_robustness.analysis.average_change import average_changes
from pytest_robustness.analysis.class_test import class_test
from pytest_robustness.analysis.model_test import model_tests
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import Answers, Counts
from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.inference.loading.class_matching import imagenet_classes
from pytest_robustness.models.presets import ARTICLE_MODELS
from pytest_robustness.report.confusions import ClassConfusion, Confusion, expected_changes
from pytest_robustness.report.gallery import Answer, Example, Thumbnails, shown_classes, shown_tests
from pytest_robustness.report.run_report import RunReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.findings import ClassFinding, ClassTest
    from pytest_robustness.analysis.test_result import Correction

ALPHA = 0.05
# How much each transform costs, as a shift of the log odds of being right.
COSTS = {
    "rotation": 1.2,
    "brightness": 0.15,
    "translate": 0.8,
    "zoom": 0.5,
    "perspective": 0.6,
    "equalize": 0.7,
    "hflip": 0.0,
    "vflip": 1.8,
    "equalize_zoom_brightness": 1.1,
}
SINGLE_LEVEL = ("equalize", "hflip", "vflip")


def simulated_report(
    *,
    models: Sequence[str] = ARTICLE_MODELS,
    classes: Sequence[str] = tuple(imagenet_classes().values()),
    transforms: Sequence[str] = tuple(COSTS),
    severities: Sequence[int] = (3,),
    correction: Correction = "none",
    images: int | Sequence[int] = 50,
    seed: int = 0,
) -> RunReport:
    """Return the view of a run of ``models`` under ``transforms`` on ``images`` images of each of ``classes``.

    One number is that of every class, several are one for each.
    """
    rng = np.random.default_rng(seed)
    conditions = [
        Condition(transform, severity)
        for transform in transforms
        for severity in ([None] if transform in SINGLE_LEVEL else severities)
    ]
    n = np.full(len(classes), images, np.int64)
    counts = _draw(rng, models, n, conditions)
    source, policy = _Drawn(tuple(classes), counts), TestPolicy(correction=correction)
    class_tests = [class_test(source, Panel(condition, tuple(models)), policy) for condition in conditions]
    return RunReport(
        models=tuple(models),
        labels={model: model for model in models},
        classes=tuple(classes),
        conditions=tuple(conditions),
        model_tests=tuple(test for c in conditions for test in model_tests(source, models, c, policy).values()),
        class_tests=tuple(class_tests),
        counts=counts,
        errors={},
        skipped=(),
        policy=policy,
        provenance=_provenance(models, classes, int(n.sum()), severities, correction, seed),
        changes=average_changes(source, counts),
        confusions={
            Cell(m, c): _fallen(rng, classes, counts[Cell(m, CONTROL)], counts[Cell(m, c)])
            for m in models
            for c in conditions
        },
        mistakes={
            Panel(condition, tuple(models)): _mistakes(rng, classes, models, counts, condition)
            for condition in conditions
        },
        gallery=tuple(
            _exhibit(rng, test, finding, classes)
            for test in shown_tests(class_tests)
            for finding in shown_classes(test)
        ),
    )


def _draw(
    rng: np.random.Generator, models: Sequence[str], n: np.ndarray[Any, Any], conditions: Sequence[Condition]
) -> dict[Cell, Counts]:
    classes = len(n)
    ease = rng.normal(1.2, 1.0, classes)
    exposed = {condition: rng.gamma(1.0, 1.0, classes) for condition in conditions}
    drawn = {}
    for model in models:
        skill = rng.normal(0.0, 0.4)
        for condition in (CONTROL, *conditions):
            cost = 0.0
            if condition != CONTROL:
                cost = COSTS.get(condition.transform, 1.0) * (condition.severity or 3) / 3 * exposed[condition]
            share = 1 / (1 + np.exp(-(ease + skill - cost + rng.normal(0, 0.15, classes))))
            drawn[Cell(model, condition)] = Counts(n, rng.binomial(n, share))
    return drawn


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """Drawn counts as answers: in every class the first images are right, as many as were drawn."""

    class_names: tuple[str, ...]
    drawn: dict[Cell, Counts]

    @property
    def distinct(self) -> np.ndarray[Any, Any]:
        return np.ones(len(self.labels_of("")), np.bool_)

    def labels_of(self, model: str) -> np.ndarray[Any, Any]:
        (n, *_) = (counts.n for counts in self.drawn.values())
        return np.repeat(np.arange(len(n)), n)

    def answers(self, cell: Cell) -> Answers:
        n, correct = self.drawn[cell]
        place = np.concatenate([np.arange(images) for images in n])
        return Answers(np.ones(len(place), np.bool_), place < np.repeat(correct, n))

    def counts(self, cell: Cell) -> Counts:
        return self.drawn[cell]


def _fallen(
    rng: np.random.Generator, classes: Sequence[str], control: Counts, treated: Counts
) -> tuple[ClassConfusion, ...]:
    # In a class the first images are right, as many as were drawn: an image is lost or gained, never one for another.
    fall = control.correct - treated.correct
    expected = expected_changes(control.n, np.maximum(fall, 0), np.maximum(-fall, 0))
    worst = sorted(np.flatnonzero(fall > 0).tolist(), key=lambda i: expected[i].value)[:10]
    return tuple(
        ClassConfusion(
            i,
            classes[i],
            int(control.n[i]),
            int(control.correct[i]),
            int(treated.correct[i]),
            expected[i],
            tuple(
                Confusion(classes[int(other)], int(rng.integers(0, 5)), int(fall[i]) // (2 + place))
                for place, other in enumerate(rng.integers(0, len(classes), 5))
            ),
        )
        for i in worst
    )


def _mistakes(
    rng: np.random.Generator,
    classes: Sequence[str],
    models: Sequence[str],
    counts: dict[Cell, Counts],
    condition: Condition,
) -> tuple[tuple[Confusion, ...], ...]:
    """Return three wrong answers to each class, which share half of what all models got wrong."""
    control, treated = (
        sum(counts[Cell(m, c)].n - counts[Cell(m, c)].correct for m in models) for c in (CONTROL, condition)
    )
    return tuple(
        tuple(
            Confusion(classes[int(other)], int(before) // (3 + place), int(after) // (3 + place))
            for place, other in enumerate(rng.integers(0, len(classes), 3))
        )
        for before, after in zip(control, treated, strict=True)
    )


def _exhibit(rng: np.random.Generator, test: ClassTest, finding: ClassFinding, classes: Sequence[str]) -> Example:
    answers = []
    for model in test.models:
        right = [bool(rng.random() < share / 100) for share in (finding.result.control, finding.result.treated)]
        names = [finding.name if yes else classes[int(rng.integers(len(classes)))] for yes in right]
        answers.append(Answer(model, names[0], names[1], right[0], right[1]))
    pictures = Thumbnails(_picture(rng), _picture(rng), 96)
    sensitive, beyond = finding in test.sensitive, finding in test.beyond
    return Example(test.condition, finding, sensitive, beyond, finding.index, tuple(answers), pictures)


def _picture(rng: np.random.Generator) -> str:
    """Return 96 x 96 pixels that weigh as much as a photograph's: patches with a little noise."""
    patches = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).resize((96, 96), Image.Resampling.BICUBIC)
    pixels = np.clip(np.asarray(patches, np.int16) + rng.integers(-12, 13, (96, 96, 1)), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _provenance(
    models: Sequence[str],
    classes: Sequence[str],
    images: int,
    severities: Sequence[int],
    correction: Correction,
    seed: int,
) -> dict[str, Any]:
    preprocess = {"resize": 256, "crop": 224, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    return {
        "python": "3.11.7",
        "platform": "Linux",
        "packages": {"pytest-robustness": "0.1.0", "torch": "2.14.1"},
        "command": "pytest -m robustness --robustness-data=imagenet:/data/imagenet:train",
        "options": {
            "models": None,
            "severity": list(severities),
            "alpha": ALPHA,
            "correction": correction,
            "max_sensitive": "chance",
            "seed": seed,
        },
        "device": "cuda:0",
        "runtime": "eager",
        "dataset": {
            "name": "imagenet:/data/imagenet:train",
            "fingerprint": "5" * 64,
            "images": images,
            "classes": len(classes),
        },
        "models": {
            model: {"fingerprint": "a" * 64, "class_match": "wordnet id", "preprocess": preprocess} for model in models
        },
    }
