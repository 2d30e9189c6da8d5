"""What a call draws from the global generators is seen and undone; what it seeds itself is its own."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from pytest_robustness.core.generators import GENERATORS, Watch, restored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DRAWS: dict[str, Callable[[], object]] = {
    "PyTorch's generator": lambda: torch.rand(1),
    "NumPy's generator": lambda: np.random.rand(),  # noqa: NPY002
    "Python's generator": random.random,
}
SEEDS: dict[str, Callable[[int], object]] = {
    "PyTorch's generator": torch.manual_seed,
    "NumPy's generator": np.random.seed,
    "Python's generator": random.seed,
}


def watched(*calls: Callable[[], object]) -> Watch:
    watch = Watch(GENERATORS)
    with restored(GENERATORS):
        for seed, call in enumerate(calls):
            with watch.call(seed):
                call()
    return watch


def nothing() -> None:
    return None


@pytest.mark.parametrize("name", DRAWS)
def test_a_generator_that_is_drawn_from_is_named(name: str) -> None:
    draw = DRAWS[name]
    every, once = watched(draw, draw, draw), watched(nothing, draw, nothing)
    assert (every.drawn(), every.always_drawn()) == ([name], [name])
    assert (once.drawn(), once.always_drawn()) == ([name], [])


@pytest.mark.parametrize("name", DRAWS)
def test_one_that_the_call_seeds_is_not(name: str) -> None:
    def own() -> None:
        SEEDS[name](5)
        DRAWS[name]()

    watch = watched(own, own, own)
    assert (watch.drawn(), watch.always_drawn()) == ([], [])


def fails() -> None:
    for draw in DRAWS.values():
        draw()
    raise ValueError("no luck")


def test_several_are_named_and_a_call_that_failed_counts_for_nothing() -> None:
    watch = watched(lambda: (random.random(), torch.rand(1)), lambda: (random.random(), torch.rand(1)))
    assert watch.always_drawn() == ["Python's generator", "PyTorch's generator"]
    with restored(GENERATORS), pytest.raises(ValueError, match="no luck"), watch.call(2):
        fails()
    assert watch.drawn() == watch.always_drawn() == ["Python's generator", "PyTorch's generator"]


def test_calls_draw_the_same_after_the_same_seed() -> None:
    drawn = []
    with restored(GENERATORS):
        for _ in range(2):
            with Watch(GENERATORS).call(3):
                drawn.append([float(draw()) for draw in DRAWS.values()])  # type: ignore[arg-type]
    assert drawn[0] == drawn[1]


def test_what_was_drawn_is_undone_on_errors_too() -> None:
    with restored(GENERATORS):
        expected = [draw() for draw in DRAWS.values()]
    with pytest.raises(ValueError, match="no luck"), restored(GENERATORS):
        fails()
    assert [draw() for draw in DRAWS.values()] == expected


@pytest.fixture
def bit_generator(request: pytest.FixtureRequest) -> Iterator[np.random.BitGenerator]:
    """Put another bit generator in the place of NumPy's own."""
    own = np.random.get_bit_generator()
    other: np.random.BitGenerator = request.param(5)
    np.random.set_bit_generator(other)
    yield other
    np.random.set_bit_generator(own)


@pytest.mark.parametrize("bit_generator", [np.random.PCG64, np.random.Philox, np.random.SFC64], indirect=True)
def test_another_bit_generator_of_numpy_is_watched_and_restored(bit_generator: np.random.BitGenerator) -> None:
    draw = DRAWS["NumPy's generator"]
    with restored(GENERATORS):
        expected = draw()
    assert watched(nothing, draw, nothing).drawn() == ["NumPy's generator"]
    assert watched(nothing, nothing).drawn() == []
    assert np.random.get_bit_generator() is bit_generator
    assert draw() == expected


def test_a_bit_generator_that_a_call_puts_there_is_taken_away() -> None:
    draw = DRAWS["NumPy's generator"]
    with restored(GENERATORS):
        expected = draw()
    with restored(GENERATORS):
        np.random.set_bit_generator(np.random.PCG64(0))
        draw()
    assert np.random.get_state()[0] == "MT19937"  # noqa: NPY002
    assert draw() == expected


@pytest.mark.slow
def test_neither_numpy_nor_torch_is_imported() -> None:
    code = (
        "import sys; from pytest_robustness.core.generators import *; watch = Watch(GENERATORS)\n"
        "with restored(GENERATORS), watch.call(1): pass\n"
        "print(watch.drawn(), {'numpy', 'torch'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "set()"]
