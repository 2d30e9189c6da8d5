"""Models that OpenVINO reads: its own IR, ONNX and TensorFlow Lite, quantized ones too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_robustness.models.engines.sidecar import read_sidecar
from pytest_robustness.models.files import check_file, reading, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.core import Model

_KINDS = {".xml": "an OpenVINO IR", ".onnx": "an ONNX model", ".tflite": "a TensorFlow Lite model"}


class OpenVinoSource:
    """``openvino:path/to/net.xml``, ``.onnx`` or ``.tflite``: a graph that OpenVINO runs on the CPU.

    Its sidecar is ``net.xml.json`` beside it.
    """

    name = "openvino"

    def known(self) -> Sequence[str]:
        """Return the forms of a name."""
        return tuple(f"path/to/net{suffix}" for suffix in _KINDS)

    def check(self, name: str, weights: str | None) -> None:
        """Raise `OptionError` unless ``name`` is the path of such a file and OpenVINO is installed."""
        check_file(self.name, name, weights, tuple(_KINDS))
        # Where an ONNX model keeps its weights is read with the onnx package.
        needed = ("openvino", "onnx") if Path(name).suffix.lower() == ".onnx" else ("openvino",)
        require(f"openvino:{name}", "openvino", needed)

    def load(self, name: str, weights: str | None) -> Model:
        """Return the model; a file that OpenVINO cannot load is found here."""
        from pytest_robustness.models.engines.module import engine_model
        from pytest_robustness.models.engines.openvino_graph import OpenVinoEngine

        self.check(name, weights)
        path = Path(name)
        sidecar = read_sidecar(path)
        with reading(path, _KINDS[path.suffix.lower()]):
            return engine_model(OpenVinoEngine.read(path), _files(path), sidecar, "openvino")


def _files(path: Path) -> list[Path]:
    """Return the files that the model in ``path`` consists of."""
    from pytest_robustness.models.engines.onnx_graph import external_files

    if path.suffix.lower() == ".onnx":
        return [path, *external_files(path)]
    weights = path.with_suffix(".bin")
    return [path, weights] if path.suffix.lower() == ".xml" and weights.is_file() else [path]
