"""The compiled kernels against PyTorch's operations, to the last bit, and against torchvision image by image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.core import Preprocess
from pytest_robustness.inference import preprocess
from pytest_robustness.inference.sweep import batch_runner
from pytest_robustness.transforms import pixelwise, warps
from pytest_robustness.transforms.cpu import choice
from pytest_robustness.transforms.cpu.choice import KernelChoice
from tests.transforms.test_standard import CONDITIONS, apply, assert_agrees_with_torchvision, gradients, noise

pytest.importorskip("numba")
from pytest_robustness.transforms.cpu import batches, probe

USERS = (warps, pixelwise, preprocess)
ALWAYS, NEVER = KernelChoice(0), KernelChoice(2**62)


def chosen(monkeypatch: pytest.MonkeyPatch, which: KernelChoice) -> None:
    for module in USERS:
        monkeypatch.setattr(module, "CHOICE", which)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen(monkeypatch, ALWAYS)
    assert ALWAYS.batches(noise(1, 8, 8)) is batches, "the kernels are not those of PyTorch's operations here"


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(("name", "severity"), CONDITIONS)
def test_kernels_give_the_pixels_of_torchvision(name: str, severity: int | None) -> None:
    assert_agrees_with_torchvision(name, severity, gradients(224, 224))
    assert_agrees_with_torchvision(name, severity, noise(6, 33, 47))


LAYOUTS = {
    "contiguous": lambda images: images,
    "channels last": lambda images: images.contiguous(memory_format=torch.channels_last),
    "every other row": lambda images: images.repeat_interleave(2, dim=2)[:, :, ::2],
    "one image many times": lambda images: images[:1].expand_as(images),
}


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    condition=st.sampled_from(CONDITIONS),
    size=st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)),
    step=st.sampled_from([1, 2, 64, 255]),
    layout=st.sampled_from(sorted(LAYOUTS)),
    seed=st.integers(0, 2**32 - 1),
)
def test_kernels_give_the_pixels_of_pytorch_to_the_last_bit(
    condition: tuple[str, int | None], size: tuple[int, int, int], step: int, layout: str, seed: int
) -> None:
    # Few values, at a distance that is a power of two, have many sums half-way between two integers.
    count, height, width = size
    values = torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(seed))
    images = LAYOUTS[layout]((values // step * step).to(torch.uint8))
    with pytest.MonkeyPatch.context() as patch:
        chosen(patch, NEVER)
        expected = apply(*condition, images, seed=seed)
        chosen(patch, ALWAYS)
        result = apply(*condition, images, seed=seed)
    assert torch.equal(result, expected)


@pytest.mark.parametrize(("name", "severity"), [one for one in CONDITIONS if one[1] in (None, 3)])
def test_canvases_come_out_the_same_by_either_way(
    monkeypatch: pytest.MonkeyPatch, name: str, severity: int | None
) -> None:
    images = noise(5, 256, 256) // 32 * 32
    chosen(monkeypatch, NEVER)
    expected = apply(name, severity, images)
    chosen(monkeypatch, ALWAYS)
    assert torch.equal(apply(name, severity, images), expected)


@pytest.mark.parametrize("crop", [None, 224, 7, 300])
def test_inputs_are_normalized_as_pytorch_does(monkeypatch: pytest.MonkeyPatch, crop: int | None) -> None:
    images = noise(3, 256, 256)
    images[0].view(-1)[:256] = torch.arange(256, dtype=torch.uint8)
    how = Preprocess(crop=crop, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    chosen(monkeypatch, NEVER)
    expected = preprocess.to_inputs(images, how)
    chosen(monkeypatch, ALWAYS)
    assert torch.equal(preprocess.to_inputs(images, how), expected)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(factor=st.floats(1, 2) | st.sampled_from([1.1, 1.25, 1.5, 1.75, 2.0]))
def test_every_value_gets_as_bright_as_torchvision_makes_it(factor: float) -> None:
    every_value = torch.arange(256, dtype=torch.uint8).expand(1, 3, 1, 256)
    with pytest.MonkeyPatch.context() as patch:
        chosen(patch, ALWAYS)
        result = pixelwise.brighten(every_value, factor)
    assert torch.equal(result, tvf.adjust_brightness(every_value, factor))


@pytest.mark.usefixtures("kernels")
def test_threads_that_transform_at_once_do_not_disturb_one_another() -> None:
    sides = [16, 31, 64, 100] * 6
    alone = [apply("perspective", 3, noise(4, side, side)) for side in sides]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda side: apply("perspective", 3, noise(4, side, side)), sides))
    assert all(map(torch.equal, alone, together))


def test_kernels_are_loaded_once_enough_pixels_have_come_or_were_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_load", lambda: batches)
    images = noise(2, 10, 10)
    counting, announced = KernelChoice(500), KernelChoice(500)
    assert [counting.batches(images) for _ in range(4)] == [None, None, batches, batches]
    announced.expect(300)
    assert announced.batches(images) is batches


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(2, 3, 8, 8, dtype=torch.uint8, device="meta"),
        torch.zeros(2, 3, 8, 8),
        torch.zeros(2, 1, 8, 8, dtype=torch.uint8),
        torch.zeros(3, 8, 8, dtype=torch.uint8),
        torch.zeros(0, 3, 8, 8, dtype=torch.uint8),
    ],
    ids=["another device", "floats", "one channel", "one image", "no image"],
)
def test_anything_but_color_images_on_the_cpu_is_left_to_pytorch(images: torch.Tensor) -> None:
    assert ALWAYS.batches(images) is None


def test_pytorch_does_it_where_numba_is_absent_fails_or_computes_otherwise(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    images = noise(1, 8, 8)
    with monkeypatch.context() as patch:
        patch.setattr(choice.importlib.util, "find_spec", lambda name: None)
        assert KernelChoice(0).batches(images) is None
    with monkeypatch.context() as patch, caplog.at_level("DEBUG"):
        patch.setattr(probe, "agrees", lambda: 1 // 0)
        assert KernelChoice(0).batches(images) is None
        assert "cannot be compiled" in caplog.text
        assert "ZeroDivisionError" in caplog.text
    wrong = SimpleNamespace(warp=lambda *arguments: batches.warp(*arguments) ^ 1)
    with monkeypatch.context() as patch, caplog.at_level("DEBUG"):
        patch.setattr(probe, "batches", wrong)
        assert KernelChoice(0).batches(images) is None
        assert "not those of PyTorch" in caplog.text


def test_a_sweep_announces_what_it_transforms_once_for_models_that_share_it() -> None:
    def job(resize: int, condition: str, draws: int = 1) -> SimpleNamespace:
        model = SimpleNamespace(preprocess=Preprocess(resize=resize, crop=resize))
        return SimpleNamespace(
            loaded=SimpleNamespace(model=model, pixels=resize**2), condition=condition, variants=(None,) * draws
        )

    jobs = [job(10, "hflip"), job(10, "hflip"), job(10, "worst", draws=5), job(20, "hflip")]
    assert batch_runner._changed_pixels(jobs) == 100 + 5 * 100 + 400
