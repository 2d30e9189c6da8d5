"""Each file imports the modules beside it, whatever modules of the same name others have imported."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch

from pytest_robustness.core.user_code import UserModule, code_of
from pytest_robustness.data import open_source
from pytest_robustness.inference.loader.pool import answers
from pytest_robustness.models import ModelZoo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NETS = """
import torch
{first}
import sibling
from package.part import WHO as PART

class Net(torch.nn.Module):
    def forward(self, x):
        import late
        import sibling as again
        assert again is sibling and late.WHO == sibling.WHO == PART
        return x.mean((2, 3))

class Photos:
    classes = ["cat", "dog"]
    targets = [0, 1]
    def __len__(self):
        return 2
    def __getitem__(self, index):
        import late, numpy
        return numpy.full((2, 2, 3), ord(late.WHO[-1]), numpy.uint8), index

def who():
    return sibling.WHO + PART

def make():
    net = Net()
    net.who = who()
    return net

def data():
    return sibling.Held(Photos())
"""
SIBLING = """
WHO = {who!r}
class Held:
    def __init__(self, inner):
        self.inner, self.classes, self.targets = inner, inner.classes, inner.targets
    def __len__(self):
        return 2
    def __getitem__(self, index):
        return self.inner[index]
"""
FOLDERS = ("a", "b", "my nets", "größe", "[x], y")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a current directory with some folders that hold modules of the same names; all is forgotten afterwards."""
    for name in (".", *FOLDERS):
        write(tmp_path / name, name)
        (tmp_path / name / "nets.py").write_text(NETS.format(first=""), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    before, path = dict(sys.modules), list(sys.path)
    yield tmp_path
    for name in set(sys.modules) - set(before):
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]
    sys.path[:] = path


def write(folder: Path, who: str) -> None:
    (folder / "package").mkdir(parents=True, exist_ok=True)
    (folder / "sibling.py").write_text(SIBLING.format(who=who), encoding="utf-8")
    (folder / "late.py").write_text(f"WHO = {who!r}", encoding="utf-8")
    (folder / "package" / "__init__.py").write_text("")
    (folder / "package" / "part.py").write_text(f"WHO = {who!r}", encoding="utf-8")


@pytest.mark.parametrize("order", [FOLDERS, FOLDERS[::-1]])
@pytest.mark.parametrize("imported", [False, True])
def test_a_factory_has_its_own_siblings_when_it_is_loaded_and_later(project, order, imported):
    own = None
    if imported:  # by the project's tests, say
        sys.path.insert(0, str(project))
        import sibling as own  # type: ignore[import-not-found]

        sys.path.remove(str(project))
    before = set(sys.modules), list(sys.path)
    nets = {folder: ModelZoo().load(f"python:{folder}/nets.py:make").module for folder in order}
    assert {folder: net.who for folder, net in nets.items()} == {folder: folder * 2 for folder in order}
    for folder, net in nets.items():
        with code_of(f"python:{folder}/nets.py:make"), torch.no_grad():
            assert net(torch.zeros(1, 3, 2, 2)).shape == (1, 3)
    assert list(sys.path) == before[1]
    assert sys.modules.get("sibling") is own
    assert {name for name in set(sys.modules) - before[0] if name in ("sibling", "late", "package")} == set()


def test_folders_that_two_files_put_on_the_path_are_their_own(project):
    for who in ("one", "two"):
        write(project / f"lib_{who}", who)
        first = f"import sys; sys.path.insert(0, {str(project / f'lib_{who}')!r})"
        (project / f"{who}.py").write_text(NETS.format(first=first))
    path = list(sys.path)
    nets = {}
    for who in ("one", "two"):
        nets[who] = ModelZoo().load(f"python:{who}.py:make").module
        sys.path[:] = path  # as `UserCalls` restores it
    assert {who: net.who for who, net in nets.items()} == {"one": "oneone", "two": "twotwo"}
    for who, net in nets.items():
        with code_of(f"python:{who}.py:make"):
            net(torch.zeros(1, 3, 2, 2))


@pytest.mark.parametrize("name", ["a/nets.py", "my nets/nets.py"])
def test_files_of_one_folder_share_a_module_that_stays_the_same(project, name):
    first, second = UserModule(name), UserModule(name)
    with first.importable():
        import sibling as before

        with second.importable():  # as a call within a call
            import sibling as inside
    with second.importable():
        import sibling as after
    assert before is inside is after


def test_the_standard_library_and_installed_packages_are_not_hidden(project):
    for name in ("json", "torch", "numpy"):
        (project / "a" / f"{name}.py").write_text("raise RuntimeError('not this one')")
    import json

    with UserModule("a/nets.py").importable():
        import json as inside

        assert inside is json
        assert torch is sys.modules["torch"]


class Reader:
    def __init__(self, source: object) -> None:
        self.source = source

    def __call__(self, index: int) -> int:
        return int(self.source.read(index)[0, 0, 0])


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["a", "my nets"])
def test_a_dataset_finds_its_siblings_in_decoding_processes(project, folder):
    sources = [open_source(f"python:{name}/nets.py:data") for name in ("b", folder)]
    for source, name in zip(sources, ("b", folder), strict=True):
        assert list(answers(Reader(source), iter([0, 1]), workers=1)) == [ord(name[-1])] * 2


@pytest.mark.slow
def test_a_dataset_is_restored_in_a_process_that_knows_nothing(project):
    source = open_source("python:a/nets.py:data")
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).read(0)[0, 0, 0].item())"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        input=pickle.dumps(source),
        cwd="/",
        capture_output=True,
        check=True,
    )
    assert int(done.stdout) == ord("a")
