"""ONNX models, run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_robustness.models.engines.sidecar import read_sidecar
from pytest_robustness.models.files import check_file, reading, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.core import Model


class OnnxSource:
    """``onnx:path/to/net.onnx``: a graph that ONNX Runtime runs as it is, with its sidecar ``net.onnx.json``."""

    name = "onnx"

    def known(self) -> Sequence[str]:
        """Return the form of a name."""
        return ("path/to/net.onnx",)

    def check(self, name: str, weights: str | None) -> None:
        """Raise `OptionError` unless ``name`` is the path of an ONNX file and ONNX Runtime is installed."""
        check_file(self.name, name, weights, (".onnx",))
        require(f"onnx:{name}", "onnx", ("onnx", "onnxruntime"))

    def load(self, name: str, weights: str | None) -> Model:
        """Return the model; a file that ONNX Runtime cannot load is found here."""
        from pytest_robustness.models.engines.module import engine_model
        from pytest_robustness.models.engines.onnx_graph import OnnxEngine, external_files

        self.check(name, weights)
        path = Path(name)
        sidecar = read_sidecar(path)
        with reading(path, "an ONNX model"):
            return engine_model(OnnxEngine.read(path), [path, *external_files(path)], sidecar, "onnxruntime")
