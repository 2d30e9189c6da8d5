"""Which transforms to train each class with: those under which the models lose it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_robustness.analysis.predictions import pair
from pytest_robustness.analysis.studies import load_study
from pytest_robustness.analysis.studies.label_scores import answered_classes
from pytest_robustness.analysis.studies.proposals import (
    FEWEST_CLASSES,
    FEWEST_IMAGES,
    Lookalike,
    Sensitive,
    answer_shares,
    items_of,
    lookalikes,
    propose,
)
from pytest_robustness.analysis.study_finding import StudyFinding
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell, Panel
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.text import abridged, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_robustness.analysis.findings import ClassTest
    from pytest_robustness.analysis.predictions import StoredPredictions
    from pytest_robustness.analysis.studies.evidence import Evidence
    from pytest_robustness.core import Condition
    from pytest_robustness.transforms.augmentations import AugmentationPolicy

_NAMED = 5
_BREAKING = "breaking_point"
_log = logging.getLogger(__name__)


class Augmentation:
    """Proposes, for each class, transforms to train with; the report writes them to ``augmentations.yaml``."""

    name: Final = "augmentation"
    title: Final = "Augmentations to train with"
    about: Final = (
        "Each class that is sensitive to a transform gets that transform in training, with a probability by how much "
        "of the class is lost, at magnitudes from the breaking point to the level that was judged. A class that "
        "models take for one other class under a transform is left out: to train with it would teach that pictures of "
        "the other class bear its label. Whether training helps, and which classes it harms, only a comparison of the "
        "trained model with the old one can say: --robustness-baseline lists every class that fell."
    )
    columns: Final = {
        "transforms": "transforms",
        "sensitive": "sensitive pairs of class and transform",
        "proposed": "pairs to train with",
        "classes": "classes to train so",
        "left_out": "pairs left out",
    }
    main: Final = ""
    item_name: Final = "proposals"
    item_columns: Final = {
        "index": "class index",
        "class": "class",
        "transform": "transform",
        "change": "change to expect, points",
        "probability": "probability",
        "low": "mildest magnitude",
        "high": "strongest magnitude",
        "looks_like": "left out: looks like",
        "share": "share of answers",
    }

    def examine(self, evidence: Evidence, request: Cell | Panel) -> StudyFinding:
        """Propose augmentations for the classes that the models of ``request`` lose.

        Raises
        ------
        OptionError
            When the images have no labels.
        RobustnessError
            When what it needs could not be computed.
        """
        evidence.require_labels(self.name)
        models = request.models
        conditions = trainable(evidence)
        evidence.compute(cell for condition in conditions for model in models for cell in pair(model, condition))
        tests = [evidence.judge.class_test(Panel(condition, models)) for condition in conditions]
        sensitive = [
            Sensitive(found.index, test.condition, found.expected_change) for test in tests for found in test.failing
        ]
        policy = propose(
            sensitive,
            {test.condition: similar_classes(evidence.predictions, test) for test in tests},
            evidence.predictions.class_names,
            evidence.registry,
            breaking_points(evidence, models),
        )
        verdict = _verdict(policy, tests)
        return StudyFinding(
            study=self.name,
            models=models,
            condition=CONTROL,
            verdict=verdict,
            headline=_headline(policy, tests, verdict),
            figures={
                "transforms": len({test.condition.transform for test in tests}),
                "sensitive": _covered(policy) + len(policy.left_out),
                "proposed": _covered(policy),
                "classes": len(policy.classes),
                "left_out": len(policy.left_out),
            },
            details=tuple(_details(policy, tests)),
            items=tuple(items_of(policy)),
        )


def trainable(evidence: Evidence) -> tuple[Condition, ...]:
    """Return the conditions to look at: the transforms of the run at all its severities.

    Those of several draws are left out, and those that need the files of a run: no training can apply them.
    """
    options, registry = evidence.options, evidence.registry
    severities = options.severities or (options.severity,)
    return tuple(
        condition
        for name in options.transforms or registry.names()
        if not hasattr(found := registry.get(name), "variants") and not getattr(found, "needs_files", False)
        for condition in registry.conditions([name], severities if found.severities else [])
    )


def breaking_points(evidence: Evidence, models: Sequence[str]) -> dict[str, float]:
    """Return the breaking points of transforms that this run searches: the median over ``models``."""
    searched = {
        request.subject: None for request in evidence.run_log.studied if request.study == _BREAKING
    } | dict.fromkeys(evidence.planned.get(_BREAKING, ()))
    points: dict[str, list[float]] = {}
    for subject in searched:
        if not isinstance(subject, Cell) or subject.model not in models:
            continue
        try:
            found = load_study(_BREAKING).examine(evidence, subject).figures[_BREAKING]
        except RobustnessError:
            _log.debug("%s has no breaking point", subject, exc_info=True)
            continue
        if isinstance(found, float | int):  # of whole numbers the point is one
            points.setdefault(subject.condition.transform, []).append(found)
    return {transform: float(np.median(found)) for transform, found in points.items()}


def similar_classes(predictions: StoredPredictions, test: ClassTest) -> dict[int, Lookalike]:
    """Return which classes the models of ``test`` take for one other class under its condition."""
    classes = len(predictions.class_names)
    answers, readable = [], np.ones(len(predictions.labels), np.bool_)
    for model in test.models:
        predicted, targets = predictions.outputs(pair(model, test.condition)[1])
        answers.append(answered_classes(predicted, targets))
        readable &= predicted >= 0
    labels = predictions.labels[readable]
    shares = answer_shares(labels, np.stack(answers)[:, readable], classes)
    return lookalikes(shares, np.bincount(labels, minlength=classes))


def _verdict(policy: AugmentationPolicy, tests: Sequence[ClassTest]) -> Verdict:
    """Return FAIL where there is something to train, INCONCLUSIVE where too little was to be seen, else PASS."""
    over = f"under {_against(tests)}"
    if policy.classes:
        reason = f"{counted(_covered(policy), 'pair')} of class and transform to train with {over}"
        return Verdict(Outcome.FAIL, reason)
    if policy.left_out:
        return Verdict(
            Outcome.INCONCLUSIVE,
            f"{counted(len(policy.left_out), 'pair')} sensitive {over}, all of images that look like another class",
        )
    blind = max((test.blind for test in tests), default=0)
    undecided = [test for test in tests if test.verdict.outcome is Outcome.INCONCLUSIVE]
    if undecided or not tests:
        return Verdict(
            Outcome.INCONCLUSIVE,
            f"no class is shown to be sensitive {over}, but up to {blind:,} classes have too few images to show it",
        )
    return Verdict(
        Outcome.PASS,
        f"no class is shown to fall {over}: {counted(tests[0].tested, 'class', 'classes')} tested at alpha "
        f"{tests[0].alpha:g}, nothing to train with",
    )


def _headline(policy: AugmentationPolicy, tests: Sequence[ClassTest], verdict: Verdict) -> str:
    if not policy.classes and not policy.left_out:
        if verdict.outcome is Outcome.INCONCLUSIVE:
            why = "too few images" if tests else "no transform to train with"
            needs = f"a class of {policy.class_count:,} needs augmentation against {_against(tests)}"
            return f"Not shown whether {needs}: {why}"
        return f"No class of {policy.class_count:,} is shown to need augmentation against {_against(tests)}"
    left = f", {counted(len(policy.left_out), 'pair')} left out" if policy.left_out else ""
    return (
        f"Train {len(policy.classes):,} of {counted(policy.class_count, 'class', 'classes')} with "
        f"{counted(_covered(policy), 'pair')} of class and transform{left}"
    )


def _details(policy: AugmentationPolicy, tests: Sequence[ClassTest]) -> Iterator[str]:
    for name in dict.fromkeys(test.condition.transform for test in tests):
        found = [(c.name, one) for c in policy.classes for one in c.augmentations if one.transform == name]
        found.sort(key=lambda item: item[1].change or 0.0)
        if found:
            yield _line(name, [f"{of} {one.change:+.1f} (p {one.probability:.2f})" for of, one in found])
    if policy.left_out:
        left = [f"{one.name} under {one.transform} is answered {one.becomes!r}" for one in policy.left_out]
        yield _line("left out", left)
    seen = {c.index for test in tests for c in test.classes if c.images is not None and c.images.n}
    if tests and len(seen) < FEWEST_CLASSES:
        yield f"  {'not checked':<24} which classes look like others: it takes {FEWEST_CLASSES} classes with images"
    few = [c for test in tests[:1] for c in test.classes if c.images is not None and c.images.n < FEWEST_IMAGES]
    if few:
        classes = counted(len(few), "class", "classes")
        yield f"  {'not checked':<24} {classes}, of fewer than {FEWEST_IMAGES} images, may look like others"
    lost = sorted({model for test in tests for model in test.left_out})
    if lost:
        yield _line("could not be run", lost)
    yield f"  {'file':<24} augmentations.yaml, beside the report; load_augmentations reads it"
    yield f"  {'what it harms':<24} judge the trained models with --robustness-baseline: it lists classes that fell"


def _against(tests: Sequence[ClassTest]) -> str:
    """Return what classes were judged against, with all severities: ``9 transforms at severity 3``.

    A transform with a single level has none.
    """
    if len(tests) == 1:
        return str(tests[0].condition)
    transforms = list(dict.fromkeys(test.condition.transform for test in tests))
    named = transforms[0] if len(transforms) == 1 else f"{len(transforms)} transforms"
    severities = sorted({test.condition.severity for test in tests if test.condition.severity is not None})
    if not severities:
        return named
    *most, last = map(str, severities)
    return f"{named} at severities {', '.join(most)} and {last}" if most else f"{named} at severity {last}"


def _line(title: str, items: Sequence[str]) -> str:
    return f"  {title:<24} {abridged(items, _NAMED)}"


def _covered(policy: AugmentationPolicy) -> int:
    return sum(len(of_class.augmentations) for of_class in policy.classes)
