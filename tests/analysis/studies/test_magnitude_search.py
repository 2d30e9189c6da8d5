"""The search finds what an evaluation of every magnitude finds, on simulated models whose answers are jagged."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
from scipy import special
from scipy.optimize import isotonic_regression

from pytest_robustness.analysis.studies.fall_curve import breaking_point, crossing, fall_curve, magnitude_at
from pytest_robustness.analysis.studies.magnitude_search import MOST_MAGNITUDES, area_variances, next_magnitudes
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
# Along the margin the images decide where it is crossed.
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
        """Return the first of 200 equidistant positions at which the isotonic regression exceeds the margin."""
        grid = np.array([self.control, *(self(step / BRUTE) for step in range(1, BRUTE + 1))])
        return first_beyond(class_mean_falls(self.labels, self.control, grid))


def first_beyond(falls):
    """Return the first equidistant position, 0 included, at which SciPy's isotonic regression is too large."""
    positions = np.arange(len(falls)) / (len(falls) - 1)
    beyond = isotonic_regression(falls).x > MARGIN + 1e-9
    return positions[np.argmax(beyond)] if beyond.any() else None


class Search(NamedTuple):
    curve: object
    point: object
    answers: dict


def class_mean_fall(labels, control, right):
    """Return the fall in points, the mean over the classes, by a plain loop."""
    falls = [np.mean(control[labels == c]) - np.mean(right[labels == c]) for c in set(labels.tolist())]
    return 100 * sum(falls) / len(falls)


def class_mean_falls(labels, control, grid):
    """Return the same of many: ``grid`` is bool [k, n]."""
    weights = 1 / (len(set(labels.tolist())) * np.bincount(labels)[labels])
    return 100 * (control.astype(float) - grid) @ weights


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
    for name, n, seed in itertools.product(SHAPES, (200, 1000, 5000), range(2)):
        model = Model(SHAPES[name], n, seed=1000 * seed + n)
        found = of_model(model)
        errors.append(error(found.point.magnitude, model.brute_force()))
        evaluations.append(len(found.answers))
    assert np.mean(np.array(errors) <= 0.02) >= 0.97
    assert np.mean(errors) <= 0.006
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
    grid = np.array([model.control, *(model(step / BRUTE) for step in range(1, BRUTE + 1))])
    for labels, control, chosen in resampled(model, 50):
        true.append(first_beyond(class_mean_falls(labels, control, grid[:, chosen])))
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


def random_curve(seed, magnitudes, fall, alpha=0.025, n=1000, extreme=90.0, start=0.0):
    """Return a curve whose answers are drawn anew at each magnitude, with a true fall (in points) by position."""
    random = np.random.default_rng(seed)
    labels, control = np.arange(n) % 10, random.random(n) < 0.5
    positions = np.arange(1 if start == 0 else 0, magnitudes + 1) / magnitudes
    answers = {
        round(start + (extreme - start) * x, 4): control
        ^ (random.random(n) < np.where(control, 0.1 + fall(x) / 100, 0.1 - fall(x) / 100))
        for x in positions
    }
    return fall_curve(Span(start, extreme, whole=False), labels, control, answers, margin=MARGIN, alpha=alpha), (
        labels,
        control,
        answers,
    )


@pytest.mark.parametrize("start", [0.0, 5.0])
@pytest.mark.parametrize("seed", range(8))
def test_milder_magnitudes_share_the_level_by_holms_method_and_the_level_of_the_severity_has_its_own(seed, start):
    # Neutral is evaluated where the magnitudes begin with one that changes something.
    curve, (labels, control, answers) = random_curve(seed, 10, lambda x: 4 - 3 * abs(x - 0.2), start=start)
    # Which magnitudes an interval shows that has a k-th part of the level at either end.
    shown = {}
    for k in range(1, 12):
        strict = fall_curve(curve.span, labels, control, answers, margin=MARGIN, alpha=curve.alpha / k)
        shown[k] = {m for m, low in zip(strict.magnitudes, strict.low, strict=True) if low > MARGIN}
    for level in curve.evaluated:
        milder = {magnitude for magnitude in curve.evaluated if magnitude < level}
        rejected = set()
        while len(rejected) < len(milder) and (more := milder & shown[len(milder) - len(rejected)]) > rejected:
            rejected = more
        assert curve.shown(level) == min(rejected | ({level} & shown[1]), default=None)


