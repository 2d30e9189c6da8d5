from __future__ import annotations

import dataclasses
import importlib.util
import math
import signal
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from pytest_robustness.core import EngineUsed, Model, Runner, Workload
from pytest_robustness.core.errors import OptionError
from pytest_robustness.inference.runtimes import RUNTIMES, choice, load_runtime, openvino_cpu
from pytest_robustness.inference.runtimes.choice import RuntimeChoice
from pytest_robustness.inference.runtimes.compiled import CompiledRuntime
from pytest_robustness.inference.runtimes.openvino_cpu import OpenVinoRuntime, divide
from pytest_robustness.inference.runtimes.padding import padded
from tests import warm

CPU = torch.device("cpu")
SIDE = 32


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = [
        nn.Conv2d(3, 16, 3),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 7),
    ]
    return nn.Sequential(*layers).eval()


def images(count: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def workload(count: int = 4, precision: str = "fp32", passes: int = 10**6) -> Workload:
    return Workload(images(count), precision, passes)


def needs(runtime: str, precision: str = "fp32") -> None:
    obstacle = load_runtime(runtime).obstacle(CPU, precision)
    if obstacle is not None:
        pytest.skip(obstacle)


@pytest.mark.parametrize(
    ("runtime", "precision", "tolerance"),
    [
        ("eager", "fp32", 1e-5),
        ("eager", "bf16", 0.05),
        ("eager", "fp16", 0.01),
        pytest.param("compile", "fp32", 1e-5, marks=pytest.mark.slow),
        pytest.param("compile", "bf16", 0.05, marks=pytest.mark.slow),
        ("onnxruntime", "fp32", 1e-5),
        ("openvino", "fp32", 1e-5),
        ("openvino", "bf16", 0.05),
    ],
)
def test_every_runtime_computes_the_logits_of_the_module(runtime, precision, tolerance):
    needs(runtime, precision)
    module = net()
    with torch.inference_mode():
        runner = RuntimeChoice(runtime, print).prepare("net", Model(module), workload(precision=precision))
        # A whole batch, then a smaller one, in a memory order of its own.
        for batch in (images(4, 2), images(3, 3).contiguous(memory_format=torch.channels_last)):
            logits = runner.run(batch)
            expected = module(batch)
            assert logits.dtype == torch.float32
            assert logits.shape == expected.shape
            assert (logits - expected).norm() <= tolerance * expected.norm()
    assert runner.engine.runtime == runtime


def test_a_model_is_compiled_once_and_not_again_for_the_tensors_of_a_sweep():
    needs("compile")
    torch._dynamo.reset()
    counts = torch._dynamo.utils.counters["stats"]
    counts.clear()
    with torch.inference_mode():
        runner = RuntimeChoice("compile", print).prepare("net", Model(net()), workload())
        for count in (4, 3):
            runner.run(images(count))
    assert counts["unique_graphs"] == 1


def test_the_model_keeps_its_weights_whatever_the_precision():
    module = net()
    before = [parameter.clone() for parameter in module.parameters()]
    for precision in ("bf16", "fp16", "fp32"):
        RuntimeChoice("eager", print).prepare("net", Model(module), workload(precision=precision))
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def test_padding_shows_the_engine_one_batch_size_and_the_caller_his_own():
    seen = []

    def run(batch: torch.Tensor) -> torch.Tensor:
        seen.append(len(batch))
        return batch.sum(dim=(1, 2, 3))[:, None]

    call = padded(run, 4)
    for count in (4, 3, 1):
        batch = images(count)
        assert torch.equal(call(batch), batch.sum(dim=(1, 2, 3))[:, None])
    assert seen == [4, 4, 4]


@pytest.mark.parametrize(
    ("shape", "weights", "threads", "expected"),
    [
        ((16, 3, 224, 224), 14 << 20, 2, (8, 2)),
        ((16, 3, 224, 224), 14 << 20, 1, (8, 2)),
        ((16, 3, 224, 224), 14 << 20, 64, (8, 2)),
        ((16, 3, 224, 224), 244 << 20, 2, (1, 16)),  # AlexNet: its weights, read for every part, take longer
        ((16, 3, 600, 600), 14 << 20, 2, (8, 2)),  # never one image by itself
        ((512, 3, 32, 32), 1 << 20, 2, (8, 64)),
        ((512, 3, 32, 32), 1 << 20, 3, (9, 57)),
        ((1, 3, 224, 224), 14 << 20, 2, (1, 1)),
        ((3, 3, 32, 32), 1 << 20, 2, (2, 2)),
    ],
)
def test_openvino_gets_a_small_networks_batch_in_parts(shape, weights, threads, expected):
    assert divide(shape, weights, threads) == expected


@given(batch=st.integers(1, 600), side=st.sampled_from([8, 28, 32, 64, 224, 384]), threads=st.integers(1, 64))
def test_the_parts_hold_the_batch_and_none_is_padding_alone(batch, side, threads):
    parts, size = divide((batch, 3, side, side), 1, threads)
    assert (parts - 1) * size < batch <= parts * size
    # No division into parts of at most this size keeps the threads busy for a shorter time.
    images_in_turn = [math.ceil(math.ceil(batch / one) / threads) * one for one in range(min(2, batch), size + 1)]
    assert images_in_turn[-1] == min(images_in_turn)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_parts_of_a_batch_are_put_together_in_order(monkeypatch, precision):
    needs("openvino", precision)
    monkeypatch.setattr(openvino_cpu, "_PART_PIXELS", 2 * SIDE**2)
    module = net()
    runner = OpenVinoRuntime().prepare(Model(module), workload(16, precision))
    for count in range(1, 17):
        batch = images(count, count)
        with torch.inference_mode():
            expected = module(batch)
        assert (runner.run(batch) - expected).norm() <= (1e-5 if precision == "fp32" else 0.05) * expected.norm()


def test_openvino_computes_two_batches_in_turn_and_one_that_nobody_waits_for_harms_none(monkeypatch):
    needs("openvino")
    monkeypatch.setattr(openvino_cpu, "_PART_PIXELS", 2 * SIDE**2)
    module = net()
    runner = OpenVinoRuntime().prepare(Model(module), workload(16))
    batches = [images(1 + seed % 16, seed) for seed in range(40)]
    with torch.inference_mode():
        expected = [module(batch) for batch in batches]
    waiting = runner.begin(batches[0].clone())
    for seed in range(1, 40):
        ahead = runner.begin(batches[seed].clone())  # which nothing but the engine refers to
        if seed % 7:
            assert torch.allclose(waiting(), expected[seed - 1], atol=1e-5)
        waiting = ahead
    assert torch.allclose(waiting(), expected[39], atol=1e-5)


class Whole(nn.Module):
    """Asks for the number of images by ``len``, which a tracer takes for a constant."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.view(len(batch), 3, -1).mean(dim=2)


def test_a_number_of_images_that_a_trace_holds_is_that_of_a_part(monkeypatch):
    needs("openvino")
    monkeypatch.setattr(openvino_cpu, "_PART_PIXELS", 2 * SIDE**2)
    runner = RuntimeChoice("openvino", pytest.fail).prepare("whole", Model(Whole()), workload(8))
    assert torch.allclose(runner.run(images(7)), Whole()(images(7)), atol=1e-6)


@pytest.fixture
def interrupting_alarm():
    """Have SIGALRM raise an exception, as Ctrl-C does."""

    def interrupt(*_):
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.signal(signal.SIGALRM, before)


def test_an_interrupt_leaves_no_part_that_still_reads_the_images(monkeypatch, interrupting_alarm):
    needs("openvino")
    monkeypatch.setattr(openvino_cpu, "_PART_PIXELS", 2 * SIDE**2)
    module, batch = net(), images(16)
    runner = OpenVinoRuntime().prepare(Model(module), workload(16))
    expected = module(batch).detach()
    interrupted = 0
    for microseconds in range(20, 1020, 20):
        try:
            signal.setitimer(signal.ITIMER_REAL, microseconds / 1e6)
            for _ in range(20):
                runner.run(batch)
        except InterruptedError:
            interrupted += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        assert torch.allclose(runner.run(batch), expected, atol=1e-5)  # a part that still computes would refuse
    assert interrupted


def test_auto_compiles_only_where_it_pays():
    needs("openvino")
    made = RuntimeChoice("auto", print)
    assert made.prepare("net", Model(net()), workload(passes=100)).engine == EngineUsed("eager", "fp32")
    assert made.prepare("net", Model(net()), workload(passes=10**6)).engine == EngineUsed("openvino", "fp32")


@pytest.mark.parametrize(
    ("device", "images_of_224", "tried"),
    [
        ("cpu", 255, []),
        ("cpu", 256, ["openvino", "onnxruntime", "compile"]),
        ("cuda", 10_000, []),
        ("cuda", 2**18, ["compile"]),
    ],
)
def test_what_pays_depends_on_the_device(monkeypatch, device, images_of_224, tried):
    asked = []

    class Unwilling:
        def __init__(self, name):
            self.name = name

        def obstacle(self, device, precision):
            asked.append(self.name)
            return "it would rather not"

    class Willing(Unwilling):
        def prepare(self, model, workload):
            return Runner(lambda inputs: inputs, EngineUsed("eager", workload.precision))

    monkeypatch.setattr(choice, "load_runtime", lambda name: (Willing if name == "eager" else Unwilling)(name))
    with FakeTensorMode():  # its tensors may be on a device that is not there
        example = torch.empty(2, 3, 224, 224, device=device)
        RuntimeChoice("auto", print).prepare("net", Model(net()), Workload(example, "fp32", images_of_224))
    assert asked == tried


def test_auto_goes_on_with_the_next_where_one_fails(monkeypatch):
    needs("openvino")

    class Broken:
        def obstacle(self, device, precision):
            return None

        def prepare(self, model, workload):
            raise NotImplementedError("no such operator\n  at line 3")

    monkeypatch.setattr(choice, "load_runtime", lambda name: load_runtime(name) if name == "eager" else Broken())
    notes = []
    runner = RuntimeChoice("auto", notes.append).prepare("net", Model(net()), workload())
    assert runner.engine == EngineUsed("eager", "fp32")
    onnx, compiling, compiled = notes[1:]
    assert compiling == "net: compiling it, once, which takes as long as some batches"
    assert [notes[0], onnx, compiled] == [
        f"net: {name} cannot run it (no such operator); going on without"
        for name in ("openvino", "onnxruntime", "compile")
    ]


def test_auto_leaves_out_what_is_not_installed(monkeypatch):
    found = importlib.util.find_spec
    absent = {"openvino", "onnxruntime"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else found(name))
    monkeypatch.setattr(CompiledRuntime, "obstacle", lambda *_: "no compiler")
    notes = []
    assert RuntimeChoice("auto", notes.append).prepare("net", Model(net()), workload()).engine.runtime == "eager"
    assert notes == []


class Moody(nn.Module):
    """Answers otherwise while an engine takes it over: what the engine then has is another program."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return -self.net(batch) if torch.jit.is_tracing() or torch.compiler.is_exporting() else self.net(batch)


def test_a_runtime_that_answers_otherwise_than_eager_is_left():
    needs("openvino")
    notes = []
    runner = RuntimeChoice("openvino", notes.append).prepare("moody", Model(Moody()), workload())
    assert runner.engine.runtime == "eager"
    (note,) = notes
    assert note == (
        "moody: openvino cannot run it (its logits are not those of eager PyTorch: they differ by 2 of their size); "
        "going on without"
    )


class Exposure(nn.Module):
    """Looks at the values of each image with an ``if``, which a tracer decides by the images that it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.net(torch.stack([image / 3 if image.mean() > 0 else image for image in batch]))


def test_a_trace_that_holds_for_its_own_images_alone_is_left():
    needs("openvino")
    bright = dataclasses.replace(workload(), example=images(4).abs())
    notes = []
    runner = RuntimeChoice("openvino", notes.append).prepare("exposure", Model(Exposure()), bright)
    assert runner.engine.runtime == "eager"
    assert notes[0].startswith("exposure: openvino cannot run it (its logits are not those of eager PyTorch")
    assert torch.allclose(runner.run(images(4)), Exposure()(images(4)), atol=1e-5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_model_that_writes_into_its_input_leaves_the_images_alone(layout):
    class Inplace(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return batch.mul_(-1).mean(dim=(2, 3))

    given = images(4).contiguous(memory_format=layout)
    kept = given.clone()
    for model in (Model(Inplace()), Model(Inplace(), runtime="own")):
        RuntimeChoice("eager", print).prepare("net", model, workload()).run(given)
        assert torch.equal(given, kept)


def test_a_model_with_an_engine_of_its_own_runs_as_it_is():
    module = net()
    for name in ("auto", "eager", "compile"):
        runner = RuntimeChoice(name, print).prepare("file", Model(module, runtime="onnxruntime"), workload())
        assert runner.engine == EngineUsed("onnxruntime", "native")
        assert torch.equal(runner.run(images(3)), module(images(3)))


@pytest.mark.parametrize(
    ("runtime", "device", "precision", "message"),
    [
        ("openvino", "cuda", "fp32", "openvino is used on the CPU only, not on cuda: choose compile or eager."),
        ("onnxruntime", "mps", "fp32", "onnxruntime is used on the CPU only, not on mps: choose compile or eager."),
        (
            "openvino",
            "cpu",
            "fp16",
            "openvino runs models in fp32 or bf16, not in fp16: choose compile or eager.",
        ),
    ],
)
def test_what_a_runtime_cannot_do_is_said_before_the_run(runtime, device, precision, message):
    with pytest.raises(OptionError) as caught:
        choice.require(runtime, torch.device(device), precision)
    assert str(caught.value) == f"--robustness-runtime={runtime}: {message}"


def test_a_missing_extra_is_said_with_the_way_to_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match="openvino is not installed: pip install onnx openvino"):
        choice.require("openvino", CPU, "fp32")
    with pytest.raises(OptionError, match="onnx, onnxruntime, onnxscript is not installed: pip install onnx onnxr"):
        choice.require("onnxruntime", CPU, "fp32")
    choice.require("auto", CPU, "fp32")


@pytest.mark.slow
def test_a_process_bears_signals_after_two_models_of_openvino_have_gone():
    needs("openvino")
    command = [*warm.python(), "-c", SIGNAL_AFTER_TWO_MODELS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


SIGNAL_AFTER_TWO_MODELS = """
import gc, signal
import torch
from pytest_robustness.core import Model, Workload
from pytest_robustness.inference.runtimes.choice import RuntimeChoice

runners = []
for _ in range(2):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2)).eval()
    workload = Workload(torch.ones(1, 3, 2, 2), "fp32", 1)
    runners.append(RuntimeChoice("openvino", print).prepare("net", Model(module), workload))
while runners:
    del runners[0]
    gc.collect()
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
signal.raise_signal(signal.SIGUSR1)
"""


def test_the_table_of_runtimes_is_read_without_torch_and_names_what_there_is():
    script = (
        "import sys; from pytest_robustness.inference.runtimes import RUNTIMES;"
        "import pytest_robustness.frontends.session.options; print('torch' in sys.modules, *RUNTIMES)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False", "eager", "compile", "onnxruntime", "openvino"], done.stderr
    for name in RUNTIMES:
        obstacle = load_runtime(name).obstacle(CPU, "fp32")
        assert obstacle is None or isinstance(obstacle, str)
