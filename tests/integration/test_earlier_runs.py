"""A run of less keeps the page of a run of more, as long as nothing has changed; its verdict is its own."""

from __future__ import annotations

import json
import re
import sqlite3

import pytest

from pytest_robustness.frontends.command.main import main

FULL = {("slope", "vflip"), ("slope", "hflip"), ("colour", "vflip"), ("colour", "hflip")}


def asked(project):
    """Return the tests of models, and whether each is of an earlier run."""
    rows = project.results()["model_tests"]
    return {(row["model"].rpartition(":")[2], row["transform"]): row["earlier"] is not None for row in rows}


def page(project, folder="reports/latest"):
    return (project.path / folder / "index.html").read_text(encoding="utf-8")


def verdict(project, folder="reports/latest"):
    return re.search(r'<p class="verdict">(.*?)</p>', page(project, folder), re.DOTALL)[1]


def test_a_run_of_one_transform_keeps_what_the_full_run_found(project):
    full = project.judge()
    assert full.ret == pytest.ExitCode.TESTS_FAILED
    before, counted = project.results(), project.table("accuracy.csv")
    assert asked(project) == dict.fromkeys(FULL, False)
    assert "below are from an earlier run" not in page(project)

    part = project.judge("-k", "hflip")
    # slope and colour answer the same under hflip: what failed is of the earlier run.
    assert part.ret == pytest.ExitCode.OK
    assert asked(project) == {test: test[1] == "vflip" for test in FULL}
    after = project.results()
    for kind in ("model_tests", "class_tests", "class_summary", "cells"):
        plain = [[{k: v for k, v in row.items() if k != "earlier"} for row in found[kind]] for found in (before, after)]
        assert sorted(map(json.dumps, plain[0])) == sorted(map(json.dumps, plain[1]))
    # accuracy.csv has the rows of both, without a mark: the cells of results.json tell them apart.
    now = project.table("accuracy.csv")
    assert sorted(map(repr, now.to_numpy().tolist())) == sorted(map(repr, counted.to_numpy().tolist()))
    earlier = {(cell["model"], cell["transform"]) for cell in after["cells"] if cell["earlier"] is not None}
    assert {(model, transform) for model, transform in zip(now.model, now["transform"], strict=True)} - earlier == {
        (model, transform) for model in set(now.model) for transform in ("control", "hflip")
    }
    assert "PASS" in verdict(project)
    assert "3 of the 6 findings below are from an earlier run, of 20" in page(project)
    # Terminal and Markdown are of this run alone.
    assert "vflip" not in "\n".join(part.outlines).partition("= robustness =")[2]
    assert "vflip" not in (project.path / "reports/latest/summary.md").read_text(encoding="utf-8")


def test_nothing_is_added_of_a_model_that_changed_in_between(project):
    nets = (project.path / "nets.py").read_text(encoding="utf-8")
    project.write("more.py", nets)
    project.configure(robustness_models="python:nets.py:slope python:more.py:colour")
    project.judge()
    project.write("nets.py", nets.replace("up = 10 * (top", "up = 11 * (top"))
    project.judge("-k", "hflip")
    assert asked(project) == {
        ("slope", "hflip"): False, ("colour", "hflip"): False, ("colour", "vflip"): True
    }  # fmt: skip
    # The test of the classes under vflip was over both models.
    assert {row["transform"] for row in project.results()["class_summary"]} == {"hflip"}
    assert "2 findings of earlier runs are left out" in page(project)


@pytest.mark.slow
def test_nothing_is_added_where_the_store_or_the_images_are_others(project):
    project.judge()
    project.judge("-k", "hflip", "--robustness-store=other.sqlite")
    assert set(asked(project).values()) == {False}
    project.judge("-k", "hflip", "--robustness-limit=10")
    assert set(asked(project).values()) == {False}


def test_what_an_earlier_run_computed_and_the_store_has_lost_is_left_out(project):
    project.judge()
    store = sqlite3.connect(project.path / ".robustness/store.sqlite")
    with store:
        store.execute(
            "DELETE FROM prediction WHERE cell IN (SELECT id FROM cell WHERE description LIKE '%colour%vflip%')"
        )
    store.close()
    project.judge("-k", "hflip")
    assert ("colour", "vflip") not in asked(project)
    assert asked(project)["slope", "vflip"]


@pytest.mark.slow
def test_the_controller_of_xdist_adds_and_remembers_as_one_process_does(project):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    project.judge("-n1")
    project.judge("-n1", "-k", "hflip")
    assert asked(project) == {test: test[1] == "vflip" for test in FULL}


