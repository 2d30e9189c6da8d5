"""Nothing is computed twice: what is stored of an image is found in any selection, place and form of the data."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

CELLS = 2 * 3  # two models under control, vflip and hflip

# Images in a tar archive, as a user would read them; their bytes are those of the files.
TAR = """
import hashlib, io, tarfile
import numpy as np
import torch
from PIL import Image
from pytest_robustness import ClassLabel


class Archive:
    name, in_memory = "archive", True

    def __init__(self):
        with tarfile.open("photos.tar") as archive:
            members = sorted((m.name, archive.extractfile(m).read()) for m in archive if m.isfile())
        self.members = [(name.removeprefix("photos/"), content) for name, content in members]
        names = sorted({name.partition("/")[0] for name, _ in self.members})
        self.classes = [ClassLabel(name, name) for name in names]
        self.labels = np.array([names.index(name.partition("/")[0]) for name, _ in self.members])

    def read(self, index):
        return torch.from_numpy(np.array(Image.open(io.BytesIO(self.members[index][1])))).permute(2, 0, 1)

    def describe(self, index):
        return f"photos.tar: {self.members[index][0]}"

    def key(self, index):
        return self.members[index][0].partition("/")[2]

    def identities(self, indices, hashes):
        digests = [hashlib.sha256(self.members[index][1]).digest()[:16] for index in indices]
        return np.frombuffer(b"".join(digests), "V16")
"""


def predictions(project):
    """Return how many predictions were ever computed: none is removed here."""
    with contextlib.closing(sqlite3.connect(project.path / ".robustness/store.sqlite")) as connection:
        (count,) = connection.execute("SELECT sum(size) FROM prediction JOIN block ON block.id = block").fetchone()
    return count


def judged(project, *arguments):
    """Judge the project; return how many predictions that computed, and the table of accuracies."""
    store = project.path / ".robustness/store.sqlite"
    before = predictions(project) if store.exists() else 0
    result = project.judge(*arguments)
    assert result.ret in (0, 1), result.stdout.str()
    return predictions(project) - before, project.table("accuracy.csv")


def fresh(project, *arguments):
    """Return the table of accuracies that a store of its own gives."""
    project.judge("--robustness-store=other/store.sqlite", "--robustness-report=other/report", *arguments)
    table = project.table("accuracy.csv", "other/report")
    shutil.rmtree(project.path / "other")
    return table


@pytest.mark.slow
def test_a_smaller_draw_is_found_and_a_larger_one_is_completed(project):
    assert judged(project, "--robustness-limit=10")[0] == 20 * CELLS
    assert judged(project, "--robustness-limit=5")[0] == 0
    assert judged(project, "--robustness-limit=11")[0] == 2 * CELLS
    computed, table = judged(project)
    assert computed == (40 - 22) * CELLS
    assert table.equals(fresh(project))


def test_one_more_image_is_one_image_computed(project):
    assert judged(project)[0] == 40 * CELLS
    pixels = np.random.default_rng(9).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(project.path / "photos" / "down" / "00a.png")
    computed, table = judged(project)
    assert computed == CELLS
    assert table.equals(fresh(project))


def test_images_that_go_cost_nothing(project):
    judged(project)
    for number in (3, 7):
        project.image("up", number).unlink()
    computed, table = judged(project)
    assert computed == 0
    assert table.equals(fresh(project))


@pytest.mark.parametrize("transforms", ["vflip", "rotation translate"])
def test_a_moved_folder_costs_nothing_and_draws_the_same(project, transforms):
    chosen = f"--robustness-transforms={transforms.replace(' ', ',')}"
    _, before = judged(project, chosen)
    (project.path / "photos").rename(project.path / "moved")
    computed, table = judged(project, chosen, "--robustness-data=folder:moved")
    assert computed == 0
    assert table.equals(before)


def test_a_renamed_class_costs_nothing(project):
    _, before = judged(project)
    (project.path / "photos" / "down").rename(project.path / "photos" / "Down")
    computed, table = judged(project)
    assert computed == 0
    assert table.correct.tolist() == before.correct.tolist()


def test_an_image_that_moves_to_another_class_is_judged_there(project):
    judged(project)
    project.image("up", 4).rename(project.path / "photos" / "down" / "moved.png")
    computed, table = judged(project)
    assert computed == CELLS
    assert table.equals(fresh(project))


def test_a_copy_is_no_other_image(project):
    shutil.copy(project.image("up", 4), project.path / "photos" / "up" / "copy.png")
    computed, table = judged(project)
    assert computed == 40 * CELLS
    assert table.n.sum() == 41 * CELLS


def test_the_same_bytes_in_a_tar_archive_cost_nothing(project):
    _, before = judged(project, "--robustness-transforms=rotation,vflip", "--robustness-limit=15")
    with tarfile.open(project.path / "photos.tar", "w") as archive:
        archive.add(project.path / "photos", "photos")
    project.write("archive.py", TAR)
    computed, table = judged(
        project,
        "--robustness-transforms=rotation,vflip",
        "--robustness-limit=15",
        "--robustness-data=python:archive.py:Archive",
    )
    assert computed == 0
    assert table.equals(before)


@pytest.mark.slow
def test_a_run_that_needs_nothing_new_does_not_import_pytorch(tmp_path):
    (tmp_path / "conftest.py").write_text(
        "import sys\ndef pytest_unconfigure():\n    print('imported:', 'torch' in sys.modules)\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--pyargs",
        "robustness_tests",
        "-p",
        "conftest",
        "-p",
        "no:cacheprovider",
    ]
    options = [
        "--rootdir=.",
        "--confcutdir=.",
        "--robustness-models=digits:alexnet",
        "--robustness-transforms=vflip,rotation",
    ]
    runs = []
    for _ in range(2):
        run = subprocess.run(
            [*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
        )
        page = (tmp_path / "reports/latest/index.html").read_text(encoding="utf-8")
        runs.append(
            (
                run.stdout.count("imported: True"),
                (tmp_path / "reports/latest/accuracy.csv").read_bytes(),
                page.count("data:image"),
            )
        )
    assert [run[0] > 0 for run in runs] == [True, False]
    assert runs[0][1:] == runs[1][1:]
    assert runs[0][2] > 0
