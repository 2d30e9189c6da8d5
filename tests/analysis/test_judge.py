"""Findings follow from the stored predictions as a table of the images, scipy and statsmodels say."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from pytest_robustness.analysis import predictions, statistics
from pytest_robustness.analysis.judge import Judge
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.analysis.verdicts import judge_model
from pytest_robustness.core import CONTROL, Cell, ClassLabel, Condition, Panel
from pytest_robustness.core.errors import ModelError, RobustnessError
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.inference.store.store import Store
from tests.stored import put_answers, put_images

CLASSES = 6
IMAGES = 400
SKIPPED = [3, 17, 250]
MODELS = ("ann", "bob", "cy", "dee")
BLUR = Condition("blur", 3)
# How often each model is right, by condition; under blur `bob` and `dee` fall, and class 2 falls for all.
SKILL = {"ann": (0.9, 0.9), "bob": (0.8, 0.3), "cy": (0.85, 0.85), "dee": (0.95, 0.5)}


class World:
    """A store with the predictions of four models under two conditions; class 5 has no image."""

    def __init__(self, folder, **policy):
        rng = np.random.default_rng(4)
        self.labels = rng.integers(0, CLASSES - 1, IMAGES)
        self.store = Store(folder / "s.sqlite")
        names = [ClassLabel(f"n{i}", f"class {i}") for i in range(CLASSES)]
        put_images(self.store, self.labels, names)
        self.run_log = RunLog(dataset="data", plan=Plan.of([Panel(BLUR, MODELS)]))
        rows = []
        for model, skills in SKILL.items():
            # The outputs of the model stand for the classes in an order of their own.
            outputs = rng.permutation(CLASSES)
            for condition, skill in zip((CONTROL, BLUR), skills, strict=True):
                right = rng.random(IMAGES) < np.where((self.labels == 2) & (condition == BLUR), 0.1, skill)
                predicted = np.where(right, outputs[self.labels], outputs[(self.labels + 1) % CLASSES])
                predicted[SKIPPED] = -1
                self.put(Cell(model, condition), predicted, outputs)
                rows += [(model, condition.transform, i, self.labels[i], right[i]) for i in range(IMAGES)]
        table = pd.DataFrame(rows, columns=["model", "transform", "image", "label", "right"])
        self.table = table[~table.image.isin(SKIPPED)]
        self.percent = 100 * self.table.groupby(["model", "transform", "label"]).right.mean().sort_index()
        self.predictions = StoredPredictions(lambda: self.store, self.run_log)
        self.judge = Judge(self.predictions, self.run_log, TestPolicy(**policy), None, expect_baseline=False)

    def put(self, cell, predicted, outputs):
        put_answers(self.store, self.run_log, cell, predicted, outputs, self.labels)

    def p_values(self, test):
        """Return each class's p-value of a test over the models."""
        groups = {name: self.percent.unstack("label").xs(name, level="transform") for name in ("control", "blur")}
        return [test(groups["blur"][label], groups["control"][label]).pvalue for label in range(CLASSES - 1)]


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.store.close()


def test_counts_are_those_of_the_images_that_could_be_read(world):
    for cell in world.run_log.keys:
        images = world.table[(world.table.model == cell.model) & (world.table["transform"] == cell.condition.transform)]
        counts = world.predictions.counts(cell)
        expected = images.groupby("label").right.agg(["size", "sum"]).reindex(range(CLASSES), fill_value=0)
        np.testing.assert_array_equal(counts.n, expected["size"])
        np.testing.assert_array_equal(counts.correct, expected["sum"])
    assert np.flatnonzero(~world.predictions.answers(Cell("ann", BLUR)).readable).tolist() == SKIPPED


@pytest.mark.parametrize(("bytes_kept", "times"), [(10**6, 1), (0, 2)])
def test_a_cell_is_read_once_where_its_answers_fit_into_memory(world, monkeypatch, bytes_kept, times):
    read, reads = world.store.read, Counter()
    monkeypatch.setattr(predictions, "_SCORED_BYTES", bytes_kept)
    monkeypatch.setattr(world.store, "read", lambda key, after=0: reads.update([key]) or read(key, after))
    stored = predictions.StoredPredictions(lambda: world.store, world.run_log)
    for cell in world.run_log.keys:
        first = stored.outputs(cell)
        for again in (stored.outputs(cell), stored.scored(cell).outputs):
            np.testing.assert_array_equal(again.predicted, first.predicted)
            assert again.predicted.dtype == np.int32
        stored.counts(cell)
        stored.engines(cell)
    assert set(reads.values()) == {times}
    with pytest.raises(ValueError, match="read-only"):
        stored.scored(cell).probability[0] = 0


