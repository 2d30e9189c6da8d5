"""Probabilities that a model returns are kept as such where it says so, and noticed where it does not."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from pytest_robustness.core import Model, Preprocess
from pytest_robustness.core.errors import ModelError
from pytest_robustness.inference.loading.first_answers import first_answers
from pytest_robustness.inference.loading.read_as_logits import probability_text
from pytest_robustness.inference.preprocess import to_inputs
from pytest_robustness.inference.sweep.scoring import score
from pytest_robustness.models import ModelZoo
from pytest_robustness.models.fingerprint import fingerprint

AS_THEY_ARE = Preprocess(mean=(0, 0, 0), std=(1, 1, 1))
IMAGE = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
IMAGES = torch.stack([IMAGE, IMAGE.flip(2), 255 - IMAGE, IMAGE // 3])


class Ends(nn.Module):
    """A linear classifier that does something with its logits last."""

    def __init__(self, last, outputs=5, scale=8.0):
        super().__init__()
        self.linear = nn.Linear(192, outputs)
        generator = torch.Generator().manual_seed(outputs)
        nn.init.normal_(self.linear.weight, std=scale / 192**0.5, generator=generator)
        nn.init.normal_(self.linear.bias, generator=generator)
        self.last = last

    def forward(self, images):
        return self.last(self.linear(images.flatten(1)))


def plain(logits):
    return logits


def softmax(logits):
    return logits.softmax(1)


def halved(logits):
    return logits.softmax(1).half()


def softmax_in_a_dict(logits):
    return {"logits": logits.softmax(1)}


def rectified(logits):
    return logits.relu().clamp(max=1)


LOOKS = [
    (plain, 5, None),
    (plain, 2, None),
    (lambda logits: logits.log_softmax(1), 5, None),
    (softmax, 5, "sums to 1"),
    (softmax, 2, "sums to 1"),
    (softmax, 1, None),
    (halved, 5, "sums to 1"),
    (softmax_in_a_dict, 5, "sums to 1"),
    (lambda logits: (logits * 40).softmax(1), 5, "sums to 1"),  # with zeros
    (torch.sigmoid, 5, "as after a sigmoid"),
    (torch.sigmoid, 2, "as after a sigmoid"),
    (rectified, 5, None),
    (torch.zeros_like, 5, None),
    (lambda logits: torch.full_like(logits, 0.5), 5, None),
    (lambda logits: logits.relu(), 5, None),
    (lambda logits: logits.softmax(1) * 100, 5, "sums to 100"),
    (lambda logits: logits.softmax(1).half() / 4, 5, "sums to 0.25"),
    (lambda logits: (logits * 40).softmax(1).bfloat16(), 5, "sums to 1"),  # with zeros
    (lambda logits: torch.full_like(logits, 2.0), 5, None),
    (lambda logits: torch.arange(5.0) + 0 * logits, 5, None),
]


@pytest.mark.parametrize(("last", "outputs", "said"), LOOKS)
def test_what_looks_like_probabilities_is_warned_of(last, outputs, said):
    warnings = first_answers("net", Model(Ends(last, outputs), AS_THEY_ARE), IMAGE).warnings
    assert len(warnings) == (said is not None)
    assert said is None or said in warnings[0]


def test_the_warnings_say_what_to_write():
    several = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    assert probability_text("net", Model(nn.Identity()), several) == (
        "net returns probabilities (each row of its outputs sums to 1), and they are read as logits: answers and "
        "accuracies hold, but every figure on its probabilities is wrong. Give it as Model(..., probabilities=True), "
        "or return the logits."
    )
    assert "(each row of its outputs sums to 100), " in probability_text("net", Model(nn.Identity()), several * 100)
    assert probability_text("net", Model(nn.Identity()), several**2) == (
        "net returns numbers between 0 and 1 alone, as after a sigmoid, and they are read as logits: answers and "
        "accuracies hold, but no probability can be more than 0.73. Return what goes into the sigmoid (torch.logit "
        "takes it back)."
    )


@pytest.mark.parametrize("outputs", [2, 5, 30])
def test_no_probability_exceeds_what_the_warning_of_a_sigmoid_says(outputs):
    text = probability_text("net", Model(nn.Identity()), torch.rand(4, outputs) * 0.9 + 0.05)
    sharpest = torch.cat([torch.ones(1, 1), torch.zeros(1, outputs - 1)], 1).softmax(1).max()
    assert f"more than {float(sharpest):.2g}. " in text


@pytest.mark.parametrize(
    "last", [softmax, softmax_in_a_dict, lambda logits: softmax(logits)[:, :], lambda logits: softmax(logits) * 100]
)
@pytest.mark.parametrize("offset", [0, 1])
def test_probabilities_that_are_said_to_be_give_the_figures_of_the_logits(last, offset):
    scored = []
    for end, said in ((plain, False), (last, True)):
        model = Model(Ends(end), AS_THEY_ARE, output_offset=offset, probabilities=said)
        first = first_answers("net", model, IMAGE)
        assert first.warnings == ()
        assert first.outputs == 5 - offset
        assert not first.model.probabilities
        logits = first.model.module(to_inputs(IMAGES, AS_THEY_ARE))
        scored.append(score(logits.detach(), torch.tensor([0, 1, 2, 3])))
    own, said = scored
    for name in ("predicted", "rank", "finite"):
        assert torch.equal(getattr(own, name), getattr(said, name))
    for name in ("confidence", "true_probability", "runner_up"):
        torch.testing.assert_close(getattr(own, name), getattr(said, name), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("last", "sidecar", "said"),
    [
        ([], "{}", None),
        (["Softmax"], "{}", None),
        (["Softmax"], '{"probabilities": false}', "sums to 1"),
        (["Softmax", "Abs"], "{}", "sums to 1"),
        (["Softmax", "Abs"], '{"probabilities": true}', None),
        (["Sigmoid"], "{}", "Export the graph without its sigmoid."),
    ],
)
def test_a_graph_whose_end_is_not_recognized_is_warned_of_with_what_to_do(tmp_path, last, sidecar, said):
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    helper, path = onnx.helper, tmp_path / "net.onnx"
    names = ["g", "out", *(f"out{place}" for place in range(len(last)))]
    nodes = [helper.make_node("GlobalMaxPool", ["in"], ["g"]), helper.make_node("Flatten", ["g"], ["out"])]
    nodes += [helper.make_node(kind, [names[place + 1]], [names[place + 2]]) for place, kind in enumerate(last)]
    taken = helper.make_tensor_value_info("in", onnx.TensorProto.FLOAT, ("N", 3, 8, 8))
    given = helper.make_tensor_value_info(names[-1], onnx.TensorProto.FLOAT, ("N", 3))
    graph = helper.make_graph(nodes, "net", [taken], [given])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    (tmp_path / "net.onnx.json").write_text(json.dumps({"mean": [0.5] * 3, "std": [0.2] * 3} | json.loads(sidecar)))
    warnings = first_answers("net", ModelZoo().load(f"onnx:{path}"), IMAGE).warnings
    assert len(warnings) == (said is not None)
    if said is not None:
        assert said in warnings[0]
    if said == "sums to 1":
        assert 'Write "probabilities": true into ' in warnings[0]
        assert "net.onnx.json, or return the logits." in warnings[0]


def test_logits_of_a_file_that_its_sidecar_calls_probabilities_are_refused(tmp_path):
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    helper, path = onnx.helper, tmp_path / "net.onnx"
    nodes = [helper.make_node("GlobalMaxPool", ["in"], ["g"]), helper.make_node("Flatten", ["g"], ["out"])]
    taken = helper.make_tensor_value_info("in", onnx.TensorProto.FLOAT, ("N", 3, 8, 8))
    given = helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, ("N", 3))
    graph = helper.make_graph(nodes, "net", [taken], [given])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    sidecar = {"mean": [1.5] * 3, "std": [0.2] * 3, "probabilities": True}
    (tmp_path / "net.onnx.json").write_text(json.dumps(sidecar))
    model = ModelZoo().load(f"onnx:{path}")
    with pytest.raises(ModelError, match=r"net\.onnx is said to give probabilities, but it gave numbers down to -\d"):
        first_answers("net", model, IMAGE)


def test_a_probability_that_was_rounded_to_0_is_the_lowest_and_finite():
    module = Ends(lambda logits: (logits * 40).softmax(1))
    first = first_answers("net", Model(module, AS_THEY_ARE, probabilities=True), IMAGE)
    logits, zero = first.model.module(to_inputs(IMAGES, AS_THEY_ARE)), module(to_inputs(IMAGES, AS_THEY_ARE)) == 0
    assert logits.isfinite().all()
    assert zero.any(dim=1).sum() == 3
    assert torch.equal(logits[zero], logits.min().expand(int(zero.sum())))


def test_logits_that_are_said_to_be_probabilities_are_refused():
    with pytest.raises(ModelError, match=r"^net is said to return probabilities, but it returned numbers from -\d"):
        first_answers("net", Model(Ends(plain), AS_THEY_ARE, probabilities=True), IMAGE)


def test_how_outputs_are_read_is_part_of_the_fingerprint_where_it_is_said():
    module = Ends(softmax)
    assert fingerprint(Model(module)) == fingerprint(Model(module, probabilities=False))
    assert fingerprint(Model(module)) != fingerprint(Model(module, probabilities=True))
