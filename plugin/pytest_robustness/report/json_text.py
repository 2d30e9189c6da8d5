"""Write JSON as reports have it: what JSON lacks is ``null``."""

from __future__ import annotations

import json
import math
from typing import Any


def json_text(value: Any) -> str:
    """Return a value as JSON, one entry a line; ``null`` stands for NaN and infinity.

    >>> print(json_text({"p_value": math.nan, "n": 2}), end="")
    {
     "p_value": null,
     "n": 2
    }
    """
    return json.dumps(_finite(value), indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
