"""The warning of a set-up that was assumed says what to write, and what it says to write settles it."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import pytest
from torch import nn

from pytest_robustness.core import Model, Preprocess
from pytest_robustness.inference.loading.model_facts import ModelFacts
from pytest_robustness.models.engines.sidecar import read_sidecar
from pytest_robustness.report.assumption_text import unhashed_warning, warning

SETTINGS = ("mean", "std", "size", "classes")
SPREAD = " (pixels spread over the range that the scale of its integers gives, which is that of normalized values)"
SOME = [chosen for count in (1, 2, 3, 4) for chosen in itertools.combinations(SETTINGS, count)]


def facts(*assumed: str, preprocess: Preprocess | None = None) -> ModelFacts:
    return ModelFacts("f00d", "position", (), preprocess or Preprocess(), assumed)


def test_nothing_is_said_of_a_model_that_gives_everything() -> None:
    assert warning("python:nets.py:make", facts()) is None


def test_of_a_bare_module_all_is_said() -> None:
    assert warning("python:nets.py:make", facts(*SETTINGS)) == (
        "python:nets.py:make was judged with mean 0, standard deviation 1, images of the data's size, outputs in the "
        "order of the data's classes, because nothing gives them; if they are wrong, so are its figures. Let its "
        "factory return Model(module, Preprocess(resize=256, crop=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, "
        '0.225)), classes=["...", "..."]), with the values of its training.'
    )


def test_of_a_file_its_sidecar_is_named_with_the_size_that_was_derived() -> None:
    text = warning("onnx:nets/net.onnx", facts("size", "std", preprocess=Preprocess(342, 299, mean=(0.5,) * 3)))
    assert text == (
        "onnx:nets/net.onnx was judged with standard deviation 1, images of 342 pixels, cropped to 299, because "
        "nothing gives them; if they are wrong, so are its figures. Write into nets/net.onnx.json, with the values of "
        'its training: {"resize": 342, "crop": 299, "std": [0.229, 0.224, 0.225]}'
    )


@pytest.mark.parametrize(
    ("name", "mean", "said"),
    [
        ("onnx:net.onnx", (0.447,) * 3, f"mean 0.447, standard deviation 0.21{SPREAD}"),
        ("clip:ViT-B-32:net.pt", (0.48, 0.45, 0.4), "mean 0.48, 0.45, 0.4, standard deviation 0.21"),
        ("python:net.py:make", (0.0,) * 3, "mean 0, standard deviation 0.21"),
    ],
)
def test_a_mean_that_was_assumed_is_shown_as_it_is(name: str, mean: tuple[float, ...], said: str) -> None:
    text = warning(name, facts("mean", "std", preprocess=Preprocess(256, 224, mean, (0.21,) * 3)))
    assert text is not None
    assert text.startswith(
        f"{name} was judged with {said}, because nothing gives them; if they are wrong, so are its figures. "
    )


def test_a_model_of_another_source_needs_a_factory_that_keeps_what_it_has() -> None:
    preprocess = Preprocess(171, 160, (0.5,) * 3, (0.25,) * 3, "bicubic")
    assert warning("timm:net.flowers", facts("classes", preprocess=preprocess)) == (
        "timm:net.flowers was judged with outputs in the order of the data's classes, because nothing gives it; if it "
        "is wrong, so are its figures. Load it in a factory (python:FILE:FUNCTION) with return Model(module, "
        "Preprocess(resize=171, crop=160, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), interpolation='bicubic'), "
        'classes=["...", "..."]), and the values of its training.'
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ("mean", "std", "size"),
            "(mean 0.485, 0.456, 0.406; standard deviation 0.229, 0.224, 0.225; images of 235 pixels, cropped to 224)",
        ),
        (("size",), "(images of 235 pixels, cropped to 224)"),
        (("mean", "std"), "(mean 0.485, 0.456, 0.406; standard deviation 0.229, 0.224, 0.225)"),
    ],
)
def test_defaults_of_the_architecture_are_shown_with_their_values(settings: tuple[str, ...], said: str) -> None:
    preprocess = Preprocess(235, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bicubic")
    plain = facts(*settings, preprocess=preprocess)
    known = dataclasses.replace(plain, origins=dict.fromkeys(SETTINGS[:3], "architecture"))
    assert warning("python:nets.py:make", known) == (
        f"python:nets.py:make was judged with timm's defaults of the architecture {said}, because nothing gives them "
        "and its outputs are not those of timm's weights; if they are wrong, so are its figures. Let its factory "
        "return Model(module, Preprocess(resize=235, crop=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), "
        """interpolation='bicubic'), classes=["...", "..."]), with the values of its training."""
    )


@pytest.mark.parametrize(
    ("assumed", "said"),
    [
        (("classes", "numbers"), "outputs in the order of the data's classes by name, in which 10 comes before 2"),
        (("numbers",), "outputs in the order of the numbers that its classes are called by (training on torchvision's"),
    ],
)
def test_classes_that_are_called_by_numbers_have_two_orders(assumed: tuple[str, ...], said: str) -> None:
    text = warning("python:net.py:make", facts(*assumed))
    assert text is not None
    assert text.startswith(f"python:net.py:make was judged with {said}")
    assert ", because nothing gives it; if it is wrong, so are its figures. " in text
    assert 'classes=["...", "..."]' in text
    assert '"classes": ["...", "..."]' in str(warning("onnx:net.onnx", facts(*assumed)))


@pytest.mark.parametrize("assumed", SOME, ids=",".join)
@pytest.mark.parametrize("preprocess", [Preprocess(), Preprocess(resize=256, crop=224)], ids=["native", "resized"])
def test_a_sidecar_written_as_the_warning_says_leaves_nothing_of_it_to_assume(
    tmp_path: Path, assumed: tuple[str, ...], preprocess: Preprocess
) -> None:
    path = tmp_path / "net.onnx"
    text = warning(f"openvino:{path}", facts(*assumed, preprocess=preprocess)) or ""
    written = Path(f"{path}.json")
    assert str(written) in text
    written.write_text(text[text.index("{") :])
    sidecar = read_sidecar(path)
    assert {"size": sidecar.sized, "classes": sidecar.classes is not None}.items() >= {
        (name, True) for name in assumed if name in ("size", "classes")
    }
    assert set(sidecar.preprocess(224).assumed).isdisjoint(assumed)
    assert json.loads(written.read_text()).keys() <= {"resize", "crop", "mean", "std", "classes"}


@pytest.mark.parametrize("assumed", SOME, ids=",".join)
@pytest.mark.parametrize(
    "preprocess", [Preprocess(), Preprocess(40, 32, (0.1,) * 3, (0.2,) * 3, "nearest", False)], ids=["native", "given"]
)
def test_a_factory_written_as_the_warning_says_leaves_nothing_to_assume(
    assumed: tuple[str, ...], preprocess: Preprocess
) -> None:
    text = warning("python:nets.py:make", facts(*assumed, preprocess=preprocess)) or ""
    call = text[text.index("Model(") : text.index(", with the values")]
    made = eval(call, {"Model": Model, "Preprocess": Preprocess, "module": nn.Identity()})
    assert made.assumed == ()
    assert made.classes == ("...", "...")
    for name in ("mean", "std"):
        if name not in assumed:
            assert getattr(made.preprocess, name) == getattr(preprocess, name)
    assert made.preprocess.interpolation == preprocess.interpolation
    assert made.preprocess.antialias == preprocess.antialias


def holding(*names: str) -> ModelFacts:
    return ModelFacts("f00d", "name", (), Preprocess(), unhashed=names)


def test_nothing_is_said_of_a_model_whose_content_is_hashed_as_a_whole() -> None:
    assert unhashed_warning("python:nets.py:make", holding()) is None


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (("net (InferenceSession)",), "net (InferenceSession)"),
        (("a (Net)", "b (Net)", "c (Net)"), "a (Net), b (Net), c (Net)"),
        (("a (Net)", "b (Net)", "c (Net)", "d (Net)", "e (Net)"), "a (Net), b (Net), c (Net) and 2 more"),
    ],
)
def test_what_a_fingerprint_does_not_cover_is_named(names: tuple[str, ...], listed: str) -> None:
    assert unhashed_warning("python:nets.py:make", holding(*names)) == (
        f"python:nets.py:make holds {listed}, whose content cannot be hashed: a change in it is seen by the check of "
        f"stored answers alone."
    )
