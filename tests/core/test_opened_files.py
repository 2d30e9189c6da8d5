"""Files that code opens for reading are recorded: by each way that Python opens files, and nothing else."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pytest_robustness.core.opened_files import recorded


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("1")
    np.save("array.npy", np.zeros(3))
    np.zeros(3).tofile("raw.bin")
    torch.save(torch.zeros(3), "tensor.pt")
    save_file({"a": torch.zeros(3)}, "tensor.safetensors")
    sqlite3.connect("rows.db").close()
    Path("rows.db").touch()
    Path("module.py").write_text("VALUE = 1\n")
    return tmp_path


def _close(descriptor: int) -> None:
    os.close(descriptor)


READS = {
    "text": (lambda: open("text.txt").close(), "text.txt"),  # noqa: PTH123
    "bytes": (lambda: open(b"text.txt", "rb").close(), "text.txt"),  # noqa: PTH123
    "path": (lambda: Path("text.txt").read_text(), "text.txt"),
    "both ways": (lambda: open("text.txt", "r+").close(), "text.txt"),  # noqa: PTH123
    "descriptor": (lambda: _close(os.open("text.txt", os.O_RDONLY)), "text.txt"),
    "numpy": (lambda: np.load("array.npy"), "array.npy"),
    "numpy, mapped": (lambda: np.load("array.npy", mmap_mode="r"), "array.npy"),
    "numpy, raw": (lambda: np.fromfile("raw.bin"), "raw.bin"),
    "torch": (lambda: torch.load("tensor.pt"), "tensor.pt"),
    "torch, mapped": (lambda: torch.load("tensor.pt", mmap=True), "tensor.pt"),
    "sqlite": (lambda: sqlite3.connect("rows.db").close(), "rows.db"),
}


@pytest.mark.parametrize("case", READS)
def test_a_file_that_is_read_is_recorded(case, folder):
    read, name = READS[case]
    with recorded() as files:
        read()
        read()
    assert files == [folder / name]
    read()
    assert files == [folder / name]


def test_a_library_of_the_users_own_is_recorded(folder):
    with recorded() as files, pytest.raises(OSError, match=r"text\.txt"):
        ctypes.CDLL(str(folder / "text.txt"))
    assert files == [folder / "text.txt"]


def test_what_is_written_code_and_what_is_gone_is_not(folder):
    with recorded() as files:
        Path("log.txt").write_text("1")
        with Path("log.txt").open("a") as file:
            file.write("2")
        _close(os.open("log.txt", os.O_WRONLY))
        Path("module.py").read_text()
        Path("brief.txt").write_text("1")
        Path("brief.txt").read_text()
        Path("brief.txt").unlink()
        Path(os.devnull).read_bytes()
        Path(torch.__file__).with_name("version.py").read_bytes()
        with pytest.raises(FileNotFoundError):
            Path("absent.txt").read_text()
        with pytest.raises(IsADirectoryError):
            Path.cwd().read_text()
    assert files == []


def test_recordings_may_be_nested_and_see_other_threads(folder):
    with recorded() as outer:
        with recorded() as inner:
            thread = threading.Thread(target=Path("text.txt").read_text)
            thread.start()
            thread.join()
        Path("array.npy").read_bytes()
    assert inner == [folder / "text.txt"]
    assert outer == [folder / "text.txt", folder / "array.npy"]


def test_an_error_ends_a_recording(folder):
    with contextlib.suppress(ZeroDivisionError), recorded() as files:
        Path("text.txt").read_text()
        raise ZeroDivisionError
    Path("array.npy").read_bytes()
    assert files == [folder / "text.txt"]


def test_what_compiled_code_and_children_open_goes_unseen(folder):
    """The documentation says so: a model holds what safetensors reads, and is hashed by that."""
    with recorded() as files:
        load_file("tensor.safetensors")
        subprocess.run([sys.executable, "-c", "open('text.txt').read()"], check=True)
    assert files == []
