"""A job's key is the hash of all that its result depends on; a model is asked for its outputs before it is judged."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest
import torch

from pytest_robustness.core import CONTROL, Cell, ClassLabel, ClassMatch, Condition, Model, Preprocess, Selection
from pytest_robustness.core.errors import ModelError
from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.inference.jobs import JobMaker, content_key, job
from pytest_robustness.inference.loading.loaded_model import LoadedModel
from pytest_robustness.transforms import builtin
from tests.identities import identified

REGISTRY = builtin()
PARTS = {
    "name": "net",
    "weights": "w1",
    "preprocess": Preprocess(resize=8, crop=6),
    "outputs": (0, 1),
    "condition": Condition("rotation", 3),
    "seed": 0,
    "precision": "fp32",
}


def job_of(**changes):
    parts = PARTS | changes
    model = Model(torch.nn.Identity(), parts["preprocess"], fingerprint=parts["weights"])
    loaded = LoadedModel(parts["name"], model, ClassMatch("position", parts["outputs"]), pixels=64)
    transform = None if parts["condition"] == CONTROL else REGISTRY.get(parts["condition"].transform)
    return job(loaded, parts["condition"], transform, parts["seed"], parts["precision"])


@pytest.mark.parametrize(
    "change",
    [
        {"weights": "w2"},
        *({"preprocess": dataclasses.replace(PARTS["preprocess"], **field)} for field in (
            {"resize": 9}, {"crop": 5}, {"mean": (0.1, 0, 0)}, {"std": (1, 1, 2)}, {"interpolation": "bicubic"},
            {"antialias": False},
        )),
        {"condition": Condition("rotation", 4)},
        {"condition": Condition("zoom", 3)},
        {"condition": CONTROL},
        {"seed": 1},
        {"precision": "bf16"},
    ],
    ids=str,
)  # fmt: skip
def test_a_change_in_what_the_result_depends_on_changes_the_key(change):
    assert job_of(**change).key != job_of().key


def test_neither_the_name_nor_the_classes_of_the_data_are_part_of_the_key():
    assert job_of(name="other").key == job_of(outputs=(1, 0)).key == job_of().key
    assert job_of(name="other").cell == Cell("other", Condition("rotation", 3))


def test_a_job_describes_its_cell_for_the_store():
    described = {"model": "net", "transform": "rotation", "severity": 3}
    assert job_of(weights="w").description == described | {
        "fingerprint": "w",
        "transform_key": REGISTRY.get("rotation").key(3),
    }
    assert job_of(condition=CONTROL).description["transform"] == "control"


def test_a_key_depends_on_every_part_and_not_on_their_order() -> None:
    parts = {"model": "a", "seed": 0}
    assert content_key(parts) == content_key(dict(reversed(parts.items())))
    assert len({content_key(parts), content_key(parts | {"seed": 1}), content_key(parts | {"model": "b"})}) == 3


class Zoo:
    """Loads linear models of three outputs; counts the loads, and fails for two names."""

    def __init__(self):
        self.loads = []

    def published(self, name):
        return False

    def weights_files(self, name):
        return ()

    def origin(self, name):
        return "factory"

    def load(self, name):
        self.loads.append(name)
        if name == "absent":
            raise ModelError("absent is not a model.")
        if name == "broken":
            raise ZeroDivisionError("no such luck")
        return Model(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3)), fingerprint=name)


def test_a_model_is_loaded_once_and_one_that_fails_leaves_the_others_alone(caplog):
    classes = [ClassLabel(name, name) for name in "abc"]
    source = ArraySource("photos", classes, np.zeros(2, np.int64), np.zeros((2, 3, 2, 2), np.uint8))
    zoo, rotation = Zoo(), Condition("rotation", 3)
    maker = JobMaker(Selection(source, np.arange(2), source.labels, identified(range(2))), zoo, REGISTRY, 0, "fp32")
    cells = [Cell(name, condition) for name in ("good", "absent", "broken") for condition in (CONTROL, rotation)]
    with caplog.at_level(logging.DEBUG, logger="pytest_robustness"):
        jobs, errors = maker.jobs(cells)
    assert [item.cell for item in jobs] == cells[:2]
    assert [item.key for item in jobs] == [
        job_of(weights="good", preprocess=Preprocess(), outputs=(0, 1, 2), condition=condition).key
        for condition in (CONTROL, rotation)
    ]
    assert set(errors) == set(cells[2:])
    assert errors[Cell("absent", CONTROL)] == "absent is not a model."
    assert errors[Cell("broken", CONTROL)].startswith("broken cannot be judged: ZeroDivisionError: no such luck")
    assert zoo.loads == ["good", "absent", "broken"]
    assert list(maker.models) == ["good"]
    assert [record.exc_info[0] for record in caplog.records] == [ModelError, ZeroDivisionError]
