"""What tests of the predictor share."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.core.errors import BaselineError
from pytest_robustness.frontends.session.progress import SilentProgress
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.predictor import Predictor
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.inference.settings import InferenceSettings
from pytest_robustness.models import ModelZoo
from pytest_robustness.transforms import builtin


class World:
    """A predictor on the tiny project, with what it called and what it logged."""

    def __init__(self, folder, planned=(), refuse=None, **settings):
        self.path = folder.path
        self.checked = []
        self.probed = []
        self.sweeps = []
        self.refuse = refuse
        self.run_log = RunLog(plan=Plan.of(planned))
        plain = InferenceSettings(
            data="folder:photos",
            limit=None,
            seed=0,
            download=False,
            device="cpu",
            precision="fp32",
            runtime="eager",
            workers=0,
            batch_size=None,
            on_bad_image="error",
            store=folder.path / "store.sqlite",
        )
        self.predictor = Predictor(
            dataclasses.replace(plain, **settings),
            builtin(),
            ModelZoo(),
            self.run_log,
            progress=self,
            check=self.check,
            agree=lambda: None,
            provenance=lambda: {"seen": "once"},
        )

    def __call__(self):
        progress = SilentProgress()
        progress.start = lambda images, cells: self.sweeps.append((images, cells))
        return progress

    def check(self, jobs, conditions, compared):
        if not compared:
            self.probed.append(tuple(conditions))
            return
        self.checked.append(tuple(conditions))
        if self.refuse in conditions:
            raise BaselineError(f"{self.refuse} is refused")

    def right(self, cell):
        """Return which images a cell's stored predictions get right; the tiny nets' outputs are in the data's order."""
        return StoredPredictions(lambda: self.predictor.store, self.run_log).answers(cell).correct


@pytest.fixture
def world(folder):
    opened = []

    def make(*planned, **chosen):
        opened.append(World(folder, planned, **chosen))
        return opened[-1]

    yield make
    for one in opened:
        one.predictor.close()
