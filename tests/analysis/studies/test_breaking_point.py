"""The study of breaking points: rounds that all searches share, and the verdict on the level of the severity."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.predictions import Answers, counts_of
from pytest_robustness.analysis.studies.breaking_point import BreakingPoint
from pytest_robustness.analysis.studies.evidence import Evidence, StudyOptions
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.core.errors import ModelError, OptionError
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.transforms import builtin

N = 2000
LABELS = np.arange(N) % 10
# Each image has a threshold; every tenth is wrong in control.
THRESHOLDS = np.random.default_rng(0).permutation(N) / N
CONTROL_RIGHT = np.arange(N) % 9 > 0


class World:
    """Models that lose an image in n for each degree of rotation, and what they answered, with every sweep counted.

    Under a vflip, whatever follows it, they lose a share of ``upside_down`` to begin with.
    """

    def __init__(self, readable=None, broken=(), upside_down=0.0, distinct=None):
        self.upside_down = upside_down
        self.log, self.registry = RunLog(), builtin()
        self.sweeps, self.reads, self.broken = [], [], set(broken)
        self.class_names = tuple("abcdefghij")
        self.readable = np.ones(N, bool) if readable is None else readable
        self.distinct = np.ones(N, bool) if distinct is None else distinct
        self.study = BreakingPoint()

    def answers(self, cell):
        assert self.log.finished(cell), cell
        self.reads.append(cell)
        right = CONTROL_RIGHT & (self.lost(cell) <= THRESHOLDS) & self.readable
        return Answers(self.readable, right)

    def lost(self, cell):
        """Return the share of images that a model loses: its name says how many percent at the extreme."""
        if cell.condition == CONTROL:
            return 0.0
        name, _, magnitude = cell.condition.transform.partition(":")
        grown = float(cell.model.removeprefix("m")) / 100 * self.registry.span(name).fraction(float(magnitude))
        return grown + ("vflip" in name) * self.upside_down

    def counts(self, cell):
        return counts_of(self.answers(cell), LABELS, 10)

    def labels_of(self, model):
        return LABELS

    def compute(self, cells):
        lacking = [cell for cell in cells if not self.log.known([cell])]
        if lacking:
            self.sweeps.append(lacking)
        for cell in lacking:
            if cell in self.broken:
                self.log.errors[cell] = f"no {cell.condition}"
            else:
                self.log.keys[cell] = "key"

    def examine(self, request, planned=(), margin=2.0, severity=3):
        evidence = Evidence(
            predictions=self,
            run_log=self.log,
            judge=SimpleNamespace(policy=TestPolicy(margin=margin), with_skill=lambda _, verdict: verdict),
            registry=self.registry,
            options=StudyOptions(severity, 0, 50),
            source=None,
            names=None,
            planned={"breaking_point": tuple(planned)},
            compute=self.compute,
        )
        return self.study.examine(evidence, request)


def rotation(model, severity=3):
    return Cell(model, Condition("rotation", severity))


@pytest.mark.parametrize(
    ("model", "severity", "outcome"),
    # The loss at the extreme in percent: 2 points of 88.9 % accuracy are lost where 2.25 % of the images are.
    [
        ("m100", 3, Outcome.FAIL),
        ("m2.25", 3, Outcome.PASS),
        ("m6", 3, Outcome.INCONCLUSIVE),
        ("m100", 1, Outcome.FAIL),
        ("m12", 1, Outcome.PASS),
        ("m0", 5, Outcome.PASS),
    ],
)
def test_the_interval_is_compared_with_the_level_of_the_severity(model, severity, outcome):
    found = World().examine(rotation(model, severity))
    assert found.verdict.outcome is outcome
    assert f"severity {severity} ({(5, 15, 30, 45, 90)[severity - 1]})" in found.verdict.reason
    assert "95 % interval over 2,000 images" in found.verdict.reason


def test_copies_of_an_image_count_once():
    some = np.arange(N) % 3 > 0
    copied, once = (World(**{name: some}).examine(rotation("m20")) for name in ("distinct", "readable"))
    assert copied.figures["images"] == np.count_nonzero(some)
    assert (copied.verdict, copied.figures, copied.items) == (once.verdict, once.figures, once.items)


def test_the_finding_has_the_point_its_interval_and_the_curve():
    found = World().examine(rotation("m20"))
    figures = found.figures
    assert list(figures) == list(BreakingPoint.columns)
    assert all(list(item) == list(BreakingPoint.item_columns) for item in found.items)
    # 2 points are lost where 2.25 % of all images are: at 11.25 % of 90 degrees.
    assert figures["breaking_point"] == pytest.approx(90 * 0.0225 / 0.2, abs=0.02 * 90)
    assert figures["low"] < figures["breaking_point"] < figures["high"]
    assert (figures["level"], figures["neutral"], figures["extreme"]) == (30, 0, 90)
    assert figures["control_accuracy"] == pytest.approx(100 * CONTROL_RIGHT.mean(), abs=0.1)
    assert figures["evaluations"] == len(found.items) - 1 <= 25
    curve, kept = found.curves
    assert curve.x == tuple(item["magnitude"] for item in found.items)
    assert curve.y[0] == figures["control_accuracy"]
    assert (curve.mark, curve.mark_low, curve.mark_high) == tuple(figures[k] for k in ("breaking_point", "low", "high"))
    assert all(low <= y <= high for low, y, high in zip(curve.low, curve.y, curve.high, strict=True))
    assert kept.y[0] == pytest.approx(figures["control_accuracy"] - 2)
    assert found.verdict.outcome is Outcome.FAIL
    start = f"m20 loses more than 2 points from rotation {figures['breaking_point']:.3g} on ("
    assert found.headline.startswith(start)
    assert found.headline.endswith("; severity 3 is 30")


@pytest.mark.parametrize("model", ["m0", "m1", "m2", "m3", "m5", "m10", "m20", "m50", "m100"])
def test_a_failure_begins_with_the_loss_and_nothing_else_does(model):
    found = World().examine(rotation(model))
    assert ("loses more than 2 points" in found.headline) is (found.verdict.outcome is Outcome.FAIL)
    assert ("keeps its accuracy" in found.headline) is (found.verdict.outcome is not Outcome.FAIL)


def test_never_is_said_in_words():
    found = World().examine(rotation("m0"))
    within, judged = found.headline.split("; ")
    assert within == "m0 keeps its accuracy within 2 points in all of rotation, up to 90 (breaking point beyond 90)"
    assert judged == "severity 3 is 30"
    assert (found.figures["breaking_point"], found.figures["low"], found.figures["high"]) == (None, 90, None)
    assert found.curves[0].mark is None


@pytest.mark.parametrize(
    ("model", "levels", "neutral", "kept"),
    # The share lost at the last level in percent: 2 points are lost where 2.25 % of the images are.
    [("m100", (1, 2, 5), 0, 0), ("m20", (5, 10, 20), 0, 2), ("m20", (15, 10, 0), 20, 18), ("m10", (1, 2, 3), 0, 0)],
)
def test_of_whole_levels_the_last_that_is_kept_and_the_first_that_is_broken_are_named(model, levels, neutral, kept):
    world = World()
    world.registry.transform("shift", levels=levels, neutral=neutral, version=1)(lambda images, level: images)
    found = world.examine(Cell(model, Condition("shift", 3)))
    broken = found.figures["breaking_point"]
    assert abs(broken - kept) == 1
    failed = f"loses more than 2 points from shift {broken} on ("
    passed = f"keeps its accuracy within 2 points up to shift {kept}; broken from {broken} on ("
    assert (failed if found.verdict.outcome is Outcome.FAIL else passed) in found.headline
    falls = {item["magnitude"]: item["fall"] for item in found.items}
    assert falls.get(broken, 3) > 2 >= falls.get(kept, 0)


def test_a_round_is_one_sweep_for_all_that_is_planned():
    planned = [
        Cell(model, Condition(transform, 3))
        for model in ("m20", "m50")
        for transform in ("rotation", "zoom", "translate")
    ]
    world = World()
    found = [world.examine(cell, planned) for cell in planned]
    assert len(world.sweeps) <= 8
    alone = []
    for cell, together in zip(planned, found, strict=True):
        single = World()
        assert single.examine(cell) == together
        alone.append(len(single.sweeps))
    assert len(world.sweeps) <= max(alone)
    # What is stored is not computed again, and says the same.
    world.sweeps.clear()
    assert [world.examine(cell, planned) for cell in planned] == found
    assert world.sweeps == []


def test_a_magnitude_that_fails_is_an_error_of_that_model_alone():
    broken = Cell("m20", Condition("rotation:90"))
    planned = [rotation("m20"), rotation("m50")]
    world = World(broken=[broken])
    with pytest.raises(ModelError, match="no rotation:90"):
        world.examine(planned[0], planned)
    assert world.examine(planned[1], planned) == World().examine(planned[1])


def test_images_that_were_not_read_do_not_count():
    readable = np.arange(N) < 1000
    assert World(readable).examine(rotation("m20")).figures["images"] == 1000
    none = World(~np.ones(N, bool)).examine(rotation("m20"))
    assert none.verdict == (Outcome.INCONCLUSIVE, "there is no image to judge by")
    assert list(none.figures) == list(BreakingPoint.columns)
    assert none.figures["breaking_point"] is None


def test_a_chain_is_searched_by_the_fraction_of_its_spans():
    found = World().examine(Cell("m20", Condition("rotation+translate", 3)))
    assert (found.figures["neutral"], found.figures["extreme"]) == (0, 1)
    # Rotation goes a third of its span at severity 3, translation half.
    assert found.figures["level"] == pytest.approx(1 / 3)
    assert found.figures["breaking_point"] == pytest.approx(0.1125, abs=0.02)


def test_a_transform_without_a_neutral_level_is_evaluated_from_the_mildest_on():
    world = World()
    world.registry.transform("dim", levels=(0.9, 0.5, 0.1), version=1)(lambda images, level: images)
    found = world.examine(Cell("m100", Condition("dim", 1)))
    assert {item["magnitude"] for item in found.items} >= {0.9, 0.1}
    assert found.figures["evaluations"] == len(found.items)


def figures_of(found, *names):
    return tuple(found.figures[name] for name in names)


@pytest.mark.parametrize("transform", ["vflip+rotation", "rotation+vflip+zoom", "vflip_first"])
@pytest.mark.parametrize(
    ("model", "share", "outcome", "point", "begins"),
    # 2 points of 88.9 % accuracy are lost where 2.25 % of the images are: what is lost upside down counts from 0 on.
    [
        ("m0", 0.5, Outcome.FAIL, 0.0, None),
        ("m100", 0.5, Outcome.FAIL, 0.0, None),
        ("m20", 0.0, Outcome.FAIL, 0.1125, 0.0),
        ("m20", 0.003, Outcome.FAIL, 0.0975, 0.0),
        ("m0", 0.003, Outcome.PASS, None, 1.0),
        ("m0", 0.028, Outcome.INCONCLUSIVE, 0.0, None),
    ],
)
def test_at_0_the_parts_with_a_single_level_act(transform, model, share, outcome, point, begins):
    world = World(upside_down=share)
    world.registry.chain("vflip_first", ("vflip", "rotation"))
    cell = Cell(model, Condition(transform, 3))
    found = world.examine(cell)
    figures, first = found.figures, found.items[0]
    assert found.verdict.outcome is outcome
    assert figures["breaking_point"] == (point if point is None else pytest.approx(point, abs=0.02))
    assert (figures["low"] is None) == (begins is None)
    assert begins is None or figures["low"] >= begins
    # The curve begins with what was measured there, as a magnitude that somebody named would be.
    assert first["magnitude"] == 0
    right = world.answers(Cell(model, Condition(f"{transform}:0"))).correct
    of_classes = [100 * right[c == LABELS].mean() for c in range(10)]
    assert first["accuracy"] == pytest.approx(np.mean(of_classes)) == found.curves[0].y[0]
    assert figures["evaluations"] == len(found.items)


@pytest.mark.parametrize(
    # Of 2,000 images at 15 degrees, where 20 are gained as well. A fall of 3.1 points a test by itself would show.
    ("lost", "outcome"),
    [(40, Outcome.PASS), (82, Outcome.PASS), (220, Outcome.FAIL)],
)
def test_a_fall_at_a_milder_magnitude_fails_after_correction_alone(lost, outcome):
    world = World()
    plain = world.answers

    def answers(cell):
        readable, right = plain(cell)
        if cell.condition.transform == "rotation:15":
            right = right.copy()
            right[np.flatnonzero(CONTROL_RIGHT)[:lost]] = False
            right[np.flatnonzero(~CONTROL_RIGHT)[:20]] = True
        return Answers(readable, right)

    world.answers = answers
    found = world.examine(rotation("m0", 4))
    assert found.verdict.outcome is outcome, found.verdict.reason
    (at,) = (item for item in found.items if item["magnitude"] == 15)
    assert (at["low"] > 2) is (lost >= 82)
    if outcome is Outcome.FAIL:
        tests = sum(0 < item["magnitude"] < 45 for item in found.items)
        assert found.verdict.reason.startswith(
            "accuracy has fallen by more than 2 points at rotation 15, not after severity 4 (45), though not from "
            "there on (accuracy falls by more than 2 points at rotation "
        )
        assert f"): corrected over {tests} milder magnitudes; 95 % interval over 2,000 images" in found.verdict.reason
        assert "m0 loses more than 2 points at rotation 15, though not from there on" in found.headline


def test_what_is_lost_at_the_mildest_magnitude_is_said_so():
    found = World(upside_down=0.5).examine(Cell("m20", Condition("vflip+rotation", 3)))
    assert found.headline.startswith(
        "m20 loses more than 2 points already at the mildest vflip+rotation, 0; severity 3"
    )
    assert "at vflip+rotation 0 already, before severity 3" in found.verdict.reason
    # Nothing is left to search: the grid, the level and 0.
    assert figures_of(found, "low", "high", "evaluations") == (None, 0, 9)
    world = World()
    world.registry.transform("dim", levels=(0.9, 0.5, 0.1), version=1)(lambda images, level: images)
    world.lost = lambda cell: 0.5 * (cell.condition != CONTROL)
    found = world.examine(Cell("m100", Condition("dim", 1)))
    assert found.verdict.outcome is Outcome.FAIL
    assert "more than 2 points at dim 0.9 already, not after severity 1 (0.9)" in found.verdict.reason


def test_a_neutral_level_that_was_named_is_not_evaluated():
    world = World()
    world.registry.transform("fade", levels=(0.0, 0.5, 1.0), neutral=0.0, version=1)(lambda images, level: images)
    for transform in ("rotation", "rotation+zoom", "fade"):
        found = world.examine(Cell("m20", Condition(transform, 3)))
        assert (found.items[0]["fall"], found.items[0]["high"]) == (0, 0)
        assert figures_of(found, "evaluations") == (len(found.items) - 1,)
    assert {cell.condition.transform for sweep in world.sweeps for cell in sweep}.isdisjoint(
        {"rotation:0", "rotation+zoom:0", "fade:0"}
    )


def test_a_run_with_several_severities_judges_by_that_of_the_cell_or_of_the_options():
    assert World().examine(rotation("m100", None), severity=2).figures["level"] == 15


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Panel(CONTROL, ("m1", "m2")), "A breaking point is that of one model"),
        (Cell("m1", Condition("vflip")), "'vflip' has a single level"),
        (Cell("m1", Condition("worst(rotation,k=2)", 3)), "takes no magnitude"),
    ],
)
def test_what_has_no_breaking_point_is_refused(request_, message):
    with pytest.raises(OptionError, match=message):
        World().examine(request_)
