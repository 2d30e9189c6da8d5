"""Where a sweep's time goes: seconds by stage, taken around the sweep's own calls."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import torch

from pytest_robustness.inference.sweep import batch_runner
from pytest_robustness.inference.sweep.executors import local
from pytest_robustness.inference.sweep.prepared_models import PreparedModels
from pytest_robustness.inference.sweep.unsaved import Unsaved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What is called in each stage; none calls another.
_CALLS: Final[tuple[tuple[str, Any, str], ...]] = (
    ("copy", batch_runner, "to_device"),
    ("transform", batch_runner, "_transformed"),
    ("normalize", batch_runner, "to_inputs"),
    ("forward", PreparedModels, "_answered"),
    ("score", batch_runner, "score_among"),
    ("store", Unsaved, "seal"),
    ("store", Unsaved, "commit_sealed"),
)
# Decoding is what the sweep waits for: decoding processes work meanwhile. "rest" is the sweep's own Python.
STAGES: Final = ("decode", *dict.fromkeys(stage for stage, _, _ in _CALLS), "rest")


def profile(work: Callable[[], object], device: torch.device) -> dict[str, float]:
    """Run ``work``, a sweep, and return its seconds by stage; the device is waited for after each call."""
    spent = dict.fromkeys(STAGES, 0.0)

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def timed(stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                wait()
                spent[stage] += time.perf_counter() - started

        return run

    def read(*arguments: Any, **named: Any) -> Iterator[Any]:
        with contextlib.closing(batches(*arguments, **named)) as loaded:
            take = timed("decode", lambda: next(loaded, None))
            while (batch := take()) is not None:
                yield batch

    batches = local.batches
    with contextlib.ExitStack() as patches:
        for stage, owner, name in _CALLS:
            patches.enter_context(mock.patch.object(owner, name, timed(stage, getattr(owner, name))))
        patches.enter_context(mock.patch.object(local, "batches", read))
        started = time.perf_counter()
        work()
        wait()
        total = time.perf_counter() - started
    spent["rest"] = max(0.0, total - sum(spent.values()))
    return spent
