"""The gate through the plugin: a baseline is written, compared with, refused where it cannot be, and lived with."""

from __future__ import annotations

import base64
import io
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytest import ExitCode  # noqa: PT013

from pytest_robustness.transforms import builtin

MIXED = """

WEIGHT = {weight}


class Mixed(torch.nn.Module):
    # Right on all images; upside down on none (weight 1), 20 (2.0), 28 (2.1), 32 (2.2) or all 40 (2.4) of them.
    def forward(self, images):
        return Slope()(images) + WEIGHT * Colour()(images)


def mixed():
    return Model(Mixed(), classes=["down", "up"])
"""
# Right on all images but those of which it is least sure, where it says the opposite of what it sees.
CONTRARY = """

class Contrary(torch.nn.Module):
    def forward(self, images):
        seen = Slope()(images) + 2.4 * Colour()(images)
        return torch.where(seen.abs().amax(dim=1, keepdim=True) < 8.3, -seen, seen)


def contrary():
    return Model(Contrary(), classes=["down", "up"])
"""
FILES = (
    "Baseline, three files to commit: robustness-baseline.json, robustness-baseline.classes.json, "
    "robustness-baseline.npz"
)
GATE = "python:nets.py:mixed against the baseline under vflip: "


class Gated:
    """The tiny project with one model whose robustness is set by a weight in its file."""

    def __init__(self, project):
        self.project = project
        self.path = project.path
        self.nets = (self.path / "nets.py").read_text(encoding="utf-8")
        self.keys = {"robustness_models": "python:nets.py:mixed"}
        project.configure(**self.keys)

    def update(self, weight, *arguments):
        """Write the baseline of the model with this weight."""
        self.project.write("nets.py", self.nets + MIXED.format(weight=weight))
        return self.project.judge("--robustness-update-baseline", *arguments)

    def compare(self, weight, *arguments):
        """Compare the model with this weight with the baseline."""
        self.project.write("nets.py", self.nets + MIXED.format(weight=weight))
        return self.project.judge("--robustness-baseline=robustness-baseline.json", *arguments)

    def files(self):
        """Return the bytes of the baseline's three files."""
        return [
            (self.path / f"robustness-baseline.{ending}").read_bytes() for ending in ("json", "classes.json", "npz")
        ]

    def gate(self, folder="reports/latest"):
        """Return the rows of the gate in ``results.json`` by transform."""
        return {row["transform"]: row for row in self.project.results(folder)["gate"]}


@pytest.fixture
def gated(project):
    """The tiny project with one model to gate."""
    return Gated(project)


def printed(result):
    """Return all that a run wrote, with wrapped lines joined."""
    return " ".join((result.stdout.str() + result.stderr.str()).split())


def test_writing_the_baseline_again_leaves_both_files_as_they_are(gated):
    gated.update(2.0).stdout.fnmatch_lines([FILES])
    before = gated.files()
    gated.update(2.0).stdout.fnmatch_lines([f"{FILES} (unchanged)"])
    assert gated.files() == before
    changed = gated.update(2.1)
    changed.stdout.fnmatch_lines(
        [
            f"{FILES}; accuracy in percent, old -> new:",
            "  python:nets.py:mixed vflip: 50.00 -> *",
        ]
    )
    assert gated.files() != before


@pytest.mark.parametrize(
    ("selection", "lost"),
    [
        (("robustness_tests", "-k", "vflip"), "brightness-s3"),
        (("robustness_tests", "-k", "slope"), "python:nets.py:colour"),
        (("robustness_tests", "-k", "slope and vflip"), "python:nets.py:colour, brightness-s3"),
        (("robustness_tests", "-m", "robustness", "-k", "not brightness"), "brightness-s3"),
        (("robustness_tests.test_models::test_model_is_robust[vflip-slope]",), "python:nets.py:colour, brightness-s3"),
    ],
)
def test_tests_that_are_left_out_take_nothing_from_a_baseline(project, selection, lost):
    project.configure(robustness_transforms="brightness,vflip")
    project.judge("--robustness-update-baseline")
    written = {path.name: path.read_bytes() for path in project.path.glob("robustness-baseline.*")}
    result = project.run("--pyargs", "--robustness-update-baseline", *selection)
    assert result.ret == ExitCode.TESTS_FAILED
    assert (
        f"The baseline was left as it is: of what it holds, the tests that were selected leave out {lost}. Write it "
        "with all tests: without -k, -m and names of tests. To keep less in it, name less with --robustness-models and "
        "--robustness-transforms." in printed(result)
    )
    assert {path.name: path.read_bytes() for path in project.path.glob("robustness-baseline.*")} == written


