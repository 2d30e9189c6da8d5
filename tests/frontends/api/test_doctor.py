"""The doctor names the one setting that is wrong; what it says to write mends it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import pytest_robustness
from pytest_robustness.analysis.diagnosis import Diagnosis, remembered_diagnosis
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import Model, Preprocess
from pytest_robustness.core.errors import DataError, ModelError, OptionError
from pytest_robustness.frontends.api.doctor import DoctorOptions
from pytest_robustness.inference.store.store import Store
from pytest_robustness.models import ModelZoo
from tests.made_classifier import RIGHT, accuracy, images, trained

NAMES = ("owl", "ant", "cat", "bee", "dog", "elk")
NUMBERS = tuple(map(str, range(12)))
SOURCE = images(NAMES, 20)
replace = dataclasses.replace


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def examined(model: Model, source: Any = SOURCE, **options: Any) -> Diagnosis:
    return pytest_robustness.doctor({"made": model}, source, **{"images": 120, **options})


def pasted(model: Model, line: str) -> Model:
    """Return the model with the arguments that the doctor says to write."""
    return replace(model, **eval(f"dict({line})", {"Preprocess": Preprocess, "__builtins__": {"dict": dict}}))


FAULTS = {
    "BGR": ({}, {"channels": "BGR"}, "channel order"),
    "RGB": ({"channels": "BGR"}, {"channels": "RGB"}, "channel order"),
    "no mean": ({}, {"mean": (0.0, 0.0, 0.0)}, "mean"),
    "no std": ({}, {"std": (1.0, 1.0, 1.0)}, "std"),
    "neither": ({}, {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}, "mean and std"),
    "nothing given": ({}, {"mean": Preprocess().mean, "std": Preprocess().std}, "mean and std"),
    "0 to 255": ({}, {"mean": (0.0, 0.0, 0.0), "std": (1 / 255,) * 3}, "mean and std"),
    "given in pixels": (
        {"mean": (0.4, 0.3, 0.2), "std": (0.3, 0.3, 0.3)},
        {"mean": (102.0, 76.5, 51.0), "std": (76.5, 76.5, 76.5)},
        "mean and std",
    ),
    "half": ({"mean": (0.5,) * 3, "std": (0.5,) * 3}, {"mean": (0.0,) * 3, "std": (1.0,) * 3}, "mean and std"),
    "squashed": ({}, {"resize": 32, "squash": True}, "squash"),
    "cut off": ({"resize": 32, "squash": True}, {"resize": 37, "squash": False}, "squash"),
    "not resized": ({"resize": 32, "crop": 32}, {"resize": None, "crop": None}, "resize and crop"),
    "NHWC": ({"layout": "NHWC"}, {"layout": "NCHW"}, "layout"),
}


@pytest.mark.parametrize(("right", "fault", "setting"), FAULTS.values(), ids=list(FAULTS))
def test_one_wrong_setting_of_the_preprocessing_is_named_and_mended(
    right: dict[str, Any], fault: dict[str, Any], setting: str
) -> None:
    model = trained(SOURCE, replace(RIGHT, **right))
    wrong = replace(model, preprocess=replace(model.preprocess, **fault))
    found = examined(wrong)
    assert (found.setting, found.verdict.outcome) == (setting, Outcome.FAIL), found
    mended = accuracy(pasted(wrong, found.line), SOURCE)
    assert mended >= accuracy(model, SOURCE) - 5
    assert found.accuracy == pytest.approx(mended)


def test_two_settings_at_once_are_both_named() -> None:
    model = trained(SOURCE)
    wrong = replace(model, preprocess=replace(RIGHT, channels="BGR", mean=(0.0,) * 3, std=(1.0,) * 3))
    found = examined(wrong)
    assert set(found.setting.split(" and ")) == {"channel order", "mean", "std"}
    assert accuracy(pasted(wrong, found.line), SOURCE) >= accuracy(model, SOURCE) - 5


def ordered(names: Any, classes: Any, source: Any = SOURCE, background: int = 0) -> tuple[Model, Model]:
    """Return the right model, and it with another class list."""
    model = trained(source, background=background)
    assert tuple(model.classes or ()) == names
    return model, replace(model, classes=classes)


@pytest.mark.parametrize(
    "classes",
    [sorted(NAMES), (*NAMES[1:], NAMES[0]), (NAMES[-1], *NAMES[:-1])],
    ids=["alphabetical", "earlier", "later"],
)
def test_a_wrong_order_of_classes_is_named_and_mended(classes: Any) -> None:
    model, wrong = ordered(NAMES, classes)
    found = examined(wrong)
    assert found.setting == "class order"
    assert accuracy(pasted(wrong, found.line), SOURCE) == accuracy(model, SOURCE)


@pytest.mark.parametrize("given", [None, sorted(NUMBERS), tuple(sorted(NUMBERS))])
def test_classes_in_the_order_of_their_numbers_are_told_from_those_in_that_of_texts(given: Any) -> None:
    # Trained on torchvision's ImageFolder, which puts 10 before 2; or given so, and trained by number.
    names = tuple(sorted(NUMBERS)) if given is None else NUMBERS
    source = images(names, 10)
    if given is None:
        object.__setattr__(source, "sorts_names", True)  # as class folders; else its own labels count
    wrong = replace(trained(source), classes=given)
    found = examined(wrong, source)
    assert found.setting == "class order"
    assert accuracy(pasted(wrong, found.line), source) == accuracy(trained(source), source)


def test_a_background_class_is_named_and_mended() -> None:
    model = trained(SOURCE, background=1)
    wrong = replace(model, output_offset=0)
    found = examined(wrong)
    assert (found.setting, found.line) == ("output offset", "output_offset=1")
    assert np.isnan(found.control)
    assert "the model does not run -> 100.0 %" in found.verdict.reason
    assert accuracy(pasted(wrong, found.line), SOURCE) == accuracy(model, SOURCE)


def test_a_class_list_with_the_background_last_is_mended() -> None:
    model = trained(SOURCE, background=1)
    wrong = replace(model, output_offset=0, classes=(*NAMES, "background"))
    found = examined(wrong)
    assert found.setting == "class order"
    assert accuracy(pasted(wrong, found.line), SOURCE) == accuracy(model, SOURCE)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [60.0, 200.0])
def test_of_a_right_set_up_nothing_is_called_wrong(seed: int, noise: float) -> None:
    source = images(NAMES, 20, noise, seed)
    found = examined(trained(source), source, seed=seed)
    assert found.verdict.outcome is not Outcome.FAIL, found
    assert (found.setting, found.line) == ("", "")


def test_what_the_images_cannot_show_is_called_undecided() -> None:
    # The images are noise on squares: bicubic gives the same classes as bilinear.
    model = trained(SOURCE)
    found = examined(replace(model, preprocess=replace(RIGHT, interpolation="bicubic")))
    assert found.verdict.outcome is Outcome.PASS
    assert "bilinear" in {trial.tried for trial in found.undecided}
    assert f"{max(trial.high for trial in found.trials if not trial.error):.1f} points" in found.verdict.reason


def test_few_images_decide_nothing_small() -> None:
    found = examined(trained(SOURCE), images=12)
    assert found.verdict.outcome is Outcome.INCONCLUSIVE
    assert found.verdict.reason.startswith("Cannot tell: 12 images decide only differences above ")


def test_where_nothing_helps_it_says_so() -> None:
    model = trained(SOURCE)
    with torch.no_grad():
        for tensor in model.module.buffers():
            tensor.zero_()
    found = examined(model)
    assert found.fault
    assert (found.setting, found.line) == ("", "")
    assert found.verdict.reason.startswith("Nothing that was tried helps: right on ")


class Broken(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no weights")


def test_a_model_that_runs_in_no_way_is_an_error() -> None:
    with pytest.raises(ModelError, match="no weights"):
        examined(Model(Broken(), classes=NAMES))


def test_logits_that_are_no_numbers_are_no_answers() -> None:
    model = trained(SOURCE)
    model.module.means.view(-1)[0] = torch.nan
    with pytest.raises(ModelError, match=r"logits that give no answer: one is NaN .* The weight means holds NaN"):
        examined(model)


def test_images_of_other_sizes_cannot_stay_as_they_are(tmp_path) -> None:
    from PIL import Image

    for index, label in enumerate(SOURCE.labels.tolist()):
        path = tmp_path / "photos" / NAMES[label] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(SOURCE.images[index].transpose(1, 2, 0))
        # Some are larger: the same pixels, each doubled.
        picture.resize((160, 96) if index % 2 else (80, 48), Image.Resampling.NEAREST).save(path)
    model = trained(SOURCE, replace(RIGHT, resize=32, crop=32))
    wrong = replace(model, preprocess=replace(RIGHT, resize=None, crop=None))
    found = examined(wrong, "folder:photos")
    assert found.setting == "resize and crop"
    assert np.isnan(found.control)


def test_the_store_remembers_the_diagnosis_of_a_model_as_it_is(tmp_path) -> None:
    wrong = replace(trained(SOURCE), preprocess=replace(RIGHT, channels="BGR"))
    found = examined(wrong, store="runs.sqlite")
    facts = ModelZoo(given={"made": wrong}).load("made")
    store = Store(tmp_path / "runs.sqlite")
    asked = (store, facts.fingerprint, facts.preprocess, SOURCE.name, SOURCE.classes)
    remembered = remembered_diagnosis(*asked)
    assert remembered is not None
    assert remembered.as_dict() == found.as_dict()
    assert str(remembered) == str(found)
    assert remembered_diagnosis(store, facts.fingerprint, RIGHT, *asked[3:]) is None
    assert remembered_diagnosis(store, "f00d", *asked[2:]) is None
    assert remembered_diagnosis(*asked[:3], "folder:other", SOURCE.classes) is None
    store.close()


def test_the_same_seed_gives_the_same_diagnosis() -> None:
    model = trained(SOURCE)
    first, again, other = (examined(model, images=60, seed=seed).to_frame() for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"images": 1}, "images is 1. Valid: a whole number of images, 2 or more, such as 256."),
        ({"images": 2.5}, "images is 2.5. Valid: a whole number of images, 2 or more, such as 256."),
        (
            {"margin": 0},
            (
                "margin is 0. Valid: points of accuracy above 0, up to 100, such as 2.0; no number of images could "
                "rule out every change."
            ),
        ),
        ({"alpha": 1}, "alpha is 1. Valid: a number above 0 and below 1, such as 0.05."),
        (
            {"limit": 3},
            "'limit' is not an argument. Known: "
            + ", ".join(sorted(["images", "margin", "alpha", *DoctorOptions.__annotations__]))
            + ".",
        ),
    ],
)
def test_a_wrong_argument_is_refused_with_what_is_valid(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionError) as raised:
        examined(trained(SOURCE), **arguments)
    assert str(raised.value) == text


def test_it_examines_one_model() -> None:
    with pytest.raises(OptionError, match="The doctor examines one model; got 2"):
        pytest_robustness.doctor({"a": trained(SOURCE), "b": trained(SOURCE)}, SOURCE)
    with pytest.raises(OptionError, match="digits12 names 12 models; the doctor examines one"):
        pytest_robustness.doctor("digits12")


def test_data_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DataError, match="nowhere"):
        pytest_robustness.doctor({"made": trained(SOURCE)}, "folder:nowhere")


def test_a_frame_and_html_show_what_was_tried() -> None:
    found = examined(replace(trained(SOURCE), preprocess=replace(RIGHT, channels="BGR")))
    frame = found.to_frame()
    assert list(frame["tried"][:1]) == ["RGB"]
    assert frame["p_adjusted"].min() < 0.05
    assert (frame["error"] != "").sum() == sum(bool(trial.error) for trial in found.trials)
    assert found.line.replace("'", "&#39;") in found._repr_html_()
    assert found.line in str(found)


def test_a_run_judges_every_set_up_as_a_plain_loop_does() -> None:
    source = images(NAMES, 20, 200)
    right = replace(RIGHT, channels="BGR", layout="NHWC", resize=32, squash=True)
    model = trained(source, right, background=1)
    expected = accuracy(model, source)
    assert 50 < expected < 99
    found = pytest_robustness.evaluate({"made": model}, source, "hflip", progress=False)
    assert found.model_tests[0].accuracy.control == pytest.approx(expected)
