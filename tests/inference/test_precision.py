"""fp32 is fp32; `tests/options` has which precision is chosen."""

from __future__ import annotations

import warnings

import pytest
import torch

from pytest_robustness.inference.precision import fp32_products


def formats() -> list[object]:
    """Return how PyTorch computes products of fp32, by both of its ways to ask; ``mixed`` where it refuses."""
    cudnn, mkldnn = torch.backends.cudnn, torch.backends.mkldnn
    new = [torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn, mkldnn.matmul, mkldnn.conv, mkldnn.rnn]
    found: list[object] = [kind.fp32_precision for kind in new]
    with warnings.catch_warnings(action="ignore"):  # PyTorch 2.9 has one for whoever asks in the older way
        for read in (torch.get_float32_matmul_precision, lambda: cudnn.allow_tf32):
            try:
                found.append(read())
            except RuntimeError:
                found.append("mixed")
    return found


def set_everywhere(precision: str) -> None:
    torch.backends.fp32_precision = precision


def set_matmul(precision: str) -> None:
    torch.backends.cuda.matmul.fp32_precision = precision


@pytest.fixture
def own_formats():
    yield
    set_everywhere("none")
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.fp32_precision = torch.backends.mkldnn.matmul.fp32_precision = "none"


@pytest.mark.usefixtures("own_formats")
@pytest.mark.parametrize(
    "settings",
    [
        lambda: None,
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: set_matmul("tf32"),
        lambda: set_everywhere("tf32"),
        lambda: set_everywhere("bf16"),
    ],
    ids=["nothing", "matmul precision", "new way", "tf32 everywhere", "bf16 everywhere"],
)
@pytest.mark.parametrize(("tf32", "expected"), [(False, ["ieee"] * 6), (True, ["tf32"] * 6)])
def test_products_of_fp32_are_what_the_precision_says_whatever_the_user_set(settings, tf32, expected):
    settings()
    before = formats()
    with fp32_products(tf32=tf32):
        assert formats() == [*expected, "high" if tf32 else "highest", tf32]
    # What PyTorch refused to say before cannot be put back; it may say something now.
    assert [after for after, was in zip(formats(), before, strict=True) if was != "mixed"] == [
        was for was in before if was != "mixed"
    ]
