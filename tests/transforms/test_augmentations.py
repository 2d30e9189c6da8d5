"""The file of augmentations: what is written reads back, and what is not valid is named."""

from __future__ import annotations

import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.errors import OptionError
from pytest_robustness.transforms import load_augmentations
from pytest_robustness.transforms.augmentation_file import read_augmentations
from pytest_robustness.transforms.augmentations import (
    Augmentation,
    AugmentationPolicy,
    ClassAugmentations,
    LeftOut,
    yaml_text,
)

NUMBER = st.floats(-1e9, 1e9, allow_nan=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
AUGMENTATION = st.builds(
    Augmentation,
    transform=TEXT,
    probability=st.floats(1e-12, 0.2),
    magnitudes=st.none() | st.tuples(NUMBER, NUMBER),
    change=st.none() | NUMBER,
)
CLASSES = st.lists(
    st.builds(ClassAugmentations, st.integers(0, 99), TEXT, st.lists(AUGMENTATION, min_size=1, max_size=4).map(tuple)),
    unique_by=lambda item: item.index,
    max_size=4,
)
POLICIES = st.builds(
    AugmentationPolicy,
    class_count=st.just(100),
    classes=CLASSES.map(tuple),
    left_out=st.lists(st.builds(LeftOut, st.integers(0, 99), TEXT, TEXT, TEXT, NUMBER), max_size=2).map(tuple),
)
VALID = """\
version: 1
class_count: 3
classes:
- index: 2
  name: "no"
  augmentations:
  - {transform: "rotation", range: [0, 30], probability: 0.5, change: -3}
  - {transform: "vflip", probability: 0.25}
left_out: []
"""


@given(POLICIES)
def test_a_policy_reads_back_as_it_was(tmp_path_factory, policy):
    file = tmp_path_factory.mktemp("policy") / "augmentations.yaml"
    file.write_text(yaml_text(policy), encoding="utf-8")
    assert read_augmentations(file) == policy


@pytest.mark.parametrize(
    "name", ["no", "1", "1e3", "null", "a: b", "# c", 'q"uote', "ü\u2028\x85", "\U0001f600", "-", ""]
)
def test_a_class_name_is_text_to_any_reader_of_yaml(name):
    policy = AugmentationPolicy(1, (ClassAugmentations(0, name, (Augmentation("vflip", 0.5),)),))
    content = yaml.safe_load(yaml_text(policy))
    assert content["classes"] == [
        {"index": 0, "name": name, "augmentations": [{"transform": "vflip", "probability": 0.5}]}
    ]
    assert content["left_out"] == []


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("version: 1", "version: 9", "version is 9. Valid: 1; write the file again with this version of the package."),
        ("version: 1\n", "", "version is missing. Valid: it must be there."),
        ("class_count: 3", "class_count: 0", "class_count is 0. Valid: a whole number from 1."),
        ("class_count: 3", "class_count: true", "class_count is True. Valid: a whole number from 1."),
        ("index: 2", "index: 3", "classes[0].index is 3. Valid: a whole number from 0 to 2."),
        ("index: 2", "index: 2.5", "classes[0].index is 2.5. Valid: a whole number from 0 to 2."),
        ('name: "no"', "name: no", 'classes[0].name is False. Valid: text; put it into quotes, as in "6".'),
        (
            "probability: 0.25",
            "probability: 0",
            "classes[0].augmentations[1].probability is 0.0. Valid: a number above 0, up to 1.",
        ),
        (
            "probability: 0.25",
            "probability: .nan",
            "classes[0].augmentations[1].probability is nan. Valid: a finite number.",
        ),
        (
            "probability: 0.25",
            "probability: 0.75",
            "The probabilities of classes[0] is 1.25. Valid: 1 at most, together.",
        ),
        (
            "range: [0, 30]",
            "range: [0]",
            "classes[0].augmentations[0].range is [0]. Valid: two numbers, such as [0, 30].",
        ),
        (
            "range: [0, 30]",
            "range: [0, wide]",
            "classes[0].augmentations[0].range[1] is 'wide'. Valid: a finite number.",
        ),
        (
            "range: [0, 30]",
            "ranges: [0, 30]",
            (
                "classes[0].augmentations[0].ranges is [0, 30]. Valid: no such entry; known are transform, "
                "probability, range, change."
            ),
        ),
        ("left_out: []", "left_out: {}", "left_out is {}. Valid: a list."),
        (
            "left_out: []",
            '- {index: 2, name: "no", augmentations: []}\nleft_out: []',
            "classes[1].index is 2. Valid: each class once.",
        ),
        (VALID, "5", "The file is 5. Valid: entries version, class_count, classes, left_out."),
    ],
)
def test_what_is_not_valid_is_named(tmp_path, old, new, error):
    assert old in VALID
    file = tmp_path / "augmentations.yaml"
    file.write_text(VALID.replace(old, new), encoding="utf-8")
    with pytest.raises(OptionError) as raised:
        read_augmentations(file)
    assert str(raised.value) == f"{file}: {error}"


def test_a_file_that_is_no_yaml_or_is_not_there(tmp_path):
    file = tmp_path / "augmentations.yaml"
    with pytest.raises(OptionError, match=r"No such file or directory\. A run with --robustness-studies=augmentation"):
        read_augmentations(file)
    file.write_text("a: [", encoding="utf-8")
    with pytest.raises(OptionError, match=r"augmentations\.yaml is not YAML: while parsing"):
        read_augmentations(file)


def test_without_pyyaml_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(OptionError) as raised:
        read_augmentations(tmp_path / "augmentations.yaml")
    assert str(raised.value) == ("Reading augmentations needs PyYAML, which is not installed: pip install pyyaml")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{transform: "rotatoin", probability: 1}', "'rotatoin' is not a transform. Did you mean 'rotation'? Known: "),
        (
            '{transform: "rotation", probability: 1}',
            "'rotation' has levels and needs a range of magnitudes, two numbers from 0 to 90.",
        ),
        ('{transform: "rotation", range: [0, 91], probability: 1}', "'91' is not a magnitude of rotation. Valid: "),
        ('{transform: "vflip", range: [0, 1], probability: 1}', "'vflip' has a single level: leave out its range, "),
    ],
)
def test_transforms_and_magnitudes_are_checked_when_loaded(tmp_path, line, error):
    file = tmp_path / "augmentations.yaml"
    file.write_text(f"version: 1\nclass_count: 1\nclasses:\n- index: 0\n  name: a\n  augmentations:\n  - {line}\n")
    with pytest.raises(OptionError) as raised:
        load_augmentations(file)
    assert str(raised.value).startswith(error)


def test_classes_are_matched_by_name_where_names_are_given(tmp_path):
    file = tmp_path / "augmentations.yaml"
    file.write_text(VALID.replace("0.5", "0.75"))
    assert "1 of 3 classes: rotation, vflip" in repr(load_augmentations(file))
    assert "1 of 2 classes: rotation, vflip" in repr(load_augmentations(file, classes=["no", "yes"]))
    for classes, times in ((["yes"], "not"), (["no", "no"], "more than once")):
        with pytest.raises(OptionError) as raised:
            load_augmentations(file, classes=classes)
        assert str(raised.value) == (
            f"Class 'no' of the augmentations is {times} among the {len(classes)} classes given: {', '.join(classes)}. "
            "Give the names of the data that was judged, or leave classes out where labels are the same."
        )
