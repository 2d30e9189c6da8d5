"""A job's key is the hash of all that its result depends on; a model is asked for its outputs before it is judged."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
import torch

from pytest_robustness.core import CONTROL, Cell, ClassMatch, Condition, Model, Preprocess, Selection
from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.errors import ModelError
from pytest_robustness.inference.jobs import Subject, count_outputs, job
from pytest_robustness.transforms import builtin

REGISTRY = builtin()
SOURCE = ArraySource("photos", [], np.zeros(0, np.int64), np.zeros((0, 3, 2, 2), np.uint8))
PARTS = {
    "name": "net",
    "weights": "w1",
    "preprocess": Preprocess(resize=8, crop=6),
    "outputs": (0, 1),
    "condition": Condition("rotation", 3),
    "data": "d1",
    "seed": 0,
    "precision": "fp32",
}


def job_of(**changes):
    parts = PARTS | changes
    model = Model(torch.nn.Identity(), parts["preprocess"], fingerprint=parts["weights"])
    subject = Subject(parts["name"], model, ClassMatch("position", parts["outputs"]), pixels=64)
    selection = Selection(SOURCE, np.zeros(0, np.int64), np.zeros(0, np.int64), parts["data"])
    transform = None if parts["condition"] == CONTROL else REGISTRY.get(parts["condition"].transform)
    return job(subject, parts["condition"], transform, selection, parts["seed"], parts["precision"])


@pytest.mark.parametrize(
    "change",
    [
        {"weights": "w2"},
        *({"preprocess": dataclasses.replace(PARTS["preprocess"], **field)} for field in (
            {"resize": 9}, {"crop": 5}, {"mean": (0.1, 0, 0)}, {"std": (1, 1, 2)}, {"interpolation": "bicubic"},
            {"antialias": False},
        )),
        {"outputs": (1, 0)},
        {"condition": Condition("rotation", 4)},
        {"condition": Condition("zoom", 3)},
        {"condition": CONTROL},
        {"data": "d2"},
        {"seed": 1},
        {"precision": "bf16"},
    ],
    ids=str,
)  # fmt: skip
def test_a_change_in_what_the_result_depends_on_changes_the_key(change):
    assert job_of(**change).key != job_of().key


def test_a_name_is_no_part_of_the_key():
    assert job_of(name="other").key == job_of().key
    assert job_of(name="other").cell == Cell("other", Condition("rotation", 3))


def test_a_job_describes_its_cell_for_the_store():
    assert job_of().description == {"model": "net", "transform": "rotation", "severity": 3, "outputs": (0, 1)}
    assert job_of(condition=CONTROL).description["transform"] == "control"


class Returns(torch.nn.Module):
    def __init__(self, made):
        super().__init__()
        self.made = made

    def forward(self, images):
        if isinstance(self.made, Exception):
            raise self.made
        return self.made


CANVAS = torch.zeros(3, 8, 8, dtype=torch.uint8)


def test_the_outputs_are_counted_on_an_image_of_the_models_own_size():
    class Sized(torch.nn.Module):
        def forward(self, images):
            assert images.shape == (1, 3, 6, 6)
            assert images.dtype == torch.float32
            return torch.zeros(1, 1000)

    assert count_outputs("net", Model(Sized(), Preprocess(resize=8, crop=6)), CANVAS) == 1000


@pytest.mark.parametrize(
    ("made", "got"),
    [
        (torch.zeros(1, 5, 2), "torch.float32 [1, 5, 2]"),
        (torch.zeros(2, 5), "torch.float32 [2, 5]"),
        (torch.zeros(5), "torch.float32 [5]"),
        (torch.zeros(1, 5, dtype=torch.int64), "torch.int64 [1, 5]"),
        ({"logits": 0}, "dict"),
    ],
)
def test_a_model_that_returns_no_logits_is_refused(made, got):
    with pytest.raises(ModelError) as caught:
        count_outputs("net", Model(Returns(made)), CANVAS)
    assert str(caught.value) == f"net must return floating-point logits [B, K]; for one image it returned {got}."


def test_a_model_that_cannot_take_the_image_is_told_with_its_size():
    with pytest.raises(ModelError) as caught:
        count_outputs("net", Model(Returns(RuntimeError("shapes cannot be multiplied"))), CANVAS)
    assert re.fullmatch(
        r"net failed on a first image, an input of shape \(1, 3, 8, 8\): RuntimeError: shapes cannot be multiplied "
        r"\(\S*test_jobs\.py:\d+\)\. If the size is wrong, give the model a Preprocess\(resize=\.\.\., crop=\.\.\.\)\.",
        str(caught.value),
    )
