"""A model that is no better than guessing passes no test, and no comparison with a baseline that is better."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_robustness.analysis.baseline import Baseline, BaselineModel, ImageSet, RunProtocol
from pytest_robustness.analysis.baseline.comparison import BaselineComparison
from pytest_robustness.analysis.baseline.known_findings import Expected
from pytest_robustness.analysis.baseline.rule import GatePolicy
from pytest_robustness.analysis.judge import Judge
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.inference.store.store import Store
from tests.stored import put_answers, put_images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Judged = Callable[..., Judge]

FLIP = Condition("vflip")
NET = Cell("net", FLIP)
NO_BETTER = "no better than guessing"


def labels_of(*sizes: int) -> np.ndarray:
    return np.repeat(np.arange(len(sizes)), sizes)


@pytest.fixture
def judged(tmp_path: Path) -> Iterator[Judged]:
    """Return what judges a model that answers the same under a flip as without, and its counterpart in a baseline."""
    stores: list[Store] = []

    def judge(labels: np.ndarray, answers: np.ndarray, before: np.ndarray | None = None, **options: bool) -> Judge:
        names = [f"class {number}" for number in range(int(labels.max()) + 1)]
        stores.append(store := Store(tmp_path / f"{len(stores)}.sqlite"))
        put_images(store, labels, names)
        log = RunLog(dataset="data", plan=Plan.of([Panel(FLIP, ("net",))]))
        for condition in (CONTROL, FLIP):
            put_answers(store, log, Cell("net", condition), answers.tolist(), range(len(names)), labels)
        predictions = StoredPredictions(lambda: store, log)
        policy, comparison = TestPolicy(guessing_passes=options.get("guessing_passes", False)), None
        if before is not None:
            images = ImageSet(predictions.identities, predictions.labels, predictions.classes)
            known = dict.fromkeys((CONTROL, FLIP), before)
            model = BaselineModel("f00d", np.arange(len(names)), known, {FLIP: Outcome.PASS})
            protocol = RunProtocol("folder:photos", 0, 1, {CONTROL: "", FLIP: ""}, {})
            comparison = BaselineComparison(
                Baseline(protocol, images, {"net": model}),
                Path("baseline.json"),
                predictions,
                lambda: images,
                policy=GatePolicy(),
                test_policy=policy,
                inconclusive=Outcome.PASS if options.get("undecided_passes") else Outcome.INCONCLUSIVE,
                counterparts={},
            )
        return Judge(predictions, log, policy, comparison, expect_baseline=options.get("expect", False))

    yield judge
    for store in stores:
        store.close()


def better(labels: np.ndarray, alarms: int = 10) -> np.ndarray:
    """Return answers that are right but for a few images of the first class."""
    return np.where(np.arange(len(labels)) < alarms, 1, labels)


GUESSES: dict[str, Any] = {
    "the commonest class": np.zeros_like,
    "the rare class": np.ones_like,
    "each class for the next": lambda labels: (labels + 1) % (labels.max() + 1),
    "drawn": lambda labels: np.random.default_rng(1).permutation(labels),
}


@pytest.mark.parametrize("sizes", [(2910, 90), (1500, 1500), (900, 900, 900)])
@pytest.mark.parametrize("guess", GUESSES)
def test_a_model_that_guesses_does_not_pass_because_nothing_changed(
    judged: Judged, sizes: tuple[int, ...], guess: str
) -> None:
    labels = labels_of(*sizes)
    judge = judged(labels, GUESSES[guess](labels))
    for found in (judge.model_test(NET), judge.image_test(NET)):
        assert found.verdict.outcome is Outcome.INCONCLUSIVE
        assert "; but net is right on" in found.verdict.reason
        assert NO_BETTER in found.verdict.reason
    assert judge.model_test(NET).found is Outcome.INCONCLUSIVE
    lenient = judged(labels, GUESSES[guess](labels), guessing_passes=True)
    assert lenient.model_test(NET).verdict.outcome is Outcome.PASS
    assert lenient.image_test(NET).verdict.outcome is Outcome.PASS


@pytest.mark.parametrize("sizes", [(2910, 90), (1500, 1500), (900, 900, 900)])
def test_a_model_that_knows_its_classes_passes_as_before(judged: Judged, sizes: tuple[int, ...]) -> None:
    labels = labels_of(*sizes)
    judge = judged(labels, better(labels))
    assert judge.model_test(NET).verdict.outcome is Outcome.PASS
    assert judge.image_test(NET).verdict.outcome is Outcome.PASS


def test_images_of_one_class_say_nothing_of_guessing(judged: Judged) -> None:
    judge = judged(np.zeros(1000, np.int64), np.zeros(1000, np.int64))
    assert NO_BETTER not in judge.model_test(NET).verdict.reason


@pytest.mark.parametrize("condition", [CONTROL, FLIP])
def test_a_candidate_that_names_the_commonest_class_alone_is_no_pass(judged: Judged, condition: Condition) -> None:
    """Five of five rare images are lost: too few to show it, and the others gain what the baseline had wrong."""
    labels = labels_of(995, 5)
    found = judged(labels, np.zeros_like(labels), better(labels)).gate_test(Cell("net", condition))
    assert found.verdict.outcome is Outcome.INCONCLUSIVE
    assert found.undecided
    assert "a drop of more than 1 point is excluded: +0.50" in found.verdict.reason
    assert found.verdict.reason.endswith(
        "but without any transform it is right on 995 of 1,000 images, where guessing is right on 995.0, and so no "
        "better than guessing, which the baseline is (990 right)"
    )


def test_what_decides_of_undecided_comparisons_decides_of_this_one(judged: Judged) -> None:
    labels = labels_of(995, 5)
    judge = judged(labels, np.zeros_like(labels), better(labels), undecided_passes=True)
    assert judge.gate_test(NET).verdict.outcome is Outcome.PASS
    assert judge.gate_test(NET).undecided


@pytest.mark.parametrize(
    ("before", "now"),
    [(better, better), (np.zeros_like, np.zeros_like), (np.zeros_like, np.copy), (better, np.copy)],
    ids=["the same", "both guess", "learnt", "without alarms"],
)
def test_a_comparison_passes_where_no_skill_was_lost(
    judged: Judged, before: Callable[..., np.ndarray], now: Callable[..., np.ndarray]
) -> None:
    labels = labels_of(995, 5)
    found = judged(labels, now(labels), before(labels)).gate_test(NET)
    assert found.verdict.outcome is Outcome.PASS
    assert not found.withheld


def test_a_test_that_expects_the_baselines_outcome_rests_on_no_lost_skill(judged: Judged) -> None:
    labels = labels_of(995, 5)
    strict, lenient = (
        judged(labels, np.zeros_like(labels), better(labels), expect=True, guessing_passes=lenient)
        for lenient in (False, True)
    )
    assert strict.gate_test(NET).withheld
    assert strict.model_test(NET).expected is Expected.UNDECIDED
    assert not lenient.gate_test(NET).withheld
