"""Executors: how what is missing is computed, in this process or by the actors of Ray.

A new one is a class that satisfies `Executor`, its name in `ExecutorName` (`frontends/session/options/table.py`), and
its line in `inference/computation.py`.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any, Protocol

from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.extras import pip_install

if TYPE_CHECKING:
    from pytest_robustness.inference.sweep.work import Work


class Executor(Protocol):
    """Computes what a sweep lacks."""

    def compute(self, work: Work) -> None:
        """Compute all that is missing, and commit it to the store of ``work``, whose errors receive what failed.

        However it ends, what was computed is committed first.

        Raises
        ------
        RobustnessError
            When nothing more can be computed.
        """

    def facts(self) -> dict[str, Any]:
        """Return what a report says of how it was computed, as JSON values; nothing where this process did it all."""


def require(executor: str) -> None:
    """Raise `OptionError` where the library of ``executor`` is not installed."""
    if executor == "ray" and importlib.util.find_spec("ray") is None:
        raise OptionError(f"--robustness-executor=ray needs Ray: {pip_install('ray')}.")
