"""``--robustness-download``: a dataset that is not at its place is fetched only where that is asked for."""

from __future__ import annotations

import pytest
from torchvision.datasets import CIFAR10


def test_without_it_nothing_is_fetched_and_the_option_is_named(project):
    result = project.judge("--robustness-data=cifar10:here")
    assert result.ret == 4
    folder = project.path / "here"
    result.stderr.fnmatch_lines(
        [
            (
                f"ERROR: CIFAR-10 was looked for in {folder}/cifar-10-batches-py and is not there, or not whole. Add "
                f"--robustness-download, or unpack cifar-10-python.tar.gz in {folder}, so that "
                f"{folder}/cifar-10-batches-py exists."
            )
        ]
    )


@pytest.mark.parametrize("how", ["typed", "configured"])
def test_with_it_the_dataset_is_fetched(project, monkeypatch, how):
    monkeypatch.setattr(CIFAR10, "url", (project.path / "gone.tar.gz").as_uri())
    if how == "configured":
        project.configure(robustness_download="true")
    result = project.judge("--robustness-data=cifar10:here", *(["--robustness-download"] if how == "typed" else []))
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: CIFAR-10 could not be downloaded to {project.path}/here: <urlopen error *"])
