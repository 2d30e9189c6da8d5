"""Models by name: torchvision's and timm's, the embedded digits zoo, the user's own code and model files.

A new source is one module that follows `ModelSource`, and its line in ``sources/__init__.py``. Importing this package
imports neither torch nor torchvision; checking a name may import the library that has the model.
"""

from __future__ import annotations

from pytest_robustness.models.names import ModelName, parse
from pytest_robustness.models.presets import PRESETS
from pytest_robustness.models.protocol import ModelSource
from pytest_robustness.models.weights import read_state_dict
from pytest_robustness.models.zoo import ModelZoo

__all__ = ["PRESETS", "ModelName", "ModelSource", "ModelZoo", "parse", "read_state_dict"]
