"""The session answers as the images say, computes once what was planned, and fails with a reason."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from pytest_robustness import report
from pytest_robustness.analysis.findings import ClassTest
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.core.errors import BaselineError, DataError, ModelError, OptionError, RobustnessError
from pytest_robustness.frontends.session import reporting
from pytest_robustness.frontends.session.options import Options
from pytest_robustness.frontends.session.options.table import SPECS
from pytest_robustness.frontends.session.progress import SilentProgress
from pytest_robustness.frontends.session.session import RobustnessSession
from pytest_robustness.transforms import builtin
from tests.forwards import ASKED, CHECKED, FORMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLOPE, COLOUR = "python:nets.py:slope", "python:nets.py:colour"
VFLIP, HFLIP = Condition("vflip"), Condition("hflip")
BASELINE = "robustness-baseline.json"


def session_options(folder: Any) -> dict[str, Any]:
    """Return all options, for the tiny project."""
    defaults = {spec.field: None if spec.default is None else spec.read(spec.default) for spec in SPECS}
    return defaults | {
        "data": "folder:photos",
        "models": (SLOPE, COLOUR),
        "transforms": ("vflip", "hflip"),
        "workers": 0,
        "store": folder.path / "store.sqlite",
        "report": folder.path / "report",
    }


@pytest.fixture
def session(folder) -> Iterator[Callable[..., RobustnessSession]]:
    """Return what opens a session on the tiny project: ``session(alpha=0.1)`` sets one of the options."""
    opened = []

    def make(**chosen: Any) -> RobustnessSession:
        paths = {name: folder.path / chosen[name] for name in ("baseline", "report") if name in chosen}
        options = Options(**session_options(folder) | chosen | paths)
        opened.append(RobustnessSession(options, builtin(), SilentProgress))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def by_class(right):
    """Return the accuracy of each class in percent; the images of a class follow each other."""
    return 100 * right.reshape(2, -1).mean(axis=1)


def test_a_model_test_says_what_a_count_of_the_images_says(session, folder):
    mixed = folder.add_mixed("mixed", 2.1)
    found = session().model_test(mixed, "vflip")
    control, treated = folder.right(1, 2.1), folder.right(1, 2.1, "vflip")
    assert 0 < treated.sum() < control.sum() == 40
    assert found.accuracy == pytest.approx((100 * control.mean(), 100 * treated.mean()))
    groups = [(group.mean(), group.std(ddof=1), 2) for group in (by_class(treated), by_class(control))]
    expected = stats.ttest_ind_from_stats(*groups[0], *groups[1])
    assert (found.result.statistic, found.result.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    drops = dict(zip(("down", "up"), by_class(control) - by_class(treated), strict=True))
    assert {change.name: change.control - change.treated for change in found.worst} == pytest.approx(drops)


def test_a_class_test_of_one_model_is_mcnemars_on_the_images_of_each_class(session, folder):
    mixed = folder.add_mixed("mixed", 2.1)
    found = session().class_test("vflip", models=mixed)
    for finding, treated in zip(found.classes, folder.right(1, 2.1, "vflip").reshape(2, -1), strict=True):
        lost = int((~treated).sum())
        assert (finding.result.n, finding.result.lost, finding.result.gained) == (20, lost, 0)
        assert finding.result.p_value == pytest.approx(stats.binomtest(lost, max(lost, 1)).pvalue)


def test_a_class_test_of_several_models_takes_those_of_the_options(session):
    found = session().class_test("vflip")
    assert (found.models, found.condition) == ((SLOPE, COLOUR), VFLIP)
    # On each class the models are right on all images in control, and one of them on none upside down.
    assert [(one.result.control, one.result.treated) for one in found.classes] == [(100.0, 50.0)] * 2


def test_an_image_test_is_mcnemars_over_all_images(session, folder):
    mixed = folder.add_mixed("mixed", 2.1)
    result = session().image_test(mixed, "vflip").result
    lost = int((~folder.right(1, 2.1, "vflip")).sum())
    assert (result.n, result.lost, result.gained) == (40, lost, 0)
    assert result.p_value == pytest.approx(stats.binomtest(lost, lost).pvalue)


def test_what_was_planned_is_computed_by_the_first_question_in_one_sweep(session, folder):
    asked = session()
    asked.plan([Panel(VFLIP, (SLOPE, COLOUR)), Cell(SLOPE, HFLIP)])
    asked.model_test(COLOUR, "vflip")
    # Control and two conditions of 40 images.
    assert folder.forwards == ASKED + FORMS + 3 * 40
    asked.model_test(SLOPE, "hflip")
    asked.class_test("vflip")
    assert folder.forwards == ASKED + FORMS + 3 * 40
    assert set(asked.run_log.keys) == {
        *(Cell(model, condition) for model in (SLOPE, COLOUR) for condition in (CONTROL, VFLIP)),
        Cell(SLOPE, HFLIP),
    }


def test_a_second_session_reads_what_the_first_one_stored(session, folder):
    first = session().model_test(SLOPE, "vflip")
    forwards = folder.forwards
    # Figures that are not defined are NaN, which equals nothing.
    assert repr(session().model_test(SLOPE, "vflip")) == repr(first)
    # It asks the model for its first answers again, and compares some that are stored, under control and transform.
    assert forwards + ASKED < folder.forwards <= forwards + ASKED + 2 * CHECKED


def test_the_findings_of_the_running_test_are_kept_in_order(session):
    asked = session()
    found = [asked.model_test(SLOPE, "vflip"), asked.class_test("hflip"), asked.image_test(COLOUR, "vflip")]
    assert asked.findings == found
    # An image test is in no report.
    assert list(asked.run_log.tests) == [Cell(SLOPE, VFLIP), Panel(HFLIP, (SLOPE, COLOUR))]


def test_control_is_no_transform_to_test(session):
    asked = session()
    for question in (lambda: asked.model_test(SLOPE, "control"), lambda: asked.class_test("control")):
        with pytest.raises(OptionError, match=r"^control is what transforms are compared with\. Name a transform\.$"):
            question()
    assert asked.findings == []
    assert asked.run_log.tests == {}


def test_a_model_that_cannot_be_loaded_is_an_error_of_its_own_tests_alone(session):
    asked = session(models=(SLOPE, "python:nets.py:missing"))
    asked.plan([Panel(VFLIP, (SLOPE, "python:nets.py:missing"))])
    with pytest.raises(ModelError, match="missing"):
        asked.model_test("python:nets.py:missing", "vflip")
    assert asked.model_test(SLOPE, "vflip").verdict.outcome is Outcome.FAIL
    found = asked.class_test("vflip")
    assert (found.models, found.left_out) == ((SLOPE,), ("python:nets.py:missing",))
    with pytest.raises(ModelError, match="missing"):
        asked.class_test("vflip", models="python:nets.py:missing")


WRONG = """

