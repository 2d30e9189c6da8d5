"""Every session of ONNX Runtime is opened in one way, which leaves the cores to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from pytest_robustness.core import Model, Workload
from pytest_robustness.inference.runtimes.onnxruntime_cpu import OnnxRuntime
from pytest_robustness.models.engines.onnx_graph import OnnxEngine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

THREADS = 2


def of_a_file(folder: Path) -> None:
    path = folder / "net.onnx"
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", 3, 4, 4]) for name in ("in", "out")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["in"], ["out"])], "net", ends[:1], ends[1:])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9), path)
    OnnxEngine.read(path).start(torch.device("cpu"), THREADS)


def of_a_module(folder: Path) -> None:
    pytest.importorskip("onnxscript", reason="torch.onnx.export needs onnxscript")
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    OnnxRuntime().prepare(Model(net), Workload(torch.rand(2, 3, 4, 4), "fp32", 1))


@pytest.mark.slow
@pytest.mark.parametrize("start", [of_a_file, of_a_module])
def test_threads_that_wait_do_not_keep_a_core(tmp_path: Path, monkeypatch, start: Callable[[Path], None]) -> None:
    opened = []

    class Session(onnxruntime.InferenceSession):
        def __init__(self, *args: object, **choices: object) -> None:
            super().__init__(*args, **choices)
            opened.append(self.get_session_options())

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        start(tmp_path)
    finally:
        torch.set_num_threads(before)
    [options] = opened
    assert options.intra_op_num_threads == THREADS
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
