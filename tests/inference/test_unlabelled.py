"""Images without labels: the same answers as with labels, from the same rows of the store, whatever the layout."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.core import CONTROL, UNLABELLED, Cell, Condition, Panel
from pytest_robustness.core.errors import DataError, ModelError
from pytest_robustness.inference.preprocess import to_canvas, to_inputs
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.inference.store.rows import targets_of
from pytest_robustness.inference.sweep.scoring import score
from pytest_robustness.inference.unlabelled import UnlabelledImages
from pytest_robustness.models import ModelZoo
from pytest_robustness.transforms import builtin
from tests.inference.test_predictor import COLOUR, SLOPE, VFLIP

HFLIP = Condition("hflip")
MODELS = (SLOPE, COLOUR)
THREE = """

class Three(torch.nn.Module):
    def forward(self, images):
        return images.mean(dim=(2, 3))


def three():
    return Model(Three(), classes=["down", "up", "aside"])


def turned():
    return Model(Slope(), classes=["up", "down"])
"""


@pytest.fixture
def flat(folder):
    """A folder of images, some of them deeper, whose names are in the order of the labelled ones."""
    place = folder.path / "flat"
    (place / "deep/deeper").mkdir(parents=True)
    for number, path in enumerate(sorted((folder.path / "photos").rglob("*.png"))):
        target = place / ("deep/deeper" if number % 3 == 0 else "")
        shutil.copy(path, target / f"{number:02}.png")
    return place


def predictions(world):
    return StoredPredictions(lambda: world.predictor.store, world.run_log)


def answers(world, cell):
    (predicted, _), confidence, true, *_ = predictions(world).scored(cell)
    return predicted, confidence, true


def test_a_run_without_labels_computes_nothing_that_one_with_labels_has(world):
    panel = Panel(VFLIP, MODELS)
    labelled = world(panel)
    labelled.predictor.ensure(panel)
    assert labelled.sweeps
    plain = world(panel, labelled=False)
    plain.predictor.ensure(panel)
    assert plain.sweeps == []
    for model in MODELS:
        for condition in (CONTROL, VFLIP):
            with_labels, without = (answers(one, Cell(model, condition)) for one in (labelled, plain))
            assert with_labels[0].tolist() == without[0].tolist()
            assert with_labels[1].tolist() == without[1].tolist()
            assert np.isnan(without[2]).all()


def test_answers_without_labels_serve_no_run_with_labels_but_the_next_one_without(world):
    panel = Panel(VFLIP, MODELS)
    first = world(panel, labelled=False)
    first.predictor.ensure(panel)
    again = world(panel, labelled=False)
    again.predictor.ensure(panel)
    labelled = world(panel)
    labelled.predictor.ensure(panel)
    assert (len(first.sweeps), len(again.sweeps), len(labelled.sweeps)) == (1, 0, 1)
    once_more = world(panel, labelled=False)
    once_more.predictor.ensure(panel)
    assert once_more.sweeps == []
    for cell in (Cell(SLOPE, CONTROL), Cell(COLOUR, VFLIP)):
        for one in (again, once_more):
            np.testing.assert_array_equal(answers(one, cell)[0], answers(labelled, cell)[0])


def test_agreement_is_counted_by_what_each_model_answers_in_control(world, folder):
    mixed = folder.add_mixed("mixed", 2.0)
    panel = Panel(VFLIP, (SLOPE, mixed))
    plain = world(panel, labelled=False)
    plain.predictor.ensure(panel)
    stored = predictions(plain)
    assert stored.class_names == ("down", "up")
    labels = np.repeat([0, 1], 20)
    for model, weights in ((SLOPE, (1, 0)), (mixed, (1, 2.0))):
        # What is right was worked out from the files; of two classes the wrong answer is the other one.
        answered = {name: np.where(folder.right(*weights, name), labels, 1 - labels) for name in ("control", "vflip")}
        own, treated = answered["control"], answered["vflip"]
        assert stored.labels_of(model).tolist() == own.tolist()
        for condition, given in ((CONTROL, own), (VFLIP, treated)):
            n, correct = stored.counts(Cell(model, condition))
            assert n.tolist() == [np.count_nonzero(own == c) for c in (0, 1)]
            assert correct.tolist() == [np.count_nonzero((own == c) & (given == c)) for c in (0, 1)]


def test_agreement_of_an_embedded_model_is_that_of_its_raw_answers(world):
    model, rotation = "digits:alexnet", Condition("rotation", 3)
    plain = world(labelled=False, data="digits", limit=8)
    plain.predictor.ensure(Cell(model, rotation))
    stored, bench = predictions(plain), plain.predictor.open_data()
    selection, loaded = bench.selection, ModelZoo().load(model)
    preprocess = loaded.preprocess
    canvases = [to_canvas(selection.source.read(int(index)), preprocess.canvas) for index in selection.indices]
    images = torch.stack(canvases)
    turned = builtin().get("rotation")(images, 3, selection.identities, 0)
    loaded.module.eval()
    with torch.inference_mode():
        own, treated = (loaded.module(to_inputs(batch, preprocess)).argmax(dim=1).numpy() for batch in (images, turned))
    assert len(own) == 80
    n, correct = stored.counts(Cell(model, rotation))
    assert n.tolist() == [np.count_nonzero(own == c) for c in range(10)]
    assert correct.tolist() == [np.count_nonzero((own == c) & (treated == c)) for c in range(10)]
    assert 0 < correct.sum() < 80
    assert stored.class_names == tuple(map(str, range(10)))


def test_a_folder_without_class_folders_has_the_same_answers(world, flat):
    with_labels, plain = world(), world(data=f"folder:{flat}", labelled=False)
    for one in (with_labels, plain):
        one.predictor.ensure(Cell(SLOPE, VFLIP))
    assert plain.sweeps == []
    described = [plain.predictor.open_data().selection.source.describe(i) for i in range(40)]
    order = np.argsort([path.rpartition("/")[2] for path in described])
    for condition in (CONTROL, VFLIP):
        cell = Cell(SLOPE, condition)
        assert answers(plain, cell)[0][order].tolist() == answers(with_labels, cell)[0].tolist()


def test_without_labels_a_limit_draws_the_same_images_of_class_folders(world):
    for one in (chosen := [world(limit=7), world(limit=7, labelled=False)]):
        one.predictor.open_data()
    first, second = (one.predictor.open_data().selection for one in chosen)
    assert first.identities.tolist() == second.identities.tolist()
    assert (second.labels == UNLABELLED).all()
    assert (second.classes, second.labelled) == ((), False)
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize(
    ("name", "differs"),
    [
        ("three", "has 3 outputs, and python:nets.py:slope 2"),
        ("turned", "has 'up' as output 0, and python:nets.py:slope 'down'"),
    ],
)
def test_models_with_other_classes_are_refused_where_outputs_are_the_classes(world, folder, name, differs):
    folder.write("nets.py", (folder.path / "nets.py").read_text() + THREE)
    other = f"python:nets.py:{name}"
    panel = Panel(VFLIP, (SLOPE, other))
    plain = world(panel, labelled=False, same_classes=True)
    plain.predictor.ensure(panel)
    with pytest.raises(ModelError) as caught:
        plain.run_log.require(Cell(other, VFLIP))
    assert str(caught.value) == (
        f"{other} {differs}: without labels the outputs are the classes, so that all models of a run need the same, "
        f"in one order. Judge it in a run of its own."
    )
    assert plain.run_log.finished(Cell(SLOPE, VFLIP))


def test_an_image_that_cannot_be_read_counts_for_no_class(world, folder):
    (folder.path / "photos/up/03.png").write_bytes(b"no image")
    panel = Panel(VFLIP, MODELS)
    plain = world(panel, labelled=False, on_bad_image="skip")
    plain.predictor.ensure(panel)
    stored = predictions(plain)
    for model in MODELS:
        for condition in (CONTROL, VFLIP):
            given = stored.answers(Cell(model, condition))
            assert np.flatnonzero(~given.readable).tolist() == [23]
            assert stored.counts(Cell(model, condition)).n.sum() == 39


def test_images_without_labels_are_answered_beside_the_run(world, flat):
    run, beside = world(Cell(SLOPE, CONTROL)), world(data=f"folder:{flat}", labelled=False)
    run.predictor.ensure(Cell(SLOPE, CONTROL))
    images = UnlabelledImages("flat", beside.predictor, beside.run_log, run.run_log)
    images.compute([SLOPE])
    assert run.run_log.unlabelled == {SLOPE: beside.run_log.dataset}
    found = images.answers(SLOPE)
    assert found.predicted.tolist() == answers(beside, Cell(SLOPE, CONTROL))[0].tolist()
    # Another process reads them from the store and the log alone.
    idle = world(data="folder:nowhere", labelled=False)
    log = RunLog.unpack(run.run_log.pack())
    elsewhere = UnlabelledImages("flat", idle.predictor, idle.run_log, log)
    elsewhere.compute([SLOPE])
    assert elsewhere.answers(SLOPE).predicted.tolist() == found.predicted.tolist()


def test_copies_of_images_without_labels_are_known(world, flat):
    run = world(Cell(SLOPE, CONTROL))
    shutil.copy(flat / "01.png", flat / "copy.png")
    beside = world(data=f"folder:{flat}", labelled=False)
    images = UnlabelledImages("flat", beside.predictor, beside.run_log, run.run_log)
    images.compute([SLOPE])
    source, indices = beside.predictor.images()
    names = [Path(source.describe(int(index))).name for index in indices]
    assert [name for name, first in zip(names, images.distinct(SLOPE), strict=True) if not first] == ["copy.png"]


def test_what_cannot_answer_images_without_labels_says_why(world, folder):
    folder.write("nets.py", (folder.path / "nets.py").read_text() + "\n\ndef broken():\n    raise ValueError('no')\n")
    run, beside = world(), world(labelled=False)
    images = UnlabelledImages("photos", beside.predictor, beside.run_log, run.run_log)
    images.compute(["python:nets.py:broken", SLOPE])
    assert [*run.run_log.unlabelled] == [SLOPE]
    with pytest.raises(ModelError, match="broken"):
        images.answers("python:nets.py:broken")
    nowhere = world(data="folder:nowhere", labelled=False)
    with pytest.raises(DataError, match=r"nowhere does not exist\. Expected images below"):
        UnlabelledImages("nowhere", nowhere.predictor, nowhere.run_log, run.run_log).compute([COLOUR])


def test_without_a_label_there_is_neither_rank_nor_probability_of_the_true_class():
    logits = torch.tensor([[1.0, 3.0, 2.0], [5.0, 1.0, 0.0]])
    plain, labelled = score(logits, torch.tensor([-1, -1])), score(logits, torch.tensor([2, 1]))
    assert plain.predicted.tolist() == labelled.predicted.tolist() == [1, 0]
    assert plain.confidence.tolist() == labelled.confidence.tolist()
    assert plain.rank.tolist() == plain.true_probability.tolist() == [0, 0]
    assert targets_of(np.array([7, 9]), np.array([1, -1, 0])).tolist() == [9, -1, 7]


def test_the_worst_of_several_draws_is_refused_without_labels_even_where_it_is_stored(world):
    worst = Condition("worst(rotation,k=2)", 3)
    for settings in ({}, {"data": "digits", "limit": 2}):
        model = "digits:alexnet" if settings else SLOPE
        labelled, plain = world(**settings), world(labelled=False, **settings)
        labelled.predictor.ensure(Cell(model, worst))
        labelled.run_log.require(Cell(model, worst))
        plain.predictor.ensure(Cell(model, worst))
        with pytest.raises(ModelError, match="cannot be judged without labels: which answer is the worst, the label"):
            plain.run_log.require(Cell(model, worst))
        assert plain.run_log.finished(Cell(model, CONTROL))
