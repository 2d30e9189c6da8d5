"""A map-style dataset is scored against the labels that its items have."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile
from torch.utils.data import ConcatDataset, Subset
from torchvision.datasets import FakeData, ImageFolder

from pytest_robustness.core import ClassLabel
from pytest_robustness.core.errors import BadImageError, DataError
from pytest_robustness.data import open_source
from pytest_robustness.data.map_style.dataset import adapt
from pytest_robustness.data.map_style.labels import check_labels
from tests.image_maker import Kind, content

GREY = np.full((4, 5), 90, np.uint8)


class Items:
    """A dataset whose items have the ``labels``; it counts how often they are read."""

    def __init__(self, labels, classes=3, **attributes):
        self.labels_of_items = labels
        self.classes = [f"class {number}" for number in range(classes)]
        self.reads = itertools.count()
        self.__dict__.update(attributes)

    def __len__(self):
        return len(self.labels_of_items)

    def __getitem__(self, index):
        next(self.reads)
        label = self.labels_of_items[index]
        if isinstance(label, Exception):
            raise label
        return GREY, label


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        for number in range(7):
            (tmp_path / name / f"{number}.png").write_bytes(content(Kind("RGB", "PNG", ".png"), number))
    return tmp_path


def turned(label: int) -> int:
    return (label + 1) % 3


def of_items(dataset) -> list[int]:
    return [int(np.asarray(dataset[index][1]).item()) for index in range(len(dataset))]


DATASETS = {
    "plain": lambda root: ImageFolder(root),
    "target_transform": lambda root: ImageFolder(root, target_transform=turned),
    "to a tensor": lambda root: ImageFolder(root, target_transform=torch.tensor),
    "subset": lambda root: Subset(ImageFolder(root), [20, 3, 4, 11]),
    "subset of a target_transform": lambda root: Subset(ImageFolder(root, target_transform=turned), [20, 3, 4, 11]),
    "subset of a subset": lambda root: Subset(Subset(ImageFolder(root), range(5, 15)), [0, 9]),
    "two parts": lambda root: ConcatDataset([ImageFolder(root), ImageFolder(root, target_transform=turned)]),
    "a part of two": lambda root: Subset(ConcatDataset([ImageFolder(root), ImageFolder(root)]), [40, 0, 22]),
    "no targets": lambda root: Items([0, 2, np.int16(1), torch.tensor(2), np.array([1])]),
    "other targets": lambda root: Items([0, 2, 1, 0], targets=[0, 1, 2, 0]),
    "targets of one class": lambda root: Items([2] * 80 + [1], targets=[2] * 81),
    "joint transforms": lambda root: ImageFolder(root, loader=lambda path: Image.open(path).convert("RGB")),
}


@pytest.mark.parametrize("name", DATASETS)
def test_labels_are_those_of_the_items(folder, name):
    dataset = DATASETS[name](folder)
    source = adapt("python:x:y", dataset)
    if name == "targets of one class":  # one of 81 differs, and a sample of 64 need not meet it
        assert source.labels.tolist()[:80] == [2] * 80
        return
    assert source.labels.dtype == np.int64
    assert source.labels.tolist() == of_items(dataset)
    assert bool(source.notes) == (name == "other targets")
    assert source.read(0).shape[0] == 3


def test_a_difference_is_said():
    notes = adapt("python:x:y", Items([0, 2, 1, 0], targets=[0, 1, 2, 0])).notes
    assert "".join(notes) == (
        "python:x:y has targets that differ from the labels of its items: image 1 has 1 there and 2 as an item. The "
        "labels of the items were used."
    )


def test_few_items_are_read_where_targets_agree():
    labels = (np.arange(5000) % 3).tolist()
    dataset = Items(labels, targets=labels)
    adapt("python:x:y", dataset)
    assert next(dataset.reads) <= 65


def test_the_first_of_each_class_is_in_the_sample():
    """A class of a single image among thousands is looked at, where a draw of 64 would hardly meet it."""
    labels = [0] * 4000
    labels[2345] = 1
    items = list(labels)
    items[2345] = 2
    assert adapt("python:x:y", Items(items, targets=labels)).labels[2345] == 2


def test_items_that_cannot_be_read_prove_nothing():
    source = adapt("python:x:y", Items([OSError("torn"), 1], targets=[0, 1]))
    assert source.labels.tolist() == [0, 1]
    with pytest.raises(BadImageError) as caught:
        source.read(0)
    assert not caught.value.content


def test_parts_of_unlike_classes_have_none():
    with pytest.raises(DataError, match=r"is a ConcatDataset. Valid: "):
        adapt("python:x:y", ConcatDataset([Items([0]), Items([0], classes=4)]))


@pytest.mark.parametrize("dataset", [Subset(FakeData(4), [0, 1]), FakeData(3)], ids=["a subset", "a whole"])
def test_a_dataset_without_classes_is_refused(dataset):
    with pytest.raises(DataError, match="and classes"):
        adapt("python:x:y", dataset)


WRONG = {
    "strings": ["a", "b", "c"],
    "numbers as text": ["0", "1", "2"],
    "floats": [0.0, 1.0, 2.0],
    "not numbers": [0.0, float("nan"), 1.0],
    "none": [None, None, None],
    "one none": [0, None, 1],
    "booleans": [True, False, True],
    "one-hot": np.eye(3).tolist(),
    "one-hot integers": np.eye(3, dtype=int).tolist(),
    "a column": [[0], [1], [2], [3]],
    "unequal": [[0], [1, 2], [0]],
    "negative": [0, -1, 2],
    "too large": [0, 1, 3],
    "far too large": [0, 2**63, 1],
    "beyond any integer": [0, 2**80, 1],
    "objects": [object(), object(), object()],
    "bytes": [b"0", b"1", b"2"],
    "complex": [0j, 1j, 2j],
    "tensors of floats": [torch.tensor(0.5)] * 3,
    "dictionaries": [{"label": 0}] * 3,
    "dates": [np.datetime64("2026-01-01")] * 3,
}


@pytest.mark.parametrize("name", WRONG)
def test_targets_of_a_wrong_type_are_a_clear_error(name):
    labels = WRONG[name]
    with pytest.raises(DataError) as caught:
        adapt("python:x:y", Items([0] * len(labels), targets=labels))
    assert "python:x:y" in str(caught.value)
    assert "Valid: " in str(caught.value)


@pytest.mark.parametrize("name", sorted(WRONG.keys() - {"a column"}))
def test_items_with_labels_of_a_wrong_type_are_a_clear_error(name):
    with pytest.raises(DataError, match=r"python:x:y.*Valid: "):
        adapt("python:x:y", Items(WRONG[name]))


@pytest.mark.parametrize("name", sorted(WRONG.keys() - {"unequal"}))
def test_a_source_of_ones_own_with_labels_of_a_wrong_type_is_a_clear_error(name):
    wrong = np.asarray(WRONG[name])

    class Own:
        name, in_memory, classes = "mine", True, tuple(ClassLabel(each, each) for each in "abc")
        labels = wrong

        def read(self, index): ...
        def describe(self, index): ...

    with pytest.raises(DataError, match=r"Valid: "):
        adapt("python:x:y", Own())


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.uint64, np.int64])
def test_integers_of_any_width_are_labels(kind):
    checked = check_labels("x", np.array([0, 2], kind), 3)
    assert (checked.tolist(), checked.dtype) == ([0, 2], np.int64)


def test_a_narrow_type_of_a_source_of_ones_own_is_widened(tmp_path):
    (tmp_path / "own.py").write_text(
        "import numpy as np, torch\nfrom pytest_robustness.core import ClassLabel\n"
        "class Own:\n"
        "    name, in_memory, labels = 'mine', True, np.array([0, 1], np.uint8)\n"
        "    classes = (ClassLabel('a', 'a'), ClassLabel('b', 'b'))\n"
        "    notes = ('one of two',)\n"
        "    def read(self, index): return torch.zeros(3, 2, 2, dtype=torch.uint8)\n"
        "    def describe(self, index): return str(index)\n"
        "def make(): return Own()\n"
    )
    source = open_source(f"python:{tmp_path / 'own.py'}:make")
    assert (source.labels.dtype, source.notes) == (np.int64, ("one of two",))


def test_an_image_without_a_known_range_is_a_bad_image():
    class Deep(Items):
        def __getitem__(self, index):
            pixels = np.full((2, 2), (70_000, 514)[index], (np.int32, np.uint16)[index])
            return Image.fromarray(pixels), self.labels_of_items[index]

    source = adapt("python:x:y", Deep([0, 1]))
    with pytest.raises(BadImageError, match="32-bit integers from 70000 to 70000"):
        source.read(0)
    assert source.read(1).unique().tolist() == [2]


@pytest.mark.parametrize("own", [False, True])
def test_pillows_settings_are_those_that_the_dataset_was_opened_under(tmp_path, monkeypatch, own):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.jpg").write_bytes(content(Kind("RGB", "JPEG", ".jpg"), 0)[:-60])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", own)
    source = adapt("python:x:y", ImageFolder(tmp_path))
    ImageFile.LOAD_TRUNCATED_IMAGES = not own  # as a model's file may do
    if own:
        assert source.read(0).shape == (3, 17, 23)
    else:
        with pytest.raises(BadImageError, match="truncated"):
            source.read(0)
    assert own != ImageFile.LOAD_TRUNCATED_IMAGES
