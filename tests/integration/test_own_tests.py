"""What users write in their own projects: tests, markers, transforms, and fixtures that are called like ours."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest


def test_a_test_asks_for_a_result_by_names(project):
    project.write(
        "test_mine.py",
        """
        from pytest_robustness import NotRobust, Outcome, assert_robust
        import pytest

        def test_model(robustness):
            found = robustness.model_test("python:nets.py:colour", "vflip")
            assert_robust(found)
            assert found.result.n == 2 and found.accuracy == (100.0, 100.0)

        def test_finding(robustness):
            with pytest.raises(NotRobust, match="accuracy fell 100.0 points"):
                assert_robust(robustness.model_test("python:nets.py:slope", "vflip"))

        def test_classes(robustness):
            found = robustness.class_test("vflip", models=["python:nets.py:slope", "python:nets.py:tilt"])
            assert [c.name for c in found.sensitive] == ["down", "up"]
            assert found.verdict.outcome is Outcome.FAIL
            # Two classes are more than the one allowed.
            assert found.allowed == 1

        def test_images(robustness):
            found = robustness.image_test("python:nets.py:slope", "vflip")
            assert found.result.test == "mcnemar" and found.result.n == 40
            assert found.result.p_value == 2 * 0.5**40
            assert_robust(robustness.image_test("python:nets.py:colour", "vflip"))

        def test_chain(robustness):
            assert_robust(robustness.model_test("python:nets.py:slope", "vflip+hflip+vflip"))
            assert_robust(robustness.model_test("python:nets.py:slope", "brightness", 1))
        """,
    )
    project.run("test_mine.py").assert_outcomes(passed=5)
    judged = {(test["model"], test["transform"], test["severity"]) for test in project.results()["model_tests"]}
    assert judged == {
        ("python:nets.py:colour", "vflip", None),
        ("python:nets.py:slope", "vflip", None),
        ("python:nets.py:slope", "vflip+hflip+vflip", None),
        ("python:nets.py:slope", "brightness", 1),
    }


def test_control_is_no_transform_to_test_and_the_others_are_reported(project):
    project.write(
        "test_mine.py",
        """
        def test_fine(robustness):
            assert not robustness.model_test("python:nets.py:colour", "vflip").impacted

        def test_model(robustness):
            robustness.model_test("python:nets.py:colour", "control")

        def test_classes(robustness):
            robustness.class_test("control")
        """,
    )
    result = project.run("test_mine.py")
    result.assert_outcomes(passed=1, failed=2)
    assert result.stdout.str().count("control is what transforms are compared with. Name a transform.") == 2
    assert [test["transform"] for test in project.results()["model_tests"]] == ["vflip"]


def test_a_fault_of_the_report_leaves_what_pytest_has_to_say(project, monkeypatch):
    from pytest_robustness.report.page import render

    monkeypatch.setattr(render, "write", lambda view, folder: {}["no such key"])
    result = project.judge("-k", "hflip")
    result.assert_outcomes(passed=3, deselected=3)
    assert result.ret == 1
    printed = result.stdout.str()
    assert "The report could not be written, because of a fault of pytest-robustness:\nTraceback" in printed
    assert "KeyError: 'no such key'" in printed
    written = {path.name for path in (project.path / "reports/latest").iterdir()}
    assert {"results.json", "summary.md", "answers.npz"} < written
    assert "index.html" not in written


def test_a_single_name_needs_no_list(project):
    project.write(
        "test_mine.py",
        """
        import pytest

        @pytest.mark.robustness(models="python:nets.py:colour", transforms="vflip")
        def test_marked(robustness, cell):
            assert (cell.model, str(cell.condition)) == ("python:nets.py:colour", "vflip")

        def test_classes(robustness):
            assert robustness.class_test("vflip", models="python:nets.py:colour").models == ("python:nets.py:colour",)
        """,
    )
    project.run("test_mine.py").assert_outcomes(passed=2)


def test_torchvisions_models_are_not_meant_on_the_embedded_digits(project):
    project.configure(robustness_data="digits", robustness_models="resnet18")
    result = project.judge()
    assert result.ret == 4
    assert result.stderr.str().strip() == (
        "ERROR: 'resnet18' is torchvision's model, for ImageNet. On the embedded digits say 'digits:resnet18'."
    )


def test_a_wrong_name_in_a_test_is_an_error_of_that_test(project):
    project.write(
        "test_mine.py",
        """
        from pytest_robustness import assert_robust

        def test_transform(robustness):
            assert_robust(robustness.model_test("python:nets.py:slope", "blurr"))

        def test_severity(robustness):
            assert_robust(robustness.model_test("python:nets.py:slope", "zoom", 6))

        def test_preset(robustness):
            assert_robust(robustness.model_test("digits12", "zoom"))

        def test_text(robustness):
            robustness.class_test("zoom", severity="3")

        def test_list(robustness):
            robustness.model_test("python:nets.py:slope", ["vflip"])

        def test_nothing(robustness):
            robustness.model_test("python:nets.py:slope", None)

        def test_right(robustness):
            assert_robust(robustness.model_test("python:nets.py:slope", "hflip"))
        """,
    )
    result = project.run("test_mine.py")
    result.assert_outcomes(failed=6, passed=1)
    result.stdout.fnmatch_lines(
        [
            "'blurr' is not a transform. Known: brightness, equalize, *, zoom.",
            "zoom has no severity 6. It has: 1, 2, 3, 4, 5.",
            "'digits12' is a preset of 12 models; name one model.",
            "zoom has no severity '3', which is of type str. It has: 1, 2, 3, 4, 5.",
            "[[]'vflip'[]] names no transform. Write the name of one as a text, such as 'vflip'.",
            "None names no transform. Write the name of one as a text, such as 'vflip'.",
        ]
    )


def test_an_error_without_a_message_is_an_error_of_its_test_alone(project):
    project.write(
        "test_mine.py",
        """
        from pytest_robustness.core.errors import RobustnessError

        def test_mine(robustness):
            raise RobustnessError

        def test_other():
            pass
        """,
    )
    result = project.run("test_mine.py")
    result.assert_outcomes(failed=1, passed=1)
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


def test_a_marker_names_what_a_test_runs_over(project):
    project.write(
        "test_mine.py",
        """
        import pytest
        from pytest_robustness import Cell, Panel, assert_robust

        @pytest.mark.robustness(models=["python:nets.py:colour"], transforms=["vflip", "brightness"])
        def test_cell(robustness, cell):
            assert isinstance(cell, Cell)
            assert_robust(robustness.model_test(cell))

        @pytest.mark.robustness(models=["python:nets.py:slope", "python:nets.py:tilt"], transforms=["hflip"])
        def test_condition(robustness, condition):
            assert isinstance(condition, Panel)
            assert len(condition.models) == 2
            assert_robust(robustness.class_test(condition))

        @pytest.mark.robustness(transforms=["equalize"])
        class TestAll:
            def test_cell(self, robustness, cell):
                assert_robust(robustness.model_test(cell))
        """,
    )
    result = project.run("test_mine.py", "-v")
    result.assert_outcomes(passed=5)
    ids = [line.split()[0].partition("::")[2] for line in result.outlines if " PASSED " in line]
    assert ids == [
        "test_cell[vflip-colour]",
        "test_cell[brightness-colour]",
        "test_condition[hflip]",
        "TestAll::test_cell[equalize-slope]",
        "TestAll::test_cell[equalize-colour]",
    ]
    result.stdout.fnmatch_lines(["robustness: sweep of 40 images, 9 cells"])


def test_a_marker_lets_a_test_without_a_cell_be_computed_with_the_others(project):
    project.write(
        "test_mine.py",
        """
        import pytest
        from pytest_robustness import assert_robust

        @pytest.mark.robustness(models=["python:nets.py:slope"], transforms=["hflip"])
        def test_mine(robustness):
            assert_robust(robustness.model_test("python:nets.py:slope", "hflip"))

        @pytest.mark.robustness(models=["python:nets.py:slope"], transforms=["equalize"])
        def test_other(robustness):
            assert_robust(robustness.model_test("python:nets.py:slope", "equalize"))
        """,
    )
    result = project.run("test_mine.py")
    result.assert_outcomes(passed=2)
    assert sum("sweep of" in line for line in result.outlines) == 1


def test_where_every_test_names_its_models_the_options_need_none(project):
    project.configure(robustness_models=None)
    project.write(
        "test_mine.py",
        """
        import pytest

        @pytest.mark.robustness(models=["python:nets.py:colour"], transforms=["hflip"])
        def test_mine(robustness, cell):
            assert robustness.model_test(cell).accuracy.control == 100
        """,
    )
    project.run("test_mine.py").assert_outcomes(passed=1)
    project.write("test_more.py", "def test_more(condition): pass")
    result = project.run("test_more.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: Which models are to be judged on folder:*"])


def test_how_far_a_sweep_is_goes_to_the_log_and_not_to_the_output_of_a_failed_test(project):
    project.write(
        "test_mine.py",
        """
        def test_mine(robustness):
            robustness.model_test("python:nets.py:slope", "hflip")
            print("mine")
            assert False
        """,
    )
    result = project.run("test_mine.py")
    log, _, captured = result.stdout.str().partition("Captured stdout call")
    assert "mine" in captured
    assert "robustness: sweep of 40 images, 2 cells" in log
    assert "images done in" in log
    assert "sweep of" not in captured


@pytest.mark.parametrize("what", ["models", "transforms"])
def test_a_marker_that_names_nothing_is_a_usage_error(project, what):
    project.write(
        "test_mine.py",
        f"""
        import pytest

        @pytest.mark.robustness({what}=[])
        def test_mine(cell):
            pass
        """,
    )
    result = project.run("test_mine.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {what}=[[][]] names none. Name at least one*"])


def test_a_marker_that_names_what_does_not_exist_is_a_usage_error(project):
    for arguments, message in {
        'transforms=["blurr"]': "'blurr' is not a transform. Known: *",
        'models=["colour"]': "'colour' is not a torchvision model. Known: *",
        'severity=["3"]': "@pytest.mark.robustness takes models=[[]...[]] and transforms=[[]...[]] and nothing else; "
        "see test_mine.py::test_mine.",
    }.items():
        project.write(
            "test_mine.py",
            f"import pytest\n@pytest.mark.robustness({arguments})\ndef test_mine(robustness, cell): pass\n",
        )
        result = project.run("test_mine.py")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {message}"])


def test_a_project_adds_transforms_with_the_hook(project):
    project.write(
        "conftest.py",
        """
        def pytest_robustness_register(registry):
            @registry.transform("invert")
            def invert(images):
                return 255 - images

            @registry.transform("darken", levels=(1, 2, 4))
            def darken(images, level):
                return images // level
        """,
    )
    result = project.judge(
        "--robustness-transforms", "invert,darken,invert+hflip", "--robustness-severity=2", "-v", "--rootdir=."
    )
    # Inverted, top and bottom change places, and so do red and blue.
    result.stdout.fnmatch_lines(
        [
            "*test_model_is_robust[[]invert-slope[]] FAILED*",
            "*test_model_is_robust[[]invert-colour[]] FAILED*",
            "*test_model_is_robust[[]darken-slope[]] PASSED*",
            "*test_model_is_robust[[]invert+hflip-colour[]] FAILED*",
        ]
    )
    assert ("slope", "darken", 2) in project.stored()


SUBFOLDER = """
def pytest_robustness_register(registry):
    @registry.transform("{name}")
    def same(images):
        return images
