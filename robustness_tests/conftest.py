"""Which part of the suite a run collects: findings, the comparison with a baseline, the studies that it asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_robustness import Panel, RunMode, asks_study, run_mode

_LEFT_OUT = {
    "test_models.py": {RunMode.CANDIDATE},
    "test_classes.py": {RunMode.CANDIDATE},
    # A candidate without a baseline is refused by the tests that would compare it.
    "test_gate.py": {RunMode.JUDGE, RunMode.WRITE},
}
_OF_SEVERAL = {"test_detectable_by_all"}
_STUDIES = {
    "test_breaking_points.py": "breaking_point",
    "test_detectable.py": "detectable",
    "test_turned_images.py": "turned_images",
    "test_label_errors.py": "label_errors",
    "test_augmentation.py": "augmentation",
    "test_estimated_accuracy.py": "estimated_accuracy",
    "test_parity.py": "parity",
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the comparison without a baseline, the findings where a candidate is judged, studies not asked for."""
    study = _STUDIES.get(collection_path.name)
    if study is not None and not asks_study(config, study):
        return True
    left_out = _LEFT_OUT.get(collection_path.name)
    return True if left_out and run_mode(config) in left_out else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of all models together where there is one: the test of that model says as much."""
    alone = [item for item in items if getattr(item, "originalname", "") in _OF_SEVERAL and _of_one_model(item)]
    if alone:
        config.hook.pytest_deselected(items=alone)
        items[:] = [item for item in items if item not in alone]


def _of_one_model(item: pytest.Item) -> bool:
    ours = isinstance(item, pytest.Function) and item.path.parent == Path(__file__).parent
    given = item.callspec.params.values() if ours and hasattr(item, "callspec") else ()
    return any(isinstance(value, Panel) and len(value.models) == 1 for value in given)
