"""The assertion passes, skips or fails as the verdict says, with a text that begins with it."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from pytest_robustness.analysis.findings import GateTest, ImageAccuracy, ModelTest
from pytest_robustness.analysis.test_result import ImageChange, McNemarResult, Outcome, TTestResult, Verdict
from pytest_robustness.core import Condition
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.frontends.plugin.assertion import NotRobust, assert_robust, shown

FIGURES = {
    "n": 10,
    "control": 90.0,
    "treated": 80.0,
    "difference": -10.0,
    "ci_low": -15.0,
    "ci_high": -5.0,
    "effect_size": -2.5,
    "p_value": 0.0005,
    "p_adjusted": 0.0005,
    "detectable_drop": 7.04,
}
T_TEST = TTestResult(**FIGURES, statistic=-4.2, df=18.0, test="independent")
CHANGE = ImageChange(1000, 120, 20, -10.0, -12.0, -8.0, alpha=0.05, p_value=1e-18, needed=61.0)


def finding(outcome, reason="accuracy fell 10.0 points, p = 0.0005 < alpha 0.05"):
    accuracy = ImageAccuracy(91.0, 80.5)
    return ModelTest("resnet18", Condition("vflip"), T_TEST, CHANGE, outcome, Verdict(outcome, reason), accuracy, ())


def test_a_finding_that_passes_is_silent():
    assert assert_robust(finding(Outcome.PASS)) is None


def test_the_verdict_decides_and_not_the_test_alone():
    known = dataclasses.replace(finding(Outcome.FAIL), verdict=Verdict(Outcome.PASS, "a known finding"))
    assert assert_robust(known) is None


def test_a_finding_that_fails_raises_its_figures_below_its_verdict():
    with pytest.raises(NotRobust) as caught:
        assert_robust(finding(Outcome.FAIL))
    first, *rest = str(caught.value).splitlines()
    assert first == "-10.0 points (SEVERE): resnet18 under vflip: accuracy fell 10.0 points, p = 0.0005 < alpha 0.05"
    text = "\n".join(rest)
    for figure in (
        "91.0 % -> 80.5 %",
        "90.0 % -> 80.0 %",
        "(95 % interval -15.0 to -5.0)",
        "(90 % interval -12.0 to -8.0)",
        "t = -4.20",
    ):
        assert figure in text
    assert isinstance(caught.value, AssertionError)


def test_a_finding_that_decides_nothing_skips_with_its_reason():
    with pytest.raises(pytest.skip.Exception) as caught:
        assert_robust(finding(Outcome.INCONCLUSIVE, "only 1 of the 2 observations"))
    assert caught.value.msg == "INCONCLUSIVE: resnet18 under vflip: only 1 of the 2 observations"


def test_a_comparison_with_a_baseline_says_that_it_is_one():
    result = McNemarResult(**FIGURES | {"n": 1000}, lost=120, gained=20)
    verdict = Verdict(Outcome.FAIL, "accuracy fell 10.0 points, more than the tolerance of 1")
    compared = GateTest(
        model="new",
        counterpart="old",
        condition=Condition("vflip"),
        result=result,
        change=CHANGE,
        p_worse=1e-9,
        p_kept=1.0,
        beyond_control=None,
        fallen=(),
        broken=(),
        improved=False,
        undecided=False,
        verdict=verdict,
    )
    with pytest.raises(NotRobust) as caught:
        assert_robust(compared)
    assert str(caught.value).splitlines()[0] == f"-10.00 points: new against old under vflip: {verdict.reason}"
    assert "120" in str(caught.value)


def representation(error, **options):
    """Return what pytest shows of ``error``, and its line in the list of failures."""
    chosen = {"tbstyle": "auto", "fulltrace": False} | options
    with pytest.raises(type(error)) as caught:
        raise error
    return shown(caught, SimpleNamespace(getoption=chosen.get), "pytest's own")


def test_a_failure_is_shown_within_80_columns_without_a_traceback():
    words = "-10.0 points (SEVERE): a/very/long/name/of/a/model under vflip: " + "accuracy fell a little " * 8
    found = representation(NotRobust(f"{words}\n\n  figure              {words}"))
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines).split()) == f"{words}figure {words}".strip()
    # What follows the first line of a figure stands below its value.
    figure = next(number for number, line in enumerate(lines) if line.startswith("  figure"))
    assert {line[:22].strip() for line in lines[figure + 1 :]} == {""}
    assert found.reprcrash.message == words


def test_a_word_longer_than_a_line_stays_whole():
    path = "p" * 100
    assert str(representation(NotRobust(f"-10.0 points (SEVERE): {path}"))).splitlines() == [
        "-10.0 points (SEVERE):",
        path,
    ]


@pytest.mark.parametrize("options", [{"tbstyle": "long"}, {"tbstyle": "native"}, {"fulltrace": True}])
def test_who_asks_for_a_traceback_gets_pytests_own(options):
    assert representation(NotRobust("-10.0 points (SEVERE): x"), **options) == "pytest's own"


def test_an_error_of_ours_is_its_text_as_it_is():
    text = "word " * 40 + "end"
    assert str(representation(RobustnessError(text))) == text
