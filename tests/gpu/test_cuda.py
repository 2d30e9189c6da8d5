"""What only a GPU can show; skipped where there is none."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_robustness.core import EngineUsed, Model, Preprocess, Workload
from pytest_robustness.core.errors import ModelError
from pytest_robustness.inference.device import resolve_device
from pytest_robustness.inference.loading.first_answers import first_answers
from pytest_robustness.inference.precision import fp32_products
from pytest_robustness.inference.preprocess import to_inputs
from pytest_robustness.inference.runtimes.choice import RuntimeChoice
from pytest_robustness.inference.sweep.scoring import score
from pytest_robustness.transforms import builtin
from tests.identities import identified

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA device here"),
]

DEVICE = "cuda"
PREPROCESS = Preprocess(resize=64, crop=56, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def canvases(count: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def net() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(512, 10)).eval()


@pytest.mark.parametrize("name", builtin().names())
def test_transforms_give_the_pixels_of_the_cpu(name):
    transform = builtin().get(name)
    severity = 3 if transform.severities else None
    images, identities = canvases(), identified(range(32))
    on_cpu = transform(images, severity, identities, 0).int()
    on_gpu = transform(images.cuda(), severity, identities, 0).cpu().int()
    assert ((on_cpu - on_gpu).abs() <= 1).float().mean() >= 0.999


@pytest.mark.parametrize(
    ("runtime", "precision", "tolerance"),
    [
        ("eager", "fp32", 1e-4),
        ("eager", "bf16", 0.05),
        ("eager", "fp16", 0.01),
        ("compile", "fp32", 1e-4),
        ("compile", "bf16", 0.05),
    ],
)
def test_models_give_the_logits_of_the_cpu(runtime, precision, tolerance):
    module = net()
    inputs = to_inputs(canvases(), PREPROCESS)
    with torch.inference_mode(), fp32_products(tf32=False):
        expected = module(inputs)
        ready = RuntimeChoice(runtime, print).prepare("net", Model(module), Workload(inputs.cuda(), precision, 10**6))
        found = [ready.run(inputs[:count].cuda()).cpu() for count in (32, 20)]
    assert ready.engine == EngineUsed(runtime, precision)
    for logits in found:
        assert (logits - expected[: len(logits)]).norm() <= tolerance * expected[: len(logits)].norm()


@pytest.mark.parametrize(("runtime", "precision"), [("eager", "fp32"), ("compile", "fp32"), ("compile", "bf16")])
def test_a_run_on_the_gpu_answers_as_one_on_the_cpu(project, runtime, precision):
    project.configure(
        addopts="-p no:hypothesispytest -p no:cacheprovider",  # what compilers warn of is not the matter here
        robustness_data="digits",
        robustness_models="digits:resnet18 digits:vgg16_bn",
        robustness_transforms="vflip rotation equalize",
    )
    correct = []
    for arguments in (
        ["--robustness-device=cpu", "--robustness-runtime=eager"],
        [f"--robustness-device={DEVICE}", f"--robustness-runtime={runtime}", f"--robustness-precision={precision}"],
    ):
        project.judge_apart(*arguments, f"--robustness-store=store{len(correct)}.sqlite")
        correct.append(project.table("accuracy.csv").groupby(["model", "transform"]).correct.sum())
    cells = project.results()["cells"]
    engine = {"runtime": runtime, "precision": precision, "layout": ""}
    assert [cell["engines"] for cell in cells] == [[engine]] * 8
    assert project.results()["provenance"]["device"].startswith(DEVICE)
    # Of 898 digits.
    assert (correct[0] - correct[1]).abs().max() <= (2 if precision == "fp32" else 9)


def test_nothing_between_transform_and_scores_waits_for_the_gpu():
    device = resolve_device("cuda")
    registry, identities = builtin(), identified(range(32))
    images = canvases().to(device)
    targets = torch.zeros(32, dtype=torch.int64, device=device)
    with torch.inference_mode(), fp32_products(tf32=False):
        inputs = to_inputs(images, PREPROCESS)
        ready = RuntimeChoice("eager", print).prepare("net", Model(net()), Workload(inputs, "fp32", 10**6))
        ready.run(inputs)
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for name in registry.names():
                transform = registry.get(name)
                treated = transform(images, 3 if transform.severities else None, identities, 0)
                score(ready.run(to_inputs(treated, PREPROCESS)), targets)
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_memory_does_not_grow_with_the_number_of_batches():
    device = resolve_device("cuda")
    with torch.inference_mode():
        inputs = to_inputs(canvases().to(device), PREPROCESS)
        ready = RuntimeChoice("eager", print).prepare("net", Model(net()), Workload(inputs, "fp32", 10**6))
        ready.run(inputs)
        torch.cuda.reset_peak_memory_stats()
        ready.run(inputs)
        once = torch.cuda.max_memory_allocated()
        for _ in range(50):
            ready.run(inputs)
        assert torch.cuda.max_memory_allocated() <= 1.05 * once


def test_a_model_that_draws_on_the_device_is_refused_and_the_devices_state_restored():
    class Draws(nn.Module):
        def forward(self, images):
            return images.flatten(1)[:, :5] + torch.rand((), device=DEVICE).cpu()

    torch.cuda.init()
    before = torch.cuda.get_rng_state(DEVICE)
    with pytest.raises(ModelError, match="draws random numbers when it answers, from PyTorch's generator on CUDA"):
        first_answers("net", Model(Draws(), PREPROCESS), canvases(1)[0, :, :56, :56])
    assert torch.equal(torch.cuda.get_rng_state(DEVICE), before)
