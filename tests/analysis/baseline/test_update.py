"""A new baseline says what it no longer has, and compares accuracies on the images that both have alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pytest_robustness.analysis.answers import ImageSet
from pytest_robustness.analysis.baseline import Baseline, BaselineModel, answers_path, classes_path, write
from pytest_robustness.analysis.baseline.update import changes, former, lost_or_other
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core.errors import BaselineError
from pytest_robustness.frontends.session import updating
from tests.locks import locked
from tests.recorded import CONDITIONS, VFLIP, ZOOM, drawn, identities, recorded

CLASSES = ("ant", "bee", "cat")
LABELS = np.random.default_rng(1).integers(0, 3, 60)
OTHER_CODE = (
    "the code of the transform, or of something that it uses, is another than in the baseline; or Python is, as each "
    "minor version compiles code in its own way"
)
KEYS = [f"mine(level=None, draws=1, version={code!r})" for code in ("0123456789abcdef", "fedcba9876543210")]


def baseline(models=("a", "b"), conditions=CONDITIONS, *, seed=1, chosen=range(60), **protocol):
    """Return a baseline on the images ``chosen``, in that order; its answers are drawn for the images by ``seed``."""
    rng = np.random.default_rng(seed)
    given = {
        name: {c: drawn(rng, LABELS, 3, 0.7) for c in CONDITIONS} for name in dict.fromkeys(("a", "b", "c", *models))
    }
    places = np.array(chosen)
    found = recorded(
        {name: {c: given[name][c][places] for c in conditions} for name in models},
        LABELS[places],
        CLASSES,
        images=identities(60)[places],
        **protocol,
    )
    return Baseline(
        found.protocol,
        found.images,
        {
            name: BaselineModel(m.fingerprint, m.outputs, m.answers, dict.fromkeys(m.answers, Outcome.PASS))
            for name, m in found.models.items()
        },
    )


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({}, {"seed": 2}, []),
        ({}, {"models": ("a",)}, ["model gone: b"]),
        ({"models": ("a",)}, {}, []),
        ({"models": ("a", "b\n\x1b[2J")}, {"models": ("a",)}, ["model gone: b\\n\\x1b[2J"]),
        ({}, {"conditions": CONDITIONS[:1]}, ["condition gone: vflip", "condition gone: zoom-s3"]),
        ({"conditions": CONDITIONS[:2]}, {}, []),
        ({}, {"chosen": range(59, -1, -1)}, []),
        ({}, {"chosen": range(20)}, ["images: 60 -> 20, 20 in both"]),
        ({"chosen": range(40)}, {"chosen": range(30, 60)}, ["images: 40 -> 30, 10 in both"]),
        ({"chosen": range(30)}, {"chosen": range(30, 60)}, ["images: 30 -> 30, 0 in both"]),
        ({}, {"tests": {"margin": 60.0}}, ["margin: no such option in the baseline, 60.0 in this run"]),
        (
            {"transforms": {**dict.fromkeys(CONDITIONS, "same"), VFLIP: KEYS[0]}},
            {"transforms": {**dict.fromkeys(CONDITIONS, "same"), VFLIP: KEYS[1]}},
            [
                f"vflip: {OTHER_CODE} ({KEYS[0]} in the baseline, {KEYS[1]} in this run)",
            ],
        ),
        (
            {},
            {"models": ("c",), "conditions": CONDITIONS[:2], "chosen": range(30), "rule": "data"},
            [
                *("model gone: a", "model gone: b", "condition gone: zoom-s3", "images: 60 -> 30, 30 in both"),
                "--robustness-outputs: all in the baseline, data in this run",
            ],
        ),
    ],
)
def test_all_that_is_lost_or_other_is_told_line_by_line(before, now, told):
    assert lost_or_other(baseline(**before), baseline(**now)) == [f"  {line}" for line in told]


def test_another_seed_of_the_transforms_is_told():
    old = baseline()
    new = dataclasses.replace(old, protocol=dataclasses.replace(old.protocol, seed=7))
    assert lost_or_other(old, new) == ["  seed: 0 in the baseline, 7 in this run"]
    assert changes(old, new) == []


def test_however_much_is_lost_all_of_it_is_told():
    full = baseline()
    old = dataclasses.replace(full, models={f"net{i}": full.models["a"] for i in range(100)})
    assert lost_or_other(old, full) == [f"  model gone: net{i}" for i in range(100)]


@pytest.mark.parametrize("chosen", [range(60), range(25, 60), [*range(50, 20, -1)], range(0, 60, 7)], ids=len)
def test_the_same_model_is_not_said_to_have_changed_on_other_images(chosen):
    assert changes(baseline(), baseline(chosen=chosen)) == changes(baseline(chosen=chosen), baseline()) == []


@pytest.mark.parametrize("seed", range(5))
def test_accuracies_are_compared_on_the_images_that_both_have_and_could_read(seed):
    rng = np.random.default_rng(seed)
    places = [rng.permutation(60)[:40] for _ in range(2)]
    pair = [baseline(seed=seed + side, chosen=places[side]) for side in range(2)]
    for side, found in enumerate(pair):
        for model in found.models.values():
            model.answers[ZOOM][side : side + 3] = -1
    lines = []
    for name in ("a", "b"):
        for condition in CONDITIONS:
            right = [[], []]
            for image in range(60):
                at = [np.flatnonzero(chosen == image).tolist() for chosen in places]
                if not at[0] or not at[1]:
                    continue
                both = [found.models[name].answers for found in pair]
                if any(answers[c][i] < 0 for answers, (i,) in zip(both, at, strict=True) for c in CONDITIONS):
                    continue
                for side, (i,) in enumerate(at):
                    right[side].append(both[side][condition][i] == LABELS[image])
            was, is_now = (100 * sum(side) / len(side) for side in right)
            if f"{was:.2f}" != f"{is_now:.2f}":
                lines.append(f"  {name} {condition}: {was:.2f} -> {is_now:.2f} ({is_now - was:+.2f})")
    assert changes(*pair) == lines


def test_without_a_shared_image_no_accuracy_is_compared():
    assert changes(baseline(chosen=range(30)), baseline(chosen=range(30, 60), seed=2)) == []


def test_images_of_another_class_are_others():
    old = baseline()
    moved = ImageSet(old.images.identities, (old.images.labels + 1) % 3, old.images.classes)
    assert lost_or_other(old, dataclasses.replace(old, images=moved)) == ["  images: 60 -> 60, 0 in both"]


def test_no_other_run_reads_or_writes_the_baseline_between_the_former_one_and_the_new(tmp_path, monkeypatch):
    path, seen = tmp_path / "new/base.json", []

    def wrote(new, file):
        seen.append(locked(file.parent))
        return write(new, file)

    def read_before(file):
        seen.append(locked(file.parent))
        return former(file)

    monkeypatch.setattr(updating.baseline, "write", wrote)
    monkeypatch.setattr(updating, "former", read_before)
    updating.update_baseline(path, baseline(), ("a", "b"), CONDITIONS)
    assert seen == [True, True]
    assert not locked(path.parent)
    assert former(path) is not None


@pytest.mark.parametrize("at", ["nothing", "a link to nowhere", "the other two files"])
def test_there_is_no_former_baseline_where_its_first_file_is_not(tmp_path, at):
    path = tmp_path / "base.json"
    if at == "a link to nowhere":
        path.symlink_to(tmp_path / "nowhere")
    elif at == "the other two files":
        write(baseline(), path)
        path.unlink()
    assert former(path) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: answers_path(path).unlink(),
        lambda path: answers_path(path).write_text("version https://git-lfs.github.com/spec/v1\n"),
        lambda path: classes_path(path).unlink(),
        lambda path: path.write_text(path.read_text().replace("{\n", "{\n<<<<<<< HEAD\n", 1)),
        lambda path: path.write_text(path.read_text().replace('"schema_version": 3', '"schema_version": 4')),
        lambda path: path.write_text(path.read_text().replace('"schema_version": 3', '"schema_version": 2')),
        lambda path: path.write_text(path.read_text()[:200]),
    ],
)
def test_a_former_baseline_that_cannot_be_read_is_no_reason_to_begin_anew(tmp_path, damage):
    path = tmp_path / "base.json"
    write(baseline(), path)
    damage(path)
    with pytest.raises(BaselineError) as caught:
        former(path)
    text = str(caught.value)
    assert text.startswith("The baseline was left as it is, as nobody can tell what it would lose. ")
    assert " delete " in text.lower()
