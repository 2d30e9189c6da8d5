"""What an actor does on its node: the same as the local sweep, or an error that says what the node has otherwise."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.core.errors import DisagreementError
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.frontends.session.progress import SilentProgress
from pytest_robustness.inference.jobs import JobMaker
from pytest_robustness.inference.runtimes.choice import RuntimeChoice
from pytest_robustness.inference.selection import select
from pytest_robustness.inference.settings import InferenceSettings
from pytest_robustness.inference.store.cells import StoredCells
from pytest_robustness.inference.store.store import Store
from pytest_robustness.inference.sweep.claims import ShardClaims
from pytest_robustness.inference.sweep.executors import recipe as recipes
from pytest_robustness.inference.sweep.executors.local import LocalExecutor
from pytest_robustness.inference.sweep.executors.ray import recipe_of
from pytest_robustness.inference.sweep.executors.ray_cluster import Share
from pytest_robustness.inference.sweep.executors.shard_computer import ShardComputer
from pytest_robustness.inference.sweep.settings import SweepSettings
from pytest_robustness.inference.sweep.unreadable import UnreadableImages
from pytest_robustness.inference.sweep.work import Work
from pytest_robustness.inference.user_calls.calls import UserCalls
from pytest_robustness.models import ModelZoo
from pytest_robustness.transforms import builtin
from tests.wide_net import WIDE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_robustness.inference.sweep.executors.recipe import Images, Recipe

pytest.importorskip("ray", reason="needs the extra ray")

CONDITIONS = (CONTROL, Condition("vflip"), Condition("rotation", 3))
WEIGHTED = """
from pathlib import Path


def weighted():
    return Model(torch.nn.Sequential(Slope(), Scale(float(Path("weight.txt").read_text()))), classes=["down", "up"])


class Scale(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))

    def forward(self, logits):
        return logits * self.weight