@pytest.mark.slow
def test_earlier_findings_are_known_where_the_baseline_has_them(project):
    project.judge("--robustness-update-baseline", "--robustness-baseline=base.json")
    gate = ("--robustness-baseline=base.json", "--robustness-expect=baseline")
    project.judge(*gate)
    part = project.judge(*gate, "-k", "hflip")
    assert part.ret == pytest.ExitCode.OK
    rows = {(row["model"].rpartition(":")[2], row["transform"]): row for row in project.results()["model_tests"]}
    assert rows["slope", "vflip"]["known"]
    assert rows["slope", "vflip"]["earlier"]
    assert rows["slope", "vflip"]["outcome"] == "PASS"


@pytest.mark.slow
def test_a_run_without_labels_keeps_what_one_without_labels_found(project):
    project.judge("--robustness-labels=none")
    labelled = project.judge("-k", "hflip")
    assert set(asked(project).values()) == {False}
    assert labelled.ret == pytest.ExitCode.OK
    project.judge("--robustness-labels=none", "-k", "hflip")
    assert asked(project) == {test: test[1] == "vflip" for test in FULL}


def test_the_report_of_a_store_needs_neither_models_nor_data(project, capsys):
    project.judge()
    project.judge("-k", "hflip")
    written = project.results()
    (project.path / "nets.py").unlink()
    (project.path / "photos").rename(project.path / "gone")
    assert main(["report", ".robustness/store.sqlite", "--report", "out"]) == 0
    again = project.results("out")
    for kind in ("model_tests", "class_tests", "class_summary", "cells"):
        assert again[kind] == written[kind]
    assert verdict(project, "out") == verdict(project)
    # Pictures of built-in transforms are remembered.
    pictures = [
        set(re.findall(r"data:image/png;base64,[^\"']+", page(project, folder))) for folder in ("out", "reports/latest")
    ]
    assert pictures[0] == pictures[1] != set()
    assert "Written from the store: what it remembers of a run of 20" in page(project, "out")
    assert "Report: out" in capsys.readouterr().out


def test_what_cannot_be_reported_is_said_with_pytests_exit_codes(project, capsys):
    assert main(["report", "none.sqlite"]) == pytest.ExitCode.USAGE_ERROR
    assert "There is no store at none.sqlite" in capsys.readouterr().err
    assert not (project.path / "none.sqlite").exists()

    project.judge("--collect-only")
    project.judge("-k", "no_such_test")
    from pytest_robustness.inference.store.store import Store

    Store(project.path / "empty.sqlite").close()
    assert main(["report", "empty.sqlite"]) == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "remembers no run" in capsys.readouterr().err

    project.judge("-k", "hflip")
    assert main(["report", ".robustness/store.sqlite", "--data", "digits"]) == pytest.ExitCode.USAGE_ERROR
    assert "remembers no run on 'digits'. It has:\n  folder:photos, " in capsys.readouterr().err
    damaged = project.write("damaged.sqlite", "no database at all " * 100)
    assert main(["report", str(damaged)]) == pytest.ExitCode.USAGE_ERROR
    assert "is no store" in capsys.readouterr().err


LISTED = r"folder:photos, (\d+) images(?:, (\d+) per class)?, \d{4}-\d\d-\d\d \d\d:\d\d UTC \(fingerprint (\w{12})\)"


def test_a_store_gives_the_latest_run_and_names_those_on_other_images(project, capsys):
    """Two draws of one data set are two sets of images; the one that was judged last is taken."""
    store = project.path / ".robustness/store.sqlite"

    def report(*options: str) -> list[tuple[str, str, str]]:
        assert main(["report", str(store), "--report", "out", *options]) == 0
        printed = capsys.readouterr().out
        taken, *others = re.findall(LISTED, printed.partition("Run: ")[2])
        assert ("--data takes a name" in printed) == bool(others)
        assert project.results("out")["provenance"]["dataset"]["fingerprint"].startswith(taken[2])
        return [taken, *others]

    project.judge("-k", "hflip")
    (whole,) = report()
    project.judge("-k", "hflip", "--robustness-limit=10")
    part, other = report()
    assert other == whole
    assert (part[1], whole[1]) == ("10", "")
    assert int(part[0]) < int(whole[0])
    assert report("--data", "folder:photos") == report("--data=folder:photos") == [part, whole]
    assert report("--data", whole[2]) == [whole, part]
    # Judged again, within the same minute, the images of the first run are those of the latest.
    project.judge("-k", "vflip")
    assert report() == [whole, part]
