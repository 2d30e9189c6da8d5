"""The study lists planted images, says how sure it is, and reads tags without obeying them."""

from __future__ import annotations

import types

import numpy as np
import pytest

from pytest_robustness.analysis.predictions import Outputs, ScoredOutputs
from pytest_robustness.analysis.statistics.upright_view import VIEWS
from pytest_robustness.analysis.studies import load_study
from pytest_robustness.analysis.studies.evidence import Evidence, StudyOptions
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.core.errors import DataError, ModelError
from pytest_robustness.inference.run_log import RunLog
from tests.analysis.statistics.test_upright_view import planted, upright_images

MODELS = ("a", "b", "c")
STUDY = load_study("turned_images")


class Predictions:
    """Log-odds of each model under each view, as probabilities: those of the label, and of the answer."""

    class_names = ("cat", "dog")

    def __init__(self, views, *, labelled=True, noise=0.3):
        draw = np.random.default_rng(0)
        self.by_model = {model: views + draw.normal(0, noise, views.shape) for model in MODELS}
        self.labels = np.arange(len(views)) % 2 if labelled else np.full(len(views), -1)
        self.identities = np.zeros(len(views), "V16")
        self.unread = np.zeros(len(views), bool)
        self.labelled = labelled

    def scored(self, cell):
        view = VIEWS.index(cell.condition.transform) if cell.condition != CONTROL else 0
        p = (1 / (1 + np.exp(-self.by_model[cell.model][:, view]))).astype(np.float32)
        p[self.unread] = np.nan
        true = p if self.labelled else np.full_like(p, np.nan)
        return ScoredOutputs(Outputs(np.zeros(len(p), np.int32), np.arange(2)), p, true, p, np.zeros(len(p), np.int32))


class Files:
    """A source of files with tags."""

    name = "folder:x"

    def __init__(self, tags):
        self.tags = np.asarray(tags, np.uint8)

    def orientations(self, indices):
        return self.tags[indices]


def evidence(predictions, tags=None, suspects=50, broken=(), computed=None):
    log, n = RunLog(), len(predictions.labels)

    def compute(cells):
        for cell in cells:
            if computed is not None:
                computed.append(cell)
            if cell.model in broken:
                log.errors[cell] = f"{cell.model} is broken"
            else:
                log.keys[cell] = "key"

    def source():
        if tags is None:
            raise DataError("the folder is gone")
        return Files(tags), np.arange(n)

    names = types.SimpleNamespace(of=lambda positions, images: [f"cat/{position}.jpg" for position in positions])
    options = StudyOptions(3, 0, suspects)
    return Evidence(predictions, log, None, None, options, source=source, names=names, compute=compute)


def examined(predictions, models=MODELS, **world):
    return STUDY.examine(evidence(predictions, **world), Panel(CONTROL, models))


@pytest.fixture(scope="module")
def upright():
    return upright_images(700, 11, spread=3.0)


def test_planted_images_are_listed_with_the_turn_that_sets_them_upright(upright):
    rows = np.arange(0, 700, 20)
    finding = examined(Predictions(planted(upright, rows, "turn90")))
    assert finding.verdict.outcome is Outcome.FAIL
    listed = [item for item in finding.items if item["listed"]]
    assert finding.figures["listed"] == len(listed) >= 20
    names = {f"cat/{row}.jpg" for row in rows}
    assert {item["turn"] for item in listed if item["file"] in names} == {"turn270"}
    true = np.mean([item["file"] in names for item in listed])
    assert 100 * true == pytest.approx(finding.figures["precision"], abs=10)
    assert finding.figures["share_low"] < 100 * len(rows) / 700 < finding.figures["share_high"]
    assert [item["rank"] for item in finding.items] == [*range(1, len(finding.items) + 1)]
    probabilities = [item["probability"] for item in finding.items]
    assert probabilities == sorted(probabilities, reverse=True)
    assert [picture.position for picture in finding.pictures] == [int(item["file"][4:-4]) for item in finding.items]
    assert {picture.condition for picture in finding.pictures} >= {Condition("turn270")}
    assert set(finding.figures) == set(STUDY.columns)
    assert set(finding.items[0]) == set(STUDY.item_columns)
    assert str(finding.figures["listed"]) in finding.headline


