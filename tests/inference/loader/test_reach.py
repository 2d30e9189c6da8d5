"""What keeps decoding processes from being started, or from getting the dataset, is known before they are."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import types
from multiprocessing import process

import numpy as np
import pytest
import torch

from pytest_robustness.inference.loader.reach import obstacle

PHOTOS = """
class Photos:
    def __init__(self, *held): self.held = held
"""
GUARD = 'if __name__ == "__main__":'
AGAIN = "they import the main program, which would run again in each: put what it does under " + GUARD[:-1]
NOT_IMPORTED = (
    "they cannot import Photos, which is defined in __main__, such as a notebook: move it to a file, and import it "
    "from there"
)


@pytest.fixture
def run_main(tmp_path, monkeypatch):
    """Run a text as the main program, in a file or without one; it has ``ask``, whose answers are returned."""

    def run(text: str, *, file: str | None = "script.py", spec: str | None = None) -> list[str]:
        main, found = types.ModuleType("__main__"), []
        main.ask = lambda sent: found.append(obstacle(sent))
        main.__spec__ = None if spec is None else types.SimpleNamespace(name=spec)
        if file is not None:
            main.__file__ = str(tmp_path / file)
            (tmp_path / file).write_text(text)
        monkeypatch.setitem(sys.modules, "__main__", main)
        exec(compile(text, file or "<cell>", "exec"), main.__dict__)
        return found

    return run


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ask(1)", AGAIN),
        ("def work():\n    ask(1)\nwork()", AGAIN),
        (f"{GUARD}\n    ask(1)", ""),
        (f"{GUARD}\n    print()\nelse:\n    pass\nask(1)", AGAIN),
        (f"def work():\n    ask(1)\n{GUARD}\n    work()", ""),
        (f"{PHOTOS}\n{GUARD}\n    ask(Photos())", ""),
        ("with open(__file__):\n    if '__main__' == __name__:\n        ask(1)", ""),
        ("import threading\nit = threading.Thread(target=ask, args=(1,))\nit.start()\nit.join()", AGAIN),
    ],
)
def test_a_script_is_imported_where_what_it_does_waits_for_its_name(run_main, text, expected):
    assert run_main(text) == [expected]


@pytest.mark.parametrize(("guard", "expected"), [(GUARD, ""), ("if True:", AGAIN)])
def test_a_thread_that_outlives_the_script_asks_too(run_main, guard, expected):
    run_main(f"{guard}\n    pass")
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(obstacle(1)))
    thread.start()
    thread.join()
    assert found == [expected]


@pytest.mark.parametrize(
    "of",
    ["Photos()", "{'a': [Photos()]}", "Photos", "Photos(1).__init__", "torch.rand(2).as_subclass(Photos)"],
)
def test_what_is_of_a_notebook_cannot_be_sent(run_main, of):
    photos = PHOTOS if "subclass" not in of else "import torch\nclass Photos(torch.Tensor): pass\n"
    for where in ({"file": None}, {"spec": "package.__main__"}):
        assert run_main(f"{photos}\nask({of})", **where) == [NOT_IMPORTED], where


@pytest.mark.parametrize("sent", ["1", "threading.Thread", "threading.Event", "[np.ones(3), torch.ones(3)]"])
def test_what_is_not_of_the_notebook_can_be(run_main, sent):
    assert run_main(f"import threading, torch\nimport numpy as np\nask({sent})", file=None)[0] == ""


def test_a_function_of_a_notebook_is_named(run_main):
    assert "cannot import <lambda>, which" in run_main("ask(lambda: 1)", file=None)[0]


def test_a_program_that_is_no_file_cannot_be_imported(run_main, tmp_path):
    text = "import os\nos.remove(__file__)\nask(1)"
    assert run_main(text, file="<stdin>") == ["they would have to import the main program, and <stdin> is no file"]


def test_a_launcher_that_is_no_script_does_not_stand_in_the_way(run_main, tmp_path):
    text = "import pathlib\npathlib.Path(__file__).write_bytes(bytes(4))\nask(1)"
    assert run_main(text) == [""]


def test_a_daemonic_process_starts_none(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    assert obstacle(1) == "this process is daemonic, as those of multiprocessing.Pool are, and may not start others"


def test_while_the_script_is_imported_there_are_none(monkeypatch):
    monkeypatch.setattr(process.current_process(), "_inheriting", True, raising=False)
    assert obstacle(1) == AGAIN


def test_what_cannot_be_pickled_is_named():
    def local():
        pass

    text = obstacle([local])
    assert text.startswith("the dataset cannot be sent to one: Can't pickle local object ")
    assert text.endswith(". Make it picklable (no lambda, no open file)")


def test_what_travels_only_to_a_process_that_is_being_started_is_no_obstacle():
    assert obstacle(multiprocessing.get_context("spawn").Lock()) == ""


@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_pixels_are_not_copied(kind):
    class Untouched(np.ndarray if kind == "array" else torch.Tensor):
        def __reduce_ex__(self, protocol):
            raise AssertionError("it is copied")

    found = np.ones(3).view(Untouched) if kind == "array" else torch.ones(3).as_subclass(Untouched)
    assert obstacle([found]) == ""
