"""The search finds what an evaluation of every magnitude finds, on simulated models whose answers are jagged."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from scipy import special

from pytest_robustness.analysis.studies.fall_curve import breaking_point, fall_curve, magnitude_at
from pytest_robustness.analysis.studies.magnitude_search import MOST_MAGNITUDES, hidden_crossings, next_magnitudes
from pytest_robustness.transforms import Span

DEGREES = Span(0.0, 90.0, whole=False)
BRUTE = 200
MARGIN = 2.0

# The fall in points that a simulated model tends to have, by position in the span.
SHAPES = {
    "parabola": lambda x: 40 * x**2,
    "line": lambda x: 60 * x,
    "root": lambda x: 20 * x**0.5,
    "late and convex": lambda x: 50 * x**4,
    "cliff at 0.1": lambda x: 50 * special.expit((x - 0.1) / 0.01),
    "cliff at 0.5": lambda x: 70 * special.expit((x - 0.5) / 0.005),
    "cliff at 0.9": lambda x: 30 * special.expit((x - 0.9) / 0.01),
    "gains first": lambda x: -5 * np.sin(np.pi * min(x * 1.2, 1)) + 30 * max(x - 0.7, 0),
    "plateau below the margin": lambda x: min(x / 0.2, 1) * 0.4 + 60 * max(x - 0.7, 0),
    "plateau above the margin": lambda x: 4 * min(x / 0.1, 1) + 60 * max(x - 0.8, 0),
    "bump": lambda x: 8 * np.exp(-(((x - 0.5) / 0.1) ** 2)) + 40 * max(x - 0.7, 0),
    "bump at 0.3": lambda x: 6 * np.exp(-(((x - 0.3) / 0.08) ** 2)) * min(1, 20 * x) + 40 * max(x - 0.7, 0),
    "lobes": lambda x: 15 * np.sin(2 * np.pi * x) ** 2,
    "never": lambda _: 0.0,
    "at once": lambda x: 30 * min(x / 0.004, 1),
}
# Along the margin the images decide where it is crossed, and no search can know without evaluating all magnitudes.
ALONG_THE_MARGIN = {
    "slow": lambda x: 4 * x,
    "almost never": lambda x: 1.4 * x,
    "plateau near the margin": lambda x: 1.6 * min(x / 0.3, 1) + 60 * max(x - 0.6, 0),
}


class Model:
    """Answers of a simulated model to n images.

    Each image has a threshold of its own at which it turns wrong, or right, and wiggles about it as the magnitude
    grows: a sum of cosines that is close to a normal process.
    """

    def __init__(self, fall, n, seed, churn=3.0, classes=10):
        random = np.random.default_rng(seed)
        self.fall, self.churn = fall, churn
        self.control = random.random(n) < 0.8
        self.labels = np.arange(n) % classes
        self._threshold = random.standard_normal(n)
        self._speed = random.standard_normal((n, 4)) / 0.1
        self._phase = random.random((n, 4)) * 2 * np.pi
        self._known = {}

    def __call__(self, x):
        """Return which images are right at position ``x``: bool [n]."""
        if x not in self._known:
            gain = self.churn * min(1.0, 3 * x) / 2
            loss = gain + self.fall(x)
            gain, loss = gain + max(-loss, 0.0), max(loss, 0.0)
            wiggle = np.sqrt(0.5) * np.cos(self._speed * x + self._phase).sum(axis=1)
            rank = special.ndtr(np.sqrt(0.7) * self._threshold + np.sqrt(0.3) * wiggle)
            self._known[x] = np.where(self.control, rank >= loss / 80, rank < gain / 20)
        return self._known[x]

    def brute_force(self):
        """Return the first of 200 equidistant positions at which accuracy has fallen by more than the margin."""
        for step in range(1, BRUTE + 1):
            if class_mean_fall(self.labels, self.control, self(step / BRUTE)) > MARGIN + 1e-9:
                return step / BRUTE
        return None


class Search(NamedTuple):
    curve: object
    point: object
    answers: dict


def class_mean_fall(labels, control, right):
    """Return the fall in points, the mean over the classes, by a plain loop."""
    falls = [np.mean(control[labels == c]) - np.mean(right[labels == c]) for c in set(labels.tolist())]
    return 100 * sum(falls) / len(falls)


def searched(answer, labels, control, span=DEGREES, alpha=0.025, also=()):
    """Search to the end; ``answer`` takes a position."""
    answers = {}
    while True:
        curve = fall_curve(span, labels, control, answers, margin=MARGIN, alpha=alpha)
        wanted = next_magnitudes(curve, also)
        if not wanted:
            assert len(answers) <= MOST_MAGNITUDES
            return Search(curve, breaking_point(curve), answers)
        assert not set(wanted) & set(answers)
        answers |= {magnitude: answer(span.fraction(magnitude)) for magnitude in wanted}


def of_model(model, **settings):
    return searched(model, model.labels, model.control, **settings)


def error(point, brute, span=DEGREES):
    """Return the distance between two points as a share of the span; none lies beyond the last magnitude."""
    beyond = 1 + 1 / BRUTE
    return abs((beyond if point is None else span.fraction(point)) - (beyond if brute is None else brute))


@pytest.mark.parametrize("n", [200, 1000])
@pytest.mark.parametrize("name", SHAPES)
def test_the_point_is_that_of_all_magnitudes_to_2_percent(name, n):
    model = Model(SHAPES[name], n, seed=n)
    found = of_model(model)
    assert error(found.point.magnitude, model.brute_force()) <= 0.02
    assert BRUTE / len(found.answers) >= 8


@pytest.mark.slow
def test_nearly_every_point_is_right_whatever_the_images():
    errors, evaluations = [], []
    for name, n, seed in itertools.product(SHAPES, (200, 1000, 5000), range(6)):
        model = Model(SHAPES[name], n, seed=1000 * seed + n)
        found = of_model(model)
        errors.append(error(found.point.magnitude, model.brute_force()))
        evaluations.append(len(found.answers))
    assert np.mean(np.array(errors) <= 0.02) >= 0.97
    assert np.mean(errors) <= 0.005
    assert np.mean(evaluations) <= 18


def resampled(model, draws, seed=0):
    """Yield labels, answers in control and the indices of as many images as the model has, drawn with replacement."""
    random = np.random.default_rng(seed)
    for _ in range(draws):
        chosen = random.integers(0, len(model.labels), len(model.labels))
        yield model.labels[chosen], model.control[chosen], chosen


def on_resamplings(model, draws=50):
    """Return the breaking points that as many resamplings of the images give."""
    return [
        searched(lambda x, chosen=chosen: model(x)[chosen], labels, control).point
        for labels, control, chosen in resampled(model, draws)
    ]


def covers(point, brute, span=DEGREES):
    """Return whether an interval holds the point of all magnitudes, which lies up to one step before it."""
    beyond = brute is None
    low = point.low is None or span.fraction(point.low) <= (1.0 if beyond else brute)
    high = point.high is None or (not beyond and span.fraction(point.high) >= brute - 1 / BRUTE)
    return low and high


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("parabola", 200),
        ("bump", 1000),
        *(
            pytest.param(name, n, marks=pytest.mark.slow)
            for name in {**SHAPES, **ALONG_THE_MARGIN}
            for n in (200, 1000)
        ),
    ],
)
def test_the_interval_covers_the_point_of_all_images_in_90_percent(name, n):
    model = Model({**SHAPES, **ALONG_THE_MARGIN}[name], n, seed=n)
    brute = model.brute_force()
    covered = [covers(point, brute) for point in on_resamplings(model)]
    assert np.mean(covered) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["parabola", "line", "root", "cliff at 0.1", "late and convex"])
def test_the_interval_is_not_much_wider_than_that_of_the_true_spread(name):
    model = Model(SHAPES[name], 1000, seed=7)
    points = on_resamplings(model)
    width = np.mean([DEGREES.fraction(point.high) - DEGREES.fraction(point.low) for point in points])
    # How far the point moves from one sample to the next: the middle 95 % of the points that all magnitudes give.
    true = []
    grid = np.array([model(step / BRUTE) for step in range(1, BRUTE + 1)])
    for labels, control, chosen in resampled(model, 50):
        weights = 1 / (len(set(labels.tolist())) * np.bincount(labels)[labels])
        falls = 100 * (control.astype(float) - grid[:, chosen]) @ weights
        true.append(np.argmax(falls > MARGIN + 1e-9) / BRUTE)
    low, high = np.quantile(true, [0.025, 0.975])
    assert width <= 2 * (high - low) + 0.02


@pytest.mark.parametrize(
    ("span", "mild"),
    [
        (Span(1.0, 0.1, whole=False), "downwards"),
        (Span(-3.0, 5.0, whole=False), "through zero"),
        (Span(0.0, 1e-4, whole=False), "small"),
        (Span(1.0, 20000.0, whole=False), "large"),
    ],
)
def test_a_span_may_have_any_ends(span, mild):
    model = Model(SHAPES["parabola"], 1000, seed=4)
    found, reference = of_model(model, span=span), of_model(model)
    assert all(magnitude in span for magnitude in found.answers), mild
    assert error(found.point.magnitude, model.brute_force(), span) <= 0.02
    ends = [span.fraction(end) for end in (found.point.low, found.point.high)]
    assert ends == pytest.approx([DEGREES.fraction(end) for end in reference.point[1:]], abs=0.02)


@pytest.mark.parametrize("extreme", [1, 4, 30, 1000, -16])
def test_a_whole_span_is_searched_at_whole_numbers(extreme):
    span = Span(0, extreme, whole=True)
    model = Model(SHAPES["parabola"], 1000, seed=5)
    found = of_model(model, span=span)
    assert all(magnitude.is_integer() and magnitude in span for magnitude in found.answers)
    step = 1 if extreme > 0 else -1
    brute = next(
        magnitude
        for magnitude in range(step, extreme + step, step)
        if class_mean_fall(model.labels, model.control, model(magnitude / extreme)) > MARGIN + 1e-9
    )
    assert abs(found.point.magnitude - brute) <= 0.02 * abs(extreme)


def test_magnitudes_have_short_names():
    magnitudes = of_model(Model(SHAPES["parabola"], 200, seed=1)).answers
    assert all(len(repr(magnitude)) <= 4 for magnitude in magnitudes)
    assert magnitude_at(Span(0.0, 1 / 3, whole=False), 1.0) == 1 / 3
    assert magnitude_at(Span(5.0, 5.0, whole=False), 0.5) == 5.0


def test_never_is_an_outcome():
    labels, control = np.arange(2000) % 10, np.ones(2000, bool)
    found = searched(lambda _: control, labels, control)
    assert found.point == (None, 90.0, None)
    # The coarse grid shows it: there is nothing to refine.
    assert len(found.answers) == 7


def test_a_few_images_do_not_show_that_it_never_breaks():
    labels, control = np.arange(20) % 10, np.ones(20, bool)
    point = searched(lambda _: control, labels, control).point
    assert point.magnitude is None
    assert point.high is None
    assert point.low < 2


def test_at_once_is_close_to_neutral():
    labels, control = np.arange(500) % 10, np.ones(500, bool)
    point = searched(lambda _: ~control, labels, control).point
    assert 0 < point.magnitude <= 1
    assert 0 <= point.low <= point.magnitude <= point.high <= 1


def test_a_mildest_level_that_changes_something_is_evaluated_too():
    labels, control = np.arange(500) % 10, np.ones(500, bool)
    span = Span(5.0, 90.0, whole=False)
    found = searched(lambda _: ~control, labels, control, span=span, also=(5.0,))
    assert 5.0 in found.answers
    assert found.point == (5.0, None, 5.0)
    harmless = searched(lambda x: control if x < 0.5 else ~control, labels, control, span=span, also=(5.0,))
    assert harmless.point.magnitude == pytest.approx(5 + 85 / 2, abs=0.02 * 85)
    only = searched(lambda _: ~control, labels, control, span=Span(5.0, 5.0, whole=False), also=(5.0,))
    assert only.answers.keys() == {5.0}
    assert only.point.magnitude == 5.0


def test_a_level_is_evaluated_in_the_first_round():
    curve = fall_curve(DEGREES, np.zeros(9, int), np.ones(9, bool), {}, margin=MARGIN, alpha=0.05)
    first = next_magnitudes(curve, also=[33.3])
    assert 33.3 in first
    assert list(first) == sorted(first)
    assert 90.0 in first


def test_classes_count_equally_and_the_interval_is_that_of_the_model_test():
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(4), [5, 40, 200, 755])
    control, *answers = random.random((4, 1000)) < np.array([[0.9], [0.85], [0.8], [0.5]])
    curve = fall_curve(
        DEGREES, labels, control, dict(zip((30.0, 10.0, 90.0), answers, strict=True)), margin=2, alpha=0.05
    )
    assert curve.magnitudes == (0.0, 10.0, 30.0, 90.0)
    expected = [class_mean_fall(labels, control, right) for right in (answers[1], answers[0], answers[2])]
    assert curve.fall == pytest.approx([0, *expected])
    assert np.all((curve.low <= curve.fall) & (curve.fall <= curve.high))
    assert curve.low[0] == curve.high[0] == 0


@pytest.mark.parametrize(
    ("lost", "gained", "short"), [(4, 3, 2), (4, 3, 3), (5, 1, 5), (3, 3, 3), (6, 0, 7), (2, 4, 1)]
)
def test_a_hidden_crossing_is_as_likely_as_among_all_orders(lost, gained, short):
    """One more pair is supposed to have turned and turned back, and as many as are seen: C(L + G, G + h) by a loop."""
    pairs = min(lost, gained) + 1
    ups, downs = lost + pairs, gained + pairs
    # All orders of the steps, counted by their position and their highest place so far.
    paths = Counter({(0, 0, 0): 1})
    for _ in range(ups + downs):
        following = Counter()
        for (up, place, highest), count in paths.items():
            following[up + 1, place + 1, max(highest, place + 1)] += count
            following[up, place - 1, highest] += count
        paths = following
    ended = {key: count for key, count in paths.items() if key[0] == ups}
    expected = sum(count for (_, _, highest), count in ended.items() if highest >= short) / sum(ended.values())

    n = 100
    labels, control = np.zeros(n, int), np.arange(n) < 50
    before = control.copy()
    before[:10] = False
    after = before.copy()
    after[20 : 20 + lost] = False
    after[60 : 60 + gained] = True
    # Ten images are lost before; the margin is as many more as the fall may grow by.
    curve = fall_curve(DEGREES, labels, control, {30.0: before, 60.0: after}, margin=10.0 + short - 1, alpha=0.05)
    assert hidden_crossings(curve)[1] == pytest.approx(expected)


def test_the_same_answers_give_the_same_search():
    model = Model(SHAPES["bump"], 300, seed=9)
    assert of_model(model).answers.keys() == of_model(model).answers.keys()
