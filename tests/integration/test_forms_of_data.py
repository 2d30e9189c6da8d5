"""The same images give the same file, byte for byte, in every form, in one process and in several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp  # noqa: F401 (pytester forgets what a run imports, and some cannot be imported twice)
import datasets  # noqa: F401
import fsspec.implementations.http  # noqa: F401
import pyarrow.parquet  # noqa: F401
import pytest

from tests.data.forms import FORMS, photos, web_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

IMAGES = 1003  # divisible by no number of processes, and two shards, the second in part
NETS = '''
import torch
from pytest_robustness import Model

class Net(torch.nn.Module):
    """Compares the brightness of four regions: a flip moves it."""

    def forward(self, images):
        with open("forwards.txt", "a") as file:
            print(len(images), file=file)
        top, bottom, red = images[:, :, :2].mean((1, 2, 3)), images[:, :, 3:].mean((1, 2, 3)), images[:, 0].mean((1, 2))
        return torch.stack([top, bottom, red], 1)

def net():
    return Model(Net(), classes=["cat", "cow", "dog"])
'''
# Of those that another process can read, which `tests/data/test_forms.py` has all of, the one that is not on the disk.
SHARED = "a URL"


class Project:
    """A folder with the images in every form, and a model that is run on them."""

    def __init__(self, root: Path, specs: dict[str, str], runner: Any) -> None:
        self.root, self.specs, self._runner = root, specs, runner

    def judge(self, form: str, store: str, *options: str) -> bytes:
        """Return ``accuracy.csv`` of a run; one in several processes starts in its own."""
        run = self._runner.runpytest_subprocess if "-n2" in options else self._runner.runpytest_inprocess
        result = run(
            "--pyargs", "robustness_tests", f"--robustness-data={self.specs[form]}", f"--robustness-store={store}",
            "--robustness-models=python:nets.py:net", "--robustness-transforms=vflip,brightness",
            f"--robustness-report={store}-report", "--robustness-chance-check=off", "-p", "no:cacheprovider",
            "-p", "no:hypothesispytest", *options,
        )  # fmt: skip
        path = self.root / f"{store}-report" / "accuracy.csv"
        assert path.exists(), "\n".join([*result.outlines, *result.errlines])
        content = path.read_bytes()
        assert f",{IMAGES},".encode() not in content.partition(b"\n")[0]
        path.unlink()
        return content

    @property
    def forwards(self) -> int:
        """How many images the model has seen."""
        path = self.root / "forwards.txt"
        return sum(map(int, path.read_text().split())) if path.exists() else 0


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, project_at: Callable[[Path], Any], everything_imported: None
) -> Iterator[Project]:
    root, data = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("data")
    images = photos(IMAGES)
    specs = {form: make(data, images) for form, make in FORMS.items() if form != "memory"}
    runner = project_at(root)
    for path in root.iterdir():
        if path.is_file():
            path.unlink()
    (root / "pytest.ini").write_text("[pytest]\n")
    (root / "nets.py").write_text(NETS)
    with web_server(data) as (url, _):
        specs["a URL"] = f"folder:{url}/photos/"
        specs["shards at a URL"] = specs["numbered shards"].replace(str(data), url)
        yield Project(root, specs, runner.pytester)


@pytest.fixture(scope="module")
def from_a_folder(project: Project) -> bytes:
    content = project.judge("folder", "folder", "--robustness-workers=0")
    rows = [line.split(b",") for line in content.splitlines()[1:]]
    assert sum(int(row[5]) for row in rows if b"control" in row) == IMAGES
    assert len({row[6] for row in rows}) > 3  # the model is right on some, and transforms change that
    return content


def test_two_workers_give_the_file_of_a_plain_run(project, from_a_folder):
    before = project.forwards
    assert project.judge(SHARED, f"{SHARED}-2", "-n2", "--robustness-workers=1") == from_a_folder
    assert project.forwards - before >= 3 * IMAGES  # all was computed


def test_one_run_gives_the_file_in_every_form_and_computes_nothing_twice(project, from_a_folder):
    forms = [form for form in project.specs if form not in ("folder", "plain parquet")]
    assert len(forms) >= 9
    for form in forms:
        before = project.forwards
        assert project.judge(form, "folder", "--robustness-workers=0") == from_a_folder, form
        assert project.forwards - before < 100, form  # a few answers are checked
