"""Pruning removes what no run of late asked for, nothing else, and never beside another process."""

from __future__ import annotations

import contextlib
import sqlite3

import numpy as np
import pytest

from pytest_robustness.core import CONTROL, Cell, ClassLabel, Condition, EngineUsed, Preprocess
from pytest_robustness.core.errors import StoreError
from pytest_robustness.frontends.command.main import main
from pytest_robustness.inference.jobs import cell_key
from pytest_robustness.inference.loading.model_facts import ModelFacts
from pytest_robustness.inference.past_runs import PastRun, known_data, past_runs, remember_run
from pytest_robustness.inference.plan import Plan
from pytest_robustness.inference.pruning import prune
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.inference.store.cells import StoredCells
from pytest_robustness.inference.store.rows import Block
from pytest_robustness.inference.store.store import Result, Store, StoredSelection
from tests.identities import identified
from tests.stored import predictions

VFLIP, ZOOM = Condition("vflip"), Condition("zoom", 3)
KEYS = {CONTROL: "control", VFLIP: "vflip 1", ZOOM: "zoom 1"}
PREPROCESS = Preprocess(resize=8)
OUTPUTS = (0, 1)
SINCE = "2026-06-01 00:00 UTC"
BEFORE, AFTER = "2026-01-01 00:00 UTC", "2026-11-01 00:00 UTC"


def key(model: str, condition: Condition) -> str:
    return cell_key(model, PREPROCESS, KEYS[condition], 0, "fp32")


