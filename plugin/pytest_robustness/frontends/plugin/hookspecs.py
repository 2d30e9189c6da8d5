"""The hook that a project implements to add its own transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_robustness.transforms import Registry


@pytest.hookspec(historic=True)
def pytest_robustness_register(registry: Registry) -> None:
    """Add transforms to ``registry``; called once, before robustness tests are parametrized.

    The ``conftest.py`` of a subfolder may have it too: it is called as soon as pytest reads that file.

    Put it into ``conftest.py``::

        def pytest_robustness_register(registry):
            @registry.transform("invert")
            def invert(images):  # uint8 [B, 3, H, W] in, the same out
                return 255 - images
    """
