"""An array or a tensor of a class of the user's, or with attributes of its own, counts by these too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pytest_robustness.core.content import content_hash


def array_of(scale):
    class Scaled(np.ndarray):
        def __matmul__(self, other):
            return super().__matmul__(other) * scale

    return np.ones(2).view(Scaled)


def tensor_of(scale):
    class Scaled(torch.Tensor):
        factor = scale

        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            return super().__torch_function__(function, types, args, kwargs) * cls.factor

    return torch.ones(2).as_subclass(Scaled)


def marked(tensor, scale):
    tensor.scale = scale
    return tensor


def linear(scale):
    module = nn.Linear(1, 1, bias=False)
    nn.init.ones_(module.weight)
    module.weight.scale = scale
    return module


MADE = {
    "a class of arrays": array_of,
    "a class of tensors": tensor_of,
    "an attribute of a tensor": lambda scale: marked(torch.ones(2), scale),
    "an attribute of a buffer": lambda scale: marked(nn.Buffer(torch.ones(2)), scale),
    "an attribute of a parameter": linear,
    "an attribute of a sparse tensor": lambda scale: marked(torch.ones(2).to_sparse(), scale),
}


@pytest.mark.parametrize("kind", MADE)
def test_what_the_users_code_adds_to_an_array_counts(kind):
    hashes = [content_hash(MADE[kind](scale)).digest for scale in (1.0, 1.0, 2.0)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_file_in_memory_counts_by_its_values_wherever_it_lies(tmp_path):
    def mapped(name, value):
        np.full(3, value).tofile(tmp_path / name)
        return content_hash(np.memmap(tmp_path / name, np.float64, "r")).digest

    assert mapped("a", 1.0) == mapped("b", 1.0) != mapped("c", 2.0)


def test_what_the_compiler_marks_does_not_count():
    plain, compiled = torch.ones(2), torch.ones(2)
    torch._dynamo.mark_static_address(compiled)
    assert vars(compiled)
    assert content_hash(plain) == content_hash(compiled)
