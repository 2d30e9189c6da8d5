"""Which part of the suite a run is about: findings, the comparison with a baseline, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness.plugin.options import resolve_options

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_FINDINGS = {"test_models.py", "test_classes.py"}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the comparison without a baseline, and the findings where a candidate is judged."""
    options = resolve_options(config)
    # A candidate without a baseline is refused, by the tests that would compare it.
    compared = options.candidate is not None or (options.baseline is not None and not options.update_baseline)
    if collection_path.name == "test_gate.py" and not compared:
        return True
    return True if collection_path.name in _FINDINGS and options.candidate is not None else None
