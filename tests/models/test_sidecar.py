"""What a sidecar may say, what is assumed without one, and how a wrong one is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.core import Preprocess
from pytest_robustness.core.errors import ModelError
from pytest_robustness.models.engines.sidecar import Sidecar, read_sidecar

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = "antialias, channels, classes, crop, interpolation, mean, output_offset, probabilities, resize, squash, std"


def read(folder: Path, content: object) -> Sidecar:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "net.onnx.json").write_text(text, encoding="utf-8")
    return read_sidecar(folder / "net.onnx")


@pytest.mark.parametrize(
    ("side", "preprocess"),
    [
        (224, Preprocess(resize=256, crop=224)),
        (299, Preprocess(resize=342, crop=299)),
        (64, Preprocess(resize=73, crop=64)),
        (63, Preprocess()),
        (None, Preprocess()),
    ],
)
def test_without_a_sidecar_the_input_decides(tmp_path: Path, side: int | None, preprocess: Preprocess) -> None:
    sidecar = read_sidecar(tmp_path / "net.onnx")
    assert sidecar == Sidecar()
    assert sidecar.preprocess(side) == preprocess
    assert (sidecar.offset(1000), sidecar.offset(1001), sidecar.offset(1002)) == (0, 1, 0)


def test_every_key_is_heard(tmp_path: Path) -> None:
    sidecar = read(
        tmp_path,
        {
            "resize": 235,
            "crop": 200,
            "mean": [0.4, 0.5, 0.6],
            "std": [0.1, 0.2, 1],
            "interpolation": "bicubic",
            "antialias": False,
            "squash": True,
            "channels": "BGR",
            "classes": ["cat", "dog"],
            "output_offset": 3,
            "probabilities": True,
        },
    )
    assert sidecar.preprocess(224) == Preprocess(
        235, 200, (0.4, 0.5, 0.6), (0.1, 0.2, 1.0), "bicubic", False, True, "BGR"
    )
    assert sidecar.classes == ("cat", "dog")
    assert sidecar.offset(1001) == 3
    assert sidecar.probabilities is True
    assert sidecar.normalizes


@pytest.mark.parametrize(
    ("content", "preprocess"),
    [
        ({}, Preprocess(resize=256, crop=224)),
        ({"crop": 192}, Preprocess(resize=219, crop=192)),
        ({"resize": 300}, Preprocess(resize=300, crop=224)),
        ({"resize": None}, Preprocess(resize=None, crop=224)),
        ({"resize": None, "crop": None}, Preprocess()),
        ({"std": [0.5, 0.5, 0.5]}, Preprocess(256, 224, std=(0.5, 0.5, 0.5))),
    ],
)
def test_what_is_left_out_is_as_without_a_sidecar(tmp_path: Path, content: object, preprocess: Preprocess) -> None:
    assert read(tmp_path, content).preprocess(224) == preprocess


def test_changes_replace_keys_and_leave_them_out(tmp_path: Path) -> None:
    sidecar = read(tmp_path, {"resize": 300, "mean": [0.5] * 3, "std": [0.5] * 3, "output_offset": 1})
    changed = sidecar.changed({"mean": None, "std": None, "channels": "BGR", "resize": None, "output_offset": 0})
    assert not changed.normalizes
    assert changed.preprocess(224) == Preprocess(resize=None, crop=224, channels="BGR")
    assert (changed.offset(10), changed.files) == (0, sidecar.files)
    assert sidecar.preprocess(224).resize == 300


def test_classes_are_read_from_a_file_beside_the_sidecar(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("background\n  großer Bär \ncat\n", encoding="utf-8")
    sidecar = read(tmp_path, {"classes": "labels.txt"})
    assert sidecar.classes == ("background", "großer Bär", "cat")
    assert sidecar.files == (tmp_path / "net.onnx.json", tmp_path / "labels.txt")


def test_a_list_with_the_background_keeps_it(tmp_path: Path) -> None:
    assert read(tmp_path, {"classes": [f"class {number}" for number in range(1001)]}).offset(1001) == 0
    assert read(tmp_path, {"classes": [f"class {number}" for number in range(1000)]}).offset(1001) == 1


THREE = "a list of three numbers, one per channel, for pixel values in [0, 1]"
NOT_ZERO = "a list of three numbers, one per channel and none of them 0, for pixel values in [0, 1]"
NAMES = "a list of names, or the path of a text file with one name a line, from the sidecar's folder"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", f" must hold an object with some of the keys {KNOWN}."),
        ("{", " is not readable as JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)."),
        ({"size": 1}, f": 'size' is not a sidecar key. Did you mean 'resize'? Known: {KNOWN}."),
        ({"resize": "256"}, ': resize is "256"; it must be a number of pixels, or null.'),
        ({"crop": 0}, ": crop is 0; it must be a number of pixels, or null."),
        ({"crop": True}, ": crop is true; it must be a number of pixels, or null."),
        ({"mean": 0.5}, f": mean is 0.5; it must be {THREE}."),
        ({"mean": [0.5, "0.5", 0.5]}, f': mean is [0.5, "0.5", 0.5]; it must be {THREE}.'),
        ({"std": [1, 1]}, f": std is [1, 1]; it must be {NOT_ZERO}."),
        ({"std": [1, 1, 0]}, f": std is [1, 1, 0]; it must be {NOT_ZERO}."),
        ({"std": ["1", 1, 1]}, f': std is ["1", 1, 1]; it must be {NOT_ZERO}.'),
        (
            {"interpolation": "cubic"},
            ': interpolation is "cubic"; it must be "bicubic", "bilinear", "nearest" or "nearest-exact".',
        ),
        ({"channels": "rgb"}, ': channels is "rgb"; it must be "RGB" or "BGR", the order that the network gets.'),
        ({"squash": "yes"}, ': squash is "yes"; it must be true or false.'),
        ({"antialias": 1}, ": antialias is 1; it must be true or false."),
        ({"probabilities": "yes"}, ': probabilities is "yes"; it must be true or false.'),
        ({"classes": []}, f": classes is []; it must be {NAMES}."),
        ({"classes": ["cat", 3]}, f': classes is ["cat", 3]; it must be {NAMES}.'),
        ({"output_offset": -1}, ": output_offset is -1; it must be the number of leading outputs to drop."),
        ({"resize": 100}, ": crop 224 is larger than resize 100."),
        ({"output_offset": 1000}, ": output_offset is 1000, but the model has 1000 outputs."),
    ],
)
def test_a_wrong_sidecar_is_refused_with_what_is_right(tmp_path: Path, content: object, message: str) -> None:
    def use() -> None:
        sidecar = read(tmp_path, content)
        sidecar.preprocess(224)
        sidecar.offset(1000)

    with pytest.raises(ModelError) as raised:
        use()
    assert str(raised.value) == f"{tmp_path / 'net.onnx.json'}{message}"


def test_a_list_of_classes_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    here = f"{tmp_path / 'net.onnx.json'}: classes names {tmp_path / 'labels.txt'}, which"
    with pytest.raises(ModelError) as raised:
        read(tmp_path, {"classes": "labels.txt"})
    assert str(raised.value).startswith(f"{here} is not a readable text file: ")
    (tmp_path / "labels.txt").write_text("cat\n\ndog\n")
    with pytest.raises(ModelError) as raised:
        read(tmp_path, {"classes": "labels.txt"})
    assert str(raised.value) == f"{here} must hold one name a line and no empty line."
