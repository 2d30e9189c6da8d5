"""Compare the classes of a run with those of a baseline, over all models of a class test."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_robustness.analysis.falls_alone import NO_FALLS, in_single_models
from pytest_robustness.analysis.image_evidence import ChangedImages, class_images, falls_alone
from pytest_robustness.analysis.policy import significantly_beyond
from pytest_robustness.analysis.statistics.sign_flips import fewest_significant
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import Cell
from pytest_robustness.core.text import abridged, counted

if TYPE_CHECKING:
    from pytest_robustness.analysis.baseline.rule import GatePolicy
    from pytest_robustness.analysis.findings import ClassTest
    from pytest_robustness.analysis.predictions import AnswerSource

_NAMED = 5


class ClassComparison(NamedTuple):
    """What became of the classes since the baseline.

    ``fallen`` is a FAIL that names those which fell, over all models or in a single one, ``None`` without any;
    ``withheld`` says why no pass may rest on the comparison, and is empty where one may; ``images`` is how many are
    compared.
    """

    fallen: Verdict | None
    withheld: str
    images: int


def compare_classes(
    sources: tuple[AnswerSource, AnswerSource],
    finding: ClassTest,
    policy: GatePolicy,
) -> ClassComparison:
    """Compare the classes of a test with those of the baseline, over all its models.

    The test is the sign-flip test of the class test, with the baseline's models in the place of control.

    Parameters
    ----------
    sources
        What is compared (`SharedAnswers.compared`).
    finding
        The test of this run.
    policy
        The class tolerance and the level.
    """
    cells = [Cell(model, finding.condition) for model in finding.models]
    names = sources[1].class_names
    pairs = [(sources[0].answers(cell), sources[1].answers(cell)) for cell in cells]
    changes = ChangedImages.between(pairs, sources[1].labels_of(finding.models[0]))
    images = class_images(changes, len(names), policy.alpha)
    fell = {
        i: f"{names[i]} {found.difference:+.1f}"
        for i, found in enumerate(images)
        if found.significant(policy.alpha) and -found.difference > policy.class_tolerance
    }
    alone = NO_FALLS
    if len(pairs) > 1:
        own = [
            ChangedImages.between([pair], sources[1].labels_of(model))
            for model, pair in zip(finding.models, pairs, strict=True)
        ]
        alone = falls_alone(finding.models, own, names, policy.class_tolerance, policy.alpha, fell)
    withheld = ""
    n = len(changes.labels)
    # It is the number of images that counts: of a class of which the baseline got none right, nothing can get worse. A
    # class that is too small in itself is the matter of the class test.
    fewest = fewest_significant(policy.alpha, np.array([found.p_value for found in images if found.n]))
    if all(found.n < fewest for found in images) and finding.blind < len(names):
        withheld = f"{counted(n, 'image is', 'images are')} compared with the baseline, too few in any class"
    verdict = None
    if fell or alone.shown:
        below = f"{significantly_beyond(policy.class_tolerance)} below the baseline"
        listed = [abridged([*fell.values()], _NAMED)] * bool(fell) + [in_single_models(alone.shown)] * bool(alone.shown)
        classes = counted(len(fell.keys() | {fall.index for fall in alone.shown}), "class", "classes")
        verdict = Verdict(Outcome.FAIL, f"{classes} fell {below}: {'; '.join(listed)}")
    return ClassComparison(verdict, withheld, n)