@pytest.mark.slow
def test_a_turn_that_one_model_alone_prefers_is_not_listed(upright):
    rows = np.arange(0, 700, 20)
    predictions = Predictions(planted(upright, rows, "vflip"))
    before = examined(predictions).figures["listed"]
    for model in "bc":  # they see no difference between the views of these images, whatever the mean says
        predictions.by_model[model][rows] = predictions.by_model[model][rows, :1]
    predictions.by_model["a"][rows] *= 3
    after = examined(predictions)
    assert before > 10
    names = {f"cat/{row}.jpg" for row in rows}
    assert not [item for item in after.items if item["listed"] and item["file"] in names]
    assert any(item["file"] in names and item["agreeing"].startswith("a +") for item in after.items)


def test_upright_images_pass_and_the_reason_says_what_could_hide(upright):
    finding = examined(Predictions(upright))
    assert finding.verdict.outcome is Outcome.PASS
    assert finding.verdict.reason.startswith("No image seems to be turned or mirrored: at most ")
    assert finding.figures["mirrored"] == "looked for"
    assert finding.figures["share_low"] == 0 < finding.figures["share_high"] < 5
    assert finding.figures["precision"] is None


def test_one_model_is_no_evidence(upright):
    finding = examined(Predictions(planted(upright, np.arange(35), "vflip")), models=("b",))
    assert finding.verdict.outcome is Outcome.INCONCLUSIVE
    assert finding.verdict.reason == (
        "One model alone is no evidence that an image is turned: b. Name two or more with --robustness-models"
    )


def test_few_images_are_too_few():
    finding = examined(Predictions(upright_images(99, 1)), tags=[6] + [1] * 98)
    assert finding.verdict == (
        Outcome.INCONCLUSIVE,
        "99 images are too few to estimate how many are turned. It takes 100, better 500.",
    )
    assert finding.figures["images"] == 99
    assert finding.figures["tagged"] == 1
    assert set(finding.figures) == set(STUDY.columns)


def test_models_that_see_no_difference_decide_nothing():
    finding = examined(Predictions(np.random.default_rng(1).normal(0, 0.01, (150, 8)), noise=0.01))
    assert finding.verdict.outcome is Outcome.INCONCLUSIVE
    assert finding.verdict.reason.startswith("The models hardly tell turned images from others here: up to ")


def test_a_broken_model_is_left_out_and_all_broken_is_an_error(upright):
    computed = []
    finding = examined(Predictions(upright), broken=("c",), computed=computed)
    assert finding.models == ("a", "b")
    assert computed[:8] == [Cell("a", CONTROL), *(Cell("a", Condition(view)) for view in VIEWS[1:])]
    with pytest.raises(ModelError, match="broken"):
        examined(Predictions(upright), broken=MODELS)


def test_images_that_a_model_could_not_read_keep_the_others_in_place(upright):
    rows = np.arange(0, 700, 20)
    predictions = Predictions(planted(upright, rows, "vflip"))
    predictions.unread[:10] = True
    finding = examined(predictions)
    assert finding.figures["images"] == 690
    names = {f"cat/{row}.jpg" for row in rows}
    hits = [item for item in finding.items if item["listed"] and item["file"] in names]
    assert len(hits) >= 15


def test_a_tag_is_reported_and_what_the_models_prefer(upright):
    # Row 5 is stored on its side and its tag is right; row 6 is stored upright and its tag is wrong.
    views = upright.copy()
    views[5] = [-3, -3, -3, -3, 6, -3, -3, 5]
    views[6] = [6, -3, -3, -3, -3, 5.5, -3, -3]
    tags = np.ones(700, int)
    tags[[5, 6]] = 6
    finding = examined(Predictions(views), tags=tags)
    assert finding.figures["tagged"] == 2
    assert finding.figures["tags_preferred"] == 1
    found = {item["file"]: (item["exif"], item["prefer"]) for item in finding.items}
    assert found["cat/5.jpg"] == (6, "as tagged")
    assert found["cat/6.jpg"] == (6, "as stored")
    # What is shown for its tag alone is shown as the tag says.
    shown = {picture.position: (picture.condition.transform, picture.caption) for picture in finding.pictures}
    assert shown[6] == ("turn270", "cat, 6.jpg: its EXIF tag 6 says turn270; the models prefer it as stored")


def test_a_single_image_has_no_curve(upright):
    predictions = Predictions(planted(upright, np.arange(35), "vflip"))
    finding = examined(predictions, suspects=1)
    assert (len(finding.items), finding.curves) == (1, ())
    assert len(examined(predictions, suspects=2).curves) == 1


