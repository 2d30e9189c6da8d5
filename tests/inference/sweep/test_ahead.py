"""An engine that computes while the sweep goes on: the same answers, and each batch is waited for in its turn."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_robustness.core import CONTROL, EngineUsed, Runner
from pytest_robustness.inference.sweep import batch_runner
from tests.inference.sweep.test_sweep import (
    AS_IT_IS,
    RESIZED,
    ROTATION,
    VFLIP,
    WHOLE,
    assert_same,
    image_by_image,
    jobs_of,
    loaded,
    photos,
    stored,
    sweep,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_robustness.core import Model, Workload

CONDITIONS = [CONTROL, VFLIP, ROTATION]


class Ahead:
    """Makes engines that compute when they are waited for; notes what is begun (``name+``) and ended (``name-``)."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.fail: Callable[[int, torch.Tensor], None] = lambda *_: None
        """Called before the answer to a batch, with how many were waited for before, and the batch."""
        self.refuse: Callable[[int], None] = lambda _: None
        """Called when a batch is begun, with how many were begun before."""
        self._waited = 0

    def prepare(self, name: str, model: Model, workload: Workload) -> Runner:
        open_batches: list[torch.Tensor] = []

        def begin(images: torch.Tensor) -> Callable[[], torch.Tensor]:
            self.refuse(self.log.count(f"{name}+"))
            self.log.append(f"{name}+")
            held = images.clone()
            open_batches.append(held)
            assert len(open_batches) <= 2

            def answer() -> torch.Tensor:
                self.log.append(f"{name}-")
                assert open_batches.pop(0) is held
                self._waited += 1
                self.fail(self._waited - 1, held)
                return model.module(held)

            return answer

        return Runner(lambda images: begin(images)(), EngineUsed("another", "fp32"), begin)


def assert_all_stored(folder, jobs, selection) -> None:
    for item in jobs:
        assert_same(stored(folder, jobs, selection)[item.cell], image_by_image(item, selection))


@given(count=st.integers(1, 13), batch_size=st.integers(1, 15), shard_size=st.integers(1, 15), order=st.randoms())
@settings(deadline=None, max_examples=20)
def test_the_answers_are_those_of_a_loop_whatever_the_batches(tmp_path_factory, count, batch_size, shard_size, order):
    folder, selection = tmp_path_factory.mktemp("sweep"), photos(count)
    jobs = jobs_of([loaded("a", RESIZED), loaded("b", WHOLE, (4, 0, 2)), loaded("c", AS_IT_IS)], CONDITIONS, selection)
    order.shuffle(jobs)
    made, _ = sweep(folder, jobs, selection, batch_size=batch_size, shard_size=shard_size, prepare=Ahead().prepare)
    made.run()
    assert made.errors == {}
    assert_all_stored(folder, jobs, selection)


def test_a_batch_is_begun_before_the_one_before_is_waited_for_and_none_outlasts_its_images(tmp_path):
    selection, engine = photos(6), Ahead()
    jobs = jobs_of([loaded("a", AS_IT_IS)], CONDITIONS, selection)
    sweep(tmp_path, jobs, selection, batch_size=3, prepare=engine.prepare)[0].run()
    # The first batch of all is waited for at once: what ends the process then is not taken for the transform after it.
    assert engine.log == ["a+", "a-", "a+", "a+", "a-", "a-", *["a+", "a+", "a-", "a+", "a-", "a-"]]


@pytest.mark.parametrize("when", ["refuse", "fail"])
@pytest.mark.parametrize("failing", range(6))
def test_a_batch_that_fails_as_it_was_prepared_and_the_one_behind_it_are_computed_plainly(tmp_path, failing, when):
    selection, engine = photos(6), Ahead()

    def fail(before: int, *_: object) -> None:
        if before >= failing:
            raise ValueError("no such luck")

    setattr(engine, when, fail)
    jobs = jobs_of([loaded("a", AS_IT_IS)], CONDITIONS, selection)
    made, notes = sweep(tmp_path, jobs, selection, batch_size=3, prepare=engine.prepare)
    made.run()
    assert made.errors == {}
    assert_all_stored(tmp_path, jobs, selection)
    assert notes.notes == ["a: another fp32 failed (no such luck); going on with eager PyTorch, contiguous"]


def test_a_batch_that_waited_for_the_one_before_takes_no_longer_for_it(tmp_path, monkeypatch):
    """Each takes six seconds, of ten that are allowed; the second is begun as the first is, and ends six later."""
    selection, engine, now = photos(6), Ahead(), [100.0]
    monkeypatch.setattr(batch_runner.time, "monotonic", lambda: now[0])

    def fail(*_: object) -> None:
        now[0] += 6

    engine.fail = fail
    jobs = jobs_of([loaded("a", AS_IT_IS)], CONDITIONS, selection)
    made, notes = sweep(tmp_path, jobs, selection, batch_size=3, prepare=engine.prepare)
    made.run()
    assert notes.notes == []


def test_what_does_not_fit_is_computed_in_smaller_batches_and_nothing_is_lost(tmp_path):
    selection, engine = photos(13), Ahead()

    def fail(waited: int, images: torch.Tensor) -> None:
        if waited > 1 and len(images) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")

    engine.fail = fail
    jobs = jobs_of([loaded("a", AS_IT_IS), loaded("b", RESIZED)], CONDITIONS, selection)
    made, notes = sweep(tmp_path, jobs, selection, batch_size=8, prepare=engine.prepare)
    made.run()
    assert made.errors == {}
    assert_all_stored(tmp_path, jobs, selection)
    assert [note.partition(":")[0] for note in notes.notes] == ["out of memory"] * 2


@pytest.mark.parametrize("failing", range(9))
def test_after_an_interrupt_what_was_answered_is_kept_and_the_next_run_computes_the_rest(tmp_path, failing):
    selection, engine = photos(9), Ahead()

    def fail(waited: int, _: torch.Tensor) -> None:
        if waited == failing:
            signal.raise_signal(signal.SIGINT)

    engine.fail = fail
    model = loaded("a", AS_IT_IS)
    jobs = jobs_of([model], CONDITIONS, selection)
    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path, jobs, selection, batch_size=3, shard_size=3, prepare=engine.prepare)[0].run()
    before = sum(model.model.module.batches)
    assert before == 3 * failing
    made, _ = sweep(tmp_path, jobs, selection, batch_size=3, shard_size=3, prepare=Ahead().prepare)
    made.run()
    assert_all_stored(tmp_path, jobs, selection)
    # What was begun behind the interrupted batch, and nothing else, is computed in vain.
    assert sum(model.model.module.batches) <= 27 + 3
