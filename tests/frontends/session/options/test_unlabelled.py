"""``--robustness-unlabelled``: images without labels on which accuracy is estimated."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("spec", ["folder:nowhere", "folder:", "photos:x"])
def test_images_that_are_not_there_are_refused_before_anything_is_computed(project, spec):
    result = project.judge("-k", "estimated_accuracy", f"--robustness-unlabelled={spec}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert not (project.path / "reports").exists()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    result.stderr.fnmatch_lines(["ERROR: *"])
