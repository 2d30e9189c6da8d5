"""What the most affected classes are predicted as."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pytest_robustness.analysis.image_evidence import ChangedImages, class_images
from pytest_robustness.analysis.predictions import Outputs
from pytest_robustness.core import CONTROL, Cell, ClassLabel, Condition, Panel
from pytest_robustness.report.confusions import class_confusions, confusions, expected_changes, pooled_mistakes

VFLIP = Condition("vflip")
CELLS = [Cell(model, condition) for model in "ab" for condition in (CONTROL, VFLIP)]


def test_fallen_classes_come_with_what_they_are_mistaken_for(predictions):
    found = confusions(predictions, CELLS)
    assert set(found) == {Cell("a", VFLIP), Cell("b", VFLIP)}
    ant, bee = found[Cell("a", VFLIP)]
    assert (ant.name, ant.n, ant.right_control, ant.right_treated) == ("ant", 3, 3, 0)
    assert ant.confusions == (("bee", 0, 2), ("output 3", 0, 1))
    assert (bee.name, bee.n, bee.right_control, bee.right_treated) == ("bee", 3, 2, 1)
    assert bee.confusions == (("cat", 1, 2),)
    (ant,) = found[Cell("b", VFLIP)]
    assert (ant.right_control, ant.right_treated, ant.confusions) == (2, 1, (("bee", 1, 2),))


def test_copies_count_once_as_in_the_tests(predictions, monkeypatch):
    ants = np.flatnonzero(predictions.labels == 0)
    monkeypatch.setitem(vars(predictions), "distinct", np.arange(len(predictions.labels)) != ants[0])
    ant = next(one for one in confusions(predictions, CELLS)[Cell("a", VFLIP)] if one.name == "ant")
    assert (ant.n, ant.right_control) == (2, 2)


@given(seed=st.integers(0, 1000), images=st.integers(1, 60), classes=st.integers(1, 12))
@hypothesis_settings(deadline=None, max_examples=40)
def test_counts_of_mistakes_are_those_of_a_loop(seed, images, classes):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    control, treated = (rng.integers(-1, classes + 2, images).astype(np.int32) for _ in range(2))
    treated[control < 0] = -1
    control[treated < 0] = -1
    targets = rng.permutation(classes)
    names = [f"class {i}" for i in range(classes)]
    found = class_confusions(labels, control, treated, targets, names, str)
    falls = []
    for label in range(classes):
        members = [i for i in range(images) if labels[i] == label and control[i] >= 0]
        right = [sum(int(answers[i]) == targets[label] for i in members) for answers in (control, treated)]
        falls.append((right[0] - right[1]) / max(1, len(members)))
        for fallen in (one for one in found if one.index == label):
            assert (fallen.n, fallen.right_control, fallen.right_treated) == (len(members), *right)
            wrong = Counter(str(treated[i]) for i in members if treated[i] != targets[label])
            before = Counter(str(control[i]) for i in members)
            assert [m.treated for m in fallen.confusions] == sorted(wrong.values(), reverse=True)[:5]
            assert all((m.treated, m.control) == (wrong[m.answer], before[m.answer]) for m in fallen.confusions)
    # Only classes that fell, ranked by what to expect on other images.
    assert len(found) == min(10, sum(fall > 0 for fall in falls))
    assert all(falls[one.index] > 0 for one in found)
    assert [one.expected.value for one in found] == sorted(one.expected.value for one in found)


def test_the_expected_change_is_that_of_a_class_test_of_one_model():
    rng = np.random.default_rng(3)
    n = rng.integers(0, 30, 12)
    lost = rng.binomial(n, 0.3)
    gained = rng.binomial(n - lost, 0.1)
    sums = np.concatenate([np.repeat([-1, 1, 0], [a, b, m - a - b]) for m, a, b in zip(n, lost, gained, strict=True)])
    changes = ChangedImages(sums.astype(np.int16), np.repeat(np.arange(12), n), 1)
    expected = [found.pooled for found in class_images(changes, 12, 0.05)]
    assert np.array(expected_changes(n, lost, gained)) == pytest.approx(np.array(expected), nan_ok=True)


def test_a_small_class_that_lost_all_ranks_behind_a_large_one_that_lost_most():
    n = np.array([1, 200, *[100] * 8])
    lost = np.array([1, 120, *[5] * 8])
    expected = expected_changes(n, lost, np.zeros(10, np.int64))
    assert expected[1].value < -55 < expected[0].value
    assert expected[0].low < expected[0].value < expected[0].high
    assert expected[0].high - expected[0].low > 3 * (expected[1].high - expected[1].low)


def test_the_mistakes_of_a_class_are_those_of_all_models_together(predictions):
    panel = Panel(VFLIP, ("a", "b"))
    found = pooled_mistakes(predictions, [SimpleNamespace(condition=VFLIP, models=panel.models)])
    # Under vflip a takes ants for bee, bee and output 3, and bees for cat twice; b takes two ants for bees and one ...
    assert found == {
        panel: (
            (("bee", 1, 4), ("output 3", 0, 1)),
            (("cat", 1, 2),),
            (),
        )
    }


@given(seed=st.integers(0, 1000), images=st.integers(1, 60), classes=st.integers(1, 8), models=st.integers(1, 3))
@hypothesis_settings(deadline=None, max_examples=40)
def test_pooled_mistakes_are_those_of_a_loop(seed, images, classes, models):
    rng = np.random.default_rng(seed)
    panel = Panel(VFLIP, tuple(f"m{number}" for number in range(models)))
    labels, names = rng.integers(0, classes, images), [f"class {number}" for number in range(classes)]
    # Of each model another output stands for a class.
    targets = {model: rng.permutation(classes + 2)[:classes] for model in panel.models}
    answers = {
        Cell(model, condition): Outputs(rng.integers(-1, classes + 2, images).astype(np.int32), targets[model])
        for model in panel.models
        for condition in (CONTROL, VFLIP)
    }
    predictions = SimpleNamespace(
        outputs=answers.__getitem__,
        labels_of=lambda model: labels,
        class_names=names,
        classes=[ClassLabel(name, name) for name in names],
    )
    [found] = pooled_mistakes(predictions, [SimpleNamespace(condition=VFLIP, models=panel.models)]).values()
    counts = {condition: [Counter() for _ in names] for condition in (CONTROL, VFLIP)}
    for cell, (predicted, outputs) in answers.items():
        for label, answer in zip(labels, predicted.tolist(), strict=True):
            if answer not in (-1, outputs[label]):
                known = dict(zip(outputs.tolist(), names, strict=True))
                counts[cell.condition][label][known.get(answer, f"output {answer}")] += 1
    expected = tuple(
        tuple(
            (name, counts[CONTROL][label][name], number)
            for name, number in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
        )
        for label, counted in enumerate(counts[VFLIP])
    )
    assert found == expected
