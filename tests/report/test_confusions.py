"""What the most affected classes are predicted as."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.report.confusions import class_confusions, confusions

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
    expected = sorted((i for i in range(classes) if falls[i] > 0), key=lambda i: (-falls[i], i))[:10]
    assert [one.index for one in found] == expected
