"""Confident learning's scores from what the store keeps of each answer, against the whole rows of probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from pytest_robustness.analysis.studies.label_errors_text import Found, headline, verdict
from pytest_robustness.analysis.studies.label_scores import (
    LabelScores,
    Member,
    Precision,
    answered_classes,
    confident_thresholds,
    estimated_precision,
    label_scores,
    normalized_margin,
    suspects,
    unjudged,
)
from pytest_robustness.analysis.test_result import Outcome

CLASSES = 6


def rows(seed=0, images=400, members=3, wrong=40, sharpness=3.0):
    """Return probabilities [M, N, C] of models that more or less agree, labels, and which of these are wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CLASSES, images)
    shared = rng.normal(0, 1, (images, CLASSES)) + 3 * np.eye(CLASSES)[truth] * rng.random((images, 1))
    logits = sharpness * (shared + 0.3 * rng.normal(0, 1, (members, images, CLASSES)))
    planted = np.zeros(images, bool)
    planted[rng.choice(images, wrong, replace=False)] = True
    labels = np.where(planted, (truth + rng.integers(1, CLASSES, images)) % CLASSES, truth)
    return softmax(logits, axis=2), labels, planted


def member(probabilities, labels):
    """Return what the store keeps of whole rows."""
    ordered = np.sort(probabilities, axis=1)
    own = probabilities[np.arange(len(labels)), labels]
    return Member(probabilities.argmax(1), ordered[:, -1], ordered[:, -2], own)


def listed(seed=0, **kind):
    probabilities, labels, planted = rows(seed, **kind)
    scores = label_scores([member(one, labels) for one in probabilities], labels)
    return probabilities, labels, planted, scores, confident_thresholds(scores.self_confidence, labels, CLASSES)


def test_the_scores_are_those_of_the_mean_over_whole_rows():
    probabilities, labels, _, scores, thresholds = listed()
    for i, label in enumerate(labels):
        own = [one[i, label] for one in probabilities]
        margins = [one[i, label] - max(p for k, p in enumerate(one[i]) if k != label) for one in probabilities]
        assert scores.self_confidence[i] == pytest.approx(np.mean(own))
        assert scores.margin[i] == pytest.approx(np.mean(margins))
        answers = {int(one[i].argmax()) for one in probabilities}
        assert scores.answer[i] == (answers.pop() if len(answers) == 1 else -1)
    for k in range(CLASSES):
        assert thresholds[k] == pytest.approx(probabilities.mean(0)[labels == k, k].mean())
    assert confident_thresholds(scores.self_confidence, labels, CLASSES + 1)[-1] == np.inf


def test_suspects_are_off_the_diagonal_of_the_confident_joint_by_brute_force():
    probabilities, labels, _, scores, thresholds = listed()
    mean, found = probabilities.mean(0), suspects(scores, labels, thresholds)
    joint = []
    for i, row in enumerate(mean):
        above = [k for k in range(CLASSES) if row[k] >= thresholds[k]]
        if above and max(above, key=lambda k: row[k]) != labels[i]:
            joint.append(i)
    agreed = [i for i in joint if scores.answer[i] >= 0 and mean[i, scores.answer[i]] >= thresholds[scores.answer[i]]]
    assert sorted(found) == agreed
    assert 0 < len(found) <= len(joint)
    assert (np.diff(scores.self_confidence[found]) >= 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_scores_thresholds_and_suspects_agree_with_cleanlab(seed):
    reason = "cleanlab is not installed"
    count = pytest.importorskip("cleanlab.count", reason=reason)
    filters = pytest.importorskip("cleanlab.filter", reason=reason)
    rank = pytest.importorskip("cleanlab.rank", reason=reason)
    probabilities, labels, _, scores, thresholds = listed(seed)
    for one in probabilities:
        margins = rank.get_label_quality_scores(labels, one, method="normalized_margin")
        np.testing.assert_allclose(normalized_margin(member(one, labels), labels) / 2 + 0.5, margins, atol=1e-12)
        own = rank.get_label_quality_scores(labels, one, method="self_confidence")
        np.testing.assert_allclose(member(one, labels).label_probability, own, atol=1e-12)
    for method, mine in (("self_confidence", scores.self_confidence), ("normalized_margin", scores.margin / 2 + 0.5)):
        ensemble = rank.get_label_quality_ensemble_scores(
            labels, list(probabilities), method=method, weight_ensemble_members_by="uniform", verbose=False
        )
        np.testing.assert_allclose(mine, ensemble, atol=1e-12)
    mean = probabilities.mean(0)
    np.testing.assert_allclose(thresholds, count.get_confident_thresholds(labels, mean), atol=1e-12)
    issues = filters.find_label_issues(labels, mean, filter_by="confident_learning", n_jobs=1)
    found = suspects(scores, labels, thresholds)
    assert len(found) > 10
    assert issues[found].all()


def test_the_estimated_precision_is_near_the_true_one_where_mistakes_are_less_sure_and_its_interval_covers_it():
    errors, covered = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, CLASSES, 3000)
        kind = rng.choice(["right", "wrong label", "mistake"], len(labels), p=[0.92, 0.03, 0.05])
        sure = np.where(kind == "mistake", rng.uniform(0.5, 0.75, len(labels)), rng.uniform(0.5, 1, len(labels)))
        answer = np.where(kind == "right", labels, (labels + 1) % CLASSES)
        scores = LabelScores(np.where(kind == "right", sure, 0.1), sure, answer, sure)
        thresholds = np.full(CLASSES, 0.6)
        true = (kind[suspects(scores, labels, thresholds)] == "wrong label").mean()
        estimate = estimated_precision(scores, labels, thresholds)
        errors.append(estimate.value - true)
        covered.append(estimate.low <= true <= estimate.high)
    assert abs(np.mean(errors)) < 0.03
    assert np.std(errors) < 0.1
    assert np.mean(covered) >= 0.9


