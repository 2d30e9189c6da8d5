"""The one OpenVINO core of a process.

OpenVINO's CPU plugin installs a stack for signal handlers with every core that it serves, and removes it with it.
If the first of two cores is removed first, the second leaves the process with a signal stack that no longer exists, and
the next signal (of a decoding process that ended, say) is a segmentation fault. A single core that stays avoids that.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import openvino


@functools.cache
def _core() -> openvino.Core:
    import openvino

    return openvino.Core()


def read(path: Path) -> openvino.Model:
    """Return the graph in the file ``path``, in any format that OpenVINO reads."""
    return _core().read_model(path)


def compile_for_cpu(graph: openvino.Model, *, precision: str, threads: int, **options: str) -> openvino.CompiledModel:
    """Compile ``graph`` for the CPU.

    Parameters
    ----------
    graph
        As it was read or converted.
    precision
        As OpenVINO names it: ``f32`` or ``bf16``.
    threads
        The number of threads that compute.
    options
        Further properties of OpenVINO's CPU plugin.
    """
    properties: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        # Otherwise the threads of every process are bound to the same first cores.
        "ENABLE_CPU_PINNING": False,
        **options,
    }
    return _core().compile_model(graph, "CPU", properties)
