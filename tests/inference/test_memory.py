"""Memory that smaller batches need is given back, that of compiled programs too."""

from __future__ import annotations

import weakref

import torch

from pytest_robustness.inference.memory import free_memory


class Room:
    """Stands for the memory of a program: the pool of its CUDA graph, its frozen weights."""


def test_what_was_compiled_for_a_batch_that_did_not_fit_is_forgotten():
    rooms: list[weakref.ref[Room]] = []

    def compiler(graph, inputs):
        room = Room()
        rooms.append(weakref.ref(room))
        return lambda *arguments: (room, graph.forward(*arguments))[1]

    module = torch.nn.Linear(3, 2)
    for size in (8, 4):
        with torch.inference_mode():
            torch.compile(module, backend=compiler, dynamic=False)(torch.ones(size, 3))
        assert [room() is None for room in rooms] == [True] * (len(rooms) - 1) + [False]
        free_memory(torch.device("cpu"))
        assert all(room() is None for room in rooms)
    assert len(rooms) == 2
