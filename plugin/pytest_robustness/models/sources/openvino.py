"""Models that OpenVINO runs on the CPU: its own IR, ONNX and TensorFlow Lite, quantized ones too.

``openvino:path/to/net.xml``, ``.onnx`` or ``.tflite``; the sidecar is ``net.xml.json`` in the same folder.
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

_KINDS = {".xml": "an OpenVINO IR", ".onnx": "an ONNX model", ".tflite": "a TensorFlow Lite model"}
PUBLISHED: Final = False


def known() -> Sequence[str]:
    """Return the forms of a name."""
    return tuple(f"path/to/net{suffix}" for suffix in _KINDS)


def check(name: str, weights: str | None) -> None:
    """Raise `OptionError` unless ``name`` is the path of such a file and OpenVINO is installed."""
    check_file("openvino", name, weights, tuple(_KINDS))
    # The onnx package lists the files that hold an ONNX model's weights.
    needed = ("openvino", "onnx") if Path(name).suffix.lower() == ".onnx" else ("openvino",)
    require(f"openvino:{name}", "openvino", needed)


def load(name: str, weights: str | None, policy: WeightsPolicy) -> Model:  # noqa: ARG001 (the file has its weights)
    """Return the model; OpenVINO reads the file now, so that an error names it."""
    from pytest_robustness.models.engines.module import engine_model
    from pytest_robustness.models.engines.openvino_graph import OpenVinoEngine

    path = Path(name)
    sidecar = read_sidecar(path)
    with reading(path, _KINDS[path.suffix.lower()]):
        return engine_model(OpenVinoEngine.read(path), _files(path), sidecar, "openvino", policy.hashes)


def _files(path: Path) -> list[Path]:
    """Return the files that the model in ``path`` consists of."""
    from pytest_robustness.models.engines.onnx_graph import external_files

    if path.suffix.lower() == ".onnx":
        return [path, *external_files(path)]
    weights = path.with_suffix(".bin")
    return [path, weights] if path.suffix.lower() == ".xml" and weights.is_file() else [path]