def test_what_a_new_baseline_loses_comes_first_and_accuracies_are_those_of_the_images_in_both(project):
    project.judge("--robustness-update-baseline")
    result = project.judge(
        "--robustness-update-baseline", "--robustness-models=python:nets.py:slope", "--robustness-limit=5"
    )
    result.stdout.fnmatch_lines(
        [f"{FILES}; not as before:", "  model gone: python:nets.py:colour", "  images: 40 -> 10, 10 in both"],
        consecutive=True,
    )
    assert " -> " not in printed(result).partition("10 in both")[2]
    nets = (project.path / "nets.py").read_text(encoding="utf-8")
    project.write("nets.py", nets.replace("def slope", "def other") + "\n\ndef slope():\n    return colour()\n")
    result = project.judge(
        "--robustness-update-baseline", "--robustness-models=python:nets.py:slope", "--robustness-limit=8"
    )
    moved = "Accuracy in percent on the 10 images in both, old -> new:"
    result.stdout.fnmatch_lines(
        ["  images: 10 -> 16, 10 in both", moved, "  python:nets.py:slope vflip: * -> *"], consecutive=True
    )


@pytest.mark.parametrize("arguments", [(), ("-k", "slope and vflip"), ("-n2", "-k", "slope")])
def test_a_baseline_that_cannot_be_read_is_not_written_over(project, arguments):
    project.judge("--robustness-update-baseline")
    (project.path / "robustness-baseline.npz").unlink()
    written = {path.name: path.read_bytes() for path in project.path.glob("robustness-baseline.*")}
    result = project.judge("--robustness-update-baseline", *arguments)
    assert result.ret == ExitCode.USAGE_ERROR
    npz = project.path / "robustness-baseline.npz"
    assert (
        f"The baseline was left as it is, as nobody can tell what it would lose. {npz} is missing: it holds the "
        "answers that belong to robustness-baseline.json. Restore its files from version control, or delete them and "
        "write them anew with --robustness-update-baseline." in printed(result)
    )
    assert {path.name: path.read_bytes() for path in project.path.glob("robustness-baseline.*")} == written
    (project.path / "robustness-baseline.json").unlink()
    project.judge("--robustness-update-baseline").stdout.fnmatch_lines([FILES])


def test_options_that_name_less_leave_less_in_a_baseline_and_it_is_listed(project):
    project.configure(robustness_transforms="brightness,vflip")
    project.judge("--robustness-update-baseline")
    result = project.judge("--robustness-update-baseline", "--robustness-transforms=vflip", "-k", "vflip")
    result.stdout.fnmatch_lines([f"{FILES}; not as before:", "  condition gone: brightness-s3"], consecutive=True)
    baseline = json.loads((project.path / "robustness-baseline.json").read_text(encoding="utf-8"))
    assert "brightness" not in json.dumps(baseline)


def test_a_candidate_that_passes_says_which_transforms_the_baseline_lacks(gated):
    gated.project.configure(**gated.keys, robustness_transforms=None)
    gated.update(2.0, "--robustness-transforms=vflip,brightness")
    result = gated.compare(2.0, "--robustness-candidate=python:nets.py:mixed")
    result.assert_outcomes(passed=3)
    said, *_ = gated.project.results()["warnings"]
    lacking = re.match(r"The baseline lacks ([\w, ]+): a pass says nothing of them\.", said)[1].split(", ")
    assert {*lacking, "vflip", "brightness"} == set(builtin().names())
    assert f"warning: {said}" in printed(result)
    for name in ("summary.md", "index.html"):
        assert "a pass says nothing of them" in (gated.path / "reports/latest" / name).read_text(encoding="utf-8")
    named = gated.compare(2.0, "--robustness-candidate=python:nets.py:mixed", "--robustness-transforms=vflip")
    named.assert_outcomes(passed=2)
    assert "The baseline lacks" not in printed(named)


def unjudged(names):
    """Return the sentence on conditions that a baseline has and a run leaves out."""
    return (
        f"The baseline has {names}, which this run does not judge: a pass says nothing of them. Judge them with "
        "--robustness-transforms and --robustness-severity; a transform of your own has to be registered. Else write "
        "the baseline anew without them."
    )


def warned(gated):
    """Return the warnings of the last run that speak of the baseline; each is in the summary, too."""
    found = [text for text in gated.project.results()["warnings"] if "baseline" in text]
    assert all(text in (gated.path / "reports/latest/summary.md").read_text(encoding="utf-8") for text in found)
    return found


