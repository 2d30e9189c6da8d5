"""The table of model sources. A new source is one file that follows `ModelSource`, and its line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.models.digits_source import DigitsSource
from pytest_robustness.models.onnx_source import OnnxSource
from pytest_robustness.models.openvino_source import OpenVinoSource
from pytest_robustness.models.python_source import PythonSource
from pytest_robustness.models.timm_source import TimmSource
from pytest_robustness.models.torchvision_source import TorchvisionSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_robustness.models.protocol import ModelSource
    from pytest_robustness.models.weights import WeightsPolicy

DEFAULT_SOURCE = "torchvision"

SOURCES: Mapping[str, Callable[[WeightsPolicy], ModelSource]] = {
    "torchvision": TorchvisionSource,
    "timm": TimmSource,
    "digits": lambda _: DigitsSource(),
    "python": lambda _: PythonSource(),
    "onnx": lambda _: OnnxSource(),
    "openvino": lambda _: OpenVinoSource(),
}