"""


@pytest.mark.parametrize(
    ("arguments", "tests_of"),
    [((), "one two"), ((), "two"), (("one", "two"), "one two"), (("-n", "1"), "one two")],
)
def test_two_subfolders_that_register_one_name_are_named_with_their_lines(project, arguments, tests_of):
    for folder in ("one", "two"):
        (project.path / folder).mkdir()
        project.write(f"{folder}/conftest.py", SUBFOLDER.replace("{name}", "same"))
        asks = "cell" if folder in tests_of.split() else ""
        project.write(f"{folder}/test_{folder}.py", f"def test_it({asks}): pass")
    result = project.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    printed = result.stdout.str() + result.stderr.str()
    (said,) = re.findall(r"ERROR: (A transform named 'same' is registered already .*)", printed)
    first, second = re.findall(r"\(([^)]*)\)", said)
    assert {first, second} == {"one/conftest.py:3", "two/conftest.py:3"}
    assert said == f"A transform named 'same' is registered already ({first}). Choose another name ({second})."
    assert "Traceback" not in printed


def test_a_subfolder_that_takes_the_name_of_a_known_transform_is_named(project):
    (project.path / "one").mkdir()
    project.write("one/conftest.py", SUBFOLDER.replace("{name}", "vflip"))
    project.write("test_first.py", "def test_it(cell): pass")
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: A transform named 'vflip' is registered already. Choose another name (one/conftest.py:3)."]
    )


def test_fixtures_of_a_project_that_are_called_like_ours_are_left_alone(project):
    project.write(
        "test_mine.py",
        """
        import pytest

        @pytest.fixture
        def cell():
            return "prison"

        @pytest.fixture
        def condition(robustness):
            return "rainy"

        def test_alone(cell):
            assert cell == "prison"

        def test_with_ours(robustness, cell, condition):
            assert (cell, condition) == ("prison", "rainy")

        @pytest.mark.parametrize("cell", [1, 2])
        def test_parametrized(robustness, cell):
            assert cell in (1, 2)
        """,
    )
    project.run("test_mine.py").assert_outcomes(passed=4)


OWN_ROBUSTNESS = """
import pytest

