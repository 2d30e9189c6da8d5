"""Copy a module that keeps results of a computation, which PyTorch refuses to copy because gradients lead to them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


def copied(module: nn.Module) -> nn.Module:
    """Return a deep copy of ``module``, in which the results that it keeps are values without a history.

    Such are the weights that ``torch.nn.utils.weight_norm`` computes anew for each batch, and what a module remembers
    of its last one. What is kept in other objects than modules, lists, tuples, sets and mappings is copied as it is.
    """
    memo: dict[int, Any] = {}
    for result in _results(module):
        memo[id(result)] = copy.deepcopy(result.detach(), memo)
    return copy.deepcopy(module, memo)


def _results(module: nn.Module) -> Iterator[torch.Tensor]:
    """Yield every tensor of ``module`` that was computed with gradients, once."""
    left, seen = [vars(each) for each in module.modules()], set[int]()
    while left:
        value: Any = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            if not value.is_leaf:
                yield value
        elif isinstance(value, Mapping):
            left.extend(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            left.extend(value)
