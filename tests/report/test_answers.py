"""A report keeps its answers by the content of the images, and none where they would say nothing."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from pytest_robustness.analysis.answers import files
from pytest_robustness.analysis.comparing import compare_runs, read
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.inference.image_names import ImageNames
from pytest_robustness.report import answers, tables
from pytest_robustness.report.image_table import ImageTable
from tests.report.conftest import VFLIP

CELLS = tuple(Cell(model, condition) for model in "ab" for condition in (CONTROL, VFLIP))


@pytest.fixture
def report(findings, predictions):
    """A report of what the store of two models holds."""
    facts = {
        "dataset": {"name": "data", "labels": "data"},
        "options": {"seed": 3},
        "pipeline": 2,
        "transform_keys": {"control": "control", "vflip": "vflip(version=1)"},
        "models": {model: {"fingerprint": f"hash of {model}"} for model in "ab"},
    }
    table = ImageTable(predictions, CELLS, ImageNames(lambda: (None, None)))
    counts = {cell: predictions.counts(cell) for cell in CELLS}
    return findings.view(
        models=("a", "b"), labels={"a": "a", "b": "b"}, classes=predictions.class_names, conditions=(VFLIP,),
        model_tests=(), class_tests=(), errors={}, counts=counts, provenance=facts, images=table,
    )  # fmt: skip


def test_the_file_holds_every_answer_to_every_image(report, predictions, tmp_path):
    assert answers.write(report, tmp_path) == [tmp_path / "answers.npz"]
    found = files.read(tmp_path / "answers.npz")
    assert found.images.identities.tobytes() == predictions.identities.tobytes()
    assert found.images.labels.tolist() == predictions.labels.tolist()
    assert found.images.classes == predictions.classes
    assert (found.protocol.seed, found.protocol.pipeline, found.protocol.data) == (3, 2, "data")
    assert found.protocol.transforms[VFLIP] == "vflip(version=1)"
    assert {name: model.fingerprint for name, model in found.models.items()} == {"a": "hash of a", "b": "hash of b"}
    for cell in CELLS:
        predicted, targets = predictions.outputs(cell)
        model = found.models[cell.model]
        assert model.answers[cell.condition].tolist() == predicted.tolist()
        assert model.outputs.tolist() == targets.tolist()


def test_a_report_is_read_back_as_the_same_run(report, tmp_path):
    answers.write(report, tmp_path)
    tables.write(report, tmp_path)
    found = read(tmp_path)
    assert found.notes == ()
    assert [cell.churn.changed for cell in compare_runs(found, found).cells] == [0, 0, 0, 0]
    between = compare_runs(found, found, renamed={"a": "b"})
    # Of the seven images that were read: control 0001122 became 0011112 by class, of the labels 0001112.
    control = next(cell for cell in between.cells if (cell.before, cell.condition) == ("a", CONTROL))
    assert control.churn == (7, 1, 1, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"labelled": False},
        {"images": None},
        {"provenance": {"models": {}}},
    ],
    ids=["no labels", "no cell", "no keys"],
)
def test_where_answers_say_nothing_none_are_kept(report, tmp_path, change):
    assert answers.write(dataclasses.replace(report, **change), tmp_path) == []
    assert not (tmp_path / "answers.npz").exists()


def test_too_many_answers_are_not_kept(report, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_ANSWERS", report.images.rows - 1)
    assert answers.write(report, tmp_path) == []
    monkeypatch.setattr(files, "MOST_ANSWERS", report.images.rows)
    assert len(answers.write(report, tmp_path)) == 1


def test_the_document_says_what_the_rows_are(report, tmp_path):
    answers.write(report, tmp_path)
    content = json.loads(np.load(tmp_path / "answers.npz")["document"].tobytes())
    assert content["models"]["a"] == {"conditions": ["control", "vflip"], "fingerprint": "hash of a"}
    assert content["dataset"]["classes"] == ["ant", "bee", "cat"]
