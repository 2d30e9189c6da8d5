"""A label means what ``class_to_idx`` says where ``classes`` has the same names in another order."""

from __future__ import annotations

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import ConcatDataset, Subset
from torchvision.datasets import ImageFolder

from pytest_robustness.core import ClassLabel
from pytest_robustness.core.errors import DataError
from pytest_robustness.data.map_style.dataset import adapt
from tests.image_maker import Kind, content

GREY = np.full((4, 5), 90, np.uint8)
OWN = {"a": 2, "b": 0, "c": 1}


class Items:
    """A dataset with an item of each of its labels."""

    def __init__(self, classes, class_to_idx=None, labels=(0, 1, 2), **attributes):
        self.classes = classes
        self.labels = labels
        self.__dict__.update(attributes if class_to_idx is None else {**attributes, "class_to_idx": class_to_idx})

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return GREY, self.labels[index]


class Reordered(ImageFolder):
    def find_classes(self, directory):
        return sorted(OWN), OWN


class Raising(Items):
    @property
    def class_to_idx(self):
        raise RuntimeError("not yet")


def renamed(dataset, classes):
    dataset.classes = classes
    return dataset


def turned(label):
    return (label + 1) % 3


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(OWN):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(content(Kind("RGB", "PNG", ".png"), number))
    return tmp_path


ABC = ["a", "b", "c"]
SYNONYMS = [("bass", "perch"), ("crane",), ("crane",)]
# What label 0, 1 and 2 are called, and whether a note says that classes has another order.
MEANT = {
    "find_classes": (Reordered, "bca", True),
    "classes set afterwards": (lambda root: renamed(ImageFolder(root), ["c", "a", "b"]), "abc", True),
    "both agree": (lambda root: renamed(Reordered(root), ["b", "c", "a"]), "bca", False),
    "subset": (lambda root: Subset(Reordered(root), [2, 0]), "bca", True),
    "subset with classes": (lambda root: renamed(Subset(Reordered(root), [2, 0]), ABC), "bca", True),
    "two alike": (lambda root: ConcatDataset([Reordered(root), Subset(Reordered(root), [1])]), "bca", True),
    "two alike with classes": (lambda root: renamed(ConcatDataset([Reordered(root)] * 2), ABC), "bca", True),
    "one order in two ways": (
        lambda root: ConcatDataset([Reordered(root), renamed(Reordered(root), ["b", "c", "a"])]),
        "bca",
        True,
    ),
    "numbers of NumPy": (lambda _: Items(ABC, {name: np.int64(at) for name, at in OWN.items()}), "bca", True),
    "classes by number": (lambda _: Items({2: "a", 0: "b", 1: "c"}), "bca", False),
    "classes by name": (lambda _: Items(OWN), "bca", False),
    "keys of a mapping": (lambda _: Items(dict.fromkeys(ABC).keys()), "abc", False),
    "labels transformed": (lambda root: ImageFolder(root, target_transform=turned), "abc", False),
    "to a tensor": (lambda root: Reordered(root, target_transform=torch.tensor), "bca", True),
    "classes of transformed labels": (
        lambda root: renamed(ImageFolder(root, target_transform=turned), ["c", "a", "b"]),
        "cab",
        False,
    ),
    "other names": (lambda _: Items(ABC, {"x": 1, "y": 0, "z": 2}), "abc", False),
    "some names alone": (lambda _: Items(ABC, {"a": 1, "b": 0}), "abc", False),
    "no numbers": (lambda _: Items(ABC, {"a": "1", "b": "0", "c": "2"}), "abc", False),
    "no mapping": (lambda _: Items(ABC, ABC), "abc", False),
    "raises": (lambda _: Raising(ABC), "abc", False),
    "more numbers than classes": (lambda _: Items(ABC, {"a": 0, "b": 1, "c": 2, "d": 3, "alias": 0}), "abc", False),
    "synonyms, one of two classes": (
        lambda _: Items(SYNONYMS, {name: at for at, entry in enumerate(SYNONYMS) for name in entry}),
        ("bass", "crane", "crane"),
        False,
    ),
    "synonyms in another order": (
        lambda _: Items([("b", "B"), ("a", "A"), ("c",)], {"a": 0, "A": 0, "b": 1, "B": 1, "c": 2}),
        "abc",
        True,
    ),
}


@pytest.mark.parametrize("name", MEANT)
def test_a_label_means_what_its_number_says(folder, name):
    make, expected, noted = MEANT[name]
    source = adapt("python:x:y", make(folder))
    assert [entry.name for entry in source.classes] == list(expected)
    assert any("class_to_idx was used" in note for note in source.notes) == noted


REFUSED = {
    "twice a number": (Items(ABC, {"a": 0, "b": 0, "c": 2}), "'b' is number 1 of its classes and 0 in its class_to_"),
    "beyond": (Items(ABC, {"a": 1, "b": 2, "c": 3}), "'a' is number 0 of its classes and 1 in its class_to_idx"),
    "synonyms apart": (Items([("a", "A"), ("b",), ("c",)], {"a": 0, "A": 1, "b": 1, "c": 2}), "'A' is number 0 of"),
    "transformed into neither": (
        Items(ABC, {"a": 1, "b": 0, "c": 2}, target_transform=turned),
        "'a' is number 0 of its classes and 1 in",
    ),
    "items with labels of their own": (Items(ABC, OWN, targets=[0, 0, 0]), "Set targets, classes and class_to_idx"),
    "parts apart": (ConcatDataset([Items(ABC, OWN), Items(ABC)]), "'b' is 0 in the first and 1 in number 2"),
    "parts apart, with classes": (
        renamed(ConcatDataset([Items(ABC, OWN), Items(ABC, {"a": 0, "b": 1, "c": 2})]), ABC),
        "'a' is 2 in the first and 0 in number 2",
    ),
    "a set": (Items(set(ABC)), "got a set, which has no order"),
    "a frozen set": (Items(frozenset(ABC)), "got a frozenset, which has no order"),
    "a text": (Items("abc"), "got the text 'abc'"),
    "a number": (Items(3), "got a value of type int"),
    "a mapping with gaps": (Items({"a": 0, "b": 2}), "each of the integers from 0 to 1 once"),
    "a mapping of texts": (Items({"0": "a", "1": "b"}), "Valid: a list, or {name: number} or {number: name}"),
    "a table": (pd.DataFrame({"a": [1]}), "is a DataFrame. Valid: "),
    "a table of classes": (pd.DataFrame({"classes": ABC, "dtype": ABC}), "is a DataFrame. Valid: "),
    "Hugging Face": (datasets.Dataset.from_dict({"a": [1]}), "makes what hf:FOLDER names"),
    "Hugging Face, several": (datasets.DatasetDict(), "makes what hf:FOLDER names"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_clear_meaning_is_refused(name):
    dataset, message = REFUSED[name]
    with pytest.raises(DataError, match=r"Valid: |got |Give |Set ") as caught:
        adapt("python:x:y", dataset)
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", [set, frozenset, lambda entries: dict(enumerate(entries))])
def test_a_source_of_ones_own_has_its_classes_in_order(kind):
    class Own:
        name, in_memory, labels = "mine", True, np.array([0, 1])
        classes = kind([ClassLabel("a", "a"), ClassLabel("b", "b")])

        def read(self, index): ...
        def describe(self, index): ...

    with pytest.raises(DataError, match=r"of classes. Valid: a list or tuple"):
        adapt("python:x:y", Own())