def test_a_candidate_is_judged_at_every_severity_of_the_baseline_and_what_options_leave_out_is_said(gated):
    gated.project.configure(**gated.keys, robustness_transforms=None)
    gated.update(2.0, "--robustness-transforms=zoom,vflip", "--robustness-severity=1,5")
    candidate = "--robustness-candidate=python:nets.py:mixed"
    gated.compare(2.0, candidate).assert_outcomes(passed=4)
    judged = {(row["transform"], row["severity"]) for row in gated.project.results()["gate"]}
    assert judged == {("control", None), ("zoom", 1), ("zoom", 5), ("vflip", None)}
    assert not any("does not judge" in text for text in warned(gated))
    result = gated.compare(2.0, candidate, "--robustness-severity=1")
    result.assert_outcomes(passed=3)
    assert unjudged("zoom-s5") in warned(gated)
    assert f"warning: {unjudged('zoom-s5')}" in printed(result)
    gated.compare(2.0, candidate, "--robustness-transforms=vflip")
    assert unjudged("zoom-s1, zoom-s5") in warned(gated)


@pytest.mark.parametrize("expect", [(), ("--robustness-expect=baseline",)])
def test_a_transform_of_the_baseline_that_is_gone_is_named(gated, expect):
    gated.project.write("conftest.py", FADE.format(version=1))
    gated.project.configure(**gated.keys, robustness_transforms=None)
    gated.update(2.0, "--robustness-transforms=fade,vflip,hflip")
    (gated.path / "conftest.py").unlink()
    gated.compare(2.0, "--robustness-transforms=vflip,hflip", *expect)
    assert unjudged("fade") in warned(gated)


def test_the_baseline_is_not_compared_with_while_it_is_written(gated):
    gated.update(2.0)
    gated.project.write(
        "test_own.py",
        """
        from pytest_robustness import assert_robust

        def test_own(robustness, gate_cell):
            assert_robust(robustness.gate_test(gate_cell))
        """,
    )
    result = gated.project.run("test_own.py", "-rs", "--robustness-update-baseline", "--robustness-expect=baseline")
    result.assert_outcomes(skipped=3)
    assert "this run writes the baseline: there is nothing to compare with" in printed(result)
    gated.project.run("test_own.py", "--robustness-baseline=robustness-baseline.json").assert_outcomes(passed=3)


def test_the_same_model_passes_and_a_second_run_writes_the_same_results_but_for_times(gated):
    gated.update(2.0)
    texts = []
    for _ in range(2):
        gated.compare(2.0, "-k", "baseline").assert_outcomes(passed=3, deselected=4)
        text = (gated.path / "reports/latest/results.json").read_text(encoding="utf-8")
        texts.append(re.sub(r'"sweep_seconds": [\d.]+', "", text))
    assert texts[0] == texts[1]
    assert [row["reason"] for row in gated.gate().values()] == [
        "a drop of more than 10 points is excluded: +0.00 (90 % interval -8.50 to +8.50); no answer of 40 changed"
    ] * 3
    unchanged = {"n": 40, "harmful": 0, "beneficial": 0, "other_wrong": 0}
    assert [row["answers"] for row in gated.gate().values()] == [unchanged] * 3


def test_a_worse_model_fails_under_the_transform_alone(gated):
    gated.update(2.1)
    result = gated.compare(1.0, "-k", "baseline")
    result.assert_outcomes(failed=1, passed=2, deselected=4)
    result.stdout.fnmatch_lines(["vflip * 70.00 * 0.00 * -70.00 * less robust"])
    assert f"{GATE}accuracy fell 70.0 points, more than the tolerance of 10; corrected p = " in printed(result)
    row = gated.gate()["vflip"]
    assert (row["lost"], row["gained"], row["beyond_control"]) == (28, 0, -70.0)
    assert {fallen["class_name"] for fallen in row["fallen_classes"]} == {"down", "up"}


def test_a_better_model_passes_and_is_called_better(gated):
    gated.update(2.0)
    result = gated.compare(2.4, "-k", "baseline")
    result.assert_outcomes(passed=3, deselected=4)
    result.stdout.fnmatch_lines(["vflip * 50.00 * 100.00 * +50.00 * better"])


def test_a_candidate_is_judged_alone_against_the_only_model_of_the_baseline(gated):
    gated.update(2.4)
    result = gated.compare(2.4, "--robustness-candidate=python:nets.py:slope")
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(
        [
            "-100.00 points: python:nets.py:slope against python:nets.py:mixed under vflip:",
            "accuracy fell 100.0 points*",
        ]
    )


def test_a_candidate_is_compared_with_the_model_that_is_named(project):
    project.judge("--robustness-update-baseline")
    arguments = ("--robustness-baseline=robustness-baseline.json", "--robustness-candidate=python:nets.py:tilt")
    result = project.judge(*arguments)
    assert result.ret == ExitCode.USAGE_ERROR
    assert (
        "The baseline holds 2 models; name one of them with --robustness-baseline-model: python:nets.py:colour, "
        "python:nets.py:slope." in printed(result)
    )
    project.judge(*arguments, "--robustness-baseline-model=python:nets.py:slope").assert_outcomes(passed=3)
    project.judge(*arguments, "--robustness-baseline-model=python:nets.py:colour").assert_outcomes(passed=2, failed=1)


