"""What a process begins with by chance is part of no hash: the state of global generators, the order of sets."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
import torch

from pytest_robustness.core.content import content_hash
from pytest_robustness.core.generators import GENERATORS, restored

NORMAL = scipy.stats.norm


def density(images):
    return NORMAL.pdf(images)


GLOBAL = {
    "a function of Python's": random.random,
    "Python's own": random._inst,
    "a function of NumPy's": np.random.rand,
    "NumPy's own": np.random.mtrand._rand,
    "NumPy's bits": np.random.get_bit_generator(),
    "PyTorch's own": torch.default_generator,
    "a distribution": NORMAL,
    "a distribution with its parameters": scipy.stats.norm(scale=2),
    "a function that names a distribution": density,
}
OWN = {
    "Python's": random.Random,
    "NumPy's": np.random.default_rng,
    "NumPy's of old": np.random.RandomState,
    "PyTorch's": lambda seed: torch.Generator().manual_seed(seed),
    "a distribution": lambda seed: scipy.stats.norm(scale=seed),
}


@pytest.mark.parametrize("name", GLOBAL)
def test_the_state_of_a_global_generator_does_not_count(name):
    found = set()
    with restored(GENERATORS):
        for seed in range(3):
            for generator in GENERATORS:
                generator.seed(seed)
            found.add(content_hash(GLOBAL[name]))
    assert len(found) == 1
    assert found.pop().unhashed == ()


@pytest.mark.parametrize("name", OWN)
def test_that_of_a_generator_of_ones_own_counts(name):
    hashes = [content_hash(OWN[name](seed)).digest for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]


# SciPy gives its sparse matrices methods by the order of a set of functions, which lies in their addresses.
_HASHED = """
import {first}
import scipy.sparse
from pytest_robustness.core.content import content_hash
print(content_hash(scipy.sparse.csr_matrix([[1.5]])).digest.hex())
"""


@pytest.mark.slow
def test_the_order_in_which_a_package_fills_its_classes_does_not_count():
    found = [
        subprocess.run(
            [sys.executable, "-c", _HASHED.format(first=first)], capture_output=True, text=True, check=True
        ).stdout
        for first in ("sys", "torch", "pandas")
    ]
    assert len(set(found)) == 1
