"""Allure's history: what Allure can use is read, and anything else is refused by its line."""

from __future__ import annotations

import json
import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.report.allure import history

RESULT = {
    "id": "1",
    "name": "slope under vflip",
    "fullName": "robustness_tests.test_models#test",
    "environment": "slope",
    "status": "failed",
    "message": "-100.0 points",
    "start": 1_700_000_000_000,
    "stop": 1_700_000_000_005,
    "duration": 5,
    "labels": [{"name": "model", "value": "slope"}],
    "url": "",
    "historyId": "f00d.cafe",
    "reportLinks": [],
}
RUN = {
    "uuid": "5f0e",
    "name": "Robustness on photos",
    "timestamp": 1_700_000_000_000,
    "knownTestCaseIds": ["f00d"],
    "testResults": {"f00d.cafe": RESULT},
    "metrics": {"sensitive_classes.vflip": 2},
    "url": "",
}
LINE = json.dumps(RUN).encode()
ODD = [None, 1, 1.5, True, "x", [], [None], {}, {"a": None}]


def leaves(value, path=()):
    """Return the path of every value within a run."""
    found = [path] if path else []
    for key, inner in value.items() if isinstance(value, dict) else ():
        found += leaves(inner, (*path, key))
    return found


def replaced(path, odd):
    """Return a line with something else in the place of one value."""
    run = json.loads(LINE)
    place = run
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = odd
    return json.dumps(run).encode()


# What a value may be instead, so that Allure still reads it.
FINE = {("testResults",): [{}], ("metrics",): [{}], ("knownTestCaseIds",): [[]]}
SAME_KIND = {str: ["x"], int: [1, 1.5], list: [[]], dict: [{}]}


def is_fine(path, odd):
    """Whether a run with ``odd`` in that place is still one."""
    place = RUN
    for key in path:
        place = place[key]
    if path[-1] == "status":
        return odd in ("failed", "broken", "passed", "skipped", "unknown")
    if path == ("testResults", "f00d.cafe"):
        return False  # nothing of the list is a result
    return any(odd == fine and type(odd) is type(fine) for fine in SAME_KIND[type(place)])


DAMAGED = [
    *[replaced(path, odd) for path in leaves(RUN) for odd in ODD if not is_fine(path, odd)],
    *[LINE[:cut] for cut in range(1, len(LINE), 37)],
    *[LINE[:at] + bytes([byte]) + LINE[at + 1 :] for at in range(0, len(LINE), 97) for byte in (0, 10, 0xFF)],
    *(b"null", b"1", b'"run"', b"[]", b"{}", b"[" * 100_000, b'{"a":' * 100_000, b"garbage", b"\xff\xfe", b"\0" * 99),
    *(b"\xef\xbb\xbf" + LINE, LINE + LINE, LINE + b",", b"[" + LINE + b"]", LINE.replace(b":", b"=", 1), b"NaN"),
    *(LINE.replace(b"1700000000000", value) for value in (b"NaN", b"Infinity", b"1e999", b"01", b"1" * 5000)),
    LINE.decode().encode("utf-16"),
]


def test_a_run_of_allures_is_read(tmp_path):
    path = tmp_path / "history.jsonl"
    assert history.read(path) == []
    path.write_bytes(LINE + b"\r\n\n" + LINE)
    assert [json.loads(line) for line in history.read(path)] == [RUN, RUN]


@pytest.mark.parametrize("number", range(len(DAMAGED)))
def test_a_damaged_line_is_refused_by_its_number(tmp_path, number):
    path = tmp_path / "history.jsonl"
    path.write_bytes(LINE + b"\n" + DAMAGED[number] + b"\n" + LINE + b"\n")
    with pytest.raises(RobustnessError) as caught:
        history.read(path)
    start, _, end = str(caught.value).partition(" is no run of Allure's (")
    assert start in (f"Allure's history {path} is damaged: line {line}" for line in (2, 3))
    assert end.endswith(
        "). Remove that line, or name another file with --robustness-allure-history=FILE; nothing has to be computed "
        "again."
    )
    assert len(end) < 500


def test_more_than_a_hundred_kinds_of_damage_are_tried():
    assert len(set(DAMAGED)) > 100


@given(seed=st.integers(0, 2**32), flips=st.integers(1, 5))
def test_bytes_at_random_are_refused_or_still_a_run(tmp_path_factory, seed, flips):
    rng, content = random.Random(seed), bytearray(LINE + b"\n" + LINE + b"\n")
    for _ in range(flips):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path = tmp_path_factory.getbasetemp() / "random.jsonl"
    path.write_bytes(content)
    lines, refusal = [], str(path)
    try:
        lines = history.read(path)
    except RobustnessError as error:
        refusal = str(error)
    assert str(path) in refusal
    assert all(line.isascii() and json.loads(line)["testResults"] is not None for line in lines)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    places = [tmp_path]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "link").symlink_to("/dev/zero")
        places += [tmp_path / "pipe", tmp_path / "link"]
    (tmp_path / "file").touch()
    for place in [*places, tmp_path / "file" / "history.jsonl"]:
        with pytest.raises(RobustnessError, match=r"^Allure's history .*Name another file with --robustness-allure-"):
            history.read(place)


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "history.jsonl"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(RobustnessError, match="is too large: 1048576 MiB, and 256 are allowed"):
        history.read(path)


def test_the_last_fifty_runs_are_kept_in_one_step_and_a_link_stays_one(tmp_path):
    target, path = tmp_path / "cache" / "past.jsonl", tmp_path / "history.jsonl"
    target.parent.mkdir()
    path.symlink_to(target)
    runs = [RUN | {"uuid": str(number), "name": "a\u2028b"} for number in range(60)]
    history.write(path, [json.dumps(run, ensure_ascii=False) for run in runs])
    assert path.is_symlink()
    assert [json.loads(line) for line in history.read(path)] == runs[10:]
    assert all(line.isascii() for line in history.read(path))
    assert [file.name for file in target.parent.iterdir()] == ["past.jsonl"]


def test_what_cannot_be_written_is_an_error_that_says_where(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RobustnessError, match=r"^Allure's history cannot be written to .*: (Not a dir|File exists)"):
        history.write(tmp_path / "file" / "history.jsonl", [])
