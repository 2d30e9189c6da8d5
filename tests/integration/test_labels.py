"""``--robustness-labels=none``: agreement instead of accuracy in every report; what cannot go with it is refused."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from pytest import ExitCode  # noqa: PT013

from pytest_robustness import Outcome, evaluate
from pytest_robustness.analysis.studies import STUDIES
from pytest_robustness.core.errors import OptionError

NOTE = "an image's class is what the model itself answers to it untouched"


def flatten(project):
    """Move all images of the project into one folder without class folders."""
    for path in sorted((project.path / "photos").rglob("*.png")):
        shutil.move(path, project.path / "photos" / f"{path.parent.name}-{path.name}")
    for name in ("down", "up"):
        (project.path / "photos" / name).rmdir()


def agreement(project, weights, transform):
    """Return the answers of a weighted sum of the two nets that a transform leaves as they are, from the files."""
    return project.right(*weights, "control") == project.right(*weights, transform)


@pytest.mark.parametrize("layout", ["class folders", "one folder"])
def test_figures_are_the_agreement_with_the_models_own_answers(project, layout):
    mixed = project.add_mixed("mixed", 2.0)
    models = f"python:nets.py:slope {mixed}"
    expected = {
        (name, transform): int(agreement(project, weights, transform).sum())
        for name, weights in (("python:nets.py:slope", (1, 0)), (mixed, (1, 2.0)))
        for transform in ("vflip", "hflip")
    }
    if layout == "one folder":
        flatten(project)
    project.configure(robustness_models=models, robustness_labels="none")
    result = project.judge("-v")
    assert result.ret == ExitCode.TESTS_FAILED
    table = project.table("accuracy.csv").groupby(["model", "transform"])[["n", "correct"]].sum()
    assert (table.n == 40).all()
    for key, count in expected.items():
        assert table.correct[key] == count
    assert (table.correct.xs("control", level="transform") == 40).all()
    found = project.results()
    assert [row["class_name"] for row in found["classes"]] == ["down", "up"]
    assert {row["control_accuracy"] for row in found["models"]} == {100.0}
    # Beside slope, which the flip turns round, mixed keeps a share of its answers: only one of them is all or nothing.
    assert 0 < expected[mixed, "vflip"] < 40
    images = project.table("images.csv")
    assert images.true_probability.isna().all()
    control = images[images["transform"] == "control"]
    assert (control.right == 1).all()
    assert (control.class_name == control.answer).all()


def test_every_report_says_that_accuracy_is_agreement(project):
    project.configure(robustness_labels="none")
    printed = " ".join(project.judge().stdout.str().split())
    assert NOTE in printed
    assert "Change of agreement with control in points" in printed
    report = project.path / "reports/latest"
    page = (report / "index.html").read_text(encoding="utf-8").replace("&#39;", "'")
    assert NOTE in page
    assert "Change of agreement with control" in page
    assert NOTE in (report / "summary.md").read_text(encoding="utf-8").replace("\\", "").replace("&#39;", "'")
    provenance = project.results()["provenance"]
    assert provenance["options"]["labels"] == "none"
    assert provenance["dataset"]["labels"] == "none"
    assert provenance["dataset"]["classes"] == 2
    project.configure()
    assert NOTE not in project.judge().stdout.str()
    assert project.results()["provenance"]["dataset"]["labels"] == "data"


def test_labels_that_are_wrong_change_nothing(project):
    project.configure(robustness_labels="none")
    project.judge()
    before = project.table("accuracy.csv")
    for number in range(0, 20, 2):
        shutil.move(project.image("up", number), project.path / f"photos/down/moved{number:02}.png")
    project.judge()
    again = project.table("accuracy.csv")
    np.testing.assert_array_equal(before.correct, again.correct)
    assert project.stored()["slope", "vflip", None] == 40


@pytest.mark.parametrize(
    "option", ["--robustness-baseline=b.json", "--robustness-update-baseline", "--robustness-candidate=x"]
)
def test_a_baseline_is_refused(project, option):
    result = project.judge("--robustness-labels=none", option)
    assert result.ret == ExitCode.USAGE_ERROR
    assert "--robustness-labels=none compares each model with its own answers" in result.stderr.str()


def test_a_folder_without_an_image_is_refused(project):
    shutil.rmtree(project.path / "photos")
    (project.path / "photos").mkdir()
    (project.path / "photos/notes.txt").write_text("nothing")
    result = project.judge("--robustness-labels=none")
    text = " ".join((result.stdout.str() + result.stderr.str()).split())
    assert "photos holds no image. Expected images at any depth, with one of the extensions" in text
    assert "1 file in" in text


def test_every_study_answers_without_labels_or_says_that_it_needs_them(folder):
    """What is compared is each model's agreement with itself; a study that goes by the data's classes refuses."""
    evaluation = evaluate(
        ["python:nets.py:slope", "python:nets.py:colour"],
        "folder:photos",
        ["vflip", "rotation"],
        labels="none",
        workers=0,
        progress=False,
    )
    ask, model = evaluation.robustness, "python:nets.py:slope"
    asked = {
        "breaking_point": lambda: ask.breaking_point(model, "rotation"),
        "detectable": lambda: ask.detectable(model, "vflip"),
        "turned_images": ask.turned_images,
        "label_errors": ask.label_errors,
        "augmentation": ask.augmentation,
    }
    assert asked.keys() == STUDIES.keys() - {"estimated_accuracy", "parity"}  # these need an option of their own
    refused = {"label_errors", "augmentation"}
    for study, question in asked.items():
        if study in refused:
            with pytest.raises(OptionError, match=f"study {study} goes by classes, and the images of this run have no"):
                question()
            continue
        finding = question()
        assert finding.study == study
        assert isinstance(finding.verdict.outcome, Outcome)
    found = ask.breaking_point(model, "rotation")
    agreed = ask.model_test(model, "rotation").accuracy
    [at] = [item for item in found.items if item["magnitude"] == found.figures["level"]]
    assert found.figures["control_accuracy"] == 100
    assert at["accuracy"] == pytest.approx(agreed.treated)
