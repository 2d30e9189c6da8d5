"""The examiner asks each study once, and remembers what it used."""

from __future__ import annotations

import pytest

from pytest_robustness.analysis.studies import STUDIES, examiner, load_study
from pytest_robustness.analysis.studies.evidence import Evidence, StudyOptions
from pytest_robustness.analysis.studies.examiner import Examiner
from pytest_robustness.analysis.study_finding import StudyFinding
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.core.errors import ModelError
from pytest_robustness.inference.run_log import RunLog, StudyRequest

VFLIP = Condition("vflip")


class Fake:
    """A study that computes one cell more than it is asked about."""

    def __init__(self):
        self.planned = []

    def examine(self, evidence, request):
        self.planned.append(evidence.planned)
        evidence.computed([request, Cell(request.model, CONTROL)])
        return StudyFinding("detectable", (request.model,), request.condition, Verdict(Outcome.PASS, "so"), "so", {})


@pytest.fixture
def world(monkeypatch):
    log, fake = RunLog(), Fake()
    evidence = Evidence(None, log, None, None, StudyOptions(3, 0, 50), source=None, names=None)
    monkeypatch.setattr(examiner, "load_study", lambda name: fake)
    return Examiner(evidence), log, fake


def test_a_study_is_asked_once_and_what_it_used_is_remembered(world):
    asked, log, fake = world
    request = StudyRequest("detectable", Cell("a", VFLIP))
    swept = []

    def compute(cells):
        swept.append(cells)
        log.keys |= dict.fromkeys(cells, "key")

    asked.plan([request, StudyRequest("detectable", Panel(VFLIP, ("a", "b")))])
    first = asked.examine(request, compute)
    assert asked.examine(request, compute) is first
    assert swept == [(Cell("a", VFLIP), Cell("a", CONTROL))]
    assert log.studied == {request: swept[0]}
    assert asked.answered(request)
    assert fake.planned == [{"detectable": (Cell("a", VFLIP), Panel(VFLIP, ("a", "b")))}]


def test_what_could_not_be_computed_is_the_error_of_the_study(world):
    asked, log, _ = world
    request = StudyRequest("detectable", Cell("a", VFLIP))
    with pytest.raises(ModelError, match="no such net"):
        asked.examine(request, lambda cells: log.errors.update({cells[0]: "no such net"}))
    # Nothing is remembered of it: the report shows no answer that there is not.
    assert request not in log.studied


def test_without_a_way_to_compute_the_store_must_have_all(world):
    asked, log, _ = world
    request = StudyRequest("detectable", Cell("a", VFLIP))
    log.studied[request] = (Cell("a", VFLIP),)
    assert not asked.answered(request)
    log.keys |= {Cell("a", VFLIP): "1", Cell("a", CONTROL): "2"}
    assert asked.answered(request)
    assert asked.examine(request).verdict.outcome is Outcome.PASS


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_can_be_loaded_and_describes_itself(name):
    study = load_study(name)
    assert study.name == name
    assert study.title[0].isupper()
    assert study.about.endswith(".")
    assert study.columns
    assert study.main in ("", *study.columns)
    assert bool(study.item_name) == bool(study.item_columns)
