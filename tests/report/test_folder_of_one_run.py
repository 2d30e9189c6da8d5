"""A folder is the report of one run: nothing of an earlier one stays, whatever this one lacks or fails to write."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import re
from importlib import import_module

import pytest

from pytest_robustness import report as reports
from pytest_robustness.analysis.studies import STUDIES, load_study
from pytest_robustness.analysis.study_finding import StudyFinding
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.errors import DataError, RobustnessError
from pytest_robustness.core.files import none_of_before
from pytest_robustness.inference.image_names import ImageNames
from pytest_robustness.report import former, images
from pytest_robustness.report.former import SENTENCE, set_aside
from pytest_robustness.report.image_table import ImageTable
from pytest_robustness.report.run_report import StudySection
from pytest_robustness.transforms.augmentation_file import read_augmentations
from tests.locks import locked
from tests.report.conftest import VFLIP
from tests.simulated import simulated_report

CELLS = tuple(Cell(model, condition) for model in "ab" for condition in (CONTROL, VFLIP))


def gone():
    raise DataError("the images are gone")


@pytest.fixture
def full(predictions):
    """A report that every module has something to write of."""
    made = simulated_report(models=["a", "b"], transforms=["vflip"], classes=["six", "nine"])
    sections = []
    for name in STUDIES:
        told = Verdict(Outcome.PASS, "it is so")
        sections.append(StudySection(load_study(name), (StudyFinding(name, ("a\nb",), VFLIP, told, "so", {}),), {}))
    facts = {
        "transform_keys": {"control": "control", "vflip": "vflip(version=1)"},
        "models": {model: {"fingerprint": f"hash of {model}"} for model in "ab"},
        "dataset": made.provenance["dataset"] | {"name": "photos # of\nmine", "labels": "data"},
        "pipeline": 2,
    }
    return dataclasses.replace(
        made,
        provenance=made.provenance | facts,
        images=ImageTable(predictions, CELLS, ImageNames(gone)),
        studies=tuple(sections),
    )


def content(folder):
    """Return what is in a folder, without the minute in which it was written."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: re.sub(rb"# Written: [-0-9: ]+ UTC", b"", path.read_bytes()) for name, path in found.items()}


def without_augmentation(report):
    return dataclasses.replace(report, studies=tuple(one for one in report.studies if one.study.name == "parity"))


LACKING = {
    "nothing": lambda report: report,
    "studies": lambda report: dataclasses.replace(report, studies=()),
    "all studies but one": without_augmentation,
    "finished cells": lambda report: dataclasses.replace(report, images=None),
    "labels": lambda report: dataclasses.replace(report, labelled=False),
    "all": lambda report: dataclasses.replace(report, studies=(), images=None),
}


@pytest.mark.parametrize("lacks", LACKING)
def test_a_run_leaves_the_folder_that_it_leaves_where_there_was_none(full, tmp_path, lacks):
    reports.write_all(full, tmp_path / "used")
    assert {path.partition("-")[0] for path in content(tmp_path / "used")} >= {
        *("results.json", "index.html", "summary.md", "augmentations.yaml", "answers.npz", "images.csv"),
        *(f"studies/{name}.csv" for name in STUDIES),
    }
    (tmp_path / "used/notes.txt").write_text("mine")
    (tmp_path / "used/studies/mine.csv").write_text("mine")
    later = LACKING[lacks](full)
    reports.write_all(later, tmp_path / "used")
    reports.write_all(later, tmp_path / "fresh")
    mine = {"notes.txt": b"mine", "studies/mine.csv": b"mine"}
    assert content(tmp_path / "used") == content(tmp_path / "fresh") | mine


@pytest.mark.parametrize("name", reports.REPORTS)
def test_what_cannot_be_written_is_not_that_of_an_earlier_run(full, tmp_path, monkeypatch, name):
    reports.write_all(full, tmp_path / "used")
    module = import_module(f"{reports.__name__}.{name}")
    monkeypatch.setattr(module, "write", lambda *_: (_ for _ in ()).throw(RobustnessError("the disk is full")))
    for folder in ("used", "fresh"):
        with pytest.raises(RobustnessError, match="the disk is full"):
            reports.write_all(full, tmp_path / folder)
    assert content(tmp_path / "used") == content(tmp_path / "fresh")


