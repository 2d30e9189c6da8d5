"""``--robustness-batch-size``: images per batch."""

from __future__ import annotations

# Batches in which a model is asked for its first answers, and in which the forms that it may run in are compared.
FIRST = ("1", "3", "4")


def test_batches_are_of_that_size_and_results_do_not_depend_on_it(project):
    project.configure(robustness_batch_size="16")
    project.judge("-k", "vflip-slope")
    whole = project.table("accuracy.csv")
    assert set((project.path / "forwards.txt").read_text().split()) == {*FIRST, "16", "8"}
    (project.path / "forwards.txt").unlink()
    project.judge("-k", "vflip-slope", "--robustness-batch-size=7", "--robustness-store=other.sqlite")
    assert set((project.path / "forwards.txt").read_text().split()) == {*FIRST, "7", "5"}
    assert project.table("accuracy.csv").equals(whole)