def test_a_baseline_that_is_not_there_is_a_usage_error(gated):
    result = gated.compare(2.0)
    assert result.ret == ExitCode.USAGE_ERROR
    path = gated.path / "robustness-baseline.json"
    assert (
        f"There is no baseline at {path}. Run the model in production once with --robustness-update-baseline, and "
        "commit robustness-baseline.json, robustness-baseline.classes.json and robustness-baseline.npz."
        in printed(result)
    )
    assert "passed" not in printed(result)


def test_a_candidate_needs_a_baseline(gated):
    result = gated.project.judge("--robustness-candidate=python:nets.py:slope")
    assert result.ret == ExitCode.USAGE_ERROR
    assert (
        "--robustness-candidate compares a model with a baseline: name it with --robustness-baseline=FILE, without "
        "--robustness-update-baseline. To make a baseline, name the model with --robustness-models." in printed(result)
    )


def test_a_comparison_without_a_baseline_is_an_error_of_its_test_alone(gated):
    gated.project.write("nets.py", gated.nets + MIXED.format(weight=2.0))
    gated.project.write(
        "test_own.py",
        """
        def test_gate(robustness):
            robustness.gate_test("python:nets.py:mixed", "vflip")

        def test_other(robustness):
            robustness.model_test("python:nets.py:mixed", "hflip")
        """,
    )
    result = gated.project.run("test_own.py")
    result.assert_outcomes(failed=1, passed=1)
    assert "There is no baseline to compare with. Name one with --robustness-baseline=FILE." in printed(result)
    result.stdout.fnmatch_lines(["Report: reports/latest"])


FADE = """
def pytest_robustness_register(registry):
    @registry.transform("fade", version={version})
    def fade(images):
        return images // 2
"""


@pytest.mark.parametrize(
    ("arguments", "difference"),
    [
        (["--robustness-seed=1"], "seed: 0 in the baseline, 1 in this run"),
        (["--robustness-severity=5"], "zoom-s5: not in the baseline, which has control, fade, zoom-s3"),
        (["--robustness-transforms=vflip"], "vflip: not in the baseline, which has control, fade, zoom-s3"),
    ],
)
def test_a_run_on_other_terms_is_refused_before_any_test(gated, arguments, difference):
    gated.project.write("conftest.py", FADE.format(version=1))
    gated.project.configure(**gated.keys, robustness_transforms="zoom fade")
    gated.update(2.0)
    refused(gated.compare(2.0, *arguments), difference)


def test_a_changed_transform_and_other_data_are_refused_before_any_test(gated):
    gated.project.write("conftest.py", FADE.format(version=1))
    gated.project.configure(**gated.keys, robustness_transforms="zoom fade")
    gated.update(2.0)
    gated.project.write("conftest.py", FADE.format(version=2))
    for image in gated.path.glob("photos/*/*.png"):
        Image.fromarray(255 - np.asarray(Image.open(image))).save(image)
    refused(
        gated.compare(2.0),
        "images: no image of this run is in the baseline (40 in the baseline, 40 in this run, of folder:photos there)",
        "fade: ",
    )


def test_data_that_was_moved_grew_and_lost_images_is_compared_on_the_images_that_both_have(gated):
    gated.update(2.0)
    photos = gated.path / "photos"
    gated.project.image("up", 3).write_bytes(gated.project.image("up", 4).read_bytes())
    gated.project.image("down", 0).unlink()
    Image.new("RGB", (8, 8), (9, 9, 9)).save(photos / "down" / "new.png")
    photos.rename(gated.path / "pictures")
    result = gated.compare(2.0, "--robustness-data=folder:pictures", "-k", "baseline")
    result.assert_outcomes(passed=3, deselected=4)
    note = (
        "Compared with the baseline on the 38 images that both have; 2 only in the baseline, 2 only in this run "
        "(40 in the baseline, 40 in this run)."
    )
    assert note in printed(result)
    report = gated.path / "reports/latest"
    assert f"- {note}" in (report / "summary.md").read_text(encoding="utf-8")
    assert note in (report / "index.html").read_text(encoding="utf-8")
    row = gated.gate()["vflip"]
    assert (row["n"], row["images_only_in_baseline"], row["images_only_in_run"]) == (38, 2, 2)