@pytest.fixture
def robustness():
    return 0.5

def test_alone(robustness):
    assert robustness == 0.5

@pytest.mark.robustness(reason="another plugin's, or an old one")
def test_marked(robustness):
    assert robustness == 0.5
"""


def test_a_fixture_of_a_project_that_is_called_robustness_has_nothing_to_do_with_ours(project):
    project.configure(robustness_data="folder:nowhere")
    project.write("test_mine.py", OWN_ROBUSTNESS)
    result = project.run("test_mine.py")
    result.assert_outcomes(passed=2)
    assert "robustness:" not in result.stdout.str()
    assert not (project.path / ".robustness").exists()
    project.run("test_mine.py", "-m", "robustness").assert_outcomes(passed=1, deselected=1)


def test_ours_work_beside_it(project):
    project.write("test_mine.py", OWN_ROBUSTNESS + "\ndef test_cell(robustness, cell): assert cell.model\n")
    project.run("test_mine.py").assert_outcomes(passed=6)
    assert set(project.stored().values()) == {40}


def test_one_that_builds_on_ours_is_planned_as_ours(project):
    project.write(
        "test_mine.py",
        """
        import pytest

        @pytest.fixture(scope="session")
        def robustness(robustness):
            return robustness

        @pytest.mark.robustness(transforms=["vflip", "hflip"])
        def test_mine(robustness):
            assert robustness.model_test("python:nets.py:colour", "vflip").accuracy.control == 100
        """,
    )
    result = project.run("test_mine.py", "-m", "robustness")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["robustness: sweep of 40 images, 6 cells"])


def test_a_fixture_of_a_project_can_build_on_ours(project):
    project.write(
        "test_mine.py",
        """
        import pytest
        from pytest_robustness import assert_robust

        @pytest.fixture
        def finding(robustness, cell):
            return robustness.model_test(cell)

        def test_mine(finding):
            assert finding.result.n == 2
        """,
    )
    project.run("test_mine.py").assert_outcomes(passed=4)


# As pytest-rerunfailures does it.
TWICE = """
import pytest
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    runtestprotocol(item, nextitem=nextitem, log=False)
    runtestprotocol(item, nextitem=nextitem)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
