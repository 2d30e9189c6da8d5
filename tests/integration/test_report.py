"""What a run leaves: files whose numbers add up, a failure that reads as a finding, and nothing where nothing ran."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

TEST_KEYS = {
    "model", "transform", "severity", "outcome", "n", "control_accuracy", "accuracy", "difference", "ci_low",
    "ci_high", "effect_size", "statistic", "df", "p_value", "p_adjusted",
}  # fmt: skip
DOCS = Path(__file__).parents[2] / "docs/reports.md"
UNEVEN = """
def pytest_robustness_register(registry):
    @registry.transform("fade", version=1)
    def fade(images):
        # Half of the images lose what tells top from bottom: those whose first pixel is dark in the green channel.
        dark = images[:, 1, 0, 0] % 2 == 0
        images[dark] = 255 - images[dark]
        return images
"""


@pytest.fixture
def judged(project):
    """The tiny project after a run with a transform that fools `slope` on about half of the images."""
    project.write("conftest.py", UNEVEN)
    project.configure(robustness_transforms="fade vflip", robustness_severity="1,3")
    project.judge("--rootdir=.", "--confcutdir=.")
    return project


def test_results_json_has_the_keys_of_the_design(judged):
    results = judged.results()
    top = {"schema_version", "provenance", "models", "classes", "conditions", "model_tests", "class_tests"}
    assert top | {"class_summary"} <= set(results)
    assert results["schema_version"] == 2
    assert all(set(test) >= TEST_KEYS for test in results["model_tests"])
    class_keys = TEST_KEYS - {"model"} | {"class_index", "class_name"}
    assert all(class_keys <= set(test) for test in results["class_tests"])
    summary_keys = {"transform", "severity", "sensitive", "insensitive", "inconclusive", "outcome"}
    assert all(summary_keys <= set(row) for row in results["class_summary"])
    assert [row["class_name"] for row in results["classes"]] == ["down", "up"]
    assert [(row["transform"], row["severity"]) for row in results["conditions"]] == [("fade", None), ("vflip", None)]
    assert [row["label"] for row in results["models"]] == ["slope", "colour"]
    assert len(results["model_tests"]) == 4
    assert len(results["class_tests"]) == 4


def test_provenance_tells_how_to_repeat_the_run(judged):
    provenance = judged.results()["provenance"]
    assert {"python", "platform", "packages", "command", "options", "device", "dataset", "models"} <= set(provenance)
    assert provenance["options"]["transforms"] == ["fade", "vflip"]
    assert provenance["options"]["severity"] == [1, 3]
    assert provenance["dataset"]["name"] == "folder:photos"
    assert (provenance["dataset"]["images"], provenance["dataset"]["classes"]) == (40, 2)
    assert provenance["models"]["python:nets.py:slope"]["class_match"] == "name"
    assert provenance["packages"]["torch"] is not None


def test_accuracy_csv_has_a_row_for_each_model_condition_and_class_and_sums_to_the_images(judged):
    table = judged.table("accuracy.csv")
    assert list(table) == ["model", "transform", "severity", "class_index", "class_name", "n", "correct", "top5"]
    assert len(table) == 2 * 3 * 2
    assert (table.groupby(["model", "transform"]).n.sum() == 40).all()
    assert (table.correct <= table.n).all()
    assert set(table["transform"]) == {"control", "fade", "vflip"}


def test_images_csv_has_every_answer_as_the_store_has_it_and_sums_to_accuracy_csv(judged):
    table = judged.table("images.csv")
    assert len(table) == 2 * 3 * 40
    assert set(table.file) == {str(judged.image(name, number)) for name in ("down", "up") for number in range(20)}
    keys = ["model", "transform", "class_index"]
    counted = table.groupby(keys).right.agg(["size", "sum"]).reset_index()
    counts = judged.table("accuracy.csv").sort_values(keys)
    assert counted.to_numpy().tolist() == counts[[*keys, "n", "correct"]].to_numpy().tolist()
    # Read as bytes, without the code that reports read the store with.
    sql = """
        SELECT description, images, rows FROM cell
        JOIN prediction ON prediction.cell = cell.id JOIN block ON block.id = block
    """
    identities = [hashlib.sha256(Path(file).read_bytes()).digest()[:16] for file in table.file[:40]]
    with contextlib.closing(sqlite3.connect(judged.path / ".robustness/store.sqlite")) as connection:
        for text, images, content in connection.execute(sql):
            cell = json.loads(text)
            rows = table[(table.model == cell["model"]) & (table["transform"] == cell["transform"])]
            assert rows.position.tolist() == rows["index"].tolist() == list(range(40))
            order = [identities.index(images[start : start + 16]) for start in range(0, 40 * 16, 16)]
            rows = rows.iloc[order]
            np.testing.assert_array_equal(rows.output, np.frombuffer(content[:80], "<u2"))
            logarithms = np.frombuffer(content[160:], "<f2").astype(np.float32).reshape(3, 40)
            np.testing.assert_allclose(rows.probability, np.exp(logarithms[0]), rtol=1e-6)
            np.testing.assert_allclose(rows.true_probability, np.exp(logarithms[2]), rtol=1e-6)
            assert rows.answer.tolist() == [("down", "up")[output] for output in rows.output]


def test_the_example_of_the_docs_lists_the_images_that_the_flip_costs(judged, monkeypatch):
    (code,) = re.findall(
        r"^```python\n(import pandas.*?)^```", DOCS.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    monkeypatch.chdir(judged.path)
    names: dict[str, object] = {}
    exec(code, names)
    # `slope` errs on every image that is upside down, `colour` on none.
    lost = names["lost"]
    assert set(lost.index.get_level_values("model")) == {"python:nets.py:slope"}
    assert sorted(lost.file) == sorted(str(judged.image(name, i)) for name in ("down", "up") for i in range(20))


def test_the_terminal_says_where_the_table_of_images_is(project):
    result = project.judge("-k", "colour")
    result.stdout.fnmatch_lines(["Report: reports/latest", "Images: reports/latest/images.csv (120 rows)"])


# scipy says so of a group without spread, such as the two classes that are all right in control.
@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")
def test_the_numbers_of_the_tests_follow_from_accuracy_csv(judged):
    table = judged.table("accuracy.csv")
    table["percent"] = 100 * table.correct / table.n
    percent = table.set_index(["model", "transform", "class_name"]).percent.sort_index()
    for test in judged.results()["model_tests"]:
        control = percent[test["model"], "control"].to_numpy()
        treated = percent[test["model"], test["transform"]].to_numpy()
        assert test["control_accuracy"] == pytest.approx(control.mean())
        assert test["accuracy"] == pytest.approx(treated.mean())
        assert test["difference"] == pytest.approx(treated.mean() - control.mean())
        if np.ptp(treated) > 0:
            expected = stats.ttest_ind(treated, control)
            assert test["p_value"] == pytest.approx(expected.pvalue)
            assert test["statistic"] == pytest.approx(expected.statistic)
    fade = percent["python:nets.py:slope", "fade"]
    assert fade.min() > 0
    assert fade.max() < 100


def test_tests_csv_holds_every_test_of_results_json(judged):
    table, results = judged.table("tests.csv"), judged.results()
    assert list(table.kind) == ["model"] * 4 + ["class"] * 4
    tests = results["model_tests"] + results["class_tests"]
    np.testing.assert_allclose(table.p_value, [np.nan if t["p_value"] is None else t["p_value"] for t in tests])
    assert list(table.outcome) == [test["outcome"] for test in tests]


def test_a_failure_reads_as_a_finding_at_80_columns(project):
    project.write(
        "test_mine.py",
        """
        from pytest_robustness import assert_robust

        def test_model(robustness):
            assert_robust(robustness.model_test("python:nets.py:slope", "vflip"))

        def test_classes(robustness):
            assert_robust(robustness.class_test("vflip", models=["python:nets.py:slope", "python:nets.py:tilt"]))
        """,
    )
    result = project.run("test_mine.py")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "-100.0 points (SEVERE): python:nets.py:slope under vflip: accuracy fell 100.0",
            # Both images of every pair change: 2 times 0.5 to the power of 40.
            "points, p = 1.8e-12 < alpha 0.05",
            "  top-1 accuracy      100.0 % -> 0.0 % over all images",
            "  mean over classes   100.0 % -> 0.0 %, 2 classes",
            "  over 40 images      -100.0 points (90 % interval -100.0 to -*)",
            "  changed images      40 lost, 0 gained, p = 1.8e-12 (McNemar)",
            "  independent         no t: the classes are alike; p = 1.8e-12 of the images",
            "  class that fell most              control  treated  points",
            "  down                               100.0%     0.0%  -100.0",
            "  up                                 100.0%     0.0%  -100.0",
            "report: reports/latest",
            "-100.0 points (SEVERE) in class down: vflip: 2 classes changed significantly and",
            "by more than 10 measured points: down -100.0, up -100.0; 2 of 2 classes",
            "sensitive at alpha 0.05, more than the 1 allowed",
            "  sensitive           2 of 2 classes (p < 0.05)",
            "  allowed             1 (--robustness-max-sensitive)",
            "  tested over         2 models",
            "report: reports/latest",
        ]
    )
    finding = result.outlines[result.outlines.index("  top-1 accuracy      100.0 % -> 0.0 % over all images") :]
    assert not any(line.startswith(("E  ", ">", "test_mine.py:")) for line in finding)
    assert max(map(len, finding)) <= 80


def test_the_list_of_failures_has_the_headline_of_each_finding_alone(project, monkeypatch):
    # In CI pytest shows there all that a message has.
    monkeypatch.setenv("CI", "true")
    result = project.judge("-k", "vflip and slope")
    result.assert_outcomes(failed=1, deselected=5)
    reason = "accuracy fell 100.0 points, p = 1.8e-12 < alpha 0.05"
    headline = f"-100.0 points (SEVERE): python:nets.py:slope under vflip: {reason}"
    below = result.outlines.index(f"FAILED test_models.py::test_model_is_robust[vflip-slope] - {headline}") + 1
    assert result.outlines[below].startswith("=")


def test_the_list_of_failures_has_the_message_of_an_error_without_the_name_of_its_class(project, monkeypatch):
    monkeypatch.setenv("CI", "true")
    result = project.judge("-k", "vflip and absent", "--robustness-models=python:nets.py:absent")
    result.assert_outcomes(errors=1, deselected=3)
    listed = next(line for line in result.outlines if line.startswith("ERROR "))
    assert listed.startswith(
        "ERROR test_models.py::test_model_is_robust[vflip-absent] - 'absent' is not a function of nets.py. Known:"
    )


def test_a_test_that_cannot_tell_is_skipped_with_its_reason(project):
    for name in ("up", "down"):
        for number in range(1, 20):
            project.image(name, number).unlink()
    (project.path / "photos" / "up" / "00.png").unlink()
    (project.path / "photos" / "up").rmdir()
    project.write(
        "nets.py", (project.path / "nets.py").read_text().replace('classes=["down", "up"]', 'classes=["down", "sky"]')
    )
    result = project.judge("-rs", "-k", "vflip")
    result.assert_outcomes(skipped=3, deselected=3)
    result.stdout.fnmatch_lines(
        [
            "SKIPPED * vflip: 1 of 1 classes have fewer than 6 images right in control: not even the loss of all *",
            "SKIPPED * python:nets.py:slope under vflip: neither within 10 points nor beyond is shown: -100.0 points*",
            "SKIPPED * python:nets.py:colour under vflip: neither within 10 points nor beyond is shown: +0.0 points*",
        ]
    )
    outcomes = {(test["model"], test["outcome"], test["p_value"]) for test in project.results()["model_tests"]}
    assert outcomes == {(f"python:nets.py:{name}", "INCONCLUSIVE", None) for name in ("slope", "colour")}


def test_a_run_that_judges_nothing_leaves_nothing(project):
    project.write("test_other.py", "def test_other(robustness): pass\n")
    for arguments in (["--collect-only"], ["-k", "nothing"]):
        project.judge(*arguments)
    project.run("test_other.py").assert_outcomes(passed=1)
    assert not (project.path / "reports").exists()
    assert not (project.path / ".robustness").exists() or not project.stored()


def test_the_list_of_what_is_known_needs_no_tests(project):
    project.write(
        "conftest.py",
        """
        def pytest_robustness_register(registry):
            @registry.transform("fade", levels=(0.5, 0.25))
            def fade(images, level):
                '''Fade to grey.'''
        """,
    )
    result = project.run("--robustness-list")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "Models (--robustness-models)",
            "*presets*digits12, imagenet12*",
            "*torchvision*alexnet, *",
            "*python*package.module:factory, path/to/file.py:factory*",
            "Transforms (--robustness-transforms)",
            "*rotation*[[]5, 15, 30, 45, 90[]] Rotate about the centre by ±*",
            "*vflip*Mirror top to bottom.*",
            "*equalize_zoom_brightness*The chain equalize+zoom+brightness.*",
            "*fade*[[]0.5, 0.25[]] Fade to grey.*",
            "Data (--robustness-data)",
            "*folder:path*",
        ]
    )
    result.stdout.no_fnmatch_line("*test session starts*")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_a_run_ends_well_where_the_terminal_cannot_show_every_character(project, encoding):
    (project.path / "photos/up").rename(project.path / "photos/δέλτα")
    project.write("nets.py", (project.path / "nets.py").read_text(encoding="utf-8").replace('"up"', '"δέλτα"'))
    arguments = ("--pyargs", "robustness_tests", "-k", "vflip", "--robustness-models=python:nets.py:slope")
    result = project.print_in(encoding, *arguments)
    result.assert_outcomes(failed=2, deselected=2)
    start = result.outlines.index("transform  worst classes")
    rule, row, *rest = result.outlines[start + 1 :]
    # What the encoding lacks is shown plainly where that is a sign of ours, and escaped where it is a name.
    assert set(rule) == {"-"}
    assert row.split()[1:3] == ["down", "-100.0"]
    assert "\\u03b4\\u03ad\\u03bb\\u03c4\\u03b1" in result.stdout.str()
    assert "Report: reports/latest" in rest
    assert "\\n" not in result.stdout.str()
