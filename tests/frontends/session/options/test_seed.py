"""``--robustness-seed``: the seed of every random draw."""

from __future__ import annotations

SIGNS = """
import numpy as np


def pytest_robustness_register(registry):
    @registry.transform("toss", draws=1, version=1)
    def toss(images, draws):
        turned = draws[:, 0] < 0.5
        images[turned] = images[turned].flip(-2)
        return images
"""


def test_the_same_seed_draws_the_same_and_another_draws_otherwise(project):
    project.write("conftest.py", SIGNS)
    project.configure(robustness_seed="1")
    arguments = ("--robustness-transforms=toss", "-k", "toss-slope", "--rootdir=.", "--confcutdir=.")
    tables = []
    for number, seed in enumerate(([], ["--robustness-seed=1"], ["--robustness-seed=2"])):
        # A store of its own for each, so that everything is drawn again.
        project.judge(*arguments, *seed, f"--robustness-store=s{number}.sqlite")
        tables.append(project.table("accuracy.csv"))
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])
    assert project.results()["provenance"]["options"]["seed"] == 2