def test_a_model_does_not_pass_by_copies_of_few_images(gated):
    for name in ("down", "up"):
        for number in range(1, 20):
            gated.project.image(name, number).write_bytes(gated.project.image(name, 0).read_bytes())
    gated.update(2.0)
    result = gated.compare(2.0, "-k", "baseline", "-rs")
    result.assert_outcomes(skipped=3, deselected=4)
    warning = "40 images, 2 distinct: the others are copies"
    assert f"warning: {warning}" in printed(result)
    note = "Of the 40 images that baseline and run share, 2 are distinct: the comparison counts copies once"
    summary = (gated.path / "reports/latest/summary.md").read_text(encoding="utf-8")
    assert warning in summary
    assert note in summary
    assert gated.gate()["vflip"]["n"] == 2
    # A run without a baseline warns as well.
    gated.project.judge("-k", "hflip")
    assert any(text.startswith(warning) for text in gated.project.results()["warnings"])


def test_a_smaller_draw_is_compared_with_the_whole(gated):
    gated.update(2.0)
    result = gated.compare(2.0, "--robustness-limit=19", "-k", "baseline")
    result.assert_outcomes(passed=3, deselected=4)
    assert "on the 38 images that both have; 2 only in the baseline, 0 only in this run" in printed(result)


def test_a_class_whose_folder_was_renamed_is_compared_with_itself(gated):
    gated.update(2.1)
    (gated.path / "photos/down").rename(gated.path / "photos/low")
    nets = gated.nets.replace('"down"', '"low"')
    gated.project.write("nets.py", nets + MIXED.replace('"down"', '"low"').format(weight=1.0))
    result = gated.project.judge("--robustness-baseline=robustness-baseline.json", "-k", "baseline")
    result.assert_outcomes(failed=1, passed=2, deselected=4)
    assert "Classes that were renamed since the baseline, as their images show: down is low." in printed(result)
    assert (gated.gate()["vflip"]["n"], gated.gate()["vflip"]["lost"]) == (40, 28)


def test_a_model_that_is_renamed_in_the_document_is_not_compared_with_anothers_answers(project):
    project.judge("--robustness-update-baseline")
    path = project.path / "robustness-baseline.json"
    # Now `slope` stands before `colour`, whose answers it would be given.
    path.write_text(path.read_text(encoding="utf-8").replace("nets.py:slope", "a.py:slope"), encoding="utf-8")
    result = project.judge(
        "--robustness-baseline=robustness-baseline.json",
        "--robustness-candidate=python:nets.py:slope",
        "--robustness-baseline-model=python:a.py:slope",
    )
    assert result.ret == ExitCode.USAGE_ERROR
    assert f"{path} was changed after it was written: models.python:a.py:slope.conditions." in printed(result)


@pytest.mark.parametrize("target", [".robustness/store.sqlite", "nets.py", "reports/latest/results.json", "photos"])
def test_what_is_no_baseline_is_not_overwritten(gated, target):
    gated.project.write("nets.py", gated.nets + MIXED.format(weight=2.0))
    gated.project.judge()
    path = gated.path / target
    before = path.read_bytes() if path.is_file() else None
    # A run that is refused sets the earlier report in its own folder aside.
    result = gated.project.judge(
        "--robustness-update-baseline", f"--robustness-baseline={target}", "--robustness-report=elsewhere"
    )
    assert result.ret == ExitCode.USAGE_ERROR
    assert (
        f"The baseline is not written to {path}: {path} is there, and is no file of a baseline. Delete it, or name "
        "another file with --robustness-baseline=FILE." in printed(result)
    )
    assert before is None or path.read_bytes() == before


def refused(result, *differences):
    """Expect a usage error, before any test, that lists exactly these differences."""
    assert result.ret == ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert " is not comparable with this run:" in text
    listed = [line.strip("E ").removeprefix("- ") for line in text.splitlines() if line.strip("E ").startswith("- ")]
    assert len(listed) == len(differences)
    for line, difference in zip(listed, differences, strict=True):
        assert line.startswith(difference)
    assert "write a new one with --robustness-update-baseline." in text
    assert "passed" not in text


def test_other_options_of_the_tests_matter_only_where_verdicts_are_compared(gated):
    gated.update(2.0)
    assert gated.compare(2.0, "--robustness-test=paired", "-k", "as_robust").ret == ExitCode.OK
    refused(
        gated.compare(2.0, "--robustness-test=paired", "--robustness-expect=baseline"),
        "test: independent in the baseline, paired in this run",
    )