@pytest.mark.parametrize("model", MODELS)
def test_a_model_test_compares_the_accuracies_of_its_classes(world, model):
    found = world.judge.model_test(Cell(model, BLUR))
    control, treated = world.percent[model, "control"], world.percent[model, "blur"]
    expected = stats.ttest_ind(treated, control)
    assert found.result.n == CLASSES - 1
    assert found.result.control == pytest.approx(control.mean())
    assert found.result.treated == pytest.approx(treated.mean())
    assert found.result.p_value == pytest.approx(expected.pvalue, rel=1e-12)
    article = judge_model(found.result, found.change, TestPolicy(verdict="article"))
    assert article.outcome is (Outcome.FAIL if expected.pvalue < 0.05 else Outcome.PASS)
    assert found.verdict == judge_model(found.result, found.change, TestPolicy())
    images = 100 * world.table[world.table.model == model].groupby("transform").right.mean()
    assert found.accuracy == pytest.approx((images["control"], images["blur"]))


def test_the_worst_classes_of_a_model_are_those_that_fell_most(world):
    found = world.judge.model_test(Cell("dee", BLUR))
    drops = (world.percent["dee", "control"] - world.percent["dee", "blur"]).sort_values(ascending=False)
    assert [change.name for change in found.worst] == [f"class {label}" for label in drops[drops > 0].index]
    assert found.worst[0].control - found.worst[0].treated == pytest.approx(drops.iloc[0])


@pytest.mark.parametrize(("test", "reference"), [("welch", stats.ttest_ind), ("paired", stats.ttest_rel)])
def test_the_policy_says_which_t_test(tmp_path, test, reference):
    world = World(tmp_path, test=test)
    options = {"equal_var": False} if test == "welch" else {}
    expected = reference(world.percent["bob", "blur"], world.percent["bob", "control"], **options).pvalue
    assert world.judge.model_test(Cell("bob", BLUR)).result.p_value == pytest.approx(expected, rel=1e-12)
    world.store.close()


@pytest.mark.parametrize(("correction", "method"), [("holm", "holm"), ("bh", "fdr_bh")])
def test_a_model_test_is_corrected_over_the_models_and_a_class_test_over_the_classes(tmp_path, correction, method):
    world = World(tmp_path, correction=correction)
    each = [world.judge.model_test(Cell(model, BLUR)).result for model in MODELS]
    expected = multipletests([result.p_value for result in each], method=method)[1]
    np.testing.assert_allclose([result.p_adjusted for result in each], expected)
    classes = [finding.result for finding in world.judge.class_test(Panel(BLUR, MODELS)).classes]
    expected = multipletests(world.p_values(stats.ttest_ind), method=method)[1]
    np.testing.assert_allclose([result.p_adjusted for result in classes], expected)
    world.store.close()