@pytest.mark.parametrize("magnitudes", [1, 8, 25])
def test_a_fall_of_the_margin_everywhere_is_rarely_shown_however_many_magnitudes_are_evaluated(magnitudes):
    runs, alpha = 200, 0.05
    curves = [random_curve([magnitudes, run], magnitudes, lambda _: MARGIN, alpha / 2)[0] for run in range(runs)]
    found = sum(curve.shown(90.0) is not None or (breaking_point(curve).high or math.inf) < 90 for curve in curves)
    assert found / runs <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / runs)
    # What is there is found: a fall of 8 points at a milder magnitude.
    if magnitudes == 8:  # 0.4 is no eighth
        return
    bumps = [
        random_curve([magnitudes, run], magnitudes, lambda x: 8 * (x == 0.4 or magnitudes == 1)) for run in range(40)
    ]
    assert np.mean([bump.shown(90.0) is not None for bump, _ in bumps]) >= 0.9


@pytest.mark.parametrize(("lost", "gained"), [(4, 3), (12, 0), (0, 1), (30, 30)])
def test_the_area_of_a_gap_varies_as_that_of_images_that_turn_anywhere(lost, gained):
    """One more pair is supposed to have turned and turned back."""
    n, draws = 200, 20_000
    labels, control = np.zeros(n, int), np.arange(n) < 100
    before, after = control.copy(), control.copy()
    before[:10] = False
    after[: 10 + lost] = False
    after[150 : 150 + gained] = True
    curve = fall_curve(DEGREES, labels, control, {30.0: before, 75.0: after}, margin=2.0, alpha=0.05)
    signs = np.repeat([1, -1], [lost + 1, gained + 1])
    places = np.random.default_rng(lost).random((draws, len(signs)))
    # The area above the straight line, in points: an image that turns at a place counts from there on.
    areas = 100 / n * 0.5 * ((signs * (1 - places)).sum(axis=1) - signs.sum() / 2)
    assert area_variances(curve)[1] == pytest.approx(areas.var(), rel=0.05)


@pytest.mark.parametrize("seed", range(20))
def test_the_crossing_is_that_of_the_isotonic_regression(seed):
    random = np.random.default_rng(seed)
    falls = np.concatenate([[0.0], 6 * np.linspace(0, 1, 200) ** 2 + random.normal(0, random.choice([0.1, 1, 4]), 200)])
    positions = np.arange(201) / 200
    # The curve is straight between its points: SciPy sees it there, too.
    expected = first_beyond(np.interp(np.arange(8001) / 8000, positions, falls))
    assert crossing(positions, falls, MARGIN) == (None if expected is None else pytest.approx(expected, abs=0.001))


def test_a_blip_is_no_breaking_point_and_a_lasting_fall_is():
    positions = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 1])
    assert crossing(positions, np.array([0, 0, 2.5, 0, 0, 4, 4]), MARGIN) == pytest.approx(0.45)
    assert crossing(positions, np.array([0, 0, 9, 0, 0, 4, 4]), MARGIN) == pytest.approx(0.1 + 0.1 * 2 / 9)
    assert crossing(positions, np.array([0, 0, 9, 0, 0, 0, 0]), MARGIN) is None
    assert crossing(positions, np.array([9, 9, 9, 9, 9, 9, 9]), MARGIN) == 0


def test_the_same_answers_give_the_same_search():
    model = Model(SHAPES["bump"], 300, seed=9)
    assert of_model(model).answers.keys() == of_model(model).answers.keys()