class Wrong(Slope):
    def forward(self, images):
        return super().forward(images).flip(1)


def unnamed():
    return Model(Wrong())


def named():
    return Model(Wrong(), classes=["down", "up"])
"""


def test_a_model_at_chance_level_is_an_error_where_only_the_order_says_which_output_is_which_class(session, folder):
    folder.write("nets.py", (folder.path / "nets.py").read_text() + WRONG)
    said = r"is right on 0 of 40 .*, where guessing is right on \d+: no better than chance"
    with pytest.raises(ModelError, match=f"unnamed {said}"):
        session().model_test("python:nets.py:unnamed", "hflip")
    asked = session()
    assert asked.model_test("python:nets.py:named", "hflip").accuracy == (0.0, 0.0)
    assert asked.write_reports()
    assert re.search(f"named {said}", " ".join(asked.run_report.warnings))


def test_images_that_an_earlier_run_skipped_are_an_error_unless_this_one_skips_them_too(session, folder):
    broken = folder.image("up", 3)
    broken.write_bytes(broken.read_bytes()[:40])
    skipping = session(on_bad_image="skip")
    assert skipping.image_test(COLOUR, "hflip").result.n == 39
    assert skipping.run_log.skipped == [str(broken)]
    strict = session()
    for _ in range(2):
        with pytest.raises(RobustnessError, match=r"up/03\.png is not a readable image: "):
            strict.model_test(COLOUR, "hflip")
    assert set(strict.run_log.errors) == {Cell(COLOUR, CONTROL), Cell(COLOUR, HFLIP)}


def written_baseline(session, folder):
    """Write the baseline of a model that weighs colour by 2.1; return the model's name."""
    mixed = folder.add_mixed("mixed", 2.1)
    writing = session(models=(mixed,), baseline=BASELINE, update_baseline=True)
    writing.plan([Cell(mixed, VFLIP), Cell(mixed, HFLIP)])
    writing.model_test(mixed, "vflip")
    assert writing.write_reports(), writing.summary(80, color=False)
    assert "Baseline, three files to commit: " in writing.summary(80, color=False)
    return mixed


