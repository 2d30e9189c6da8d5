"""Answers among some of a model's outputs are those of a model that has no others, in every figure and in the store."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import special

from pytest_robustness import Model, Preprocess, evaluate
from pytest_robustness.core.errors import BaselineError, OptionError, RobustnessError
from pytest_robustness.inference.jobs import JobMaker, cell_key
from pytest_robustness.inference.loading.loaded_model import kept_outputs
from pytest_robustness.inference.loading.model_facts import ModelFacts
from pytest_robustness.inference.sweep.scoring import score_among
from pytest_robustness.transforms import builtin

LOGITS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9),
    elements=st.floats(-30, 30, width=32) | st.integers(-2, 2).map(float),
)
# Twelve outputs, of which the data has classes for seven, in an order of its own.
ANIMALS = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibex", "jay", "kite", "lynx")
OF_DATA = ("hen", "ant", "jay", "eel", "cat", "bee", "lynx")
IMAGES, SIDE = 140, 6


@given(logits=LOGITS, data=st.data())
@settings(deadline=None)
def test_scores_are_those_of_a_softmax_over_the_outputs_that_remain(logits, data):
    images, outputs = logits.shape
    mask = np.array(sorted(data.draw(st.sets(st.integers(0, outputs - 1), min_size=1))))
    targets = mask[data.draw(hnp.arrays(np.int64, images, elements=st.integers(0, len(mask) - 1)))]
    labelled = data.draw(hnp.arrays(np.bool_, images))
    found = score_among(torch.from_numpy(logits), torch.from_numpy(np.where(labelled, targets, -1)), mask)
    shares = np.zeros(logits.shape)
    shares[:, mask] = special.softmax(logits[:, mask].astype(np.float64), axis=1)
    # Of equal logits the first is the answer, so that an exact comparison is one of logits.
    order = [sorted(mask.tolist(), key=lambda output, row=row: -row[output]) for row in logits]
    assert found.predicted.tolist() == [row[0] for row in order]
    assert found.predicted.dtype == torch.int32
    second = np.sort(shares[:, mask], axis=1)[:, -2] if len(mask) > 1 else np.zeros(images)
    np.testing.assert_allclose(found.confidence.numpy(), shares.max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.runner_up.numpy(), second, rtol=1e-4)
    true = np.where(labelled, shares[np.arange(images), targets], 0)
    np.testing.assert_allclose(found.true_probability.numpy(), true, rtol=1e-4)
    ranks = [row.index(target) if known else 0 for row, target, known in zip(order, targets, labelled, strict=True)]
    assert found.rank.tolist() == ranks


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), min_size=1))))
def test_outputs_are_kept_in_their_order_and_only_where_some_are_left_out(case):
    count, some = case
    outputs = tuple(sorted(some, reverse=True))
    assert kept_outputs(outputs, count, "all") == ()
    assert kept_outputs(outputs, count, "data") == (() if len(some) == count else tuple(sorted(some)))


def test_the_key_of_a_cell_without_a_mask_is_what_it_was_and_each_mask_has_its_own():
    parts = ("f00d", Preprocess(resize=8, crop=6, mean=(0, 0, 0), std=(1, 1, 1)), "control", 0, "fp32")
    before = "d3306ccf3bb073516bd03b99321fddd5a9d32e4e0f8d574ae2ed830acc64d6cc"
    assert cell_key(*parts) == cell_key(*parts, ()) == before
    assert len({cell_key(*parts, kept) for kept in ((), (0, 1), (0, 2), (0, 1, 2))}) == 4


class Photos:
    """Random images with labels, as torchvision's datasets have them."""

    def __init__(self, classes=OF_DATA):
        pixels = np.random.default_rng(5).integers(0, 256, (IMAGES, SIDE, SIDE, 3), np.uint8)
        self.classes = list(classes)
        self.targets = [number % len(classes) for number in range(IMAGES)]
        self.images = [Image.fromarray(image) for image in pixels]

    def __len__(self):
        return IMAGES

    def __getitem__(self, index):
        return self.images[index], self.targets[index]


def net() -> Model:
    torch.manual_seed(3)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIDE * SIDE, len(ANIMALS)))
    return Model(module, Preprocess(mean=(0, 0, 0), std=(1, 1, 1)), ANIMALS)


def judged(data=None, **arguments):
    plain = {"transforms": "vflip", "chance_check": "off", "progress": False, "workers": 0}
    return evaluate({"net": net()}, data or Photos(), **plain | arguments)


