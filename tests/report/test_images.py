"""``images.csv``: every answer to every image, as the store's file says, read here without the plugin."""

from __future__ import annotations

import csv
import os
import sqlite3
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.core import CONTROL, Cell, ClassLabel, Condition
from pytest_robustness.core.errors import DataError, RobustnessError
from pytest_robustness.inference.image_names import ImageNames
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.inference.store.store import Store
from pytest_robustness.report import images
from pytest_robustness.report.image_table import COLUMNS, ImageTable
from tests.stored import put_answers, put_images

IMAGES = 700  # more than a shard
SKIPPED = [0, 13, 699]
CLASSES = ("crane, bird", 'the "other" crane', "größe", "plain")
MODELS = ("python:nets.py:a,b", 'say "hi"')
ZOOM = Condition("zoom", 3)
FLOAT32 = {"probability": "float32", "true_probability": "float32"}


class World:
    """A store with two models under control and zoom, outputs in an order of their own; some images skipped."""

    def __init__(self, folder):
        self.path = folder / "store.sqlite"
        self.store = Store(self.path)
        rng = np.random.default_rng(0)
        self.labels = rng.integers(0, len(CLASSES), IMAGES)
        self.indices = np.sort(rng.permutation(5 * IMAGES)[:IMAGES])
        self.log = RunLog(dataset="data")
        self.put_in = {}
        put_images(self.store, self.labels, [ClassLabel(f"key{i}", n) for i, n in enumerate(CLASSES)])
        for model in MODELS:
            # One output more than there are classes: an answer may be none of them.
            outputs = rng.permutation(len(CLASSES) + 1)[: len(CLASSES)]
            for condition in (CONTROL, ZOOM):
                self.put(rng, Cell(model, condition), outputs)
        self.opened = 0

    def put(self, rng, cell, outputs):
        predicted = rng.integers(0, len(CLASSES) + 1, IMAGES).astype(np.int32)
        # From probabilities that text rounds easily to such as are nearly 0.
        scores = [(rng.random(IMAGES) ** 20).clip(1e-30).astype(np.float32) for _ in range(2)]
        predicted[SKIPPED] = -1
        put_answers(self.store, self.log, cell, predicted, outputs, self.labels, *scores)
        self.put_in[cell] = (predicted, outputs, *scores)

    def table(self, source=None):
        """Return the table of all cells; without a source its images are called ``photos[INDEX]``."""

        def opened():
            self.opened += 1
            if isinstance(source, Exception):
                raise source
            return source or SimpleNamespace(describe=lambda index: f"photos[{index}]"), self.indices

        predictions = StoredPredictions(lambda: self.store, self.log)
        return ImageTable(predictions, tuple(self.log.keys), ImageNames(opened))

    def expected(self):
        """Return what the table holds: what was put into the store, image by image."""
        rows = []
        for cell, (predicted, outputs, sure, true) in self.put_in.items():
            names = dict(zip(outputs.tolist(), CLASSES, strict=True))
            for i, output in enumerate(predicted.tolist()):
                label = int(self.labels[i])
                row = [cell.model, cell.condition.transform, cell.condition.severity, i, int(self.indices[i])]
                row += [f"photos[{self.indices[i]}]", label, CLASSES[label]]
                if output < 0:
                    rows.append([*row, None, None, None, np.nan, np.nan])
                else:
                    named, right = names.get(output, f"output {output}"), output == outputs[label]
                    rows.append([*row, named, output, right, sure[i], true[i]])
        return pd.DataFrame(rows, columns=COLUMNS)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.store.close()


def written(table, folder):
    (path,) = images.write(SimpleNamespace(images=table), folder)
    return path


def equal(found, expected):
    """Compare two tables, whatever types their readers chose; probabilities as closely as the store keeps them."""
    assert list(found) == list(COLUMNS)
    for name in COLUMNS:
        if name in FLOAT32:
            # The store keeps the logarithm as a half, whose significand has 11 bits.
            with np.errstate(divide="ignore"):
                logs = [np.log(table[name].to_numpy(np.float64)) for table in (found, expected)]
            np.testing.assert_allclose(*logs, rtol=2**-11, atol=1e-7)
            continue
        values = [[None if pd.isna(value) else value for value in column] for column in (found[name], expected[name])]
        assert values[0] == values[1], name


def test_the_file_holds_what_the_store_holds(world, tmp_path):
    path = written(world.table(), tmp_path / "report")
    assert path.name == "images.csv"
    expected = world.expected()
    assert len(expected) == 4 * IMAGES
    equal(pd.read_csv(path), expected)


def test_an_image_that_could_not_be_read_has_its_name_and_no_answer(world, tmp_path):
    with written(world.table(), tmp_path / "report").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    empty = [row for row in rows if row["answer"] == ""]
    assert [int(row["position"]) for row in empty] == SKIPPED * 4
    assert all(row["file"] == f"photos[{row['index']}]" for row in empty)
    nothing = ("answer", "output", "right", "probability", "true_probability")
    assert {tuple(row[name] for name in nothing) for row in empty} == {("",) * 5}