def test_the_estimated_precision_is_no_lower_than_the_true_one_where_mistakes_are_sure_too():
    for seed in range(10):
        _, labels, planted, scores, thresholds = listed(seed, images=2000, wrong=80)
        true = planted[suspects(scores, labels, thresholds)].mean()
        assert true < estimated_precision(scores, labels, thresholds).value < true + 0.35


def test_without_wrong_labels_few_are_estimated_to_be_wrong_and_without_models_that_know_nothing_is_known():
    _, labels, _, scores, thresholds = listed(images=2000, wrong=0)
    assert len(suspects(scores, labels, thresholds)) > 0
    assert estimated_precision(scores, labels, thresholds).value < 0.3
    lost = scores._replace(answer=(labels + 1) % CLASSES)
    assert np.isnan(estimated_precision(lost, labels, thresholds)).all()


def test_recall_is_the_share_of_images_that_would_be_suspects_under_another_label():
    _, labels, _, scores, thresholds = listed(wrong=0)
    would = []
    for i, label in enumerate(labels):
        other = labels.copy()
        other[i] = (label + 1) % CLASSES
        would.append(scores.answer[i] == label and i in suspects(scores, other, thresholds))
    assert estimated_precision(scores, labels, thresholds).recall == pytest.approx(np.mean(would))


@pytest.mark.parametrize("seed", range(4))
def test_answers_that_no_class_has_images_for_change_no_estimate_and_are_told_apart(seed):
    """Compare with the same images without them: sure or not, many or few, they can be on no list."""
    _, labels, _, scores, thresholds = listed(seed)
    rng = np.random.default_rng(seed)
    thresholds = np.append(thresholds, np.inf)
    taken = rng.random(len(labels)) < (0.02, 0.1, 0.3, 0.6)[seed]
    lost = scores._replace(
        answer=np.where(taken, CLASSES, scores.answer),
        answer_probability=np.where(taken, rng.random(len(labels)), scores.answer_probability),
    )
    rest = LabelScores(*(column[~taken] for column in scores))
    found = estimated_precision(lost, labels, thresholds)
    assert found == pytest.approx(estimated_precision(rest, labels[~taken], thresholds))
    order = unjudged(lost, thresholds)
    assert sorted(order) == np.flatnonzero(taken).tolist()
    assert (np.diff(lost.self_confidence[order]) >= 0).all()
    assert not set(order) & set(suspects(lost, labels, thresholds))


def test_recall_counts_what_would_be_listed_with_the_thresholds_of_the_other_label():
    """Give each image another label in turn, of classes with 1, 2, 3 and 30 images, and list again."""
    labels = np.repeat(np.arange(4), [1, 2, 3, 30])
    sure = np.random.default_rng(0).uniform(0.5, 1, len(labels))
    scores = LabelScores(sure, sure, labels.copy(), sure)
    would = []
    for i, label in enumerate(labels):
        other = labels.copy()
        other[i] = (label + 1) % 4
        # The label has next to no probability then.
        changed = np.where(np.arange(len(labels)) == i, 1e-9, sure)
        would.append(i in suspects(scores, other, confident_thresholds(changed, other, 4)))
    assert not would[0]
    found = estimated_precision(scores, labels, confident_thresholds(sure, labels, 4))
    assert found.recall == pytest.approx(np.mean(would))


