"""The user's code: found as ``python -m`` finds it, run once for models and data, and restored in other processes."""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import pickle
import py_compile
import subprocess
import sys
from importlib.machinery import FileFinder, SourceFileLoader
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pytest_robustness.core.errors import DataError, ModelError
from pytest_robustness.core.user_code import FORMS, UserModule, forget_changed, parse
from pytest_robustness.data import open_source
from pytest_robustness.inference.loader.pool import answers
from pytest_robustness.models import ModelZoo
from tests import warm
from tests.modules import modules_forgotten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BOTH = """
import numpy as np, torch

runs = open("runs.txt", "a")
runs.write("run\\n")
runs.close()
asked = []

class Photos:
    classes = ["cat", "dog"]
    targets = [0, 1]
    def __len__(self):
        return 2
    def __getitem__(self, index):
        return np.full((2, 3, 3), 10 * index, np.uint8), index % 2

class Net(torch.nn.Module):
    def forward(self, x):
        return x.mean((2, 3))[:, :2]

def model():
    asked.append("model")
    return Net()

def data():
    asked.append("data")
    return Photos()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return an empty current directory; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    with modules_forgotten(tmp_path):
        yield tmp_path


def run_python(code: str, *arguments: str, folder: Path, python: Sequence[str] = (sys.executable,)) -> str:
    command = [*python, "-W", "ignore", "-c", code, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


# names

_TARGETS = st.text("ab./\\: ~", min_size=1)


@given(_TARGETS, st.from_regex("[a-z_][a-z0-9_]*", fullmatch=True))
def test_a_name_is_split_at_its_last_colon(target: str, function: str) -> None:
    assert parse(f"{target}:{function}") == (target, function)


@pytest.mark.parametrize("name", ["", "mine", ":make", "mine:", "mine:2make", "mine:make()", "mine:a.b"])
def test_another_form_is_no_name(name: str) -> None:
    assert parse(name) is None


def test_the_forms_have_the_form() -> None:
    assert [parse(form) for form in FORMS] == [("package.module", "factory"), ("path/to/file.py", "factory")]


@pytest.mark.parametrize(
    ("target", "file"),
    [
        ("mine", None),
        ("package.mine", None),
        ("mine.py", "mine.py"),
        ("./mine.py", "mine.py"),
        ("sub/../mine.py", "mine.py"),
        ("nets/mine.py", "nets/mine.py"),
        ("nets/mine", "nets/mine"),
    ],
)
def test_a_target_is_a_file_by_its_ending_or_a_slash(target: str, file: str | None, tmp_path: Path) -> None:
    assert UserModule(target, str(tmp_path)).file == (None if file is None else tmp_path.resolve() / file)


def test_the_users_home_may_be_written_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert UserModule("~/mine.py", "/elsewhere").file == tmp_path.resolve() / "mine.py"


@pytest.mark.parametrize("stem", ["mine", "torch", "my.nets", "my-nets", "nets 2", "größe", "2nd"])
def test_a_file_of_any_name_can_be_pickled_and_inspected(stem: str, project: Path) -> None:
    (project / f"{stem}.py").write_text(BOTH)
    net = UserModule(f"{stem}.py").function("Net")
    assert pickle.loads(pickle.dumps(net)) is net
    assert inspect.getsource(net).startswith("class Net(torch.nn.Module):")
    assert net.__module__ != stem  # a module that is installed under that name is not shadowed


# models and data, the same code


@pytest.mark.parametrize(
    ("model", "data"),
    [
        ("mine.py", "mine.py"),
        ("mine.py", "./mine.py"),
        ("mine.py", "{project}/mine.py"),
        ("sub/../mine.py", "link.py"),
        ("mine", "mine"),
        ("package.mine", "package.mine"),
    ],
)
def test_code_for_models_and_data_runs_once_and_shares_its_state(project: Path, model: str, data: str) -> None:
    for folder in (project, project / "package", project / "sub"):
        folder.mkdir(exist_ok=True)
        (folder / "mine.py").write_text(BOTH)
    (project / "link.py").symlink_to(project / "mine.py")
    path = list(sys.path)
    loaded = ModelZoo().load(f"python:{model}:model")
    source = open_source(f"python:{data.format(project=project)}:data")
    assert source.read(1).tolist() == [[[10] * 3] * 2] * 3
    assert isinstance(loaded.module, nn.Module)
    assert (project / "runs.txt").read_text() == "run\n"
    module = sys.modules[type(loaded.module).__module__]
    assert module is sys.modules[type(source.dataset.dataset).__module__]
    assert module.asked == ["model", "data"]
    assert sys.path == path


@pytest.mark.parametrize(
    ("target", "function", "message"),
    [
        ("gone.py", "data", "There is no file {project}/gone.py. Name a Python file that defines the factory."),
        ("./notes.txt", "data", "{project}/notes.txt is not a Python file: its name must end in .py."),
        ("no_such", "data", "There is no module 'no_such'. Install it, or run from the directory that holds it."),
        ("mine.no_such", "data", "There is no module 'mine.no_such'. Install it, or run from the directory that "),
        ("mine", "daat", "'daat' is not a function of mine. Did you mean 'data'? Known: Net, Photos, data, model."),
        ("mine.py", "modle", "'modle' is not a function of mine.py. Did you mean 'model'? Known: Net, Photos, data, "),
        ("mine", "asked", "'asked' in mine is not a function but a value of type list."),
        ("bare.py", "data", "bare.py has no function 'data', nor any other."),
    ],
)
@pytest.mark.parametrize("error", [DataError, ModelError])
def test_code_that_is_not_there_is_an_error_of_the_callers_class(
    project: Path, target: str, function: str, message: str, error: type[DataError | ModelError]
) -> None:
    (project / "mine.py").write_text(BOTH)
    (project / "bare.py").write_text("_hidden = print\nlimit = 3\n")
    (project / "notes.txt").write_text("")
    with pytest.raises(error) as raised:
        UserModule(target).function(function, error)
    assert str(raised.value).startswith(message.format(project=project.resolve()))
    assert type(raised.value) is error


@pytest.mark.parametrize("target", ["late.py", "late"])
def test_a_failed_import_leaves_nothing_and_keeps_its_words_and_line(project: Path, target: str) -> None:
    (project / "late.py").write_text("import json\n\nraise ValueError('not yet')\n")
    before = set(sys.modules)
    for load, error, kind, factory in (
        (ModelZoo().load, ModelError, "model", "model"),
        (open_source, DataError, "dataset", "data"),
    ):
        spec = f"python:{target}:{factory}"
        with pytest.raises(error) as raised:
            load(spec)
        assert str(raised.value) == f"The {kind} {spec!r} could not be loaded: ValueError: not yet (late.py:3)"
        assert set(sys.modules) == before
    (project / "late.py").write_text(f"# longer than before, whatever the clock says\n{BOTH}")
    importlib.invalidate_caches()
    assert open_source(f"python:{target}:data").read(0).shape == (3, 2, 3)


def test_a_module_that_misses_another_is_not_called_missing(project: Path) -> None:
    (project / "needy.py").write_text("import no_such_dependency\n")
    with pytest.raises(DataError) as raised:
        open_source("python:needy:data")
    assert str(raised.value) == (
        "The dataset 'python:needy:data' could not be loaded: "
        "ModuleNotFoundError: No module named 'no_such_dependency' (needy.py:1)"
    )


def test_a_dataset_factory_that_ends_the_process_is_an_error_and_logged(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (project / "leaving.py").write_text("import sys\n\ndef data():\n    sys.exit('no disk')\n")
    with (
        caplog.at_level(logging.DEBUG, "pytest_robustness"),
        pytest.raises(DataError, match=r"loaded: SystemExit: no disk \(leaving.py:4\)$"),
    ):
        open_source("python:leaving.py:data")
    assert "sys.exit('no disk')" in caplog.text


# bytecode

CHANGING = {
    "nets.py": "import helper, package.part, package.more\ndef values(): return HELD, helper.HELD, package.part.HELD\n",
    "helper.py": "",
    "package/__init__.py": "",
    "package/part.py": "from . import more\n",
    "package/more.py": "",
}


@pytest.mark.parametrize("target", ["nets.py", "nets"])
@pytest.mark.parametrize("changed", CHANGING)
def test_what_runs_is_the_text_and_not_bytecode_of_the_same_second(target: str, changed: str, project: Path) -> None:
    (project / "package").mkdir()
    for name, text in CHANGING.items():
        (project / name).write_text(f"{text}HELD = 1\n")
        os.utime(project / name, (1, 1))
        py_compile.compile(str(project / name), doraise=True)
    file = project / changed
    file.write_text(file.read_text().replace("HELD = 1", "HELD = 2"))
    os.utime(file, (1, 1))
    module = changed.removesuffix(".py").replace("/__init__", "").replace("/", ".")
    reads = f"import importlib; print(importlib.import_module('{module}').HELD)"
    assert run_python(reads, folder=project) == "1", "Python itself reads the text"
    UserModule(target).load()
    name = UserModule(target).name if module == "nets" else module
    with UserModule(target).importable():
        assert sys.modules[name].HELD == 2
    kept = {path for path in project.rglob("*.pyc") if path.stem.startswith(file.stem)}
    assert len(kept) == 1, "bytecode was written, or removed"


@pytest.mark.parametrize("target", ["nets.py", "nets"])
@pytest.mark.parametrize("edited", ["nets.py", "helper.py", "package/part.py"])
def test_what_was_edited_is_imported_anew_where_a_run_begins(target: str, edited: str, project: Path) -> None:
    (project / "package").mkdir()
    for name in ("helper.py", "package/__init__.py", "package/part.py"):
        (project / name).write_text("HELD = 1\n")
    (project / "nets.py").write_text(
        "import helper\nfrom package.part import HELD as OTHER\nHELD = 1\n"
        "def total(): return HELD + helper.HELD + OTHER\n"
    )

    def total() -> int:
        forget_changed()
        return UserModule(target).function("total")()

    first = UserModule(target).load()
    assert total() == 3
    assert UserModule(target).load() is first
    file = project / edited
    file.write_text(file.read_text().replace("HELD = 1", "HELD = 5"))
    assert UserModule(target).function("total")() == 3, "a run changes under way"
    assert total() == 7
    file.unlink()
    forget_changed()
    with pytest.raises((DataError, ModuleNotFoundError)):
        UserModule(target).load(DataError)


def test_a_model_counts_by_the_text_that_was_imported(project: Path) -> None:
    (project / "nets.py").write_text("import torch\ndef make(): return torch.nn.Flatten()\n")
    before = ModelZoo().load("python:nets.py:make").fingerprint
    (project / "nets.py").write_text("import torch\ndef make(): return torch.nn.Flatten()  # edited\n")
    assert ModelZoo().load("python:nets.py:make").fingerprint == before
    forget_changed()
    assert ModelZoo().load("python:nets.py:make").fingerprint != before


@pytest.mark.parametrize("name", ["json.tool", "PIL.ImageChops"])
def test_installed_modules_are_imported_as_ever(name: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, name, raising=False)
    (project / "nets.py").write_text(f"import {name}\n")
    UserModule("nets.py").load()
    assert type(sys.modules[name].__loader__) is SourceFileLoader


def test_a_loader_of_another_kind_is_left_as_it_is(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(SourceFileLoader):
        pass

    hook = FileFinder.path_hook((Counting, [".py"]))
    monkeypatch.setattr(sys, "path_hooks", [hook, *sys.path_hooks])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    (project / "helper.py").write_text("")
    (project / "nets.py").write_text("import helper\n")
    UserModule("nets.py").load()
    with UserModule("nets.py").importable():
        assert isinstance(sys.modules["helper"].__loader__, Counting)


def test_after_the_code_pythons_finders_are_what_they_were(project: Path) -> None:
    (project / "other.py").write_text("")
    (project / "nets.py").write_text(
        "import sys\nfrom pytest_robustness.core.user_code import UserModule\nbefore = list(sys.meta_path)\n"
        "UserModule('other.py').load()\nassert sys.meta_path == before\n"
    )
    before = list(sys.meta_path)
    UserModule("nets.py").load()
    assert sys.meta_path == before


# other processes


@pytest.mark.slow
@pytest.mark.parametrize("target", ["mine.py", "mine"])
def test_a_module_is_restored_in_a_process_that_started_elsewhere(project: Path, target: str) -> None:
    (project / "mine.py").write_text(BOTH)
    elsewhere = project / "elsewhere"
    elsewhere.mkdir()
    source = open_source(f"python:{target}:data")
    (project / "pickled").write_bytes(pickle.dumps(source))
    code = (
        "import pickle, sys; source = pickle.load(open(sys.argv[1], 'rb')); "
        "print(type(source.dataset.dataset).__module__, source.read(1)[0, 0].tolist())"
    )
    printed = run_python(code, str(project / "pickled"), folder=elsewhere, python=warm.python())
    assert printed == f"{type(source.dataset.dataset).__module__} [10, 10, 10]"


class Reader:
    """A reader as decoding processes have it: it holds the source."""

    def __init__(self, source: object) -> None:
        self.source = source

    def __call__(self, index: int) -> list[int]:
        return self.source.read(index)[0, 0].tolist()


@pytest.mark.parametrize("target", ["mine.py", "mine", "lazy.py"])
def test_decoding_processes_read_a_dataset_of_the_current_directory(project: Path, target: str) -> None:
    (project / "mine.py").write_text(BOTH)
    # The module of the factory, and by it alone the module of the dataset, when it is called.
    (project / "lazy.py").write_text("def data():\n    import mine\n    return mine.data()\n")
    source = open_source(f"python:{target}:data")
    assert str(project) not in sys.path
    assert list(answers(Reader(source), iter([1, 0, 1]), workers=1)) == [[10] * 3, [0] * 3, [10] * 3]
