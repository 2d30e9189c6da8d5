"""What a process ran when it died is read by the next run, and by the other processes of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_robustness.inference.user_calls.last_words import Diary, LastWords, of_earlier_runs, of_run

DIES = """
import os, sys
from pathlib import Path
from pytest_robustness.inference.user_calls.last_words import Diary
diary = Diary(Path(sys.argv[1]), sys.argv[2])
diary.write("a", "a when it was loaded")
diary.write(*sys.argv[3:5])
{end}
os._exit(9)
"""


def process(folder, run="first", model="net", what="net under vflip", end=""):
    command = [sys.executable, "-c", DIES.format(end=end), str(folder), run, model, what]
    subprocess.run(command, check=False, timeout=60)


def test_the_next_run_reads_what_was_running_once(tmp_path):
    process(tmp_path / "words")
    assert of_run(tmp_path / "words", "second") == []
    assert of_earlier_runs(tmp_path / "words", "second") == [LastWords("net", "net under vflip", "first")]
    assert of_earlier_runs(tmp_path / "words", "second") == []
    assert not (tmp_path / "words").exists()


def test_other_processes_of_the_run_read_it_as_often_as_they_ask(tmp_path):
    process(tmp_path)
    for _ in range(2):
        assert of_run(tmp_path, "first") == [LastWords("net", "net under vflip", "first")]
    assert of_earlier_runs(tmp_path, "first") == []


@pytest.mark.parametrize(("what", "end"), [("", ""), ("net under vflip", "diary.close()")])
def test_a_process_that_ran_nothing_or_ended_in_order_says_nothing(tmp_path, what, end):
    process(tmp_path, what=what, end=end)
    assert of_run(tmp_path, "first") == []
    assert of_earlier_runs(tmp_path, "second") == []


def test_a_process_that_is_alive_has_no_last_words(tmp_path):
    diary = Diary(tmp_path / "words", "first")
    diary.write("net", "net under vflip")
    assert of_run(tmp_path / "words", "first") == of_earlier_runs(tmp_path / "words", "second") == []
    diary.close()
    assert not (tmp_path / "words").exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2]", b"\xff", b"[" * 5000, b"null", b'{"a": 1}'])
def test_a_damaged_file_is_removed_without_a_word(tmp_path, content):
    (tmp_path / "0.json").write_bytes(content)
    assert of_earlier_runs(tmp_path, "second") == []
    assert list(tmp_path.iterdir() if tmp_path.exists() else []) == []


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "words").write_text("")
    diary = Diary(tmp_path / "words", "first")
    diary.write("net", "net under vflip")
    diary.close()
