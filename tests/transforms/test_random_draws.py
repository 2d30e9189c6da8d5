from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_robustness.transforms.random_draws import uniforms

COLUMNS = (1, 2, 3, 4, 5, 8)


def table(seed: int, name: str, images: int, k: int) -> np.ndarray:
    """The whole table, made by numpy's generator in one go: whole Philox blocks of four per image, the first k kept."""
    key = int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16], "little")
    blocks = -(-k // 4)
    return np.random.Generator(np.random.Philox(key=key)).random((images, 4 * blocks))[:, :k]


@pytest.mark.parametrize("k", COLUMNS)
def test_draws_are_the_rows_of_one_table(k: int) -> None:
    indices = np.array([0, 17, 3, 499, 17])
    np.testing.assert_array_equal(uniforms(7, "fog", indices, k), table(7, "fog", 500, k)[indices])


@pytest.mark.parametrize("k", COLUMNS)
def test_a_longer_dataset_keeps_the_draws_of_a_shorter_one(k: int) -> None:
    np.testing.assert_array_equal(uniforms(0, "fog", np.arange(1000), k)[:100], uniforms(0, "fog", np.arange(100), k))


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**63),
    k=st.sampled_from(COLUMNS),
    indices=st.lists(st.integers(0, 3000), min_size=1, max_size=20),
    data=st.data(),
)
def test_draws_do_not_depend_on_the_batch(seed: int, k: int, indices: list[int], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(indices))))
    whole = uniforms(seed, "fog", np.array(indices), k)
    alone = [uniforms(seed, "fog", np.array([index]), k)[0] for index in indices]
    np.testing.assert_array_equal(whole, alone)
    np.testing.assert_array_equal(uniforms(seed, "fog", np.array(indices)[order], k), whole[order])


def test_draws_reach_far_images_without_the_ones_before() -> None:
    far = uniforms(0, "fog", np.array([2**40, 2**40 + 1]), 2)
    np.testing.assert_array_equal(far[1:], uniforms(0, "fog", np.array([2**40 + 1]), 2))
    assert far[0, 0] != far[1, 0]


def test_draws_are_uniform_and_columns_independent() -> None:
    draws = uniforms(0, "fog", np.arange(20_000), 8)
    assert draws.dtype == np.float64
    assert draws.min() >= 0
    assert draws.max() < 1
    assert stats.kstest(draws.ravel(), "uniform").pvalue > 0.01
    assert np.abs(np.corrcoef(draws.T) - np.eye(8)).max() < 0.03


def test_seeds_and_names_draw_independently() -> None:
    indices = np.arange(20_000)
    series = [uniforms(seed, name, indices, 1)[:, 0] for seed in (0, 1) for name in ("fog", "snow")]
    assert np.abs(np.corrcoef(series) - np.eye(4)).max() < 0.03


def test_no_images_get_no_draws() -> None:
    assert uniforms(0, "fog", np.empty(0, dtype=np.int64), 3).shape == (0, 3)
