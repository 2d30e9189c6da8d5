"""The models of a sweep, prepared: each by its runtime, when its first batch comes."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

import torch

from pytest_robustness.core import EngineUsed, Runner, Workload
from pytest_robustness.core.errors import ModelError, message
from pytest_robustness.inference.memory import is_out_of_memory
from pytest_robustness.inference.runtimes.eager import plain_runner
from pytest_robustness.inference.user_calls.calls import UserCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_robustness.core import Model
    from pytest_robustness.inference.jobs import Job
    from pytest_robustness.inference.loading.loaded_model import LoadedModel

_log = logging.getLogger(__name__)


class PreparedModels:
    """Prepares each model once and keeps what runs it.

    A model that fails in the form that it was prepared in, on a batch of another size, say, goes on without any
    optimization.

    Parameters
    ----------
    prepare
        Makes a model, with its name, ready for a workload.
    precision
        The number format to compute in.
    jobs, images
        All jobs of the sweep, and how many images each has.
    calls
        Calls the models; ``None``: without notes and deadline.
    """

    def __init__(
        self,
        prepare: Callable[[str, Model, Workload], Runner],
        precision: str,
        jobs: Sequence[Job],
        images: int,
        calls: UserCalls | None = None,
    ) -> None:
        self._prepare = prepare
        self._precision = precision
        # Cells that are stored already, or claimed elsewhere, count too: the choice of runtime must not depend on them.
        self._passes: Counter[str] = Counter()
        for job in jobs:
            self._passes[job.loaded.name] += images * len(job.variants)
        self._runners: dict[str, Runner] = {}
        self._engines: dict[str, EngineUsed] = {}
        self._plain: set[str] = set()
        self._outputs: dict[str, int] = {}
        self._calls = calls or UserCalls(_log.info)

    def ready(self, loaded: LoadedModel) -> bool:
        """Whether the model has been prepared, which may take longer than its first batch."""
        return loaded.name in self._runners

    def works_ahead(self, loaded: LoadedModel) -> bool:
        """Whether the engine of the model computes while this thread goes on."""
        return loaded.name in self._runners and self._runners[loaded.name].begin is not None

    def begin(
        self, loaded: LoadedModel, inputs: torch.Tensor, batch_size: int, under: str = ""
    ) -> Callable[[], torch.Tensor]:
        """Begin a batch; return what returns the logits [B, K] of ``inputs`` (float32 [B, 3, h, w]), or raises.

        An engine that computes while this thread goes on is waited for then; any other computes now. No batch has more
        than ``batch_size`` images, and one more may be begun before the first is waited for. ``under`` names the
        condition, for messages.

        Raises
        ------
        ModelError
            The model ended the process, took too long, or returned another number of logits than before.
        """
        doing = under and f"under {under}"
        if loaded.name not in self._runners:
            with self._calls.call(loaded.name, f"{doing} (when it was prepared)".strip(), blamed=False):
                self._runners[loaded.name] = self._prepared(loaded, inputs, batch_size)
        runner = self._runners[loaded.name]
        # The first batch is waited for here: if it ends the process, the last words are those of the model.
        if runner.begin is None or loaded.name not in self._engines:
            logits = self._answered(loaded, runner, lambda: runner.run(inputs), inputs, doing)
            return lambda: logits
        wait = _begun(runner.begin, inputs)
        return lambda: self._answered(loaded, runner, wait, inputs, doing)

    def _answered(
        self,
        loaded: LoadedModel,
        runner: Runner,
        work: Callable[[], torch.Tensor],
        inputs: torch.Tensor,
        doing: str,
    ) -> torch.Tensor:
        """Return the logits that ``work`` returns; where it fails, those of the model without any optimization."""
        engine = runner.engine
        try:
            with self._calls.call(loaded.name, doing, batch=True):
                logits = work()
        except Exception as error:
            _log.debug("%s failed as it was prepared", loaded.name, exc_info=True)
            if isinstance(error, ModelError) or is_out_of_memory(error) or not _may_simplify(loaded, engine):
                raise
            logits = self._run_plain(loaded, engine, inputs, doing, error)
            engine = self._runners[loaded.name].engine
        self._engines[loaded.name] = engine
        expected = self._outputs.setdefault(loaded.name, logits.shape[1])
        if logits.shape[1] != expected:
            raise ModelError(f"it returned {logits.shape[1]} logits for an image, and {expected} before")
        return logits

    def engine(self, loaded: LoadedModel) -> EngineUsed:
        """Return what ran the model last."""
        return self._engines[loaded.name]

    def discard(self) -> None:
        """Discard what runs the models, compiled for one batch size perhaps; each is prepared again when needed."""
        self._runners.clear()

    def _prepared(self, loaded: LoadedModel, inputs: torch.Tensor, batch_size: int) -> Runner:
        if loaded.name in self._plain:
            return plain_runner(loaded.model, inputs.device)
        # The first batch may be smaller than the others, but a compiled model must hold the largest.
        example = inputs[torch.arange(batch_size, device=inputs.device) % len(inputs)]
        workload = Workload(example, self._precision, self._passes[loaded.name], self._calls.timeout)
        return self._prepare(loaded.name, loaded.model, workload)

    def _run_plain(
        self, loaded: LoadedModel, failed: EngineUsed, inputs: torch.Tensor, doing: str, error: Exception
    ) -> torch.Tensor:
        with self._calls.call(loaded.name, doing, batch=True):
            plain = plain_runner(loaded.model, inputs.device)
            logits = plain.run(inputs)  # where this fails too, the fault is the model's
        self._runners[loaded.name] = plain
        if loaded.name not in self._plain:  # the batch behind this one was begun in the form that failed
            reason = message(error).partition("\n")[0] or type(error).__name__
            self._calls.note(f"{loaded.name}: {failed} failed ({reason}); going on with eager PyTorch, contiguous")
        self._plain.add(loaded.name)
        return logits


def _begun(
    begin: Callable[[torch.Tensor], Callable[[], torch.Tensor]], inputs: torch.Tensor
) -> Callable[[], torch.Tensor]:
    """Begin a batch in an engine, which calls no code of the user's; what fails now fails when it is waited for."""
    try:
        return begin(inputs)
    except Exception as error:
        failure = error

    def fail() -> torch.Tensor:
        raise failure

    return fail


def _may_simplify(loaded: LoadedModel, engine: EngineUsed) -> bool:
    """Return whether the model ran in an optimized form, so that a failure may be that of the form."""
    return not loaded.model.runtime and engine != EngineUsed("eager", "fp32", "contiguous")
