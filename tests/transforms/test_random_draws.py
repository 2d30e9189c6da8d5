from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_robustness.transforms.random_draws import uniforms
from tests.identities import identified

COLUMNS = (1, 2, 3, 8, 40)


@pytest.mark.parametrize("k", COLUMNS)
def test_draws_are_the_bits_that_openssl_computes(k: int) -> None:
    (identity,) = identified([17]).tolist()
    openssl = ["openssl", "dgst", "-shake128", "-xoflen", str(8 * k), "-binary"]
    try:
        shake = subprocess.run(openssl, input=b"7:fog:" + identity, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl is not installed, or too old for SHAKE of any length")
    expected = [(number >> 11) / 2**53 for number in np.frombuffer(shake.stdout, "<u8").tolist()]
    assert uniforms(7, "fog", identified([17]), k)[0].tolist() == expected


def test_draws_are_the_same_on_every_machine() -> None:
    # Worked out by hand from SHAKE-128 of "0:fog:" and sixteen bytes: `openssl dgst -shake128 -xoflen 16`.
    code = "import hashlib; print(hashlib.shake_128(b'0:fog:' + bytes(15) + b'\\x05').hexdigest(16))"
    bits = bytes.fromhex(
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    )
    expected = [(int.from_bytes(part, "little") >> 11) / 2**53 for part in (bits[:8], bits[8:])]
    assert uniforms(0, "fog", identified([5]), 2)[0].tolist() == expected


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**63),
    k=st.sampled_from(COLUMNS),
    numbers=st.lists(st.integers(0, 2**127), min_size=1, max_size=20),
    data=st.data(),
)
def test_draws_depend_on_neither_batch_nor_order(seed: int, k: int, numbers: list[int], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(numbers))))
    whole = uniforms(seed, "fog", identified(numbers), k)
    alone = [uniforms(seed, "fog", identified([number]), k)[0] for number in numbers]
    np.testing.assert_array_equal(whole, alone)
    np.testing.assert_array_equal(uniforms(seed, "fog", identified(numbers)[order], k), whole[order])


def test_draws_are_uniform_and_columns_independent() -> None:
    draws = uniforms(0, "fog", identified(range(20_000)), 8)
    assert draws.dtype == np.float64
    assert draws.min() >= 0
    assert draws.max() < 1
    assert stats.kstest(draws.ravel(), "uniform").pvalue > 0.01
    assert np.abs(np.corrcoef(draws.T) - np.eye(8)).max() < 0.03


def test_seeds_and_names_draw_independently() -> None:
    images = identified(range(20_000))
    series = [uniforms(seed, name, images, 1)[:, 0] for seed in (0, 1) for name in ("fog", "snow")]
    assert np.abs(np.corrcoef(series) - np.eye(4)).max() < 0.03


def test_no_images_get_no_draws() -> None:
    assert uniforms(0, "fog", identified([]), 3).shape == (0, 3)
