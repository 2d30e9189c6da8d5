"""Transforms: the nine of the protocol, a user's own, chains of them, magnitudes, and the worst of several draws.

Importing this package does not import torch: only applying a transform needs it.
"""

from __future__ import annotations

from pytest_robustness.transforms.operation import Span
from pytest_robustness.transforms.registry import Description, Registry
from pytest_robustness.transforms.standard import builtin

__all__ = ["Description", "Registry", "Span", "builtin"]
