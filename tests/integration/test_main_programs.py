"""A dataset of the main program itself is judged with the defaults, wherever that comes from, and it runs once."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import warm

if TYPE_CHECKING:
    from pathlib import Path

# More images than are decoded without processes.
PROGRAM = """
import numpy as np
from pytest_robustness import evaluate

print("it runs", flush=True)

class Photos:
    classes = [str(number) for number in range(10)]
    def __len__(self): return 600
    def __getitem__(self, index): return np.full((8, 8), index % 251, np.uint8), index % 10

def judge(_=None):
    found = evaluate("digits:alexnet", Photos(), "vflip", store="store.sqlite", chance_check="off")
    print("images:", len(found.to_frame("images")), flush=True)
"""
GUARDED = "\nif __name__ == '__main__':\n    "
POOL = f"{GUARDED}import multiprocessing\n    multiprocessing.get_context('fork').Pool(1).map(judge, [1])"
IN_MAIN = "images are decoded in the main process"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "arguments", "note"),
    [
        (f"{PROGRAM}\njudge()", ["program.py"], "would run again in each: put what it does under if __name__ =="),
        (f"{PROGRAM}\njudge()", ["-"], "in __main__, such as a notebook|<stdin> is no file"),
        (f"{PROGRAM}\n{POOL}", ["program.py"], "daemonic"),
    ],
    ids=["script", "standard input", "pool"],
)
def test_it_is_judged(tmp_path, program, arguments, note):
    done = run(program, arguments, tmp_path)
    assert done.stdout.splitlines() == ["it runs", "images: 1200"]
    said = [line for line in done.stderr.splitlines() if IN_MAIN in line]
    # On one core there would be no decoding process anyway.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert len(said) == (cores > 1)
    assert all(any(words in line for words in note.split("|")) for line in said)


@pytest.mark.slow
def test_a_script_that_waits_for_its_name_has_processes(tmp_path):
    done = run(f"{PROGRAM}{GUARDED}judge()", ["program.py"], tmp_path)
    assert done.stdout.splitlines()[-1] == "images: 1200"
    assert IN_MAIN not in done.stderr


def run(program: str, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(program)
    command = [*warm.python(), *arguments]
    done = subprocess.run(command, input=program, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_it_is_judged_in_a_notebook(tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cells = [nbformat.v4.new_code_cell(text) for text in (PROGRAM, "judge()")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = "".join(output.get("text", "") for output in notebook.cells[1].outputs)
    assert "images: 1200" in shown
    assert "Traceback" not in shown
