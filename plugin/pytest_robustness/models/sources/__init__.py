"""The table of model sources. A new source is one file that follows `ModelSource`, and its line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.models.sources.digits import DigitsSource
from pytest_robustness.models.sources.factory import PythonSource
from pytest_robustness.models.sources.onnx import OnnxSource
from pytest_robustness.models.sources.openvino import OpenVinoSource
from pytest_robustness.models.sources.timm import TimmSource
from pytest_robustness.models.sources.torchvision import TorchvisionSource

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
