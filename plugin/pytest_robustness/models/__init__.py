"""Models by name: torchvision's and timm's, the embedded digits zoo, the user's own code and model files.

A new source is one file that follows `ModelSource`, and its line in ``sources.py``. Importing this package imports
neither torch nor torchvision; checking a name imports what only the library can tell.
"""

from __future__ import annotations

from pytest_robustness.models.names import ModelName, parse
from pytest_robustness.models.presets import PRESETS
from pytest_robustness.models.protocol import ModelSource
from pytest_robustness.models.weights import read_state_dict
from pytest_robustness.models.zoo import ModelZoo

__all__ = ["PRESETS", "ModelName", "ModelSource", "ModelZoo", "parse", "read_state_dict"]
