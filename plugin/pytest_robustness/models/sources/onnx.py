"""ONNX models, ``onnx:path/to/net.onnx``: ONNX Runtime runs the graph as it is.

Its sidecar is ``net.onnx.json`` in the same folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_robustness.models.engines.sidecar import read_sidecar
from pytest_robustness.models.files import check_file, reading, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.core import Model
    from pytest_robustness.models.weights import WeightsPolicy
PUBLISHED: Final = False


def known() -> Sequence[str]:
    """Return the form of a name."""
    return ("path/to/net.onnx",)


def check(name: str, weights: str | None) -> None:
    """Raise `OptionError` unless ``name`` is the path of an ONNX file and ONNX Runtime is installed."""
    check_file("onnx", name, weights, (".onnx",))
    require(f"onnx:{name}", "onnx", ("onnx", "onnxruntime"))


def load(name: str, weights: str | None, policy: WeightsPolicy) -> Model:  # noqa: ARG001 (the file has its weights)
    """Return the model; ONNX Runtime reads the file now, so that an error names it."""
    from pytest_robustness.models.engines.module import engine_model
    from pytest_robustness.models.engines.onnx_graph import OnnxEngine, external_files

    path = Path(name)
    sidecar = read_sidecar(path)
    with reading(path, "an ONNX model"):
        return engine_model(OnnxEngine.read(path), [path, *external_files(path)], sidecar, "onnxruntime", policy.hashes)