class Told:
    """A store that runs fill, one after the other; ``model`` is a fingerprint, and all runs call it one name."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def run(self, images: range, model: str, when: str | None, also: Condition | None = None) -> None:
        """Store the answers of a run; without ``when`` it is remembered by nothing but its list of images."""
        identities, labels = identified(images), np.zeros(len(images), np.int64)
        data = f"{images.start}-{images.stop}"
        self.store.put_selection(data, StoredSelection(data, (ClassLabel("a", "a"),) * 2, labels, identities))
        block = Block(identities, labels.astype(np.int32))
        answers = predictions(np.zeros(len(images), int))
        conditions = [CONTROL, VFLIP, *([also] if also else [])]
        found = [
            Result(key(model, one), {"fingerprint": model}, EngineUsed("eager", "fp32"), block, answers)
            for one in conditions
        ]
        self.store.put(found)
        if when is not None:
            plan, facts = Plan.of([Cell("m", VFLIP)]), ModelFacts(model, "name", OUTPUTS, PREPROCESS)
            keys = {cell: key(model, cell.condition) for cell in plan.cells}
            log = RunLog(
                dataset=data, plan=plan, keys=keys, tests=dict.fromkeys([Cell("m", VFLIP)]), models={"m": facts}
            )
            log.provenance = {"dataset": {"name": "folder:x", "images": len(images)}}
            remember_run(self.store, PastRun(when, log, 0, "fp32", KEYS, ("m",), (VFLIP,), {"alpha": 0.05}))

    def has(self, images: range, model: str, condition: Condition) -> int:
        """Return of how many of ``images`` the store has an answer."""
        cells = StoredCells(self.store, identified(images), np.zeros(len(images), np.int64))
        cells.update(key(model, condition), OUTPUTS)
        return int(cells.present(key(model, condition), OUTPUTS).sum())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


@pytest.fixture
def told(path):
    with contextlib.closing(Store(path)) as store:
        yield Told(store)


def test_models_and_images_that_no_run_asked_for_go_and_all_others_stay(told):
    told.run(range(100, 120), "old", BEFORE)
    told.run(range(20), "old", BEFORE)
    told.run(range(10), "new", AFTER, also=ZOOM)  # what a study looks at, which no test asks for
    told.run(range(200, 220), "new", None)  # images without labels, say: no run on them is remembered
    found = prune(told.store, SINCE)
    assert [one.fingerprint for one in found.kept] == [one.fingerprint for one in known_data(told.store)] == ["0-10"]
    assert {one.fingerprint for one in found.removed} == {"100-120", "0-20"}
    kept = {(range(10), "new", one): 10 for one in (CONTROL, VFLIP, ZOOM)}
    kept |= {(range(200, 220), "new", one): 20 for one in (CONTROL, VFLIP)}
    gone = [(range(20), "old", one) for one in (CONTROL, VFLIP)] + [(range(100, 120), "old", CONTROL)]
    assert {one: told.has(*one) for one in [*kept, *gone]} == kept | dict.fromkeys(gone, 0)
    assert (found.before.predictions, found.after.predictions) == (150, 70)
    assert (found.before.selections, found.after.selections) == (4, 2)
    assert past_runs(told.store, "100-120") == []
    assert told.store.selection("0-10").images.tolist() == identified(range(10)).tolist()
    with pytest.raises(KeyError):
        told.store.selection("100-120")


def test_images_that_stay_in_part_stay_and_a_model_that_stays_leaves_the_others(told):
    told.run(range(20), "same", BEFORE)
    told.run(range(30, 50), "same", BEFORE)
    told.run(range(15), "same", AFTER)
    prune(told.store, SINCE)
    # Blocks go whole or not at all.
    assert [told.has(range(20), "same", VFLIP), told.has(range(30, 50), "same", VFLIP)] == [20, 0]


def test_a_checkpoint_that_another_of_the_same_name_replaced_goes(told):
    told.run(range(10), "monday", AFTER)
    told.run(range(10), "tuesday", AFTER)
    prune(told.store, SINCE)
    assert [told.has(range(10), one, VFLIP) for one in ("monday", "tuesday")] == [0, 10]


@pytest.mark.parametrize("since", [BEFORE, "2025-01-01 00:00 UTC"])
def test_what_is_all_of_late_stays_as_it_is(told, since):
    told.run(range(10), "a", BEFORE)
    told.run(range(5, 30), "b", AFTER)
    found = prune(told.store, since)
    assert found.before == found.after
    assert found.removed == []


def test_the_file_is_smaller_and_a_run_goes_on_with_it(told, path):
    for number in range(40):
        told.run(range(1000 * number, 1000 * number + 512), f"m{number}", BEFORE)
    told.run(range(512), "m0", AFTER)
    told.store.close()
    size = path.stat().st_size
    with contextlib.closing(Store(path)) as store:
        prune(store, SINCE)
        again = Told(store)
        assert again.has(range(512), "m0", VFLIP) == 512
        again.run(range(600), "m1", AFTER)
        assert again.has(range(600), "m1", VFLIP) == 600
    assert path.stat().st_size < size / 4
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def _refused(store: Store) -> None:
    with pytest.raises(StoreError, match="is in use"):
        prune(store, SINCE)


def test_a_store_that_another_has_open_is_left_as_it_is(told, path):
    told.run(range(10), "a", BEFORE)
    with contextlib.closing(Store(path)) as other:
        before = told.store.path.stat().st_size
        for _ in range(2):  # nor does the first attempt keep anybody out
            _refused(told.store)
            assert Told(other).has(range(10), "a", CONTROL) == 10
        assert told.store.path.stat().st_size == before
        assert Told(other).has(range(10), "a", VFLIP) == 10
        assert len(known_data(other)) == 1
    assert prune(told.store, SINCE).after.predictions == 0


def _locked(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        connection.execute("SELECT count(*) FROM cell").fetchone()


def test_nobody_comes_in_while_it_works(told, path):
    told.run(range(10), "a", BEFORE)
    with told.store.file.alone(), contextlib.closing(sqlite3.connect(path, timeout=0)) as other:
        _locked(other)
    with contextlib.closing(sqlite3.connect(path, timeout=0)) as other:
        assert other.execute("SELECT count(*) FROM cell").fetchone() == (2,)


def test_the_command_says_what_stays_and_what_went(told, path, capsys):
    told.run(range(10), "a", BEFORE)
    told.run(range(40, 60), "b", "2999-01-01 00:00 UTC")
    told.store.close()
    assert main(["prune", str(path), "--unused-for=30"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("kept: folder:x, 20 images, 2999-01-01 00:00 UTC (fingerprint 40-60")
    assert said[1].startswith("removed: folder:x, 10 images, 2026-01-01 00:00 UTC (fingerprint 0-10")
    assert said[2].startswith("2 of 4 cells and 20 of 60 predictions are removed.")
    assert main(["prune", str(path.with_name("none"))]) == 4
    assert main(["prune", str(path), "--unused-for=100000"]) == 0
    assert main(["prune", str(path), "--unused-for=99999999"]) == 4
    assert main(["prune", str(path.with_name("none")), "--unused-for=30"]) == 4
    assert "There is no store" in capsys.readouterr().err
