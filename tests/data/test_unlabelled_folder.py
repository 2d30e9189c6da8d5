"""A folder of images without labels is read at any depth, class folders or not."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pytest_robustness import data
from pytest_robustness.core.errors import DataError


@pytest.fixture
def place(tmp_path):
    """Five images in the folder itself, three in a folder, two deeper, and what is no image."""
    names = [f"{i}.png" for i in range(5)] + [f"cats/{i}.png" for i in range(3)] + [f"cats/old/{i}.jpg" for i in (0, 1)]
    for number, name in enumerate(names):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(path)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden/9.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("none")
    return tmp_path


def named(source, indices=None):
    root = f"{source.images.root}/"
    chosen = range(len(source.labels)) if indices is None else indices
    return [source.describe(int(i)).removeprefix(root).replace("\\", "/") for i in chosen]


def test_all_images_are_found_and_what_is_left_out_is_counted(place):
    source = data.open_source(f"folder:{place}", labelled=False)
    assert named(source) == [
        *("cats/0.png", "cats/1.png", "cats/2.png", "cats/old/0.jpg", "cats/old/1.jpg"),
        *(f"{i}.png" for i in range(5)),
    ]
    assert [int(source.read(i)[0, 0, 0]) for i in (0, 5, 9)] == [5, 0, 4]
    text = " ".join(source.notes)
    assert "1 file in" in text
    assert ".txt" in text
    assert "1 hidden file or folder" in text
    # With labels, what lies in no class folder is no image of the data.
    assert named(data.open_source(f"folder:{place}")) == named(source)[:5]


def test_a_limit_draws_from_each_folder_and_a_larger_one_holds_a_smaller(place):
    source = data.open_source(f"folder:{place}", labelled=False)
    drawn = [set(named(source, data.select(source, limit, 0))) for limit in (1, 2, 3, 5)]
    assert [len(names) for names in drawn] == [2, 4, 6, 10]
    assert drawn[0] < drawn[1] < drawn[2] < drawn[3]
    assert len({name for name in drawn[2] if "/" not in name}) == 3
    others = {tuple(named(source, data.select(source, 2, seed))) for seed in range(20)}
    assert len(others) > 5  # drawn by name: images of the folder itself have different ones


def test_class_folders_are_drawn_from_as_with_labels(place):
    for path in place.glob("*.png"):
        path.unlink()
    for name in ("dogs", "eels"):
        (place / name).mkdir()
        for number in range(6):
            Image.new("RGB", (4, 4)).save(place / name / f"{number}.png")
    with_labels, without = (data.open_source(f"folder:{place}", labelled=labelled) for labelled in (True, False))
    for limit in (None, 2, 4):
        np.testing.assert_array_equal(data.select(with_labels, limit, 3), data.select(without, limit, 3))
    assert with_labels.images.paths.tolist() == without.images.paths.tolist()


def test_what_is_no_folder_of_images_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"nowhere does not exist\. Expected images below"):
        data.open_source(f"folder:{tmp_path}/nowhere", labelled=False)
    (tmp_path / "file.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"is a file, not a folder"):
        data.open_source(f"folder:{tmp_path}/file.png", labelled=False)
    (tmp_path / "empty/deep").mkdir(parents=True)
    with pytest.raises(DataError, match=r"empty holds no image\. Expected images at any depth, with one of the"):
        data.open_source(f"folder:{tmp_path}/empty", labelled=False)


def test_other_kinds_of_data_are_opened_as_they_are():
    with_labels, without = (data.open_source("digits", labelled=labelled) for labelled in (True, False))
    np.testing.assert_array_equal(with_labels.labels, without.labels)
