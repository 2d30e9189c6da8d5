"""What may make a model's figures wrong is said in every report, though its tests pass."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pytest import ExitCode  # noqa: PT013

MORE_NETS = """
from pytest_robustness import Preprocess

GIVEN = Preprocess(mean=(0.0,) * 3, std=(1.0,) * 3)


def bare():
    return Colour()


def full():
    return Model(Colour(), GIVEN, ["down", "up"])


def guess_in_full():
    return Model(Guess(), GIVEN, ["down", "up"])
"""
BARE = (
    "python:nets.py:bare was judged with mean 0, standard deviation 1, outputs in the order of the data's classes, "
    "because nothing gives them; if they are wrong, so are its figures. Let its factory return Model(module, "
    'Preprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)), classes=["...", "..."]), with the values of '
    "its training. To find out which setting is wrong, if one is: pytest-robustness doctor python:nets.py:bare "
    "--data=folder:photos"
)
GUESS = (
    "python:nets.py:guess_in_full is right on 20 of 40 images without any transform, where guessing is right on 20, so "
    "that it cannot be told from guessing: judge it on more images, and see that its class list is in the order of its "
    "outputs. To find out which setting is wrong, if one is: pytest-robustness doctor python:nets.py:guess_in_full "
    "--data=folder:photos"
)


@pytest.fixture
def warned(project):
    """The tiny project with models that give less or more of their set-up."""
    project.write("nets.py", (project.path / "nets.py").read_text() + MORE_NETS)
    return project


def said(result):
    """Return what the terminal says, without its line breaks."""
    return " ".join(" ".join(result.outlines).split())


@pytest.mark.parametrize(
    ("model", "warnings"),
    [("bare", [BARE]), ("full", []), ("guess_in_full", [GUESS])],
)
def test_every_report_warns_though_the_tests_pass(warned, model, warnings):
    warned.configure(robustness_models=f"python:nets.py:{model}")
    result = warned.judge()
    assert result.ret == ExitCode.OK
    reports = warned.path / "reports/latest"
    assert warned.results()["warnings"] == warnings
    assert said(result).count("warning: ") == len(warnings)
    assert (reports / "index.html").read_text().count('<p class="warning">') == len(warnings)
    summary = (reports / "summary.md").read_text()
    assert ("### Warnings" in summary) is bool(warnings)
    for text in warnings:
        assert f"warning: {text}" in said(result)
        assert text.partition("(")[0].partition("_")[0] in summary


def test_a_model_file_without_its_sidecar_warns_until_that_is_written(project):
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    # Red less blue, then the opposite: "down" is bluer.
    weight = onnx.numpy_helper.from_array(np.array([[-9, 9], [0, 0], [9, -9]], np.float32), "weight")
    nodes = [
        helper.make_node("GlobalAveragePool", ["in"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("MatMul", ["f", "weight"], ["out"]),
    ]
    ends = [
        helper.make_tensor_value_info("in", kind, ("N", 3, 8, 8)),
        helper.make_tensor_value_info("out", kind, (1, 2)),
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], [weight])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), project.path / "net.onnx")
    project.configure(robustness_models="onnx:net.onnx")
    result = project.judge()
    assert result.ret == ExitCode.OK
    (text,) = project.results()["warnings"]
    assert f"warning: {text}" in said(result)
    assert text.startswith("onnx:net.onnx was judged with mean 0, standard deviation 1, outputs in the order of ")

    written, _ = json.JSONDecoder().raw_decode(text[text.index("{") :])
    assert text.endswith(": pytest-robustness doctor onnx:net.onnx --data=folder:photos")
    sidecar = written | {"classes": ["down", "up"]}
    project.write("net.onnx.json", json.dumps(sidecar))
    assert project.judge().ret == ExitCode.OK
    assert project.results()["warnings"] == []
    assert project.results()["models"][0]["assumed"] == []


@pytest.mark.slow
def test_workers_hand_over_what_was_assumed(warned):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    warned.configure(
        addopts="-p no:hypothesispytest -p no:cacheprovider",
        robustness_models="python:nets.py:bare python:nets.py:full python:nets.py:guess_in_full",
    )
    assert warned.judge("-n2").ret == ExitCode.OK
    results = warned.results()
    assert results["warnings"] == [BARE, GUESS]
    assert [facts["assumed"] for facts in results["models"]] == [["mean", "std", "classes"], [], []]
