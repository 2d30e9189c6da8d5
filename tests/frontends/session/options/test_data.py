"""``--robustness-data``: the images that models are judged on."""

from __future__ import annotations

import shutil


def test_the_data_that_is_named_is_judged_on(project):
    shutil.copytree(project.path / "photos", project.path / "others")
    for number in range(15):
        (project.path / "others" / "up" / f"{number:02}.png").unlink()
    result = project.judge("--robustness-data=folder:others", "-k", "hflip")
    # Of five images of a class not even the loss of all would be significant.
    result.assert_outcomes(skipped=3, deselected=3)
    assert project.results()["provenance"]["dataset"]["name"] == "folder:others"
    assert project.table("accuracy.csv").groupby("class_name").n.max().to_dict() == {"down": 20, "up": 5}


def test_a_dataset_of_the_projects_own_code_is_judged_on(project):
    project.write(
        "pictures.py",
        """
        from pytest_robustness.data import open_source

        def make():
            return open_source("folder:photos")
        """,
    )
    project.judge("--robustness-data=python:pictures.py:make", "-k", "hflip").assert_outcomes(passed=3, deselected=3)


def test_an_unknown_dataset_is_a_usage_error_that_names_the_known(project):
    result = project.judge("--robustness-data=cifar100")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            (
                "ERROR: 'cifar100' is not a dataset. Did you mean 'cifar10[[]:root[]]'? Known: cifar10[[]:root[]], "
                "digits, folder:path, folder:url, hf:name[[]:split[]], imagenet:root[[]:train|val[]], "
                "imagenette[[]:root[]], parquet:path, python:package.module:factory, python:path/to/file.py:factory, "
                "tar:path."
            )
        ]
    )