def test_an_output_that_stands_for_no_class_and_a_skipped_image_answer_none():
    found = answered_classes(np.array([7, 2, -1, 3, 900], np.int32), np.array([2, 7]))
    assert found.tolist() == [1, 0, -1, -1, -1]


def graded(kind, seed=0, wrong=0.0, mistakes=0.05, images=2000):
    """Return what models say whose confidence is of a kind, of images that are partly labelled wrongly or mistaken."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, images)
    drawn = rng.choice(3, images, p=[1 - wrong - mistakes, wrong, mistakes])
    sure = np.where(drawn == 2, rng.uniform(0.5, 0.75, images), rng.uniform(0.5, 1, images))
    kinds = {
        "constant": np.full(images, 0.99),
        "saturated": np.where(sure > 0.6, 1.0, sure),
        "ninths": (9 * sure).round() / 9,
    }
    sure = kinds[kind]
    answer = np.where(drawn == 0, labels, (labels + 1) % CLASSES)
    scores = LabelScores(np.where(drawn == 0, sure, 0.01), sure, answer, sure)
    return scores, labels, drawn == 1


@pytest.mark.parametrize("wrong", [0.0, 0.04])
@pytest.mark.parametrize("kind", ["constant", "saturated"])
def test_answers_that_are_all_as_sure_tell_nothing_of_wrong_labels(kind, wrong):
    scores, labels, _ = graded(kind, wrong=wrong)
    thresholds = confident_thresholds(scores.self_confidence, labels, CLASSES)
    listed = len(suspects(scores, labels, thresholds))
    found = estimated_precision(scores, labels, thresholds)
    assert listed > 20
    assert np.isnan(found[:3]).all()
    own = scores.answer_probability[scores.answer == labels]
    assert found.tied == pytest.approx(np.mean(own == own.max()))
    said = Found(len(labels), listed, 0, [], found, ["m"], [])
    assert verdict(said).outcome is Outcome.INCONCLUSIVE
    tied = (
        f"because {100 * found.tied:.0f} % of the answers that are the image's label are exactly as sure as each other"
    )
    assert tied in verdict(said).reason
    assert headline(said) == f"{listed} images of 2,000 are surely answered as another class"


@pytest.mark.parametrize("estimate", [0.0, 0.004, 0.3, 0.5, 0.51, 1.0])
@pytest.mark.parametrize("listed", [1, 12])
def test_a_list_of_which_most_are_right_is_not_said_to_be_labelled_wrongly(estimate, listed):
    said = Found(898, listed, 0, [], Precision(estimate, 0.0, 1.0, 0.9, 0.0), ["m"], [])
    assert ("to be labelled wrongly" in headline(said)) is (estimate > 0.5)
    assert ("surely answered as another class, and labelled wrongly about" in headline(said)) is (estimate <= 0.5)
    assert (verdict(said).outcome is Outcome.FAIL) is (estimate > 0.5)


def test_ties_at_the_median_are_counted_by_how_many_right_answers_tie():
    errors = []
    for seed in range(30):
        scores, labels, planted = graded("ninths", seed, wrong=0.04, images=3000)
        thresholds = np.full(CLASSES, 0.6)
        true = planted[suspects(scores, labels, thresholds)].mean()
        found = estimated_precision(scores, labels, thresholds)
        assert found.tied == pytest.approx(2 / 9, abs=0.03)
        errors.append(found.value - true)
    # Mistakes reach up to 0.75: one in nine is rounded up to the median, 7/9, and taken for a wrong label.
    assert 0 <= np.mean(errors) < 0.2


@pytest.mark.parametrize("wrong", [1, 3, 10, 100])
def test_the_interval_of_a_list_that_is_wrong_as_a_whole_says_how_short_the_list_is(wrong):
    rng = np.random.default_rng(wrong)
    labels = np.arange(600) % CLASSES
    sure = rng.uniform(0.5, 1, 600)
    answer = np.where(np.arange(600) < wrong, (labels + 1) % CLASSES, labels)
    sure[:wrong] = 0.999
    found = estimated_precision(LabelScores(sure, sure, answer, sure), labels, np.full(CLASSES, 0.6))
    assert found.value == found.high == 1
    assert found.low <= 0.025 ** (1 / wrong) + 1e-9 < 1
