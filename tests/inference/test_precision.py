"""fp32 is fp32; `tests/options` has which precision is chosen."""

from __future__ import annotations

import threading
import time
import warnings

import pytest
import torch

from pytest_robustness.inference.precision import fp32_products


def formats() -> list[object]:
    """Return how PyTorch computes products of fp32, by both of its APIs; ``mixed`` where reading raises an error."""
    cudnn, mkldnn = torch.backends.cudnn, torch.backends.mkldnn
    new = [torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn, mkldnn.matmul, mkldnn.conv, mkldnn.rnn]
    found: list[object] = [kind.fp32_precision for kind in new]
    with warnings.catch_warnings(action="ignore"):  # PyTorch 2.9 has a warning for readers of the older API
        for read in (torch.get_float32_matmul_precision, lambda: cudnn.allow_tf32):
            try:
                found.append(read())
            except RuntimeError:
                found.append("mixed")
    return found


def allow_tf32_the_older_way() -> None:
    with warnings.catch_warnings(action="ignore"):
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True


def forbid_tf32_the_older_way() -> None:
    with warnings.catch_warnings(action="ignore"):
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False


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
        allow_tf32_the_older_way,
        forbid_tf32_the_older_way,
        lambda: set_matmul("tf32"),
        lambda: set_everywhere("tf32"),
        lambda: set_everywhere("bf16"),
    ],
    ids=[
        "nothing",
        "matmul precision",
        "tf32 by the older API",
        "no tf32 by the older API",
        "tf32 by the newer API",
        "tf32 everywhere",
        "bf16 everywhere",
    ],
)
@pytest.mark.parametrize(("tf32", "expected"), [(False, ["ieee"] * 6), (True, ["tf32"] * 6)])
def test_products_of_fp32_are_what_the_precision_says_whatever_the_user_set(settings, tf32, expected):
    settings()
    before = formats()
    with fp32_products(tf32=tf32):
        assert formats() == [*expected, "high" if tf32 else "highest", tf32]
    # What could not be read before cannot be restored; it may be readable now.
    assert [after for after, was in zip(formats(), before, strict=True) if was != "mixed"] == [
        was for was in before if was != "mixed"
    ]


@pytest.mark.usefixtures("own_formats")
def test_the_precision_of_one_thread_is_not_what_another_puts_back():
    torch.set_float32_matmul_precision("medium")
    before, inside, late = formats(), threading.Event(), []

    def first() -> None:
        with fp32_products(tf32=False):
            inside.set()
            time.sleep(0.2)  # in which the other would begin

    def second() -> None:
        inside.wait(60)
        with fp32_products(tf32=True):
            time.sleep(0.3)
            late.append(formats())

    threads = [threading.Thread(target=each) for each in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert late == [[*6 * ["tf32"], "high", True]]
    assert formats() == before


@pytest.mark.usefixtures("own_formats")
@pytest.mark.parametrize("tf32", [False, True])
def test_pytorchs_own_readers_of_the_older_api_find_the_two_agreeing(tf32):
    set_matmul("tf32")  # so that they do not agree before
    with fp32_products(tf32=tf32), warnings.catch_warnings(action="ignore"):
        with torch.backends.cudnn.flags(enabled=False):
            assert not torch.backends.cudnn.enabled
        assert torch.backends.cuda.matmul.allow_tf32 is tf32
