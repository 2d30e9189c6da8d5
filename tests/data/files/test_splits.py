"""Several splits are never judged as one in silence, however their files are called; classes are no splits."""

from __future__ import annotations

import re
import tarfile
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pytest_robustness.data import open_source
from tests.data.forms import add, refusal
from tests.image_maker import Kind, content

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PNG = content(Kind("RGB", "PNG", ".png"), 0)


def as_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        name = "-".join(path.parts[-3:]).replace(".", "-")
        add(archive, f"{name}.png", PNG)
        add(archive, f"{name}.cls", b"0")


def as_parquet(path: Path) -> None:
    pq.write_table(pa.table({"image": [PNG], "label": [0]}), path)


WRITERS: dict[str, Callable[[Path], None]] = {"tar": as_tar, "parquet": as_parquet}


def write(scheme: str, root: Path, names: list[str]) -> str:
    for name in names:
        path = root / f"{name}.{scheme}"
        path.parent.mkdir(parents=True, exist_ok=True)
        WRITERS[scheme](path)
    return f"{scheme}:{root}"


def read(spec: str) -> list[str]:
    """Return the path of the file that each image comes from."""
    source = open_source(spec)
    return [re.match(r".*?\.(tar|parquet)(?=[/\[])", source.describe(i))[0] for i in range(len(source.labels))]


# How shards are called, and the words for train and test.
LAYOUTS = {
    "{}-000000": ("train", "test"),
    "{}-00000-of-00001": ("train", "test"),
    "{}/0000": ("train", "test"),
    "{}/a/0000": ("training", "validation"),
    "colours-{}-00000": ("train", "test"),
    "colours_{}_000": ("TRAIN", "VAL"),
    "colours.{}": ("training", "testing"),
    "{}0": ("train", "test"),
    "{}2017": ("train", "val"),
    "data/{}-0": ("train", "eval"),
    "{}/en/0": ("dev", "test"),
    "en/{}/0": ("train", "test"),
    "{0}/{0}-000": ("train", "test"),
    "my train photos/{}": ("dev", "test"),
}


@pytest.mark.parametrize("scheme", WRITERS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_of_several_splits_are_asked_about_and_the_answer_is_read(tmp_path, scheme, layout):
    words = LAYOUTS[layout]
    root = tmp_path / "test-data"  # the place itself says nothing
    spec = write(scheme, root, [layout.format(word) for word in words])
    message = refusal(spec)
    assert f" holds {', '.join(sorted(words)[:-1])} and {sorted(words)[-1]}: which of these splits" in message
    suggested = re.search(r"Name it: (.+?)\. If they are no splits", message)[1]
    assert read(suggested) == [str(root / f"{layout.format(words[1])}.{scheme}")]
    pattern = "{" + ",".join(str(root / f"{layout.format(word)}.{scheme}") for word in words) + "}"
    assert len(read(f"{scheme}:{pattern}")) == 2  # what is listed is meant


@pytest.mark.parametrize("scheme", WRITERS)
def test_the_one_to_judge_on_is_named_in_any_layout(tmp_path, scheme):
    names = [f"{part}/{split}-{n}" for part in "ab" for split in ("train", "val", "test") for n in range(2)]
    spec = write(scheme, tmp_path, names)
    assert refusal(spec) == (
        f"{tmp_path} holds test, train and val: which of these splits is to be judged? Name it: "
        f"{spec}/**/test*.{scheme}. If they are no splits, or all of them are meant, name them in braces: {{a,b}}."
    )
    assert len(read(f"{spec}/**/test*.{scheme}")) == 4
    assert len(read(f"{spec}/{{**/test*,**/val*}}.{scheme}")) == 8
    assert "holds test, train and val: " in refusal(f"{spec}/**/*.{scheme}")


@pytest.mark.parametrize("scheme", WRITERS)
@pytest.mark.parametrize(
    "names",
    [
        ["train-000", "train-001"],
        ["train/0", "training/1"],
        ["train/0", "extra/0"],
        ["trainer-0", "test-0"],
        ["latest-0", "train-0"],
        ["contest/0", "traintest/0"],
        ["eval/dev-0", "eval/dev-1"],
        ["train-test-0", "train-1"],
        ["val/validation_0", "val/validation_1"],
        ["a/test-0", "b/test-0"],
    ],
)
def test_what_is_one_split_or_none_is_read(tmp_path, scheme, names):
    spec = write(scheme, tmp_path, names)
    assert read(spec) == sorted(str(tmp_path / f"{name}.{scheme}") for name in names)


# --- folders


@pytest.mark.parametrize(
    ("folders", "best"),
    [
        (("train", "val", "annotations"), "val"),
        (("train2017", "val2017", "annotations"), "val2017"),
        (("training_set", "test_set"), "test_set"),
        (("Train", "Test", "models", "README"), "Test"),
        (("train_images", "test_images", "train.zip_files"), "test_images"),
        (("test", "testing"), "test"),
    ],
)
def test_splits_among_other_folders_are_asked_about(tmp_path, folders, best):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for number, folder in enumerate(folders):
            (tmp_path / "photos" / folder / "cat").mkdir(parents=True)
            (tmp_path / "photos" / folder / "cat" / "1.png").write_bytes(PNG)
            add(archive, f"{folder}/cat/{number}.png", PNG)
    for spec, name in (
        (f"folder:{tmp_path}/photos", f"folder:{tmp_path}/photos/{best}"),
        (f"tar:{tmp_path}/a.tar", f"tar:{tmp_path}/a.tar#folder={best}"),
    ):
        message = refusal(spec)
        assert message.endswith(
            f": which of these splits is to be judged? Name it: {name}. If they are classes, give one of the folders "
            f"another name, or name a function that returns an ImageFolder of them: python:FILE:FACTORY."
        )
        assert len(open_source(name).labels) == 1


@pytest.mark.parametrize(
    "folders", [("train", "plane"), ("bullet_train", "test_tube"), ("test", "contest"), ("valid", "invalid"), ("dev",)]
)
def test_classes_are_no_splits(tmp_path, folders):
    for folder in folders:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes(PNG)
    assert [label.name for label in open_source(f"folder:{tmp_path}").classes] == sorted(folders)


def test_samples_of_several_splits_in_one_archive_are_asked_about(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for split in ("train", "test"):
            add(archive, f"{split}/1.png", PNG)
            add(archive, f"{split}/1.cls", b"0")
    assert f"Name it: tar:{tmp_path}/a.tar#folder=test. If they are classes" in refusal(f"tar:{tmp_path}/a.tar")
    assert len(open_source(f"tar:{tmp_path}/a.tar#folder=test").labels) == 1
    assert len(open_source(f"tar:{tmp_path}/a.tar", labelled=False).labels) == 2