"""
MODELS = ("python:nets.py:weighted", "python:nets.py:colour")
NODE = "node 10.0.0.7 (0badcafe)"


@pytest.fixture
def driver(folder):
    """The project, and the work of a run on it that has computed nothing yet."""
    nets = (folder.path / "nets.py").read_text()
    folder.write("nets.py", nets + WEIGHTED)
    folder.write("weight.txt", "1.5")
    made = Driver(folder.path)
    yield made
    made.close()


class Driver:
    def __init__(
        self, path: Path, on_bad_image: str = "error", models: Sequence[str] = MODELS, outputs: str = "all"
    ) -> None:
        self.selection = select("folder:photos", limit=None, seed=0, download=False, hashes=FileHashes())
        self.zoo = ModelZoo()
        maker = JobMaker(self.selection, self.zoo, builtin(), 0, "fp32", output_rule=outputs)
        self.jobs, errors = maker.jobs([Cell(model, condition) for model in models for condition in CONDITIONS])
        assert not errors
        self.store = Store(path / "driver.sqlite")
        self.path = path
        progress = SilentProgress()
        self.work = Work(
            self.jobs,
            self.selection,
            store=self.store,
            unreadable=UnreadableImages(self.selection, self.store, on_bad_image, progress.note),
            progress=progress,
            settings=SweepSettings(torch.device("cpu"), "fp32", 0, 0, on_bad_image, shard_size=16),
            calls=UserCalls(progress.note),
        )
        self.settings = InferenceSettings(
            data="folder:photos",
            limit=None,
            seed=0,
            download=False,
            device="auto",
            precision="fp32",
            runtime="auto",
            workers=0,
            batch_size=None,
            on_bad_image=on_bad_image,
            store=path / "driver.sqlite",
            outputs=outputs,
        )

    def orders(self) -> tuple[Recipe, Images]:
        _, lacking = self.work.missing()
        made = recipe_of(self.settings, self.zoo, self.work, lacking, Share(1, 0, 1))
        return made, recipes.Images(self.selection.indices, self.selection.labels, self.selection.identities)

    def requests(self):
        for shard in self.work.missing()[0]:
            portions = self.work.portions(shard, self.jobs)
            parts = [recipes.Part(one.positions, tuple(job.cell for job in one.jobs)) for one in portions]
            yield recipes.Request(shard.start, shard.stop, tuple(parts))

    def predictions(self, store: Store):
        cells = StoredCells(store, self.selection.identities, self.selection.labels)
        return {job.cell: cells.predictions(job.key, job.outputs) for job in self.jobs}

    def close(self) -> None:
        self.store.close()


def test_it_answers_what_the_local_sweep_stores(driver, tmp_path):
    computer = ShardComputer(*driver.orders(), NODE)
    with contextlib.closing(computer), contextlib.closing(Store(tmp_path / "actors.sqlite")) as collected:
        requests = [*driver.requests()]
        assert [request[:2] for request in requests] == [(0, 16), (16, 32), (32, 40)]
        for request in reversed(requests):
            answer = computer.compute(request)
            assert (answer.images, answer.errors, answer.unreadable) == (request.stop - request.start, {}, {})
            collected.put(answer.results)
        found = driver.predictions(collected)
    claims = ShardClaims(tmp_path / "locks", "photos")
    LocalExecutor(RuntimeChoice("auto", print).prepare, claims).compute(driver.work)
    for cell, expected in driver.predictions(driver.store).items():
        assert (expected.predicted >= 0).all()
        for column, value in zip(found[cell], expected, strict=True):
            np.testing.assert_array_equal(column, value, err_msg=str(cell))


def test_it_masks_outputs_as_the_driver_does(driver, tmp_path):
    driver.path.joinpath("wide.py").write_text((driver.path / "nets.py").read_text() + WIDE)
    with contextlib.closing(Driver(driver.path, models=["python:wide.py:wide"], outputs="data")) as masked:
        [control, *_] = masked.jobs
        assert (control.loaded.kept, control.loaded.output_count) == ((1, 4), 6)
        computer = ShardComputer(*masked.orders(), NODE)
        with contextlib.closing(computer), contextlib.closing(Store(tmp_path / "actors.sqlite")) as collected:
            for request in masked.requests():
                collected.put(computer.compute(request).results)
            found = masked.predictions(collected)
        LocalExecutor(RuntimeChoice("auto", print).prepare, ShardClaims(tmp_path / "locks", "photos")).compute(
            masked.work
        )
        for cell, expected in masked.predictions(masked.store).items():
            for column, value in zip(found[cell], expected, strict=True):
                np.testing.assert_array_equal(column, value, err_msg=str(cell))
            # Another output is always the highest, and does not count.
            assert set(expected.predicted) <= {1, 4}
            assert set(expected.rank) <= {0, 1}


def test_a_model_that_fails_is_an_error_with_its_traceback_and_the_others_go_on(driver):
    nets = (driver.path / "nets.py").read_text()
    (driver.path / "failing.py").write_text(
        nets.replace("return logits * self.weight", "assert len(logits) < 9, 'too many'; return logits * self.weight")
    )
    failing_model = "python:failing.py:weighted"
    with contextlib.closing(Driver(driver.path, models=(failing_model, MODELS[1]))) as failing:
        computer = ShardComputer(*failing.orders(), NODE)
        with contextlib.closing(computer):
            answer = computer.compute(next(failing.requests()))
    assert {cell.model for cell in answer.errors} == {failing_model}
    text, trace = answer.errors[Cell(failing_model, CONTROL)]
    assert text.startswith(f"{failing_model} failed during the sweep: AssertionError: too many (failing.py:")
    assert "in forward" in trace
    assert {result.description["model"] for result in answer.results} == {MODELS[1]}


@pytest.mark.parametrize("rule", ["error", "skip"])
def test_an_image_that_cannot_be_read_is_reported_by_its_position(driver, rule):
    driver.path.joinpath("photos/down/03.png").write_text("no image")
    with contextlib.closing(Driver(driver.path, rule)) as damaged:
        computer = ShardComputer(*damaged.orders(), NODE)
        with contextlib.closing(computer):
            answer = computer.compute(next(damaged.requests()))
    assert [*answer.unreadable] == [3]
    assert "photos/down/03.png is not a readable image" in str(answer.unreadable[3])
    assert answer.images == (0 if rule == "error" else 16)


def replace_an_image(path: Path) -> None:
    Image.fromarray(np.full((8, 8, 3), 7, np.uint8)).save(path / "photos/up/07.png")


DIFFERENCES = {
    "another image": (replace_an_image, "of the content of the images it has "),
    "an image less": (
        lambda path: (path / "photos/up/19.png").unlink(),
        "of the labels it has those of 39 images, this machine",
    ),
    "an image of another name": (
        lambda path: (path / "photos/up/07.png").rename(path / "photos/up/07b.png"),
        "of the names of the images it has ",
    ),
    "another class": (lambda path: (path / "photos/up").rename(path / "photos/top"), "of the classes it has "),
    "other weights": (
        lambda path: (path / "weight.txt").write_text("1.25"),
        "of model python:nets.py:weighted it has ",
    ),
    "no data": (lambda path: shutil.rmtree(path / "photos"), "cannot compute: "),
    "no file of the user's": (lambda path: (path / "weight.txt").unlink(), "could not be loaded: FileNotFoundError"),
}


@pytest.mark.parametrize("kind", DIFFERENCES)
def test_a_node_that_would_compute_something_else_says_what_it_has(driver, kind):
    orders = driver.orders()
    change, text = DIFFERENCES[kind]
    change(driver.path)
    with pytest.raises(DisagreementError) as refused:
        ShardComputer(*orders, NODE)
    assert str(refused.value).startswith(f"Ray's {NODE} ")
    assert text in str(refused.value)
    assert str(refused.value).endswith("leave the node out of the cluster.")


def test_a_node_with_another_version_of_a_package_says_so(driver, tmp_path, monkeypatch):
    orders = driver.orders()
    facts = tmp_path / "elsewhere/torchvision-0.1.0.dist-info/METADATA"
    facts.parent.mkdir(parents=True)
    facts.write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    with pytest.raises(DisagreementError) as refused:
        ShardComputer(*orders, NODE)
    here = orders[0].expected["version of torchvision"]
    assert str(refused.value) == (
        f"Ray's {NODE} would compute something else than this machine: of version of torchvision it has 0.1.0, this "
        f"machine has {here}. Install on every node what is installed here, torchvision {here}; or leave "
        f"the node out of the cluster."
    )


def test_actors_that_die_again_and_again_on_a_node_are_given_up(driver, tmp_path, monkeypatch):
    orders = driver.orders()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / f"robustness-{orders[0].run}"
    left.mkdir()
    for number in range(8):
        (left / f"{number}.json").write_text("[]")
    ShardComputer(*orders, NODE).close()
    left.mkdir(exist_ok=True)
    for number in range(9):
        (left / f"{number}.json").write_text("[]")
    with pytest.raises(DisagreementError, match="actors have died there 9 times or more"):
        ShardComputer(*orders, NODE)
