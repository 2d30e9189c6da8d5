"""What the reports say of a run as a whole: marks, the verdict in sentences, and what else to know of it."""

from __future__ import annotations

import dataclasses
import math

import pytest

from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.test_result import Estimate, Outcome, Verdict
from pytest_robustness.core import Condition
from pytest_robustness.report import summary

VFLIP = Condition("vflip")
REJECTS, STAYS = {"p_adjusted": 0.0005}, {"p_adjusted": 0.5}
# Within the margin of 2 points, neither within nor beyond, and beyond, on either side.
INTERVALS = {"within": (-1.9, 1.9), "neither": (-4.0, -1.9), "fell": (-4.0, -2.1), "rose": (2.1, 4.0)}


def judged(findings, t_test, interval, outcome="FAIL", model="digits:resnet18", **fields):
    """Return a model test whose t-test and whose images show that much."""
    low, high = INTERVALS[interval]
    change = findings.change(difference=(low + high) / 2, low=low, high=high)
    return findings.model(model, outcome=outcome, result=findings.result(**t_test), change=change, **fields)


@pytest.mark.parametrize(
    ("t_test", "interval", "outcome", "sign"),
    [
        (REJECTS, "within", "FAIL", "*"),
        (REJECTS, "fell", "FAIL", "*!"),
        (STAYS, "fell", "FAIL", "!"),
        (STAYS, "rose", "FAIL", "!"),
        (STAYS, "within", "PASS", ""),
        (STAYS, "neither", "INCONCLUSIVE", "?"),
        # What the rule of the run does not go by is marked all the same.
        (STAYS, "fell", "PASS", "!"),
        (REJECTS, "within", "PASS", "*"),
        ({"p_adjusted": math.nan}, "neither", "INCONCLUSIVE", "?"),
    ],
)
def test_a_mark_says_whether_the_t_test_rejects_and_what_the_images_show(findings, t_test, interval, outcome, sign):
    test = judged(findings, t_test, interval, outcome)
    view = findings.view(model_tests=(test,))
    assert summary.mark(test, view.policy).sign == sign
    assert "".join(summary.mark_meanings(view)) == sign
    known = dataclasses.replace(test, verdict=Verdict(Outcome.PASS, "a known finding"))
    assert summary.mark(known, view.policy).sign == (f"({sign})" if outcome == "FAIL" else sign)
    assert summary.mark(None, view.policy).sign == ""


def test_the_margin_of_the_run_decides_what_is_beyond_it(findings):
    test = judged(findings, STAYS, "fell", "PASS")
    view = findings.view(model_tests=(test,), policy=TestPolicy(margin=3.0))
    assert summary.mark(test, view.policy).sign == ""
    one = findings.view(model_tests=(test,), policy=TestPolicy(margin=1.0))
    assert summary.mark_meanings(one) == {"!": "the images show a change of more than 1 point"}


@pytest.mark.parametrize(
    ("count", "alpha", "about"), [(108, 0.05, "5"), (2, 0.05, "0.1"), (20, 0.05, "1"), (300, 0.001, "0.3")]
)
def test_how_many_tests_were_made_without_correction_is_said_and_how_many_would_fail(findings, count, alpha, about):
    policy = TestPolicy(alpha=alpha)
    view = findings.view(model_tests=(judged(findings, STAYS, "within", "PASS"),) * count, policy=policy)
    assert summary.caveats(view) == [
        (
            f"{count} tests of models without correction over them: at alpha {alpha:g} up to about {about} would fail "
            "by chance if nothing changed (--robustness-correction)."
        )
    ]


@pytest.mark.parametrize(
    ("count", "policy"), [(1, {}), (5, {"correction": "holm"}), (5, {"correction": "bh"}), (5, {"verdict": "margin"})]
)
def test_nothing_is_said_of_chance_where_it_is_bounded(findings, count, policy):
    tests = (judged(findings, STAYS, "within", "PASS"),) * count
    view = findings.view(model_tests=tests, policy=TestPolicy(**policy))
    assert "without correction" not in " ".join(summary.caveats(view))


def test_the_articles_rule_is_named_with_what_its_passes_could_not_see(findings):
    tests = [judged(findings, STAYS, shown, "PASS") for shown in ("within", "neither", "neither", "fell")]
    view = findings.view(model_tests=(*tests, judged(findings, REJECTS, "fell")), policy=TestPolicy(verdict="article"))
    assert summary.caveats(view)[1] == (
        "Judged by the t-tests alone (--robustness-verdict=article): a pass means that no change was shown, and "
        "excludes none. Of 4 tests of models that passed, the images show a change within 2 points in 1, beyond in 1, "
        "and neither in 2."
    )


def test_the_rule_by_the_images_alone_is_named_and_the_default_is_not(findings):
    view = findings.view(policy=TestPolicy(verdict="margin"))
    assert summary.caveats(view) == [
        "Judged by the images alone (--robustness-verdict=margin): t-tests are shown and decide nothing."
    ]
    assert summary.caveats(findings.view(policy=TestPolicy(correction="holm"))) == []


