"""Whatever lies where a run should be is read, refused by name, or left aside with a note; never a traceback."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random

import numpy as np
import pytest

from pytest_robustness.analysis.comparing import compare_runs, read
from pytest_robustness.core.errors import ComparisonError, RobustnessError
from tests.recorded import CONDITIONS, VFLIP, drawn, put_report, recorded

CLASSES = ("ant", "bee", "cat")
LABELS = np.random.default_rng(1).integers(0, 3, 60)


def run(seed=0):
    rng = np.random.default_rng(seed)
    return recorded({"net": {c: drawn(rng, LABELS, 3, 0.8) for c in CONDITIONS}}, LABELS, CLASSES)


@pytest.fixture
def folder(tmp_path):
    return put_report(run(), tmp_path / "report")


VALID = "Valid: the folder of a report, its results.json, or the JSON file of a baseline."


def refused(path):
    with pytest.raises(RobustnessError) as caught:
        read(path)
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_a_folder_and_its_results_are_the_same_run(folder):
    found = compare_runs(read(folder), read(folder / "results.json"))
    assert [cell.churn.changed for cell in found.cells] == [0, 0, 0]


def test_a_folder_without_results_is_refused(tmp_path):
    assert refused(tmp_path) == f"{tmp_path} holds no results.json. {VALID}"
    assert refused(tmp_path / "no.json") == f"There is no {tmp_path / 'no.json'}. {VALID}"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text[:300], "is damaged, or is none"),
        (lambda text: text.replace('"schema_version": 2', '"schema_version": 9'), "was written by a newer"),
        (lambda text: text.replace('"schema_version": 2', '"schema_version": 1'), "was written by an older"),
        (lambda text: text.replace('"seed": 0', '"seed": NaN'), "NaN is no number of JSON"),
        (lambda text: "[]", "it has no schema_version"),
        (lambda text: '{"schema_version": 2}', "is JSON of something else"),
        (lambda text: '{"schema_version": 3, "classes": []}', "is JSON of something else"),
        (lambda text: text.replace('"dataset"', '"data"'), "KeyError: 'dataset'"),
        (lambda text: text.replace('"correct": ', '"correct": 9'), "right answers to"),
        (lambda text: '{"schema_version": 2, "answers_sha256": ""}', "was written by an older"),
        (lambda text: '{"a":' * 100_000, "is damaged, or is none"),
        (lambda text: "\x00", "is damaged, or is none"),
    ],
)
def test_results_that_are_none_are_refused(folder, change, reason):
    path = folder / "results.json"
    path.write_text(change(path.read_text()))
    assert reason in refused(path)


@pytest.mark.parametrize("seed", range(40))
def test_a_value_that_was_changed_is_refused_or_read(folder, seed):
    rng = random.Random(seed)
    content = json.loads((folder / "results.json").read_text())
    places = []

    def visit(value):
        for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            places.append((value, key))
            visit(value[key])

    visit(content)
    holder, key = rng.choice(places)
    holder[key] = rng.choice([None, [], {}, "", -1, 1.5, True, 10**30, "\x1b[2J", "a" * 5000, {"a": []}])
    (folder / "results.json").write_text(json.dumps(content))
    with contextlib.suppress(RobustnessError):
        found = read(folder)
        compare_runs(found, found)


@pytest.mark.parametrize("seed", range(40))
def test_answers_that_are_damaged_are_left_aside_with_a_note(folder, seed):
    rng = random.Random(seed)
    path = folder / "answers.npz"
    content = bytearray(path.read_bytes())
    if seed % 2:
        content = content[: rng.randrange(len(content))]
    else:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    found = read(folder)
    assert (found.answers is None) == bool(found.notes)
    if found.answers is not None:
        assert compare_runs(found, read(folder)).cells[0].churn.changed == 0


def test_answers_of_another_run_are_left_aside(folder, tmp_path):
    other = put_report(run(5), tmp_path / "other")
    (folder / "answers.npz").write_bytes((other / "answers.npz").read_bytes())
    found = read(folder)
    assert found.answers is None
    assert "is not of the same run as results.json" in found.notes[0]
    # The table of accuracies still has the classes.
    assert len(found.counts[next(iter(found.counts))].n) == 3


def test_a_table_of_another_run_gives_no_classes(tmp_path):
    one = put_report(run(), tmp_path / "a", answers=False)
    other = put_report(run(5), tmp_path / "b", answers=False)
    (one / "accuracy.csv").write_bytes((other / "accuracy.csv").read_bytes())
    found = compare_runs(read(one), read(other))
    assert all(cell.classes is None for cell in found.cells)
    said = [text.partition("accuracy.csv ")[2] for text in found.notes if "accuracy.csv" in text]
    assert said == ["is not of the same run as results.json, so that classes cannot be compared."]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: None, ""),
        (lambda path: path.unlink(), "is not there"),
        (lambda path: path.write_text(path.read_text().replace("n,correct", "n,right")), "is not of the same run as"),
        (lambda path: path.write_text("\n".join(path.read_text().split("\n")[:-2])), "is not of the same run as"),
        (lambda path: path.write_bytes(b"\xff" + path.read_bytes()), "is not of the same run as"),
        (lambda path: path.write_text(path.read_text().rstrip() + "\nne"), "is not of the same run as"),
    ],
)
def test_a_table_that_gives_no_classes_is_named_where_they_are_not_compared(tmp_path, change, said):
    one = put_report(run(), tmp_path / "a", answers=False)
    change(one / "accuracy.csv")
    found = read(one)
    (cell,) = [cell for cell in compare_runs(found, found).cells if cell.condition == VFLIP]
    assert (cell.classes is None) == bool(said)
    named = [text for text in found.notes if "accuracy.csv" in text]
    assert len(named) == bool(said)
    assert all(said in text and text.endswith("so that classes cannot be compared.") for text in named)
    put_report(run(), tmp_path / "a")
    change(one / "accuracy.csv")
    assert read(one).notes == ()  # the answers have the classes


def test_a_run_with_labels_is_not_compared_with_one_without(folder, tmp_path):
    other = put_report(run(), tmp_path / "other")
    text = (other / "results.json").read_text().replace('"labels": "data"', '"labels": "none"')
    (other / "results.json").write_text(text)
    with pytest.raises(ComparisonError, match="has no labels"):
        compare_runs(read(folder), read(other))


# What tells the answers of two runs that were right as often.
OTHERS = {
    "a model of the same name": (lambda answers: recorded_as(answers, weights="v2"), True),
    "other data": (lambda answers: recorded_as(answers, data="folder:others"), True),
    "a transform of another version": (lambda answers: recorded_as(answers, transforms="v2"), True),
    "nothing": (lambda answers: answers, False),
}


def recorded_as(answers, weights="", data="", transforms=""):
    """Return answers with other facts about them."""
    protocol = answers.protocol
    keys = {condition: key + transforms for condition, key in protocol.transforms.items()}
    models = {
        name: dataclasses.replace(model, fingerprint=model.fingerprint + weights)
        for name, model in answers.models.items()
    }
    protocol = dataclasses.replace(protocol, data=data or protocol.data, transforms=keys)
    return dataclasses.replace(answers, protocol=protocol, models=models)


@pytest.mark.parametrize("other", OTHERS)
def test_answers_of_a_run_that_was_right_as_often_are_left_aside(folder, tmp_path, other):
    change, differs = OTHERS[other]
    beside = put_report(change(run()), tmp_path / "other")
    (folder / "answers.npz").write_bytes((beside / "answers.npz").read_bytes())
    found = read(folder)
    assert (found.answers is None) == differs
    assert bool(found.notes) == differs


def test_a_run_that_computed_nothing_has_no_models(folder, tmp_path):
    other = put_report(run(), tmp_path / "other", answers=False)
    content = json.loads((other / "results.json").read_text())
    (other / "results.json").write_text(json.dumps(content | {"cells": []}))
    with pytest.raises(ComparisonError) as caught:
        compare_runs(read(folder), read(other))
    text = str(caught.value).replace(f"{tmp_path}/", "")
    assert text.startswith("The runs have no model in common: net in report, none in other.")
