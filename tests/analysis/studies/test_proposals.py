"""From sensitive classes to a policy: against plain loops."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.analysis.studies import augmentation
from pytest_robustness.analysis.studies.evidence import StudyOptions
from pytest_robustness.analysis.studies.proposals import (
    LIKE_ANOTHER,
    MOST_CHANGED,
    Lookalike,
    Sensitive,
    answer_shares,
    class_probabilities,
    items_of,
    lookalikes,
    magnitudes,
    policy_of,
    propose,
)
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import Cell, Condition
from pytest_robustness.core.errors import ModelError
from pytest_robustness.inference.run_log import StudyRequest
from pytest_robustness.transforms import builtin
from pytest_robustness.transforms.augmentations import AugmentationPolicy

NAMES = ("cat", "dog", "owl", "eel")
VFLIP, ROTATION = Condition("vflip"), Condition("rotation", 3)


def test_shares_are_counted_over_models_and_images():
    rng = np.random.default_rng(0)
    labels, answers = rng.integers(0, 3, 50), rng.integers(-1, 4, (3, 50))
    shares = answer_shares(labels, answers, 4)
    for c in range(3):
        for k in range(4):
            found = [answers[m, i] == k for m in range(3) for i in range(50) if labels[i] == c]
            assert shares[c, k] == pytest.approx(np.mean(found))
    assert np.isnan(shares[3]).all()


def test_a_class_looks_like_another_only_where_other_classes_do_not():
    # Class 0 is answered 1; everything is answered 3 half of the time, by all classes alike.
    shares = np.array([[0.05, 0.45, 0.0, 0.5], [0.0, 0.5, 0.0, 0.5], [0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.0, 1.0]])
    images = np.array([9, 9, 9, 9])
    assert lookalikes(shares, images) == {0: Lookalike(1, 0.45)}
    assert lookalikes(shares, np.array([4, 9, 9, 9])) == {}


@given(st.integers(3, 6), st.integers(0, 10**6))
def test_the_excess_is_that_of_a_plain_loop(classes, seed):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(classes, 0.2), classes)
    expected = {}
    for c in range(classes):
        excess = {}
        for k in set(range(classes)) - {c}:
            others = [shares[other, k] for other in range(classes) if other not in (c, k)]
            excess[k] = shares[c, k] - sum(others) / len(others)
        k = max(excess, key=excess.__getitem__)
        if excess[k] >= LIKE_ANOTHER:
            expected[c] = k
    found = lookalikes(shares, np.full(classes, 10))
    assert {c: one.other for c, one in found.items()} == expected


@given(st.integers(1, 5), st.integers(0, 2), st.integers(0, 10**6))
def test_fewer_than_three_classes_with_images_show_no_likeness(classes, seen, seed):
    """A model that answers one class for all has a favourite, and nothing tells that from a likeness."""
    images = np.zeros(classes, np.int64)
    images[:seen] = 50
    shares = np.where(
        images[:, None] > 0, np.random.default_rng(seed).dirichlet(np.full(classes, 0.1), classes), np.nan
    )
    assert lookalikes(shares, images) == {}


@pytest.mark.parametrize(
    ("transforms", "severities", "expected"),
    [
        (("rotation", "vflip"), (3,), ["rotation-s3", "vflip"]),
        (("rotation", "vflip"), (4, 5), ["rotation-s4", "rotation-s5", "vflip"]),
        (("exif", "vflip", "vflip+exif", "worst(rotation,k=2)"), (2,), ["vflip"]),
        (("exif",), (3,), []),
    ],
)
def test_what_is_looked_at_are_all_severities_of_the_run_and_what_training_can_apply(transforms, severities, expected):
    options = StudyOptions(3, 0, 50, transforms, severities=severities)
    evidence = SimpleNamespace(options=options, registry=builtin())
    assert list(map(str, augmentation.trainable(evidence))) == expected
    evidence.options = StudyOptions(4, 0, 50, ("rotation",))
    assert list(map(str, augmentation.trainable(evidence))) == ["rotation-s4"]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([VFLIP], "vflip"),
        ([ROTATION], "rotation-s3"),
        ([VFLIP, Condition("hflip")], "2 transforms"),
        ([VFLIP, ROTATION], "2 transforms at severity 3"),
        ([Condition("rotation", 5), Condition("rotation", 4)], "rotation at severities 4 and 5"),
        ([*(Condition("zoom", s) for s in (1, 3, 5)), VFLIP], "2 transforms at severities 1, 3 and 5"),
        ([], "0 transforms"),
    ],
)
def test_a_verdict_names_its_severities(conditions, expected):
    tests = [
        SimpleNamespace(condition=condition, blind=2, tested=10, alpha=0.05, verdict=Verdict(Outcome.INCONCLUSIVE, ""))
        for condition in conditions
    ]
    policy = AugmentationPolicy(10, (), ())
    verdict = augmentation._verdict(policy, tests)
    assert f"under {expected}, but" in verdict.reason
    headline = augmentation._headline(policy, tests, verdict)
    assert headline.startswith(f"Not shown whether a class of 10 needs augmentation against {expected}: ")
    passed = Verdict(Outcome.PASS, "")
    headline = augmentation._headline(policy, tests, passed)
    assert headline == f"No class of 10 is shown to need augmentation against {expected}"


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(-100, 20), max_size=6))
def test_probabilities_are_proportional_to_the_falls_and_capped_together(changes):
    found = class_probabilities(changes)
    assert sum(found.values()) <= MOST_CHANGED + 1e-9
    falls = {name: max(0.0, -change) / 100 for name, change in changes.items()}
    scale = min(1.0, MOST_CHANGED / sum(falls.values())) if any(falls.values()) else 0.0
    for name, fall in falls.items():
        assert 0 <= found[name] <= fall * scale + 1e-9
        assert found[name] == pytest.approx(fall * scale, abs=1.01e-4)


@pytest.mark.parametrize(
    ("condition", "breaking_point", "expected"),
    [
        (VFLIP, None, None),
        (Condition("rotation:20"), None, None),
        (ROTATION, None, (15, 30)),
        (ROTATION, 8.5, (8.5, 30)),
        (ROTATION, 44, (30, 44)),
        (Condition("zoom", 3), None, (1.25, 1.5)),
        (Condition("rotation+translate", 3), 0.1, (0.1, 1 / 3)),
        (Condition("vflip+rotation", 3), 0.0, (0, 1 / 3)),
    ],
)
def test_magnitudes_reach_the_level_that_was_judged(condition, breaking_point, expected):
    found = magnitudes(builtin(), condition, breaking_point)
    assert found is None if expected is None else found == pytest.approx(expected)


def test_whole_levels_stay_whole():
    registry = builtin()
    registry.transform("bits", levels=(1, 2, 5), version=1)(lambda images, level: images)
    assert magnitudes(registry, Condition("bits", 3)) == (3, 5)
    assert magnitudes(registry, Condition("bits", 3), 1.6) == (2, 5)


def test_breaking_points_are_the_median_of_those_that_the_run_searches(monkeypatch):
    rotated, zoomed, failing = (Condition(name, 3) for name in ("rotation", "zoom", "translate"))
    points = {"a": 5.0, "b": 9, "c": 20.0, "other": 80.0}  # of whole numbers one is a whole number

    def examine(evidence, cell):
        if cell.condition == failing:
            raise ModelError("could not be computed")
        return SimpleNamespace(figures={"breaking_point": None if cell.condition == zoomed else points[cell.model]})

    monkeypatch.setattr(augmentation, "load_study", lambda name: SimpleNamespace(examine=examine))
    asked = [StudyRequest("breaking_point", Cell(model, rotated)) for model in ("b", "c", "other")]
    evidence = SimpleNamespace(
        run_log=SimpleNamespace(studied=dict.fromkeys([*asked, StudyRequest("detectable", Cell("a", rotated))])),
        planned={"breaking_point": (Cell("a", rotated), Cell("a", zoomed), Cell("a", failing), Cell("b", rotated))},
    )
    assert augmentation.breaking_points(evidence, ("a", "b", "c")) == {"rotation": 9.0}


def proposed():
    sensitive = [
        Sensitive(0, VFLIP, -50.0),
        Sensitive(0, ROTATION, -25.0),
        Sensitive(0, Condition("rotation", 5), -40.0),
        Sensitive(2, VFLIP, -80.0),
        Sensitive(3, VFLIP, 12.0),
    ]
    return propose(sensitive, {VFLIP: {2: Lookalike(1, 0.6)}}, NAMES, builtin(), {"rotation": 20.0})


def test_a_policy_trains_what_falls_leaves_out_what_looks_like_another_class_and_ignores_what_rises():
    policy = proposed()
    (cat,) = policy.classes
    assert (policy.class_count, cat.index, cat.name) == (4, 0, "cat")
    flip, turn = cat.augmentations
    assert (flip.transform, flip.probability, flip.magnitudes) == ("vflip", pytest.approx(0.4444), None)
    # Of two severities the strongest that the class falls under.
    assert (turn.transform, turn.probability, turn.magnitudes) == ("rotation", pytest.approx(0.3555), (20, 90))
    (owl,) = policy.left_out
    assert (owl.index, owl.name, owl.transform, owl.becomes, owl.share) == (2, "owl", "vflip", "dog", 0.6)


def test_the_rows_of_a_policy_give_it_back():
    policy = proposed()
    rows = list(items_of(policy))
    assert policy_of(rows, 4) == policy
    assert [row["looks_like"] for row in rows] == [None, None, "dog"]
    assert not any(isinstance(value, float) and math.isnan(value) for row in rows for value in row.values())