def test_a_verdict_says_what_passes_show_and_how_many_tests_decide_nothing(findings):
    passed, undecided = judged(findings, STAYS, "within", "PASS"), judged(findings, STAYS, "neither", "INCONCLUSIVE")
    view = findings.view(class_tests=(), errors={}, model_tests=(passed, passed, undecided))
    assert summary.verdict(view) == (
        "resnet18 does not fail under vflip. 2 of 3 tests of models show a change within 2 points, 1 is inconclusive."
    )
    alone = findings.view(class_tests=(), errors={}, model_tests=(undecided,))
    assert summary.verdict(alone).endswith("vflip. 1 of 1 test of models is inconclusive.")
    article = dataclasses.replace(view, policy=TestPolicy(verdict="article"), model_tests=(passed,))
    assert summary.verdict(article) == "resnet18 does not fail under vflip."


PASSED, FAILED, OPEN = "PASS", "FAIL", "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("tests", "sentence"),
    [
        # Each test: whether more classes are sensitive than allowed, whether any is beyond the margin, its outcome.
        (
            [(True, True, FAILED)],
            (
                "Under vflip more classes are sensitive than allowed and 2 classes changed significantly "
                "and by more than 10 measured points."
            ),
        ),
        (
            [(False, True, FAILED)],
            (
                "Under vflip no more classes are sensitive than allowed and 2 classes changed "
                "significantly and by more than 10 measured points."
            ),
        ),
        (
            [(False, False, PASSED)],
            (
                "Under vflip no more classes are sensitive than allowed and no class changed "
                "significantly and by more than 10 measured points."
            ),
        ),
        (
            [(True, False, PASSED)],
            (
                "Under vflip more classes are sensitive than allowed and no class changed "
                "significantly and by more than 10 measured points, which the baseline knows."
            ),
        ),
        ([(False, False, OPEN)], "The test of the classes under vflip is inconclusive."),
        (
            [(True, True, FAILED)] * 2,
            (
                "Under all 2 transforms more classes are sensitive than allowed, under all 2 transforms classes "
                "changed significantly and by more than 10 measured points."
            ),
        ),
        (
            [(False, True, FAILED), (False, False, PASSED)],
            "Under 1 of 2 transforms classes changed significantly and by more than 10 measured points.",
        ),
        (
            [(False, False, PASSED)] * 2,
            (
                "Under none of 2 transforms more classes are sensitive than allowed or classes "
                "changed significantly and by more than 10 measured points."
            ),
        ),
        ([(False, False, OPEN)] * 2, "The tests of the classes are inconclusive under all 2 transforms."),
        (
            [(True, False, FAILED), (True, False, PASSED), (False, False, OPEN)],
            (
                "Under 2 of 3 transforms more classes are sensitive than allowed; 1 known from the baseline; 1 is "
                "inconclusive."
            ),
        ),
        (
            [(True, False, PASSED)] * 3,
            "Under all 3 transforms more classes are sensitive than allowed; all known from the baseline.",
        ),
    ],
)
def test_the_verdict_says_what_class_tests_found_and_what_is_made_of_it(findings, tests, sentence):
    conditions = tuple(Condition(name) for name in ("vflip", "hflip", "equalize"))[: len(tests)]
    made = findings.classes()
    class_tests = tuple(
        findings.classes(
            condition,
            outcome,
            allowed=0 if exceeded else 3,
            beyond=made.beyond if beyond else (),
            sensitive=made.sensitive,
        )
        for condition, (exceeded, beyond, outcome) in zip(conditions, tests, strict=True)
    )
    view = findings.view(conditions=conditions, model_tests=(), errors={}, counts={}, class_tests=class_tests)
    assert summary.verdict(view) == sentence


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("article", "Under vflip more classes are sensitive than allowed."),
        ("margin", "Under vflip 2 classes changed significantly and by more than 10 measured points."),
    ],
)
def test_of_the_classes_only_that_is_said_which_the_rule_goes_by(findings, rule, sentence):
    view = findings.view(model_tests=(), errors={}, policy=TestPolicy(verdict=rule))
    assert summary.verdict(view) == sentence


def test_reasons_are_those_of_every_kind_of_test_with_that_outcome(findings):
    tests = {
        "model_tests": tuple(findings.model("digits:vgg16", outcome=outcome) for outcome in ("PASS", "FAIL")),
        "class_tests": (findings.classes(outcome="PASS"),),
        "gate_tests": (
            findings.compared(outcome="PASS", model="digits:vgg16"),
            findings.compared(outcome="PASS", model="digits:vgg16", undecided=True),
        ),
    }
    view = findings.view(**tests)
    assert [reason.partition(":")[0] for reason in summary.reasons(view, Outcome.PASS)] == [
        "vgg16 under vflip",
        "the classes under vflip",
        "vgg16 against the baseline under vflip",
    ]
    assert len(summary.reasons(view, Outcome.FAIL)) == len(summary.reasons(view, Outcome.INCONCLUSIVE)) == 1


def test_extremes_are_of_the_average_over_the_models(findings):
    changes = {VFLIP: Estimate(-10.0, -14.0, -6.0), Condition("zoom", 3): Estimate(-1.0, -2.0, 0.0)}
    view = findings.view(changes=changes, class_tests=())
    assert summary.verdict(view).endswith(
        "Accuracy falls most under vflip (−10.0 points on average) and changes least under zoom (−1.0)."
    )
