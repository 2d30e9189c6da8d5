"""`doctor` prints the diagnosis and exits by it; what a run proposes is this command."""

from __future__ import annotations

import json
import re
import shlex

import numpy as np
import pytest
from PIL import Image

from pytest_robustness.frontends.api.doctor import DoctorOptions
from pytest_robustness.frontends.command.main import cli, main
from tests.made_classifier import RIGHT, images, trained

NAMES = ("ant", "bee", "cat", "dog")

NETS = """
import dataclasses
from pytest_robustness import Model, Preprocess
from tests.made_classifier import images, trained

SOURCE = images(("ant", "bee", "cat", "dog"), 40)

def right():
    return trained(SOURCE)

def bgr():
    return dataclasses.replace(right(), preprocess=dataclasses.replace(right().preprocess, channels="BGR"))

def bare():
    return right().module
"""


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Write 40 images of each of four classes, and models of them."""
    monkeypatch.chdir(tmp_path)
    source = images(NAMES, 40)
    for index, label in enumerate(source.labels.tolist()):
        path = tmp_path / "photos" / NAMES[label] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(source.images[index].transpose(1, 2, 0)).save(path)
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path


def test_a_right_set_up_is_success(photos, capsys):
    assert main(["doctor", "python:nets.py:right", "--data=folder:photos"]) == 0
    assert "Fine: 100.0 %, and none of " in capsys.readouterr().out
    assert (photos / ".robustness/store.sqlite").is_file()


def test_a_wrong_setting_is_a_failure_with_the_line_to_write(photos, capsys):
    assert main(["doctor", "python:nets.py:bgr", "--data=folder:photos", "--store=other.sqlite"]) == 1
    shown = capsys.readouterr().out
    assert "Channel order is wrong: with RGB " in shown
    assert "Let its factory return Model(module, ...) with:\n  preprocess=Preprocess(resize=40, crop=32, mean=" in shown
    assert (photos / "other.sqlite").is_file()
    assert not (photos / ".robustness").exists()


def test_the_line_for_a_file_pasted_into_its_sidecar_mends_it(photos, capsys):
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    right = trained(images(NAMES, 40))
    export(onnx, right.module.means.numpy(), photos / "net.onnx")
    sidecar = {"resize": 40, "crop": 32, "classes": NAMES, "channels": "BGR", "mean": RIGHT.mean, "std": RIGHT.std}
    (photos / "net.onnx.json").write_text(json.dumps(sidecar))
    assert main(["doctor", "onnx:net.onnx", "--data=folder:photos"]) == 1
    shown = capsys.readouterr().out
    [line] = re.findall(r"Write into net.onnx.json:\n  (.*)\n", shown)
    assert json.loads(line) == json.loads(json.dumps({**sidecar, "channels": "RGB"}))
    (photos / "net.onnx.json").write_text(line)
    assert main(["doctor", "onnx:net.onnx", "--data=folder:photos"]) == 0
    assert "Fine: 100.0 %" in capsys.readouterr().out


def export(onnx, means, path):
    """Write the made classifier as a graph: minus the squared distances, less what they have in common."""
    helper, flat = onnx.helper, means.reshape(len(means), -1)
    count = flat.shape[1]
    weights = {
        "two": np.array(2, np.float32),
        "w": (2 * flat.T / count).astype(np.float32),
        "b": -(flat**2).mean(axis=1).astype(np.float32),
    }
    nodes = [
        helper.make_node("Mul", ["in", "two"], ["doubled"]),
        helper.make_node("Tanh", ["doubled"], ["bounded"]),
        helper.make_node("AveragePool", ["bounded"], ["seen"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["seen"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["out"]),
    ]
    taken = helper.make_tensor_value_info("in", onnx.TensorProto.FLOAT, ("N", 3, 32, 32))
    given = helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, ("N", len(means)))
    held = [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()]
    made = helper.make_graph(nodes, "net", [taken], [given], held)
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "Missing argument 'MODEL'"),
        (["resnet18", "--images=1"], "1 is not in the range"),
        (["python:nowhere.py:make", "--data=folder:photos"], "names the file nowhere.py, which is not there"),
        (["python:nets.py:right", "--data=folder:nowhere"], "ERROR: "),
        (["python:nets.py:right", "--data=shapes"], "'shapes' is not a dataset."),
        (["python:nets.py:right", "--seed=-1"], "--seed: '-1' is not valid. Valid: a whole number from 0."),
        (["python:nets.py:right", "--device=abacus"], "--device: 'abacus' is not valid. Valid: auto, cpu, "),
        (["python:nets.py:right", "--timeout=0"], "--timeout: '0' is not valid. Valid: seconds above 0"),
        (["python:nets.py:right", "--store="], "--store: '' is not valid. Valid: a path."),
    ],
)
def test_used_wrongly_it_says_how(photos, capsys, arguments, text):
    assert main(["doctor", *arguments]) == 4
    assert text in " ".join(capsys.readouterr().err.split())


def test_the_command_has_the_options_of_the_function_as_a_run_has_them():
    """Each with the run's own help and default, besides those that the doctor alone has."""
    own = {"model", "images", "margin", "alpha"}
    taken = {option.name: option for option in cli.commands["doctor"].params if option.name not in own}
    assert set(taken) == {"data", *DoctorOptions.__annotations__}
    of_run = {option.name: option for option in cli.commands["run"].params}
    assert {name: option.to_info_dict() for name, option in taken.items()} == {
        name: of_run[name].to_info_dict() for name in taken
    }


def test_what_a_warning_proposes_is_a_command_that_runs(photos, capsys):
    from pytest_robustness import evaluate

    found = evaluate("python:nets.py:bare", "folder:photos", "vflip", progress=False, chance_check="warn", limit=10)
    [warning] = [text for text in found.warnings if "was judged with" in text]
    proposed = warning.partition("To find out which setting is wrong, if one is: ")[2]
    words = shlex.split(proposed)
    assert words == ["pytest-robustness", "doctor", "python:nets.py:bare", "--data=folder:photos"]
    capsys.readouterr()
    assert main(words[1:]) == 1
    assert "Mean and std" in capsys.readouterr().out