def test_a_class_test_compares_the_accuracies_of_the_models_on_each_class(world, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("article")
    found = world.judge.class_test(Panel(BLUR, MODELS))
    np.testing.assert_allclose([finding.result.p_value for finding in found.classes], world.p_values(stats.ttest_ind))
    assert [finding.name for finding in found.classes] == [f"class {i}" for i in range(CLASSES - 1)]
    assert found.untested == ("class 5",)
    assert [finding.index for finding in found.sensitive] == [2]
    assert (found.models, found.left_out) == (MODELS, ())
    # The 95 % quantile of the binomial of 5 classes and 0.05 is 1.
    assert found.allowed == stats.binom.ppf(0.95, 5, 0.05) == 1
    # Blur takes most of class 2: the number of sensitive classes does not matter.
    assert [finding.index for finding in found.beyond if finding.images.difference < -40] == [2]
    assert found.verdict.outcome is Outcome.FAIL
    article = World(tmp_path, verdict="article")
    assert article.judge.class_test(Panel(BLUR, MODELS)).verdict.outcome is Outcome.PASS
    article.store.close()


def test_a_class_test_of_one_model_compares_its_images(world):
    found = world.judge.class_test(Panel(BLUR, ("bob",)))
    images = world.table[world.table.model == "bob"].pivot_table(
        index=["label", "image"], columns="transform", values="right", aggfunc="first"
    )
    for finding in found.classes:
        of_class = images.loc[finding.index].astype(bool)
        lost, gained = (of_class.control & ~of_class.blur).sum(), (of_class.blur & ~of_class.control).sum()
        assert finding.result.p_value == pytest.approx(stats.binomtest(lost, lost + gained).pvalue)
        assert finding.result.n == len(of_class)
    assert found.verdict.outcome is Outcome.FAIL


def test_an_image_test_compares_all_images_and_those_of_each_class(world):
    found = world.judge.image_test(Cell("ann", BLUR))
    images = world.table[world.table.model == "ann"].pivot(index="image", columns="transform", values="right")
    lost, gained = (images.control & ~images.blur).sum(), (images.blur & ~images.control).sum()
    assert found.result.p_value == pytest.approx(stats.binomtest(lost, lost + gained).pvalue)
    assert found.result.n == IMAGES - len(SKIPPED)
    assert [finding.index for finding in found.classes] == list(range(CLASSES - 1))


def test_a_model_in_error_raises_its_error_and_leaves_the_family_and_the_class_test(tmp_path):
    world = World(tmp_path, correction="holm", max_sensitive=1, verdict="article")
    world.run_log.errors = {Cell("cy", BLUR): "cy is ill"}
    with pytest.raises(ModelError, match=r"^cy is ill$"):
        world.judge.model_test(Cell("cy", BLUR))
    with pytest.raises(ModelError, match=r"^cy is ill$"):
        world.judge.class_test(Panel(BLUR, ("cy",)))
    others = [model for model in MODELS if model != "cy"]
    each = [world.judge.model_test(Cell(model, BLUR)).result for model in others]
    expected = multipletests([result.p_value for result in each], method="holm")[1]
    np.testing.assert_allclose([result.p_adjusted for result in each], expected)
    found = world.judge.class_test(Panel(BLUR, MODELS))
    assert (found.models, found.left_out) == (tuple(others), ("cy",))
    assert found.verdict == (
        Outcome.INCONCLUSIVE,
        "1 of 5 classes sensitive at alpha 0.05, within the 1 allowed; but cy could not be judged",
    )
    world.store.close()


def test_a_class_test_that_lost_a_model_can_fail_but_not_pass(tmp_path):
    for allowed, outcome in ((0, Outcome.FAIL), (5, Outcome.INCONCLUSIVE)):
        (tmp_path / str(allowed)).mkdir()
        world = World(tmp_path / str(allowed), max_sensitive=allowed, verdict="article")
        world.run_log.errors = {Cell("bob", CONTROL): "bob is ill"}
        assert world.judge.class_test(Panel(BLUR, MODELS)).verdict.outcome is outcome
        world.store.close()


def test_a_cell_of_which_a_shard_is_missing_is_told(world):
    answers = np.where(np.arange(IMAGES) < IMAGES // 2, 0, -1)
    unreadable = list(world.run_log.unreadable)
    world.put(Cell("eve", CONTROL), answers, range(CLASSES))
    world.run_log.unreadable = unreadable
    with pytest.raises(RobustnessError, match=r"^eve under control is not finished; run again to continue\.$"):
        world.predictions.counts(Cell("eve", CONTROL))


def test_the_models_of_a_family_are_tested_together_and_once(tmp_path, monkeypatch):
    world = World(tmp_path, correction="holm")
    sizes = []
    adjust = statistics.adjust
    monkeypatch.setattr(statistics, "adjust", lambda found, by: sizes.append(len(found)) or adjust(found, by))
    tests = [world.judge.model_test(Cell(model, BLUR)) for model in MODELS * 2]
    assert sizes == [len(MODELS)]
    assert tests[: len(MODELS)] == tests[len(MODELS) :]


def test_a_model_that_nobody_planned_is_a_family_of_its_own(tmp_path):
    world = World(tmp_path, correction="holm")
    world.run_log.plan = Plan()
    found = world.judge.model_test(Cell("bob", BLUR)).result
    assert found.p_adjusted == found.p_value
    world.store.close()