@pytest.mark.parametrize("code", range(2, 9))
def test_each_code_names_the_view_that_obeys_it(code):
    import torch

    from pytest_robustness.analysis.studies.turned_ranking import turn_of_tag
    from pytest_robustness.transforms import builtin
    from pytest_robustness.transforms.exif import obey

    image = torch.arange(48, dtype=torch.uint8).reshape(1, 3, 4, 4)
    turned = builtin().get(turn_of_tag(code))(image, None, np.zeros(1, "V16"), 0)
    torch.testing.assert_close(turned, obey(image, code))


def test_without_labels_the_top_answers_are_judged(upright):
    rows = np.arange(0, 700, 20)
    finding = examined(Predictions(planted(upright, rows, "vflip"), labelled=False))
    assert finding.verdict.outcome is Outcome.FAIL
    assert finding.figures["labels"] == "top answer"
    assert {item["class"] for item in finding.items} == {""}


def test_the_list_is_as_long_as_asked(upright):
    finding = examined(Predictions(planted(upright, np.arange(35), "vflip")), suspects=4)
    assert len(finding.items) == len(finding.pictures) == 4


def test_a_class_that_looks_alike_upside_down_is_stated():
    """Ten classes of 90 images, 36 turned at random; of one class ten more seem to be."""
    from pytest_robustness.analysis.studies.turned_ranking import evenly_turned

    draw = np.random.default_rng(4)
    classes = np.arange(900) % 10
    seeming = np.zeros(900)
    seeming[draw.choice(900, 36, replace=False)] = 0.98
    even = evenly_turned(seeming, classes)
    assert even.sum() == pytest.approx(seeming.sum(), rel=0.1)
    eights = np.flatnonzero((classes == 8) & (seeming == 0))[:10]
    seeming[eights] = 0.98
    low = evenly_turned(seeming, classes)
    listed = seeming > 0
    assert low[listed].mean() == pytest.approx(36 / 46, abs=0.08)
    assert np.all(low <= seeming)
    # One image of each class says nothing of classes.
    assert evenly_turned(seeming, np.arange(900)).tolist() == seeming.tolist()
    assert evenly_turned(seeming, np.full(900, -1)).tolist() == seeming.tolist()


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 1.0])
def test_mirrored_images_are_found_however_many_they_are_where_models_notice(upright, share):
    rows = np.random.default_rng(1).permutation(700)[: round(share * 700)]
    finding = examined(Predictions(planted(upright, rows, "hflip")), suspects=700)
    assert finding.verdict.outcome is Outcome.FAIL
    assert finding.figures["mirrored"] == "looked for"
    assert finding.figures["share_low"] - 2 < 100 * share < finding.figures["share_high"] + 2
    listed = [item for item in finding.items if item["listed"]]
    names = {f"cat/{row}.jpg" for row in rows}
    assert np.mean([item["file"] in names for item in listed]) > 0.7
    assert np.mean([item["turn"] == "hflip" for item in listed if item["file"] in names]) > 0.95


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_mirrored_images_are_not_looked_for_where_models_do_not_tell_them(share):
    rows = np.arange(round(share * 700))
    views = planted(upright_images(700, 11, spread=3.0, alike=True), rows, "hflip")
    finding = examined(Predictions(views))
    assert finding.verdict.outcome is Outcome.PASS
    note = "mirrored images are not looked for: the models do not tell them"
    assert finding.verdict.reason.endswith(f"; {note}")
    assert finding.figures["mirrored"] == "not looked for"
    assert note in finding.details


@pytest.mark.parametrize("turn", ["vflip", "turn180", "turn90", "hflip"])
def test_a_folder_that_is_turned_as_a_whole_is_found_by_labels_and_left_open_without(upright, turn):
    views = planted(upright, np.arange(700), turn)
    finding = examined(Predictions(views))
    assert finding.verdict.outcome is Outcome.FAIL
    assert finding.figures["share_low"] > 90
    assert finding.figures["share_high"] == 100
    unlabelled = examined(Predictions(views, labelled=False))
    assert unlabelled.verdict.outcome is Outcome.INCONCLUSIVE
    assert unlabelled.verdict.reason == (
        "The models are surer of 98 % of 700 images turned than as they are stored: their top answers do not tell here "
        "which view is upright. It takes labels"
    )
