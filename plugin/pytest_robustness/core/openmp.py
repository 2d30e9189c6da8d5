"""How long OpenMP's threads, those of PyTorch, wait for work before they sleep."""

from __future__ import annotations

import os

# Turns of a waiting loop, some ten microseconds: enough to catch PyTorch's next operation. The library's 300,000 keep a
# core busy for a millisecond and more, which another engine's threads, or another process, then do without. On a core
# that a process shares, the thread that is waited for may not run meanwhile: 20,000 take more than twice as long there,
# and are no faster elsewhere.
_TURNS = "3000"


def wait_briefly() -> None:
    """Have GNU OpenMP's threads wait briefly, unless the environment says how long.

    OpenMP reads it when PyTorch is imported; later it has no effect.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = _TURNS