def test_a_gate_test_counts_the_images_that_the_baseline_alone_gets_right(session, folder):
    # A file of models is loaded once in a process.
    worse = folder.add_mixed("worse", 1.9)
    mixed = written_baseline(session, folder)
    asked = session(candidate=worse, baseline=BASELINE, gate_correction="none", tolerance=10.0)
    before, now = folder.right(1, 2.1, "vflip"), folder.right(1, 1.9, "vflip")
    lost, gained = int((before & ~now).sum()), int((now & ~before).sum())
    found = asked.gate_test(worse, "vflip")
    assert (found.counterpart, found.result.lost, found.result.gained) == (mixed, lost, gained)
    assert found.result.p_value == pytest.approx(stats.binomtest(lost, lost + gained).pvalue)
    assert found.verdict.outcome is Outcome.FAIL
    assert asked.gate_test(worse, "control").verdict.outcome is Outcome.PASS
    assert list(asked.run_log.gated) == [Cell(worse, VFLIP), Cell(worse, CONTROL)]


def test_without_a_baseline_there_is_nothing_to_compare_with(session):
    asked = session()
    with pytest.raises(OptionError, match=r"There is no baseline to compare with\. Name one with --robustness-base"):
        asked.gate_test(SLOPE, "vflip")
    assert asked.findings == []
    assert asked.run_log.gated == {}


def test_a_candidate_is_judged_under_the_conditions_of_the_baseline(session, folder):
    mixed = written_baseline(session, folder)
    asked = session(models=None, transforms=None, candidate=COLOUR, baseline=BASELINE)
    assert asked.requests.models == (COLOUR,)
    assert set(asked.requests.conditions) == {VFLIP, HFLIP}
    assert asked.gate_test(COLOUR, "vflip").counterpart == mixed


def test_a_run_on_other_images_is_refused_before_anything_is_computed(session, folder):
    mixed = written_baseline(session, folder)
    for name, number in itertools.product(("down", "up"), range(20)):
        path = folder.image(name, number)
        Image.fromarray(np.asarray(Image.open(path)) // 2).save(path)
    forwards = folder.forwards
    asked = session(models=(mixed,), baseline=BASELINE)
    with pytest.raises(BaselineError, match=r"images: no image of this run is in the baseline \(.*folder:photos there"):
        asked.open_data()
    assert folder.forwards == forwards


def test_images_that_the_baseline_lacks_are_left_out_of_the_comparison(session, folder):
    mixed = written_baseline(session, folder)
    path = folder.image("up", 0)
    Image.fromarray(np.asarray(Image.open(path)) // 2).save(path)
    found = session(models=(mixed,), baseline=BASELINE).gate_test(mixed, "vflip")
    assert found.result.n == 39
    assert found.shared == (39, 1, 1)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"candidate": SLOPE}, "--robustness-candidate compares a model with a baseline: name it with"),
        ({"candidate": SLOPE, "baseline": "b.json", "update_baseline": True}, "--robustness-candidate compares a"),
        ({"expect": "baseline"}, "--robustness-expect=baseline needs a baseline: name it with"),
        ({"models": ("python:nets.py",)}, "does not name a factory"),
        ({"data": "cifar100"}, "cifar100"),
    ],
)
def test_options_that_cannot_be_met_are_refused_at_once(session, chosen, message):
    with pytest.raises(OptionError, match=message):
        session(**chosen)


def test_a_transform_that_is_not_known_is_refused_once_conditions_are_asked_for(session):
    # Not at once: a conftest.py that is collected later may register it.
    asked = session(transforms=("blurr",))
    with pytest.raises(OptionError, match="'blurr' is not a transform"):
        assert asked.requests.conditions


def test_data_that_is_not_there_is_an_error_before_any_test(session):
    with pytest.raises(DataError, match="elsewhere"):
        session(data="folder:elsewhere").open_data()