def test_no_other_run_writes_or_sets_aside_a_report_meanwhile(full, tmp_path, monkeypatch):
    seen = []
    for name in reports.REPORTS:
        module = import_module(f"{reports.__name__}.{name}")
        monkeypatch.setattr(module, "write", lambda _, folder: seen.append(locked(folder)))
    reports.write_all(full, tmp_path)
    assert seen == [True] * len(reports.REPORTS)
    monkeypatch.undo()
    reports.write_all(full, tmp_path)
    monkeypatch.setattr(former, "_mark", lambda page: seen.append(locked(page.parent)))
    set_aside(tmp_path)
    assert seen[-1]
    assert len(seen) == len(reports.REPORTS) + 1
    assert not locked(tmp_path)


@pytest.mark.parametrize("also", [(), ("index.html",), ("results.json",), ("index.html", "summary.md")])
def test_of_a_report_that_is_set_aside_the_page_alone_stays(full, tmp_path, also):
    reports.write_all(full, tmp_path / "used")
    mine = {"notes.txt": b"mine", "studies/mine.csv": b"mine", "images.csv.bak": b"mine"}
    for name, text in mine.items():
        (tmp_path / "used" / name).write_bytes(text)
    page = content(tmp_path / "used")["index.html"]
    for name in also:
        (tmp_path / "used" / name).unlink()
    for _ in range(2):
        set_aside(tmp_path / "used")
        found = content(tmp_path / "used")
        marked = found.pop("index.html", b"")
        assert found == mine
        assert bool(marked) == ("index.html" not in also)
        if marked:
            said = f'<p class="warning" role="alert">{SENTENCE}</p>\n'.encode()
            assert marked.count(said) == 1
            assert marked.replace(said, b"").replace(b"Earlier run: robustness", b"Robustness") == page
    reports.write_all(full, tmp_path / "used")
    reports.write_all(full, tmp_path / "fresh")
    assert content(tmp_path / "used") == content(tmp_path / "fresh") | mine


@pytest.mark.parametrize(
    "theirs",
    [
        {"index.html": b"<!doctype html><title>My site</title>\n<main>\n", "images.csv": b"a,b\n", "tests.csv": b"a"},
        {"results.json": b'{"score": 3}', "answers.npz": b"PK"},
        {"images.parquet": b"PAR1", "augmentations.yaml": b"a: 1"},
        {},
    ],
)
def test_a_folder_that_is_no_report_is_left_alone(tmp_path, theirs):
    for name, text in theirs.items():
        (tmp_path / name).write_bytes(text)
    set_aside(tmp_path)
    assert content(tmp_path) == theirs
    set_aside(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_every_ending_of_the_table_of_images_is_one_of_its_files(full, tmp_path, monkeypatch):
    reports.write_all(full, tmp_path)
    pytest.importorskip("pyarrow")
    for left in ("images.csv.gz", "images.parquet", "images.csv"):
        monkeypatch.setattr(images, "file_name", lambda _, name=left: name)
        reports.write_all(full, tmp_path)
        assert [name for name in content(tmp_path) if name.startswith("images")] == [left]


@pytest.mark.parametrize("fails_after", [0, 1, 2, None])
def test_what_a_report_wrote_before_it_failed_stays(tmp_path, fails_after):
    names = ["one.txt", "two.txt"]
    for name in [*names, "other.txt"]:
        (tmp_path / name).write_text("before")

    def write():
        for number, name in enumerate(names):
            if number == fails_after:
                raise OSError(errno.ENOSPC, "No space left on device")
            (tmp_path / "part").write_text("now")
            (tmp_path / "part").replace(tmp_path / name)
        if fails_after == len(names):
            raise OSError(errno.ENOSPC, "No space left on device")

    fails = contextlib.nullcontext() if fails_after is None else pytest.raises(OSError, match="No space")
    with fails, none_of_before(["one.txt", "two*", "absent"], tmp_path):
        write()
    written = names if fails_after is None else names[:fails_after]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(written, "now") | {
        "other.txt": "before"
    }


def test_the_proposed_augmentations_say_of_what_they_are(full, tmp_path):
    reports.write_all(full, tmp_path)
    text = (tmp_path / "augmentations.yaml").read_text(encoding="utf-8")
    comments = [line for line in text.splitlines() if line.startswith("# ")]
    assert comments[-3:-1] == [r"# Models: a\nb", r"# Data: photos # of\nmine"]
    assert re.fullmatch(r"# Written: \d{4}-\d\d-\d\d \d\d:\d\d UTC", comments[-1])
    assert read_augmentations(tmp_path / "augmentations.yaml").class_count == 2