"""


def test_a_test_that_runs_again_has_the_figures_of_its_last_time_alone(project):
    project.write("conftest.py", TWICE)
    project.write(
        "test_mine.py",
        """
        def test_mine(robustness, record_property):
            record_property("mine", 1)
            robustness.model_test("python:nets.py:colour", "vflip")
        """,
    )
    project.run("test_mine.py", "--junitxml=junit.xml", "-o", "junit_family=xunit1").assert_outcomes(passed=1)
    properties = ET.parse(project.path / "junit.xml").iter("property")
    names = [found.attrib["name"] for found in properties]
    # What others record is theirs to remove.
    assert names.count("mine") == 2
    assert names.count("verdict") == names.count("top1_accuracy") == 1


def test_the_marker_is_declared(project):
    project.run("--markers").stdout.fnmatch_lines(["@pytest.mark.robustness(models=None, transforms=None): *"])


def test_the_fixtures_say_what_they_are(project):
    result = project.run("--fixtures")
    result.stdout.fnmatch_lines(
        [
            "*robustness [[]session scope[]]*",
            "    Answer questions: ``model_test``, ``class_test``, ``image_test`` and ``gate_test``. Scope: session.",
            "    One model under one condition, computed; the test runs once for each of the run's. Scope: function.",
        ]
    )


def test_a_test_that_nobody_planned_says_the_same_first_and_last_and_in_the_report(project):
    project.write(
        "test_mine.py",
        """
        import pytest

        @pytest.mark.parametrize("model", ["slope", "tilt", "colour"])
        def test_model(robustness, model):
            result = robustness.model_test(f"python:nets.py:{model}", "brightness").result
            assert result.p_adjusted == result.p_value
        """,
    )
    project.run("test_mine.py", "--robustness-correction=holm").assert_outcomes(passed=3)
    tests = project.table("tests.csv")
    assert len(tests) == 3
    assert tests["p_adjusted"].equals(tests["p_value"])


@pytest.mark.parametrize("gone", [False, True])
def test_a_test_that_changes_the_directory_moves_no_model(project, gone):
    project.write("where.py", "import os\nfrom nets import colour as make\nos.makedirs('here', exist_ok=True)\n")
    project.write(
        "test_mine.py",
        f"""
        import os, pytest, shutil

        def test_moves(robustness, tmp_path):
            assert robustness.model_test("python:nets.py:slope", "hflip").accuracy.control == 100
            os.chdir(tmp_path)
            if {gone}:
                shutil.rmtree(tmp_path)

        @pytest.mark.robustness(models=["python:nets.py:colour"], transforms=["vflip"])
        def test_planned(robustness, cell):
            assert robustness.model_test(cell).accuracy.control == 100

        def test_by_name(robustness, tmp_path):
            assert robustness.model_test("python:where.py:make", "vflip").accuracy.control == 100
            assert robustness.model_test("python:nets.py:tilt", "hflip").accuracy.control == 100
            assert {gone} or os.getcwd() != {str(project.path)!r}
        """,
    )
    project.run("test_mine.py").assert_outcomes(passed=3)
    assert (project.path / "here").is_dir()
    assert project.results()["errors"] == []