@pytest.mark.slow
def test_a_known_finding_passes_until_it_gets_worse(gated):
    gated.update(2.0).assert_outcomes(failed=2, passed=2)
    gated.compare(2.0).assert_outcomes(failed=2, passed=5)
    gated.compare(2.0, "--robustness-expect=baseline").assert_outcomes(passed=7)
    model = next(test for test in gated.project.results()["model_tests"] if test["transform"] == "vflip")
    assert (model["outcome"], model["reason"]) == (
        "PASS",
        "a known finding: accuracy fell 50.0 points, p = 0.038 < alpha 0.05; compared with the baseline on 40 images",
    )
    worse = gated.compare(1.0, "--robustness-expect=baseline")
    worse.assert_outcomes(failed=3, passed=4)
    assert "vflip: worse than the baseline: accuracy fell 50.0 points, more than the tolerance of 10" in printed(worse)
    below = "fell significantly and by more than 10 measured points below the baseline: "
    assert f"vflip: worse than the baseline: 2 classes {below}" in printed(worse)


def test_a_comparison_that_cannot_tell_makes_no_known_finding_worse(gated, monkeypatch):
    gated.update(2.0)
    monkeypatch.setenv("CI", "true")
    result = gated.compare(1.97, "--robustness-expect=baseline")
    assert gated.gate()["vflip"]["undecided"]
    models = {test["transform"]: test for test in gated.project.results()["model_tests"]}
    assert models["vflip"]["reason"].startswith("a known finding: ")
    assert "worse than the baseline" not in printed(result)
    # The comparison itself fails in CI, and says why.
    result.assert_outcomes(failed=1, passed=6)


def test_a_finding_that_is_new_fails(gated):
    gated.update(2.4).assert_outcomes(passed=4)
    result = gated.compare(2.0, "--robustness-expect=baseline", "-k", "test_model")
    result.assert_outcomes(failed=1, passed=1, deselected=5)
    assert "vflip: newly failing, PASS in the baseline: accuracy fell 50.0 points" in printed(result)


@pytest.mark.slow
def test_a_known_finding_that_is_gone_passes_and_the_summaries_say_that_the_baseline_can_be_tightened(gated):
    gated.update(2.0)
    result = gated.compare(2.4, "--robustness-expect=baseline")
    result.assert_outcomes(passed=7)
    note = (
        "The baseline can be tightened, because tests that failed there pass now: python:nets.py:mixed under vflip, "
        "the classes under vflip. Update it with --robustness-update-baseline."
    )
    assert note in printed(result)
    assert f"### Notes\n\n- {note}\n" in (gated.path / "reports/latest/summary.md").read_text(encoding="utf-8")
    assert "can be tightened" not in printed(gated.compare(2.0, "--robustness-expect=baseline"))


@pytest.mark.parametrize(
    ("arguments", "in_ci", "outcome"),
    [
        (["--robustness-inconclusive=pass"], True, "passed"),
        (["--robustness-inconclusive=skip"], True, "skipped"),
        (["--robustness-inconclusive=fail"], False, "failed"),
        ([], True, "failed"),
        ([], False, "skipped"),
    ],
)
def test_too_few_images_pass_skip_or_fail(gated, monkeypatch, arguments, in_ci, outcome):
    gated.update(2.2)
    if in_ci:
        monkeypatch.setenv("CI", "true")
    result = gated.compare(2.1, *arguments, "-k", "as_robust and vflip", "-rs")
    result.assert_outcomes(**{outcome: 1}, deselected=6)
    result.stdout.fnmatch_lines(["vflip * 80.00 * 70.00 * -10.00 * inconclusive"])
    why = "the environment variable CI is set" if in_ci else "of --robustness-inconclusive=fail"
    said = f"1 inconclusive comparison with the baseline fails because {why}" in printed(result)
    assert said == (outcome == "failed")
    row = gated.gate()["vflip"]
    assert row["undecided"]
    assert row["reason"].startswith(
        "inconclusive: 40 images are too few to decide on a drop of 10 points: -10.00 (90 % interval -22.03 to -0.24)"
    )


@pytest.mark.parametrize(
    ("condition", "margin", "outcome", "reason"),
    [
        ("hflip", 10, "passed", "within 10 points: +0.0 points"),
        ("vflip", 2, "failed", "accuracy fell 75.0 points, shown to be more than 2 points"),
        ("vflip", 49, "skipped", "neither within 49 points nor beyond is shown: -50.0 points"),
    ],
)
def test_a_margin_is_shown_to_hold_not_to_hold_or_neither(gated, condition, margin, outcome, reason):
    gated.project.write("nets.py", gated.nets + MIXED.format(weight=1.9 if outcome == "failed" else 2.0))
    result = gated.project.judge(
        "--robustness-verdict=margin", f"--robustness-margin={margin}", "-k", f"test_model and {condition}", "-rs"
    )
    result.assert_outcomes(**{outcome: 1}, deselected=3)
    assert gated.project.results()["model_tests"][0]["reason"].startswith(reason)


