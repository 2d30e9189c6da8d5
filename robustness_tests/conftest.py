"""Which part of the suite a run collects: findings, the comparison with a baseline, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_robustness import RunMode, run_mode

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_LEFT_OUT = {
    "test_models.py": {RunMode.CANDIDATE},
    "test_classes.py": {RunMode.CANDIDATE},
    # A candidate without a baseline is refused by the tests that would compare it.
    "test_gate.py": {RunMode.JUDGE, RunMode.WRITE},
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the comparison without a baseline, and the findings where a candidate is judged."""
    left_out = _LEFT_OUT.get(collection_path.name)
    return True if left_out and run_mode(config) in left_out else None
