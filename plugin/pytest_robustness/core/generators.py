"""The global generators of random numbers: seeded before a call of a user's code, compared after it, and restored.

NumPy's and PyTorch's count where these are imported already: until then nobody draws from theirs.
"""

from __future__ import annotations

import contextlib
import pickle
import random
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence


class RandomGenerator(NamedTuple):
    """A generator of random numbers.

    Parameters
    ----------
    name
        What messages call it.
    read
        Returns its state, compared by ``==``; ``None`` where there is none to draw from.
    restore
        Takes what ``read`` returned.
    seed
        Takes the number that it begins anew with.
    """

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], object]
    seed: Callable[[int], object]


class Watch:
    """Sees whether calls of a user's code draw random numbers that the code has not seeded itself.

    Each generator is seeded anew before each call. One that is in another state after the call than before it was drawn
    from, unless that state is the same after every call: then the code itself seeds it.

    Parameters
    ----------
    generators
        Those that are watched.
    """

    def __init__(self, generators: Sequence[RandomGenerator]) -> None:
        self._generators = generators
        self._calls: list[list[_Move]] = []

    @contextlib.contextmanager
    def call(self, seed: int) -> Generator[None]:
        """Watch the block, one call, with the generators seeded by ``seed``: what is drawn shows by several seeds."""
        for generator in self._generators:
            generator.seed(seed)
        before = [generator.read() for generator in self._generators]
        yield
        after = [generator.read() for generator in self._generators]
        self._calls.append(list(map(_Move, before, after)))

    def drawn(self) -> list[str]:
        """Return the names of the generators that a call drew from."""
        return self._names(any)

    def always_drawn(self) -> list[str]:
        """Return the names of the generators that every call drew from."""
        return self._names(all)

    def _names(self, enough: Callable[[Sequence[bool]], bool]) -> list[str]:
        names = [
            generator.name
            for generator, *moves in zip(self._generators, *self._calls, strict=True)
            if enough([move.moved for move in moves]) and len({move.after for move in moves}) > 1
        ]
        return list(dict.fromkeys(names))


class _Move(NamedTuple):
    """The state of a generator before a call and after it."""

    before: Any
    after: Any

    @property
    def moved(self) -> bool:
        # One that came to be in the call has no state before it.
        return self.before is not None and self.before != self.after


@contextlib.contextmanager
def restored(generators: Sequence[RandomGenerator]) -> Generator[None]:
    """Restore what the block draws."""
    before = [generator.read() for generator in generators]
    try:
        yield
    finally:
        try:
            _put_back(generators, before)
        except BaseException:  # of a signal's handler, in the midst
            _put_back(generators, before)
            raise


def _put_back(generators: Sequence[RandomGenerator], before: Sequence[Any]) -> None:
    for generator, state in zip(generators, before, strict=True):
        generator.restore(state)


def is_global(value: object) -> bool:
    """Return whether an object is one of the global generators: each process begins with another state of it."""
    if type(value).__module__.partition(".")[0] not in ("random", "numpy", "torch"):
        return False  # quickly: it is asked of every object of a model
    numpy, torch = sys.modules.get("numpy.random"), sys.modules.get("torch")
    known = [random.random.__self__]  # type: ignore[attr-defined]
    if numpy is not None:
        known += [numpy.mtrand._rand, numpy.get_bit_generator()]
    if torch is not None and hasattr(torch, "default_generator"):
        known += [torch.default_generator, *torch.cuda.default_generators]
    return any(value is one for one in known)


def _numpy_state() -> bytes | None:
    numpy = sys.modules.get("numpy")
    # In the form that any bit generator has: numpy.random.set_bit_generator puts another in the place of NumPy's own.
    return None if numpy is None else pickle.dumps(numpy.random.get_state(legacy=False))


def _restore_numpy(before: bytes | None) -> None:
    if before is not None:
        of_numpy, state = sys.modules["numpy"].random, pickle.loads(before)  # noqa: S301 (of `_numpy_state`)
        kind = state["bit_generator"]
        if of_numpy.get_state(legacy=False)["bit_generator"] != kind:
            of_numpy.set_bit_generator(getattr(of_numpy, kind)())
        of_numpy.set_state(state)


def _seed_numpy(seed: int) -> None:
    if numpy := sys.modules.get("numpy"):
        with contextlib.suppress(TypeError):  # none but NumPy's own can be seeded: of another each draw shows anyway
            numpy.random.seed(seed)


def _torch_state() -> bytes | None:
    torch = sys.modules.get("torch")
    return None if torch is None else bytes(torch.get_rng_state().numpy())


def _restore_torch(before: bytes | None) -> None:
    if before is not None:
        torch = sys.modules["torch"]
        torch.set_rng_state(_tensor(before))


def _seed_torch(seed: int) -> None:
    # Not torch.manual_seed: it would also seed devices that are not in use yet, which nothing could undo.
    if torch := sys.modules.get("torch"):
        torch.default_generator.manual_seed(seed)


def _cuda() -> Any:
    """Return PyTorch's module for CUDA; ``None`` where this process has not used CUDA yet."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None


def _cuda_states() -> tuple[bytes, ...] | None:
    cuda = _cuda()
    return None if cuda is None else tuple(bytes(state.numpy()) for state in cuda.get_rng_state_all())


def _restore_cuda(before: tuple[bytes, ...] | None) -> None:
    if before is not None:
        _cuda().set_rng_state_all(list(map(_tensor, before)))


def _seed_cuda(seed: int) -> None:
    if cuda := _cuda():
        cuda.manual_seed_all(seed)


def _tensor(state: bytes) -> Any:
    torch = sys.modules["torch"]
    return torch.frombuffer(bytearray(state), dtype=torch.uint8)


GENERATORS: Final = (
    RandomGenerator("Python's generator", random.getstate, random.setstate, random.seed),
    RandomGenerator("NumPy's generator", _numpy_state, _restore_numpy, _seed_numpy),
    RandomGenerator("PyTorch's generator", _torch_state, _restore_torch, _seed_torch),
    RandomGenerator("PyTorch's generator on CUDA", _cuda_states, _restore_cuda, _seed_cuda),
)