def by_hand(names: tuple[str, ...], *, flipped: bool) -> tuple[list[int], list[int]]:
    """Return how many images of each class are right, and right among the best five, by sorting plain logits."""
    photos = Photos()
    module, places = net().module, [ANIMALS.index(name) for name in names]
    right, in_five = np.zeros(len(OF_DATA), int), np.zeros(len(OF_DATA), int)
    for image, label in zip(photos.images, photos.targets, strict=True):
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            [logits] = module(pixels.flip(2) if flipped else pixels)
        best = [names[place] for place in logits[places].argsort(descending=True).tolist()]
        right[label] += best[0] == OF_DATA[label]
        in_five[label] += OF_DATA[label] in best[:5]
    return right.tolist(), in_five.tolist()


@pytest.mark.parametrize(("rule", "names"), [("all", ANIMALS), ("data", OF_DATA)])
def test_accuracy_and_top5_are_those_of_sorting_the_logits_of_the_outputs_that_count(
    tmp_path, monkeypatch, rule, names
):
    monkeypatch.chdir(tmp_path)
    found = judged(outputs=rule)
    table = pd.read_csv(found.report("report").parent / "accuracy.csv")
    for condition in ("control", "vflip"):
        rows = table[table["transform"] == condition]
        right, in_five = by_hand(names, flipped=condition == "vflip")
        assert (rows["correct"].tolist(), rows["top5"].tolist()) == (right, in_five)
        assert rows["class_name"].tolist() == list(OF_DATA)
    [row] = found.to_frame("models").to_dict("records")
    sums = [sum(by_hand(names, flipped=flipped)[1]) for flipped in (False, True)]
    assert [row["control_top5"], row["top5"]] == pytest.approx([100 * each / IMAGES for each in sums])
    results = json.loads((tmp_path / "report/results.json").read_text())
    [model] = results["models"]
    assert (model["output_count"], model["kept_outputs"]) == (12, None if rule == "all" else 7)
    assert model["control_top5"] == pytest.approx(100 * sums[0] / IMAGES)
    assert [cell["top5"] for cell in results["cells"]] == sums


def test_the_two_rules_keep_their_answers_apart_and_each_finds_its_own_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def results() -> int:
        with contextlib.closing(sqlite3.connect(tmp_path / ".robustness/store.sqlite")) as store:
            return store.execute("SELECT count(*) FROM prediction").fetchone()[0]

    first = judged()
    assert results() == 2
    masked = judged(outputs="data")
    assert results() == 4
    for before, rule in ((first, "all"), (masked, "data")):
        again = judged(outputs=rule)
        assert results() == 4
        pd.testing.assert_frame_equal(again.to_frame("images"), before.to_frame("images"))
    # Of images whose classes are all of the model's, none is masked, and the answers are the same ones.
    everything = Photos(ANIMALS)
    judged(everything, outputs="data")
    assert results() == 6
    judged(everything, outputs="all")
    assert results() == 6


def test_stored_answers_among_other_outputs_than_were_asked_for_are_checked_and_hold(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    judged(outputs="data")
    again = judged(outputs="data", transforms=["vflip", "hflip"])
    assert not [text for text in again.warnings if "answers" in text]
    assert len(again.to_frame("models")) == 2


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (
            {"labels": "none"},
            OptionError,
            "--robustness-outputs=data keeps the outputs .* and --robustness-labels=none",
        ),
        ({"unlabelled": "digits"}, OptionError, "and --robustness-unlabelled judges images without labels"),
        ({"outputs": "some"}, OptionError, "outputs: 'some' is not valid. Valid: all, data"),
    ],
)
def test_a_mask_without_labels_is_refused(tmp_path, monkeypatch, arguments, error, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        judged(**{"outputs": "data"} | arguments)


def test_a_single_class_would_be_right_always_and_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = "leaves net one output, so that each of its answers is right: the data has one class. Judge with"
    with pytest.raises(RobustnessError, match=words):
        judged(Photos(("hen",)), outputs="data")


def test_a_baseline_of_other_outputs_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    judged(outputs="data", baseline="base.json", update_baseline=True).robustness.write_reports()
    found = judged(outputs="data", baseline="base.json")
    assert [(test.result.lost, test.result.gained) for test in found.gate_tests] == [(0, 0), (0, 0)]
    with pytest.raises(BaselineError, match="--robustness-outputs: data in the baseline, all in this run"):
        judged(baseline="base.json")


def test_facts_that_are_remembered_take_the_mask_of_the_run():
    facts = ModelFacts("f00d", "name", (7, 0, 3), Preprocess(), output_count=12)
    for rule, kept in (("all", ()), ("data", (0, 3, 7))):
        bench = JobMaker(SimpleNamespace(classes=()), None, builtin(), 0, "fp32", output_rule=rule)
        assert bench.as_judged(dataclasses.replace(facts, kept=(1, 2))).kept == kept
