"""What stands between the copy to a GPU and the copy back stays there and waits for nothing, shown without a GPU.

PyTorch's fake tensors have a shape, a dtype and a device, but no values. On them an operation that mixes devices fails,
and so does one that needs a value on the host, which on a real GPU would wait for all kernels before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pytest_robustness.core import Model, Preprocess, Workload
from pytest_robustness.inference.device import HostCopy
from pytest_robustness.inference.preprocess import to_inputs
from pytest_robustness.inference.runtimes.eager import EagerRuntime
from pytest_robustness.inference.sweep.scoring import score
from pytest_robustness.transforms import builtin
from tests.identities import identified

if TYPE_CHECKING:
    from collections.abc import Iterator

# A mean of its own: what is cached for it is fake, and must not be found by another test.
PREPROCESS = Preprocess(resize=64, crop=56, mean=(0.1, 0.2, 0.3), std=(0.25, 0.25, 0.25))
REGISTRY = builtin()


class Watch(TorchDispatchMode):
    """Fails on a copy between host and GPU that makes the host wait."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        answer = function(*args, **kwargs)
        before = {leaf.device.type for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        after = {leaf.device.type for leaf in tree_leaves(answer) if isinstance(leaf, torch.Tensor)}
        moved = "cuda" in before | after and "cpu" in before ^ after
        assert not moved or kwargs.get("non_blocking"), f"{function} copies between {before} and {after}, and waits"
        return answer


def fake_cuda_works() -> bool:
    try:
        with FakeTensorMode():
            torch.empty(2, device="cuda")[0]
    except RuntimeError:
        return False
    return True


pytestmark = pytest.mark.skipif(not fake_cuda_works(), reason="This PyTorch cannot index tensors on an absent GPU")


@pytest.fixture
def images() -> Iterator[torch.Tensor]:
    """Give a batch on a GPU that need not be there: uint8 [8, 3, 64, 64]."""
    with FakeTensorMode(allow_non_fake_inputs=True), torch.inference_mode():
        batch = torch.empty(8, 3, 64, 64, dtype=torch.uint8, device="cuda")
        to_inputs(batch, PREPROCESS)  # its mean and deviation travel once
        yield batch


@pytest.mark.parametrize("name", REGISTRY.names())
def test_a_condition_is_computed_on_the_gpu_without_a_wait(images, name):
    transform = REGISTRY.get(name)
    with Watch():
        treated = transform(images, 3 if transform.severities else None, identified(range(8)), 0)
        inputs = to_inputs(treated, PREPROCESS)
    assert (inputs.device, inputs.shape) == (images.device, (8, 3, 56, 56))


def test_a_model_is_run_and_tallied_on_the_gpu_without_a_wait(images):
    module = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    inputs = to_inputs(images, PREPROCESS)
    run = EagerRuntime().prepare(Model(module), Workload(inputs, "fp32", 1)).run
    with Watch():
        parts = score(run(inputs), torch.empty(8, dtype=torch.int64, device="cuda"))
    assert {part.device for part in parts} == {images.device}
    assert {part.shape for part in parts} == {(8,)}


@pytest.mark.parametrize(
    "mistake",
    [
        lambda images: images.float().mean().item(),
        lambda images: images[images[:, 0, 0, 0] > 0],
        lambda images: images + torch.ones(64),
        lambda images: images.cpu(),
        lambda images: torch.ones(8).to(images.device),
    ],
    ids=["reads a value", "selects by values", "mixes devices", "copies back", "copies and waits"],
)
def test_what_would_wait_is_seen(images, mistake):
    with Watch(), pytest.raises((RuntimeError, AssertionError)):
        mistake(images)


@pytest.mark.parametrize("number", [0, 1, 7])
def test_a_copy_has_arrived_when_the_gpu_that_makes_it_says_so(monkeypatch, number):
    # A process that computes on the second GPU leaves the first the current one, whose stream is idle.
    class Event:
        """Is over when its stream is, as PyTorch's is."""

        def record(self, stream: torch.device | None = None) -> None:
            self.device = torch.device("cuda:0") if stream is None else stream

        def query(self) -> bool:
            return self.device not in busy

        def synchronize(self) -> None:
            busy.discard(self.device)

    device = torch.device("cuda", number)
    busy = {device}
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: device or torch.device("cuda:0"))
    with FakeTensorMode(), torch.inference_mode():
        copy = HostCopy(torch.empty(8, dtype=torch.uint8, device=device))
        assert not copy.ready
        found = copy.tensor()
    assert (found.device.type, found.shape, copy.ready, busy) == ("cpu", (8,), True, set())
