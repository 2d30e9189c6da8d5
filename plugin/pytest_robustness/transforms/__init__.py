"""Transforms: the nine of the protocol, a registry for a user's own, and chains of any of them.

Importing this package does not import torch: only applying a transform needs it.
"""

from __future__ import annotations

from pytest_robustness.transforms.registry import Description, Registry
from pytest_robustness.transforms.standard import builtin

__all__ = ["Description", "Registry", "builtin"]