def test_junit_xml_carries_the_figures_as_properties(gated):
    gated.update(2.1)
    gated.compare(1.0, "-k", "vflip", "--junitxml=junit.xml")
    properties = {
        case.get("name").partition("[")[0]: {p.get("name"): p.get("value") for p in case.iter("property")}
        for case in ET.parse(gated.path / "junit.xml").iter("testcase")
    }
    gate, row = properties["test_is_as_robust_as_baseline"], gated.gate()["vflip"]
    assert gate.pop("p_adjusted") == str(gated.gate()["vflip"]["p_adjusted"])
    assert gate.pop("p_value") == str(gated.gate()["vflip"]["p_value"])
    assert gate == {
        "transform": "vflip",
        "model": "python:nets.py:mixed",
        "baseline_model": "python:nets.py:mixed",
        "baseline_accuracy": "70.0",
        "accuracy": "0.0",
        "difference": "-70.0",
        "verdict": "FAIL",
        **{name: str(row[name]) for name in ("p_worse", "p_kept") if name in gate},
        "reason": row["reason"],
        "images": "40",
        "images_level": "90.0",
        "images_ci_low": str(row["images"]["ci_low"]),
        "images_ci_high": str(row["images"]["ci_high"]),
    }
    assert properties["test_model_is_robust"]["control_accuracy"] == "100.0"
    assert properties["test_classes_are_robust"]["sensitive_classes"] == "2"


@pytest.mark.slow
def test_workers_of_xdist_compare_and_write_as_one_process_does(gated):
    gated.update(2.1)
    before = gated.files()
    gated.compare(1.0)
    alone = gated.project.results()
    gated.project.configure(**gated.keys, addopts="-p no:hypothesispytest -p no:cacheprovider")
    arguments = ("--robustness-baseline=robustness-baseline.json", "--robustness-report=apart")
    apart = gated.project.judge("-n", "2", *arguments)
    apart.assert_outcomes(failed=3, passed=4)
    apart.stdout.fnmatch_lines(["vflip * 70.00 * 0.00 * -70.00 * less robust"])
    assert sorted(gated.project.results("apart")["gate"], key=str) == sorted(alone["gate"], key=str)
    tables = [(gated.path / folder / "images.csv").read_bytes() for folder in ("apart", "reports/latest")]
    assert tables[0] == tables[1]
    gated.project.write("nets.py", gated.nets + MIXED.format(weight=2.1))
    gated.project.judge("-n", "1", "--robustness-update-baseline").stdout.fnmatch_lines([f"{FILES} (unchanged)"])
    assert gated.files() == before


def test_github_gets_a_summary_and_annotations(gated, monkeypatch):
    gated.update(2.1)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(gated.path / "step.md"))
    result = gated.compare(1.0, "-k", "as_robust")
    lines = [line for line in result.outlines if line.startswith("::")]
    assert len(lines) == 1
    source = (gated.path / "nets.py").read_text(encoding="utf-8").splitlines()
    line = source.index("def mixed():") + 1
    assert lines[0].startswith(
        f"::error title=mixed is less robust than the baseline under vflip,file=nets.py,line={line}::"
        f"-70.00 points: {GATE}"
    )
    summary = (gated.path / "reports/latest/summary.md").read_text(encoding="utf-8")
    assert (gated.path / "step.md").read_text(encoding="utf-8") == summary + "\n"
    assert "| vflip | 70.00 | 0.00 | −70.00 |" in summary


def test_no_baseline_is_written_where_a_model_could_not_run(gated):
    gated.project.write("nets.py", gated.nets + MIXED.format(weight=2.0))
    result = gated.project.judge("--robustness-update-baseline", "--robustness-models=python:nets.py:missing")
    assert "No baseline was written: python:nets.py:missing has no result under control, " in printed(result)
    assert "INTERNALERROR" not in printed(result)
    assert not (gated.path / "robustness-baseline.json").exists()


def test_a_baseline_knows_the_verdicts_of_tests_that_were_not_run(gated):
    gated.update(2.0, "-k", "classes").assert_outcomes(failed=1, passed=1, deselected=2)
    gated.compare(2.0, "--robustness-expect=baseline").assert_outcomes(passed=7)


def test_a_condition_that_the_baseline_lacks_is_refused_where_a_test_asks_for_it(gated):
    gated.update(2.0, "--robustness-transforms=vflip")
    gated.project.write(
        "test_own.py",
        """
        from pytest_robustness import assert_robust

        def test_known(robustness):
            assert_robust(robustness.gate_test("python:nets.py:mixed", "vflip"))

        def test_unknown(robustness):
            assert_robust(robustness.gate_test("python:nets.py:mixed", "hflip"))

        def test_known_again(robustness):
            assert_robust(robustness.gate_test("python:nets.py:mixed", "control"))
        """,
    )
    result = gated.project.run("test_own.py", "--robustness-baseline=robustness-baseline.json")
    result.assert_outcomes(failed=1, passed=2)
    assert "hflip: not in the baseline, which has control, vflip" in printed(result)
    assert list(gated.gate()) == ["vflip", "control"]


