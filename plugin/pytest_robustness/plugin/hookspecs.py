"""The hook that a project implements to add its own transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_robustness.transforms import Registry


def pytest_robustness_register(registry: Registry) -> None:
    """Add transforms to ``registry``; called once, before robustness tests are parametrized.

    Put it into ``conftest.py``::

        def pytest_robustness_register(registry):
            @registry.transform("invert")
            def invert(images):  # uint8 [B, 3, H, W] in, the same out
                return 255 - images
    """
