"""The bundled suite: what it collects, what it computes, and what it never computes twice."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.forwards import ASKED, CHECKED, FORMS

CONTROL = {("slope", "control", None), ("colour", "control", None)}
VFLIP = {("slope", "vflip", None), ("colour", "vflip", None)}
WHOLE = 40


def test_the_main_job_collects_a_test_for_each_model_and_transform_and_one_for_each_transform(project):
    project.configure(robustness_data=None, robustness_models=None, robustness_transforms=None)
    result = project.judge("--collect-only", "-q")
    ids = [line for line in result.outlines if "::" in line]
    assert len(ids) == 117
    assert sum("test_model_is_robust" in name for name in ids) == 12 * 9
    assert "test_models.py::test_model_is_robust[vflip-resnet18]" in ids
    assert "test_classes.py::test_classes_are_robust[equalize_zoom_brightness]" in ids
    assert not (project.path / ".robustness").exists()
    assert not (project.path / "reports").exists()


def test_findings_fail_and_the_rest_passes(project):
    result = project.judge()
    result.assert_outcomes(failed=2, passed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    # Every class falls to nothing for one of the two models: that is no accident of which models were asked.
    result.stdout.fnmatch_lines(["FAILED *test_classes_are_robust*vflip*", "FAILED *test_model_is_robust*vflip-slope*"])


def test_k_selects_by_transform_and_by_model_and_nothing_else_is_computed(project):
    project.judge("-k", "vflip").assert_outcomes(failed=2, passed=1, deselected=3)
    assert project.stored() == dict.fromkeys(CONTROL | VFLIP, WHOLE)
    project.judge("-k", "hflip and colour and not slope").assert_outcomes(passed=1, deselected=5)
    assert project.stored() == dict.fromkeys({*CONTROL, *VFLIP, ("colour", "hflip", None)}, WHOLE)


def test_m_selects_the_tests_that_judge_models(project):
    project.write("test_other.py", "def test_other(): pass\n")
    arguments = ("--pyargs", "robustness_tests", "test_other.py", "-k", "vflip or other")
    project.run(*arguments, "-m", "robustness").assert_outcomes(failed=2, passed=1, deselected=4)
    project.run(*arguments, "-m", "not robustness").assert_outcomes(passed=1, deselected=6)


def test_a_second_run_computes_nothing_and_finds_the_same(project):
    project.judge()
    forwards, stored = project.forwards, project.stored()
    results, accuracy = project.results(), project.table("accuracy.csv")
    # Control and two conditions of 40 images.
    assert forwards == ASKED + FORMS + 3 * 40
    assert set(stored.values()) == {40}
    result = project.judge()
    result.assert_outcomes(failed=2, passed=4)
    result.stdout.no_fnmatch_line("*sweep*")
    assert forwards + ASKED < project.forwards <= forwards + ASKED + 3 * CHECKED
    assert project.stored() == stored
    assert project.results()["model_tests"] == results["model_tests"]
    assert project.results()["class_tests"] == results["class_tests"]
    assert project.table("accuracy.csv").equals(accuracy)


def test_a_transform_that_is_added_computes_its_own_cells_alone(project):
    project.judge()
    forwards, stored = project.forwards, project.stored()
    project.judge("--robustness-transforms", "vflip,hflip,equalize")
    assert project.stored() == stored | {(name, "equalize", None): 40 for name in ("slope", "colour")}
    assert forwards + 40 < project.forwards <= forwards + ASKED + FORMS + 3 * CHECKED + 40


def test_an_image_that_changes_is_computed_again_and_no_other(project):
    project.judge("-k", "vflip")
    Image.fromarray(np.asarray(Image.open(project.image("up", 3))) // 2).save(project.image("up", 3))
    result = project.judge("-k", "vflip")
    result.stdout.fnmatch_lines(["robustness: sweep of 1 image*, 4 cells"])
    assert project.stored() == dict.fromkeys(CONTROL | VFLIP, 40 + 1)


def test_an_image_that_another_one_replaces_is_not_computed_again(project):
    project.judge("-k", "vflip")
    project.image("up", 3).write_bytes(project.image("up", 4).read_bytes())
    project.judge("-k", "vflip").stdout.no_fnmatch_line("*sweep*")
    assert project.stored() == dict.fromkeys(CONTROL | VFLIP, 40)


def test_a_model_whose_code_changes_is_computed_again(project):
    project.judge("-k", "vflip and slope")
    forwards = project.forwards
    project.write("nets.py", (project.path / "nets.py").read_text().replace("10 * (top", "20 * (top"))
    project.judge("-k", "vflip and slope")
    assert project.forwards == 2 * forwards
    assert project.stored() == {("slope", name, None): 2 * 40 for name in ("control", "vflip")}


def test_ids_end_in_the_severity_where_there_are_several(project):
    project.configure(robustness_severity="1,3,5", robustness_transforms="zoom vflip")
    result = project.judge("--collect-only", "-q", "-k", "colour or classes")
    assert [line.rpartition("::")[2] for line in result.outlines if "::" in line] == [
        "test_classes_are_robust[zoom-s1]",
        "test_classes_are_robust[zoom-s3]",
        "test_classes_are_robust[zoom-s5]",
        "test_classes_are_robust[vflip]",
        "test_model_is_robust[zoom-colour-s1]",
        "test_model_is_robust[zoom-colour-s3]",
        "test_model_is_robust[zoom-colour-s5]",
        "test_model_is_robust[vflip-colour]",
    ]


def test_each_of_several_severities_is_a_condition_of_its_own(project):
    project.configure(robustness_severity="2-3", robustness_transforms="brightness vflip")
    project.judge().assert_outcomes(failed=2, passed=7)
    assert {name for name in project.stored() if name[0] == "slope"} == {
        ("slope", "control", None),
        ("slope", "brightness", 2),
        ("slope", "brightness", 3),
        ("slope", "vflip", None),
    }


@pytest.mark.slow
def test_a_wrong_name_is_a_usage_error_under_xdist_too(project):
    result = project.judge("-n", "2", "--robustness-models", "python:nets.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    output = result.stdout.str() + result.stderr.str()
    assert "'python:nets.py' does not name a factory. Write python:package.module:factory or " in output
    assert "INTERNALERROR" not in output
