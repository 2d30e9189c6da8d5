"""A model that is given as an object is copied with what it keeps, and the original stays as it is."""

from __future__ import annotations

import copy
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from pytest_robustness.core import Model
from pytest_robustness.core.errors import ModelError
from pytest_robustness.models import ModelZoo

if TYPE_CHECKING:
    from collections.abc import Callable


class Keeps(nn.Module):
    """Keeps what it computed last, where ``place`` puts it."""

    def __init__(self, place: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.linear = nn.Linear(12, 3)
        self.place = place
        self.kept: Any = None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.linear(images.flatten(1))
        self.kept = self.place(logits)
        return logits


def plain(logits: torch.Tensor) -> Any:
    return logits


def listed(logits: torch.Tensor) -> Any:
    return [logits, (logits, 3)]


def named(logits: torch.Tensor) -> Any:
    return {"last": {"logits": logits, "first": logits[0]}}


def held(logits: torch.Tensor) -> Any:
    return nn.Sequential(), logits


def normed(norm: str) -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        getattr(nn.utils, norm)(net[1])
    return net


KEEPING: dict[str, Callable[[], nn.Module]] = {
    "the last logits": lambda: Keeps(plain),
    "a list": lambda: Keeps(listed),
    "mappings": lambda: Keeps(named),
    "a tuple": lambda: Keeps(held),
    "within another": lambda: nn.Sequential(nn.Identity(), Keeps(listed)),
    "weight_norm": lambda: normed("weight_norm"),
    "spectral_norm": lambda: normed("spectral_norm"),
    "nothing": lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 3)),
}


@pytest.mark.parametrize("make", KEEPING.values(), ids=KEEPING)
def test_a_copy_answers_as_the_original_which_stays_as_it_is(make: Callable[[], nn.Module]) -> None:
    images, net = torch.rand(4, 3, 2, 2), make()
    net.eval()
    answers = net(images)  # with gradients, which lead to what it keeps
    weights = copy.deepcopy(net.state_dict())
    taken = ModelZoo(given={"mine": Model(net)}).load("mine").module
    assert torch.equal(taken(images), answers)
    assert taken is not net
    with torch.no_grad():
        for weight in taken.parameters():
            weight += 1
    assert torch.equal(net(images), answers)
    assert all(torch.equal(value, weights[name]) for name, value in net.state_dict().items())
    answers.sum().backward()  # the history of the original is whole


def test_what_is_kept_twice_is_one_thing_in_the_copy() -> None:
    net = Keeps(listed)
    net(torch.rand(2, 3, 2, 2))
    taken: Any = ModelZoo(given={"mine": Model(net)}).load("mine").module
    assert taken.kept[0] is taken.kept[1][0]
    assert torch.equal(taken.kept[0], net.kept[0])
    assert taken.kept[0].data_ptr() != net.kept[0].data_ptr()


def test_a_module_that_cannot_be_copied_is_refused_with_the_way_out() -> None:
    net = nn.Linear(2, 2)
    net.lock = threading.Lock()  # type: ignore[assignment]
    with pytest.raises(ModelError) as raised:
        ModelZoo(given={"mine": Model(net)}).load("mine")
    assert str(raised.value) == (
        "The model 'mine' cannot be copied: TypeError: cannot pickle '_thread.lock' object. A model that is given as "
        "an object is copied, so that yours stays as it is; a factory makes one for each run, without a copy. Name it: "
        "python:FILE:FACTORY."
    )
