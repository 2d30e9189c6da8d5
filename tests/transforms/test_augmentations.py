"""The file of augmentations: what is written reads back, and what is not valid is named."""

from __future__ import annotations

import os
import sys
import tracemalloc

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.core.errors import OptionError
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
        ("class_count: 3", "class_count: 0", "class_count is 0. Valid: a whole number from 1 to 1000000."),
        ("class_count: 3", "class_count: true", "class_count is True. Valid: a whole number from 1 to 1000000."),
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


def aliases(levels: int) -> str:
    """Return a list whose every entry stands for ten of the entry before: ten to the power of ``levels`` texts."""
    lines = ["- &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "class_count:\n" + "\n".join(lines)


WIDE = f"class_count: [{', '.join(['[1, {a: b}]'] * 1000)}]"
HOSTILE = {
    "aliases of aliases": (aliases(9), "is not YAML: found the alias 'a0': write out what it stands for in "),
    "an alias of the whole": ("class_count: &a [*a]", "is not YAML: found the alias 'a'"),
    "one alias": ("class_count: &a 3\nleft_out: *a", "is not YAML: found the alias 'a'"),
    "a merge": ("class_count: &a {b: 1}\nleft_out: {<<: *a}", "is not YAML: found the alias 'a'"),
    "depth": ("class_count: " + "[" * 600 + "]" * 600, "is nested too deeply to be read. Valid: "),
    "depth of mappings": ("class_count: " + "{a: " * 600 + "}" * 600, "is nested too deeply to be read. Valid: "),
    "width": (WIDE, ": class_count is [[1, {'a': 'b'}], [1, {'a': 'b'}], "),
    "a large number": ("class_count: 1" + "0" * 400, ": class_count is 1000"),
    "a number without end": ("class_count: 1" + "0" * 5000, "is not YAML: "),
    "a number in base 60": ("class_count: 1" + ":59" * 4000, ": class_count is <int>. Valid: a whole number"),
    "a long text": (f"class_count: {'x' * 10**5}", ": class_count is 'xxxxx"),
    "a long key": (f"{'x' * 10**5}: 1", "is not YAML: while scanning a simple key"),
    "another long key": (f"class_count: 3\nclasses: []\n? {'x' * 1100}\n: 1", "xx… is 1. Valid: no such entry"),
    "a key twice": ("class_count: 3\nclass_count: 4", "is not YAML: found the key 'class_count' twice in "),
    "a key twice, quoted": ("class_count: 3\n'class_count': 4", "is not YAML: found the key 'class_count' twice in "),
    "many classes": ("class_count: 1000000000000", "Valid: a whole number from 1 to 1000000."),
    "a date that is none": ("class_count: 2001-99-99", "is not YAML: month must be in"),
    "a time that is none": ("class_count: !!timestamp noon", "is not YAML: "),
    "a switch that is none": ("class_count: !!bool perhaps", "is not YAML: 'perhaps'"),
    "code": ("class_count: !!python/object/apply:os.getcwd []", "is not YAML: could not determine a constructor"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_file_makes_more_than_a_sentence(tmp_path, kind):
    text, error = HOSTILE[kind]
    file = tmp_path / "augmentations.yaml"
    file.write_text(f"version: 1\n{text}\n" + ("" if "classes:" in text else "classes: []\n"), encoding="utf-8")
    tracemalloc.start()
    try:
        with pytest.raises(OptionError) as raised:
            read_augmentations(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error in str(raised.value)
    assert len(str(raised.value)) < 2000
    assert peak < 1000 * len(text) + 10**7


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("range: [0, 30]", f"range: [0, 1{'0' * 400}]", "range[1] is 10000"),
        ("probability: 0.25", f"probability: 1{'0' * 400}", "probability is 10000"),
        ("probability: 0.25", "probability: 0.25, probability: 1.0", "is not YAML: found the key 'probability' twice"),
    ],
)
def test_an_entry_of_an_augmentation_is_one_finite_number(tmp_path, old, new, error):
    file = tmp_path / "augmentations.yaml"
    assert old in VALID
    file.write_text(VALID.replace(old, new), encoding="utf-8")
    with pytest.raises(OptionError) as raised:
        read_augmentations(file)
    assert error in str(raised.value)
    assert len(str(raised.value)) < 500


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place, error in ((tmp_path / "pipe", "is no regular file"), ("/dev/zero", "is no regular file")):
        with pytest.raises(OptionError, match=error):
            read_augmentations(place)


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