def test_the_reports_show_the_counts_of_the_images(session, folder):
    asked = session()
    asked.plan([Panel(VFLIP, (SLOPE, COLOUR))])
    asked.model_test(SLOPE, "vflip")
    asked.class_test("vflip")
    assert asked.write_reports()
    table = pd.read_csv(folder.path / "report" / "accuracy.csv")
    counted = table.groupby(["model", "transform"]).correct.sum().to_dict()
    nets = {SLOPE: (1, 0), COLOUR: (0, 1)}
    assert counted == {
        (model, transform): folder.right(*weights, transform).sum()
        for model, weights in nets.items()
        for transform in ("control", "vflip")
    }
    results = json.loads((folder.path / "report" / "results.json").read_text(encoding="utf-8"))
    assert [(test["model"], test["outcome"]) for test in results["model_tests"]] == [(SLOPE, "FAIL")]
    lines = asked.summary(80, color=False).splitlines()
    assert "slope    100.0  -100.0*!" in lines
    assert "Report: report" in lines


OPAQUE = """

class Opaque(Slope):
    def __init__(self):
        super().__init__()
        import queue

        self.engine = queue.SimpleQueue()


def opaque():
    return Model(Opaque(), classes=["down", "up"])
"""


def test_what_no_hash_of_a_model_covers_is_a_warning_of_the_report(session, folder):
    folder.write("nets.py", (folder.path / "nets.py").read_text() + OPAQUE)
    asked = session(models=("python:nets.py:opaque", COLOUR))
    asked.class_test("hflip")
    assert asked.write_reports()
    assert [text for text in asked.run_report.warnings if " holds " in text] == [
        (
            "python:nets.py:opaque holds engine (SimpleQueue), whose content cannot be hashed: a change in it is seen "
            "by the check of stored answers alone."
        )
    ]
    models = json.loads((folder.path / "report" / "results.json").read_text(encoding="utf-8"))["models"]
    assert [(model["model"], model["unhashed"]) for model in models] == [
        ("python:nets.py:opaque", ["engine (SimpleQueue)"]),
        (COLOUR, []),
    ]


def test_a_session_that_tested_nothing_reports_nothing(session, folder):
    asked = session()
    assert asked.write_reports()
    text = "Nothing was judged, and there is no report: no test asked for a verdict.\n"
    assert asked.summary(80, color=False) == text
    assert not (folder.path / "report").exists()


def test_a_report_that_cannot_be_written_is_told_and_keeps_the_figures(session, folder):
    folder.write("taken", "")
    asked = session(report="taken/report")
    asked.model_test(SLOPE, "vflip")
    assert not asked.write_reports()
    summary = asked.summary(80, color=False)
    assert "slope    100.0  -100.0*!" in summary
    assert "taken" in summary
    assert "Report: " not in summary


def test_a_fault_of_ours_is_shown_with_its_traceback(session, monkeypatch):
    asked = session()
    asked.model_test(SLOPE, "vflip")

    def fail(*_: object) -> None:
        raise ZeroDivisionError("seven by nought")

    monkeypatch.setattr(report, "write_all", fail)
    assert not asked.write_reports()
    summary = asked.summary(80, color=False)
    assert "The report could not be written, because of a fault of pytest-robustness:\nTraceback (most" in summary
    assert "ZeroDivisionError: seven by nought" in summary


def test_a_finding_is_illustrated_by_its_classes_and_their_images(session):
    asked = session()
    classes, pictures = asked.illustrate(asked.model_test(SLOPE, "vflip"))
    assert isinstance(classes, ClassTest)
    assert (classes.models, [finding.result.lost for finding in classes.classes]) == ((SLOPE,), [20, 20])
    assert pictures
    for picture in pictures:
        assert picture.thumbnails.control.startswith("data:image/")
        assert picture.thumbnails.control != picture.thumbnails.treated
        assert [(answer.right_control, answer.right_treated) for answer in picture.answers] == [(True, False)]
    # A look at a finding is none itself.
    assert len(asked.findings) == 1
    assert np.isfinite([finding.result.p_value for finding in classes.classes]).all()


@pytest.mark.parametrize(("many", "said"), [(120, ["writing the report of 120 answers"]), (121, [])])
def test_a_run_that_has_many_answers_to_read_says_so(folder, monkeypatch, many, said):
    monkeypatch.setattr(reporting, "_MANY_ANSWERS", many)
    notes: list[str] = []
    options = Options(**dict(session_options(folder), models=(SLOPE,)))
    one = RobustnessSession(options, builtin(), lambda: SilentProgress(notes.append))
    for condition in ("vflip", "hflip"):
        one.model_test(SLOPE, condition)
    assert one.write_reports()
    one.close()
    assert [note for note in notes if note.startswith("writing")] == said