def lost_files(project, weight):
    """Compute, from the images alone, which ones that weight 2.1 gets right under vflip another weight loses."""
    lost = project.right(1, 2.1, "vflip") & ~project.right(1, weight, "vflip")
    files = [project.image(name, number) for name in ("down", "up") for number in range(20)]
    return [str(file) for file, gone in zip(files, lost, strict=True) if gone]


def test_a_failure_lists_the_files_that_were_lost_those_of_the_most_fallen_class_first(gated):
    gated.update(2.1)
    result = gated.compare(1.95, "-k", "as_robust")
    row = gated.gate()["vflip"]
    expected = lost_files(gated.project, 1.95)
    rows = row["lost_images"]
    assert len(expected) == row["lost"] > 10
    assert sorted(image["file"] for image in rows) == expected
    photos = gated.path / "photos"
    falls = Counter(file.split("/")[-2] for file in expected)
    assert [image["class_name"] for image in rows] == [
        name for name, count in falls.most_common() for _ in range(count)
    ]
    for name in falls:
        sure = [image["probability"] for image in rows if image["class_name"] == name]
        assert sure == sorted(sure, reverse=True)
    for image in rows:
        assert image["file"].startswith(f"{photos / image['class_name']}/")
        assert {image["class_name"], image["answer"]} == {"down", "up"}
        position = 20 * ("down", "up").index(image["class_name"]) + int(image["file"][-6:-4])
        assert image["position"] == position
        assert 0.5 < image["probability"] <= 1
    printed_rows = [line for line in result.outlines if line.rstrip().endswith(".png")]
    assert [line.split()[-1] for line in printed_rows] == [
        str(Path(image["file"]).relative_to(gated.path)) for image in rows[:10]
    ]
    assert f"  {len(expected) - 10} more: results.json lists up to 100 under gate" in result.outlines
    assert gated.gate()["control"]["lost_images"] == []


def test_the_page_and_allure_show_eight_of_the_images_that_were_lost(gated):
    gated.update(2.1)
    gated.compare(1.0, "-k", "as_robust", "--alluredir=allure")
    rows = gated.gate()["vflip"]["lost_images"][:8]
    page = (gated.path / "reports/latest/index.html").read_text(encoding="utf-8")
    _, _, section = page.partition("Images that were lost")
    articles = section.split("</article>")[:8]
    assert page.count('<p class="file">') == 8
    attached = {}
    for path in (gated.path / "allure").glob("*-result.json"):
        found = json.loads(path.read_text(encoding="utf-8"))
        attached[found["name"]] = [a for a in found.get("attachments", ()) if a["name"].startswith("lost: ")]
    assert {name: len(found) for name, found in attached.items() if found} == {
        "mixed against the baseline under vflip": 8
    }
    (attachments,) = filter(None, attached.values())
    for image, article, attachment in zip(rows, articles, attachments, strict=True):
        shown = [
            np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))
            for content in re.findall(r"data:image/png;base64,([^\"]+)", article)
        ]
        pixels = np.asarray(Image.open(image["file"]))
        assert np.array_equal(shown[0], pixels)
        assert np.array_equal(shown[1], pixels[::-1])
        assert f"taken for <b>{image['answer']}</b>" in article
        file = str(Path(image["file"]).relative_to(gated.path))
        assert attachment["type"] == "application/vnd.allure.image.diff"
        assert attachment["name"].startswith(f"lost: {file}, {image['class_name']}, taken for {image['answer']} (")


def test_what_is_lost_in_control_is_shown_by_one_picture(gated):
    gated.update(2.4)
    gated.project.write("nets.py", gated.nets + CONTRARY)
    arguments = ("--robustness-candidate=python:nets.py:contrary", "-k", "control", "--alluredir=allure")
    arguments = (*arguments, "--robustness-tolerance=1")
    result = gated.project.judge("--robustness-baseline=robustness-baseline.json", *arguments)
    result.assert_outcomes(failed=1, deselected=2)
    page = (gated.path / "reports/latest/index.html").read_text(encoding="utf-8")
    articles = page.partition("Images that were lost")[2].split("</article>")[:8]
    assert [article.count("<img ") for article in articles] == [1] * 8
    (found,) = (json.loads(path.read_text()) for path in (gated.path / "allure").glob("*-result.json"))
    kinds = [a["type"] for a in found["attachments"] if a["name"].startswith("lost: ")]
    assert kinds == ["image/png"] * 8
