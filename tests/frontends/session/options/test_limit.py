"""``--robustness-limit``: images per class."""

from __future__ import annotations


def test_so_many_images_of_each_class_are_judged_on(project):
    project.configure(robustness_limit="3")
    project.judge("-k", "hflip")
    assert set(project.table("accuracy.csv").n) == {3}
    result = project.judge("-k", "hflip", "--robustness-limit=7")
    # Of 14 images that did not change no model is shown to stay; of 7 of a class the loss of all would be seen.
    result.assert_outcomes(passed=1, skipped=2, deselected=3)
    assert set(project.table("accuracy.csv").n) == {7}
    project.judge("-k", "hflip", "--robustness-limit=all")
    assert set(project.table("accuracy.csv").n) == {20}
