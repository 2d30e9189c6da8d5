"""Ways to run models. A new one is a file here with a class that satisfies `core.Runtime`, and a line in the table."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_robustness.core import Runtime

# The module here and its class. Options are read from this table too, so it imports neither torch nor an engine.
RUNTIMES = {
    "eager": "eager:EagerRuntime",
    "compile": "compiled:CompiledRuntime",
    "onnxruntime": "onnxruntime_cpu:OnnxRuntime",
    "openvino": "openvino_cpu:OpenVinoRuntime",
}


def load_runtime(name: str) -> Runtime:
    """Import and return the runtime called ``name``, one of `RUNTIMES`."""
    module, _, runtime = RUNTIMES[name].partition(":")
    loaded: Runtime = getattr(import_module(f"{__name__}.{module}"), runtime)()
    return loaded