def test_a_large_table_is_compressed_and_the_terminal_says_so(world, tmp_path, monkeypatch):
    folder = tmp_path / "report"
    monkeypatch.setattr(images, "_MOST_PLAIN_ROWS", 4 * IMAGES - 1)
    monkeypatch.setattr(images.importlib.util, "find_spec", lambda name: None)
    report = SimpleNamespace(images=world.table())
    (path,) = images.write(report, folder)
    assert [one.name for one in folder.iterdir()] == ["images.csv.gz"]
    equal(pd.read_csv(path), world.expected())
    before = path.read_bytes()
    assert written(world.table(), folder).read_bytes() == before
    (line,) = images.lines(report, folder)
    assert line == f"Images: {path} (2,800 rows; with pyarrow installed, Parquet)"


def test_a_large_table_is_parquet_where_pyarrow_is_installed(world, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    monkeypatch.setattr(images, "_MOST_PLAIN_ROWS", 4 * IMAGES - 1)
    folder = tmp_path / "report"
    path = written(world.table(), folder)
    assert [one.name for one in folder.iterdir()] == ["images.parquet"]
    equal(pd.read_parquet(path), world.expected())
    gone = pd.read_parquet(written(world.table(DataError("gone")), folder))
    assert gone["file"].isna().all()
    assert gone["index"].isna().all()


@pytest.mark.parametrize(
    ("rows", "pyarrow", "name"),
    [
        (107_880, True, "images.csv"),
        (2_000_000, True, "images.csv"),
        (2_000_001, True, "images.parquet"),
        (2_000_001, False, "images.csv.gz"),
        (27_000_000, False, "images.csv.gz"),
    ],
)
def test_the_name_depends_on_the_rows_and_on_what_is_installed(monkeypatch, rows, pyarrow, name):
    monkeypatch.setattr(images.importlib.util, "find_spec", lambda package: package if pyarrow else None)
    assert images.file_name(rows) == name


@pytest.mark.parametrize(
    ("source", "note"),
    [
        (DataError("photos does not exist."), "the data could not be opened again: photos does not exist."),
        (SimpleNamespace(describe=[].index), "the data does not name its images: ValueError: "),
    ],
)
def test_where_images_have_no_names_any_more_the_answers_stand_and_the_terminal_says_why(world, tmp_path, source, note):
    report = SimpleNamespace(images=world.table(source))
    (path,) = images.write(report, tmp_path)
    found, expected = pd.read_csv(path), world.expected()
    assert found["file"].isna().all()
    equal(found.assign(file="", index=0), expected.assign(file="", index=0))
    assert found["index"].isna().all() == isinstance(source, Exception)
    (line,) = images.lines(report, tmp_path)
    assert line.startswith(f"Images: {path} (2,800 rows). File names are left out: {note}")


def test_other_images_than_those_of_the_run_give_no_names(world, tmp_path):
    world.indices = world.indices[:-1]
    report = SimpleNamespace(images=world.table())
    (path,) = images.write(report, tmp_path)
    assert pd.read_csv(path)["file"].isna().all()
    assert "the data has changed: 699 images would be chosen now, not 700" in images.lines(report, tmp_path)[0]


def test_a_file_name_that_is_no_text_is_written_as_bytes(world, tmp_path):
    name = os.fsdecode(b"photos/\xff.png")
    path = written(world.table(SimpleNamespace(describe=lambda index: name)), tmp_path)
    assert set(pd.read_csv(path)["file"]) == {"photos/\\xff.png"}


def test_nothing_is_read_before_it_is_written_and_the_data_is_opened_once(world, tmp_path):
    table = world.table()
    assert world.opened == 0
    written(table, tmp_path)
    assert world.opened == 1


def test_without_a_finished_cell_there_is_no_file(world, tmp_path):
    table = ImageTable(world.table().predictions, (), world.table().names)
    for report in (SimpleNamespace(images=None), SimpleNamespace(images=table)):
        assert images.write(report, tmp_path / "report") == []
        assert images.lines(report, tmp_path / "report") == []
    assert not (tmp_path / "report").exists()


def test_a_table_that_ends_half_way_leaves_the_last_one(world, tmp_path):
    folder = tmp_path / "report"
    before = written(world.table(), folder).read_bytes()
    table = world.table()
    with sqlite3.connect(world.path) as connection:
        connection.execute("DELETE FROM prediction WHERE id = (SELECT max(id) FROM prediction)")
    with pytest.raises(RobustnessError, match="is not finished; run again"):
        written(table, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"images.csv": before}


def test_a_folder_that_cannot_be_written_names_its_option(world, tmp_path):
    (tmp_path / "report").write_text("a file")
    with pytest.raises(RobustnessError, match="Name another folder with --robustness-report=DIR"):
        written(world.table(), tmp_path / "report")
