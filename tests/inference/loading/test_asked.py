"""A model that draws random numbers when it answers is refused, however seldom they matter, and no other is."""

from __future__ import annotations

import copy
import itertools
import random
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pytest_robustness.core import Model, Preprocess
from pytest_robustness.core.errors import ModelError
from pytest_robustness.inference.loading.first_answers import FirstAnswers, first_answers

if TYPE_CHECKING:
    from collections.abc import Callable

CANVAS = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SEEDS = range(8)
DRAWS = r"net draws random numbers when it answers, from {}: its logits of the same images (differ by|are the)"
GENERATORS = ("PyTorch's generator", "NumPy's generator", "Python's generator", "a generator of its own")
TORCH, NUMPY, PYTHON, OWN = (DRAWS.format(name) for name in GENERATORS)
TWO_WAYS = r"net answers the same images in two ways \(its logits differ by"
PLACE = r"net answers an image by its place in its batch: the logits of the same image differ by"


class Net(nn.Module):
    """A classifier of which each part can be wrapped: what comes in, its features, what goes out."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            self.body = nn.Linear(192, 8)
            self.head = nn.Linear(8, 5)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.body(x.flatten(1)))

    def changed(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answers: torch.Tensor = self.head(self.features(self.changed(x)))
        return answers


def inputs_through(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], nn.Module]:
    class Changed(Net):
        def changed(self, x: torch.Tensor) -> torch.Tensor:
            return change(x)

    return lambda: Changed().eval()


def features_through(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], nn.Module]:
    class Changed(Net):
        def features(self, x: torch.Tensor) -> torch.Tensor:
            return change(super().features(x))

    return lambda: Changed().eval()


def dropping(p: float) -> Callable[[], nn.Module]:
    return features_through(lambda x: functional.dropout(x, p))


def noisy(sigma: float) -> Callable[[], nn.Module]:
    return inputs_through(lambda x: x + sigma * torch.randn_like(x))


def branching(p: float, toss: Callable[[], float]) -> Callable[[], nn.Module]:
    """A branch that is dropped for the whole batch."""
    return features_through(lambda x: x * 0 + 1 if toss() < p else x)


def listed(*parts: nn.Module) -> Callable[[], nn.Module]:
    """Parts in a plain list, which `eval` does not reach."""

    class Listed(Net):
        def __init__(self) -> None:
            super().__init__()
            self.parts = [copy.deepcopy(part) for part in parts]

        def features(self, x: torch.Tensor) -> torch.Tensor:
            found = super().features(x)
            for part in self.parts:
                found = part(found)
            return found

    return lambda: Listed().eval()


def holding(make: Callable[[int], object], toss: Callable[..., float], p: float) -> Callable[[], nn.Module]:
    """A generator that goes on from answer to answer decides."""

    class Holding(Net):
        def __init__(self) -> None:
            super().__init__()
            self.generator = make(5)

        def features(self, x: torch.Tensor) -> torch.Tensor:
            found = super().features(x)
            return found * 0 + 1 if toss(self.generator) < p else found

    return Holding


def averaged() -> nn.Module:
    """Monte Carlo dropout: the mean of many draws is almost the same every time."""

    class Averaged(Net):
        def features(self, x: torch.Tensor) -> torch.Tensor:
            found = super().features(x)
            return torch.stack([functional.dropout(found, 0.05) for _ in range(500)]).mean(0)

    return Averaged().eval()


def smoothed() -> nn.Module:
    """Randomized smoothing: the votes for noisy copies."""

    class Smoothed(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            votes = [super(Smoothed, self).forward(x + 0.3 * torch.randn_like(x)).argmax(1) for _ in range(20)]
            return functional.one_hot(torch.stack(votes), 5).sum(0).float()

    return Smoothed().eval()


def counting() -> nn.Module:
    count = itertools.count()
    return features_through(lambda x: x * 1.2 if next(count) % 2 else x)()


class AlwaysDrops(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(x, 0.02)


UNKNOWN = torch.Generator()


RANDOM: dict[str, tuple[Callable[[], nn.Module], str]] = {
    **{f"functional dropout of {p}": (dropping(p), TORCH) for p in (0.001, 0.05, 0.1, 0.2, 0.5)},
    **{f"noise of {sigma}": (noisy(sigma), TORCH) for sigma in (1e-6, 0.01, 0.05, 0.2)},
    **{
        f"a branch dropped by {what} at {p}": (branching(p, toss), who)
        for what, toss, who in (
            ("torch.rand", lambda: float(torch.rand(())), TORCH),
            ("numpy", np.random.rand, NUMPY),
            ("random", random.random, PYTHON),
        )
        for p in (0.001, 0.1, 0.3)
    },
    **{
        f"a branch dropped by {what} of its own at {p}": (holding(make, toss, p), OWN)
        for what, make, toss in (
            ("torch", lambda seed: torch.Generator().manual_seed(seed), lambda it: float(torch.rand((), generator=it))),
            ("numpy", np.random.default_rng, lambda it: it.random()),
            ("numpy's old kind", np.random.RandomState, lambda it: it.rand()),
            ("random", random.Random, lambda it: it.random()),
        )
        for p in (0.001, 0.3)
    },
    "a list in training mode": (listed(nn.Linear(8, 8), nn.Dropout(0.1)), TORCH),
    "a list of several": (listed(nn.Sequential(nn.Dropout(0.02)), nn.AlphaDropout(0.1)), TORCH),
    "a leaky slope": (listed(nn.Linear(8, 8), nn.RReLU()), TORCH),
    "numpy noise": (
        inputs_through(lambda x: x + torch.from_numpy(np.random.normal(0, 0.02, x.shape)).float()),  # noqa: NPY002
        NUMPY,
    ),
    "a crop by random": (inputs_through(lambda x: x.roll(random.randrange(3), -1)), PYTHON),
    "bernoulli": (features_through(lambda x: x * torch.bernoulli(torch.full_like(x, 0.95))), TORCH),
    "a permutation": (features_through(lambda x: x[:, torch.randperm(8)]), TORCH),
    "gumbel": (features_through(lambda x: functional.gumbel_softmax(x)), TORCH),
    "one at a time, and drawing": (lambda: nn.Sequential(one_at_a_time(), AlwaysDrops()), TORCH),
    "the mean of draws": (averaged, TORCH),
    "votes": (smoothed, TORCH),
    "two generators": (
        inputs_through(lambda x: x + 0.1 * torch.randn_like(x) * random.random()),
        DRAWS.format("Python's generator and PyTorch's generator"),
    ),
    "a generator that is nowhere": (
        inputs_through(lambda x: x + 0.1 * torch.randn(x.shape, generator=UNKNOWN)),
        TWO_WAYS,
    ),
    "a state that is put back": (inputs_through(lambda x: x + 0.1 * put_back(x)), TWO_WAYS),
    "every second answer": (counting, TWO_WAYS),
}


def put_back(x: torch.Tensor) -> torch.Tensor:
    with torch.random.fork_rng(devices=[]):
        return torch.randn(x.shape[1:])


def first_draws() -> nn.Module:
    class FirstDraws(Net):
        """Makes a part of its weights, and what it remembers of each size of a batch, when it is first needed."""

        def __init__(self) -> None:
            super().__init__()
            self.made: torch.Tensor | None = None
            self.seen: dict[int, float] = {}

        def features(self, x: torch.Tensor) -> torch.Tensor:
            if self.made is None:
                self.made = torch.randn(8)
            if len(x) not in self.seen:
                self.seen[len(x)] = random.random()
            return super().features(x) * self.made

    return FirstDraws().eval()


def first_differs() -> nn.Module:
    seen: list[int] = []

    def change(x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return x if len(seen) > 1 else x * 0

    return features_through(change)()


def seeded_globally(x: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    random.seed(1)
    np.random.seed(2)  # noqa: NPY002
    drawn = torch.rand(x.shape[1:]) + random.random() + float(np.random.rand())  # noqa: NPY002
    return x + 0.1 * drawn


def seeded_in_a_fork(x: torch.Tensor) -> torch.Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return x + 0.1 * torch.rand(x.shape[1:])


def averaged_and_seeded(x: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    kept = torch.rand((30, *x.shape[1:]), generator=generator) > 0.3
    return torch.stack([x * each for each in kept]).mean(0)


def reseeding() -> nn.Module:
    class Reseeding(Net):
        def __init__(self) -> None:
            super().__init__()
            self.generator = torch.Generator()
            self.bits = np.random.default_rng(1)

        def features(self, x: torch.Tensor) -> torch.Tensor:
            self.generator.manual_seed(4)
            return super().features(x) * torch.rand(8, generator=self.generator)

    return Reseeding().eval()


def normalized() -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout2d(0.5), nn.Flatten(), nn.Linear(288, 5))
    return net.eval()


def traced() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecated, and users have many
        module: nn.Module = torch.jit.trace(normalized(), torch.zeros(2, 3, 8, 8))
    return module


def documented() -> nn.Module:
    page = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
    (code,) = (code for code in re.findall(r"```python\n(.*?)```", page, re.S) if "class Smoothed" in code)
    names: dict[str, Any] = {}
    exec(code, names)
    module: nn.Module = names["Smoothed"](Net()).eval()
    return module


def one_at_a_time() -> nn.Module:
    class One(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.reshape(1, 3, 8, 8))

    return One().eval()


SAME: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: Net().eval(),
    "dropout and normalization in evaluation mode": normalized,
    "dropout of nothing in training mode": listed(nn.Dropout(0.0)),
    "functional dropout that is off": features_through(lambda x: functional.dropout(x, 0.5, training=False)),
    "seeds the global generators": features_through(seeded_globally),
    "seeds in a fork": inputs_through(seeded_in_a_fork),
    "the mean of draws, seeded": features_through(averaged_and_seeded),
    "seeds the generator that it holds": reseeding,
    "makes weights in the first call": first_draws,
    "another first answer": first_differs,
    "rounds otherwise each time": features_through(lambda x: x * (1 + 1e-6 * (float(put_back(x[:1])[0]) > 0))),
    "traced": traced,
    "smoothed as documented": documented,
    "one at a time": one_at_a_time,
}


def seed_all(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)


def asked(module: nn.Module) -> FirstAnswers:
    return first_answers("net", Model(module, Preprocess(mean=(0.5,) * 3, std=(0.5,) * 3)), CANVAS)


@pytest.mark.parametrize("name", RANDOM)
def test_a_model_that_draws_random_numbers_is_refused_with_every_seed(name: str) -> None:
    make, reason = RANDOM[name]
    for seed in SEEDS:
        module = make()
        seed_all(seed)
        with pytest.raises(ModelError, match=f"^{reason}.*(PyTorch|NumPy|Python|forward)"):
            asked(module)


@pytest.mark.parametrize("name", SAME)
def test_a_model_whose_answers_are_its_own_is_taken_with_every_seed(name: str) -> None:
    module = SAME[name]()
    for seed in SEEDS:
        seed_all(seed)
        assert "batch" not in " ".join(asked(module).warnings).replace("takes batches of 1 image alone", "")
    # What was asked answers a plain loop alike, too.
    images, answers = torch.rand(1, 3, 8, 8), []
    for seed in range(3):
        seed_all(seed)
        with torch.inference_mode():
            answers.append(module(images.clone()))
    torch.testing.assert_close(answers[1], answers[0])
    torch.testing.assert_close(answers[2], answers[0])


@pytest.mark.parametrize("name", [name for name in SAME if "first" not in name])
def test_a_model_that_draws_nothing_is_asked_no_oftener_than_its_batches_take(name: str) -> None:
    module, batches = SAME[name](), []
    module.register_forward_hook(lambda _, inputs, __: batches.append(len(inputs[0])))
    asked(module)
    assert batches == ([1] * 8 if name == "one at a time" else [3, 1, 1, 3])


def test_a_large_model_that_draws_is_not_asked_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=10.0)
    monkeypatch.setattr("pytest_robustness.inference.loading.asked.time.monotonic", lambda: next(clock))
    batches: list[int] = []
    module = branching(1e-9, lambda: float(torch.rand(())))()
    module.register_forward_hook(lambda _, inputs, __: batches.append(len(inputs[0])))
    with pytest.raises(ModelError, match=TORCH):
        asked(module)
    assert batches == [3, 1, 1, 3, 3, 3, 1]


@pytest.mark.parametrize("sigma", [0.01, 0.3])
def test_seeded_numbers_that_differ_between_images_are_told_from_neighbours(sigma: float) -> None:
    def noise(x: torch.Tensor) -> torch.Tensor:
        return x + 10 * sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))

    with pytest.raises(ModelError, match=f"^{PLACE}.*{re.escape('torch.rand(images.shape[1:], generator=...)')}"):
        asked(inputs_through(noise)())


def test_the_message_says_what_was_seen_and_what_to_do() -> None:
    with pytest.raises(ModelError) as refused:
        asked(branching(1e-9, lambda: float(torch.rand(())))())
    assert str(refused.value) == (
        "net draws random numbers when it answers, from PyTorch's generator: its logits of the same images are the "
        "same so far, which proves nothing of others. Its figures would be a matter of chance. Call .eval() in the "
        "factory, of modules in a plain list too, give functional dropout training=self.training, and leave out what "
        "is random. To judge the mean of several draws, seed a torch.Generator inside forward, and draw the same "
        "numbers for every image."
    )


def test_weights_that_are_made_in_the_first_call_follow_from_the_seed_before_it() -> None:
    def made(seed: int) -> torch.Tensor:
        module = first_draws()
        torch.manual_seed(seed)
        asked(module)
        return module.made  # type: ignore[return-value]

    torch.manual_seed(7)
    assert torch.equal(made(7), torch.randn(8))
    assert not torch.equal(made(8), made(7))


def test_global_generators_are_as_before() -> None:
    def states() -> str:
        return repr((random.getstate(), np.random.get_state(), torch.random.get_rng_state().tolist()))  # noqa: NPY002

    before = states()
    asked(Net())
    assert states() == before
    with pytest.raises(ModelError):
        asked(dropping(0.5)())
    assert states() == before
