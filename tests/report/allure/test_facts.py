"""What Allure is told of a test depends on the test alone."""

from __future__ import annotations

import pytest

from pytest_robustness.core import Cell, Condition, Panel
from pytest_robustness.report.allure.facts import ALL_MODELS, facts_of

MODELS = ("digits:resnet18", "digits:vgg16")
ZOOM = Condition("zoom", 3)


def only(subject):
    (facts,) = facts_of([subject], MODELS, "digits")
    return facts


def test_a_cell_is_a_test_of_its_model_under_its_transform():
    facts = only(Cell("digits:resnet18", ZOOM))
    assert facts.title == "resnet18 under zoom (severity 3)"
    assert facts.labels(several_severities=False) == [
        ("feature", "zoom"),
        ("story", "digits:resnet18"),
        ("parentSuite", "Models"),
        ("suite", "zoom"),
        ("model", "digits:resnet18"),
        ("transform", "zoom"),
        ("dataset", "digits"),
        ("transform_severity", "3"),
    ]
    assert facts.parameters() == {
        "model": "digits:resnet18",
        "transform": "zoom",
        "dataset": "digits",
        "severity": "3",
    }


def test_severities_are_suites_only_where_there_are_several():
    labels = only(Cell("digits:resnet18", ZOOM)).labels(several_severities=True)
    assert ("subSuite", "severity 3") in labels
    single = only(Cell("digits:resnet18", Condition("vflip"))).labels(several_severities=True)
    assert not {"subSuite", "transform_severity"} & {name for name, _ in single}


def test_allures_own_severity_is_left_to_the_effect():
    assert "severity" not in dict(only(Cell("digits:resnet18", ZOOM)).labels(several_severities=True))


@pytest.mark.parametrize("models", [MODELS, ("a", "b", "c"), MODELS[:1]])
def test_a_panel_is_the_same_test_whatever_its_models_are(models):
    facts = only(Panel(ZOOM, models))
    assert facts.title == "classes under zoom (severity 3)"
    assert facts.parameters()["model"] == ALL_MODELS
    labels = dict(facts.labels(several_severities=False))
    assert (labels["parentSuite"], labels["story"]) == ("Classes", "all models")


def test_findings_tell_as_much_as_what_was_asked(findings):
    asked = [Cell("digits:resnet18", ZOOM), Panel(ZOOM, MODELS), Cell("digits:vgg16", ZOOM)]
    found = [
        findings.model("digits:resnet18", ZOOM),
        findings.classes(ZOOM, models=MODELS),
        findings.model("digits:vgg16", ZOOM),
    ]
    assert facts_of(found, MODELS, "digits") == facts_of(asked, MODELS, "digits")


def test_what_is_asked_twice_is_one_fact():
    assert len(facts_of([Cell("digits:vgg16", ZOOM)] * 2, MODELS, "digits")) == 1
