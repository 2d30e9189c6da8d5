"""``--robustness-workers``: processes that decode images."""

from __future__ import annotations


def test_results_do_not_depend_on_the_workers_and_they_read_the_images(project):
    project.write(
        "pictures.py",
        """
        import dataclasses, os
        from pathlib import Path
        from pytest_robustness.data import open_source

        class Watched:
            def __init__(self):
                self.source = open_source("folder:photos")

            def __getattr__(self, name):
                if name == "source":
                    raise AttributeError(name)
                return getattr(self.source, name)

            def read(self, index):
                with Path("readers.txt").open("a") as file:
                    print(os.getpid(), file=file)
                return self.source.read(index)

        def make():
            return Watched()
        """,
    )
    project.configure(robustness_data="python:pictures.py:make", robustness_workers="1")
    readers = project.path / "readers.txt"
    project.judge("-k", "vflip", "--robustness-workers=0")
    table = project.table("accuracy.csv")
    assert len(set(readers.read_text().split())) == 1
    readers.unlink()
    result = project.judge("-k", "vflip", "--robustness-store=other.sqlite", "--robustness-batch-size=10")
    result.assert_outcomes(failed=2, passed=1, deselected=3)
    assert project.table("accuracy.csv").equals(table)
    # The main process reads an image to learn its size, the worker reads all.
    assert len(set(readers.read_text().split())) == 2
