import dataclasses
import hashlib
import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_robustness.analysis.baseline import (
    Baseline,
    BaselineModel,
    RunProtocol,
    answers_path,
    differences,
    read,
    require_comparable,
    write,
)
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Condition
from pytest_robustness.errors import BaselineError, RobustnessError

VFLIP, ZOOM = Condition("vflip"), Condition("zoom", 3)
LABELS = np.array([0, 0, 1, 1, 1, 0])
RESTORE = "Restore both files from version control, or write them anew with --robustness-update-baseline."

PROTOCOL = RunProtocol(
    data="folder:photos",
    dataset="0123456789abcdef",
    images=6,
    classes=("cat", "dog"),
    seed=0,
    pipeline=1,
    transforms={CONTROL: "control", VFLIP: "vflip(version=1)", ZOOM: "zoom(level=1.5, version=1)"},
    tests={"test": "independent", "alpha": 0.05, "correction": "none"},
)


def bits(text):
    return np.array([character == "1" for character in text])


def baseline(**fields):
    answers = {CONTROL: bits("111101"), ZOOM: bits("101101"), VFLIP: bits("000101")}
    model = BaselineModel("f00d", answers, {VFLIP: Outcome.FAIL, ZOOM: Outcome.PASS})
    return Baseline(**{"protocol": PROTOCOL, "readable": bits("111110"), "models": {"resnet18": model}} | fields)


def content_of(found):
    return (
        found.protocol,
        found.readable.tolist(),
        {
            name: (model.fingerprint, {c: a.tolist() for c, a in model.answers.items()}, dict(model.outcomes))
            for name, model in found.models.items()
        },
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "robustness-baseline.json"


def test_what_was_written_is_read(path):
    write(baseline(), LABELS, path)
    assert content_of(read(path)) == content_of(baseline())


names = st.text(min_size=1, max_size=8)


@st.composite
def baselines(draw):
    """Baselines of any models, conditions, class names and numbers of images; labels with them."""
    images, classes = draw(st.integers(1, 20)), draw(st.lists(names, min_size=1, max_size=4))
    transforms = draw(st.lists(st.sampled_from(["hflip", "vflip", "zoom", "a+b"]), unique=True))
    conditions = [CONTROL, *(Condition(t, draw(st.none() | st.integers(1, 5))) for t in transforms)]
    answers = st.lists(st.booleans(), min_size=images, max_size=images).map(np.array)
    models = {
        name: BaselineModel(
            draw(names),
            {c: draw(answers) for c in conditions},
            {c: draw(st.sampled_from(Outcome)) for c in conditions[1:]},
        )
        for name in draw(st.lists(names, unique=True, max_size=3))
    }
    protocol = RunProtocol(
        draw(names), draw(names), images, tuple(classes), draw(st.integers(0)), 1,
        {c: draw(names) for c in conditions}, {"alpha": draw(st.floats(0.01, 0.5))},
    )  # fmt: skip
    labels = draw(st.lists(st.integers(0, len(classes) - 1), min_size=images, max_size=images))
    return Baseline(protocol, draw(answers), models), np.array(labels)


@settings(deadline=None)
@given(baselines())
def test_every_baseline_survives_being_written_and_read(tmp_path_factory, made):
    expected, labels = made
    path = tmp_path_factory.mktemp("any") / "robustness-baseline.json"
    write(expected, labels, path)
    assert content_of(read(path)) == content_of(expected)


def test_a_diff_shows_accuracies_in_percent_one_a_line(path):
    write(baseline(), LABELS, path)
    text = path.read_text(encoding="utf-8")
    cell = json.loads(text)["models"]["resnet18"]["conditions"]["vflip"]
    # The last image could not be read: of the five left, cat has two and dog three.
    assert cell == {"accuracy": 20.0, "correct": 1, "classes": {"cat": 0.0, "dog": 33.33}, "outcome": "FAIL"}
    assert '      "dog": 33.33' in text.splitlines()
    assert "outcome" not in json.loads(text)["models"]["resnet18"]["conditions"]["control"]


def test_the_document_tells_the_protocol_and_is_sorted(path):
    write(baseline(), LABELS, path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["schema_version"] == 1
    assert content["dataset"] == {
        "name": "folder:photos",
        "fingerprint": "0123456789abcdef",
        "images": 6,
        "unreadable": 1,
        "classes": ["cat", "dog"],
    }
    assert content["protocol"]["seed"] == 0
    assert content["protocol"]["conditions"]["zoom-s3"] == {
        "transform": "zoom",
        "severity": 3,
        "key": "zoom(level=1.5, version=1)",
    }
    assert content["models"]["resnet18"]["fingerprint"] == "f00d"
    assert path.read_text(encoding="utf-8") == json.dumps(content, indent=1, sort_keys=True) + "\n"


def test_classes_of_one_name_are_told_apart_and_one_without_images_has_no_accuracy(path):
    protocol = dataclasses.replace(PROTOCOL, classes=("crane", "crane", "swan"))
    write(baseline(protocol=protocol), LABELS, path)
    found = json.loads(path.read_text(encoding="utf-8"))["models"]["resnet18"]["conditions"]["control"]["classes"]
    assert found == {"crane (0)": 100.0, "crane (1)": 66.67}


def test_the_document_names_the_hash_of_the_answers(path):
    write(baseline(), LABELS, path)
    found = json.loads(path.read_text(encoding="utf-8"))["answers_sha256"]
    assert found == hashlib.sha256(answers_path(path).read_bytes()).hexdigest()


def test_the_answers_are_a_numpy_file_of_bits_with_the_readable_images_first(path):
    write(baseline(), LABELS, path)
    rows = np.unpackbits(np.load(answers_path(path)), axis=1, count=6).astype(bool).tolist()
    answers = baseline().models["resnet18"].answers
    assert rows == [row.tolist() for row in (bits("111110"), answers[CONTROL], answers[VFLIP], answers[ZOOM])]


def test_writing_the_same_again_leaves_both_files_alone(path):
    assert write(baseline(), LABELS, path)
    for file in (path, answers_path(path)):
        os.utime(file, ns=(1, 1))
    assert not write(baseline(), LABELS, path)
    assert [file.stat().st_mtime_ns for file in (path, answers_path(path))] == [1, 1]


def test_the_order_in_which_models_and_conditions_ran_does_not_show(tmp_path):
    there, back = baseline().models["resnet18"], baseline()
    turned = dataclasses.replace(there, answers=dict(reversed(there.answers.items())))
    protocol = dataclasses.replace(PROTOCOL, transforms=dict(reversed(PROTOCOL.transforms.items())))
    write(dataclasses.replace(back, models={"a": there, "b": there}), LABELS, tmp_path / "1.json")
    write(dataclasses.replace(back, protocol=protocol, models={"b": turned, "a": turned}), LABELS, tmp_path / "2.json")
    for suffix in (".json", ".npy"):
        assert (tmp_path / f"1{suffix}").read_bytes() == (tmp_path / f"2{suffix}").read_bytes()


def test_one_other_answer_changes_both_files(path):
    write(baseline(), LABELS, path)
    before = [file.read_bytes() for file in (path, answers_path(path))]
    model = baseline().models["resnet18"]
    other = dataclasses.replace(model, answers={**model.answers, ZOOM: bits("111101")})
    assert write(baseline(models={"resnet18": other}), LABELS, path)
    assert all(file.read_bytes() != old for file, old in zip((path, answers_path(path)), before, strict=True))


def test_nothing_else_is_left_in_the_folder(tmp_path):
    path = tmp_path / "new" / "folder" / "baseline.json"
    write(baseline(), LABELS, path)
    assert sorted(file.name for file in path.parent.iterdir()) == ["baseline.json", "baseline.npy"]


def test_imagenet_under_46_conditions_takes_less_than_a_megabyte(path):
    rng = np.random.default_rng(0)
    images, conditions = 50_000, [CONTROL, *(Condition(f"t{i}", 1 + i % 5) for i in range(45))]
    ease = rng.normal(0.9, 1.2, images)
    answers = {c: ease - i / 20 + rng.normal(0, 0.5, images) > 0 for i, c in enumerate(conditions)}
    labels = rng.integers(0, 1000, images)
    protocol = dataclasses.replace(
        PROTOCOL,
        images=images,
        classes=tuple(f"class {i}" for i in range(1000)),
        transforms={c: str(c) for c in conditions},
    )
    outcomes = dict.fromkeys(conditions[1:], Outcome.FAIL)
    made = Baseline(protocol, np.ones(images, bool), {"resnet18": BaselineModel("f00d", answers, outcomes)})
    write(made, labels, path)
    assert answers_path(path).stat().st_size < 300_000
    assert path.stat().st_size < 3_000_000
    assert content_of(read(path)) == content_of(made)


def test_a_missing_baseline_says_how_to_make_one(path):
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert str(caught.value) == (
        f"There is no baseline at {path}. Run the model in production once with --robustness-update-baseline, and "
        f"commit robustness-baseline.json and robustness-baseline.npy."
    )
    assert isinstance(caught.value, RobustnessError)


def test_half_a_pair_is_refused(path):
    write(baseline(), LABELS, path)
    answers_path(path).unlink()
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{answers_path(path)} is missing: it holds the answers that belong to robustness-baseline.json. {RESTORE}"
    )


def test_halves_of_two_pairs_are_refused(tmp_path):
    path, other = tmp_path / "one.json", tmp_path / "other.json"
    write(baseline(), LABELS, path)
    write(baseline(readable=bits("111111")), LABELS, other)
    answers_path(other).replace(answers_path(path))
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert str(caught.value) == (f"{answers_path(path)} does not belong to one.json: its sha256 is another. {RESTORE}")


def damage(path, change):
    """Change the document of a good pair, or the text itself."""
    text = path.read_text(encoding="utf-8")
    path.write_text(change(text), encoding="utf-8")


def without(*keys):
    def change(text):
        content = json.loads(text)
        inner = content
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]
        return json.dumps(content)

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text[:40], "Unterminated string starting at: line 2 column 20 (char 21)"),
        (lambda text: "<<<<<<< HEAD\n" + text, "Expecting value: line 1 column 1 (char 0)"),
        (lambda text: "[]", "it has no schema_version"),
        (lambda text: "{}", "it has no schema_version"),
        (without("protocol", "seed"), "KeyError: 'seed'"),
        (without("answers_sha256"), "KeyError: 'answers_sha256'"),
        (
            without("models", "resnet18", "conditions", "vflip"),
            "ValueError: 3 rows of 6 bits expected; got bytes (4, 1)",
        ),
        (lambda text: text.replace('"FAIL"', '"BROKEN"'), "ValueError: 'BROKEN' is not a valid Outcome"),
    ],
)
def test_a_damaged_document_is_refused(path, change, reason):
    write(baseline(), LABELS, path)
    damage(path, change)
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert str(caught.value) == f"{path} is damaged, or is no baseline ({reason}). {RESTORE}"


def test_a_newer_baseline_is_refused(path):
    write(baseline(), LABELS, path)
    damage(path, lambda text: text.replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path} was written by a newer pytest-robustness (baseline schema 2; this one reads schema 1). Upgrade "
        f"pytest-robustness, or write the baseline anew with --robustness-update-baseline."
    )


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "baseline.json"
    with pytest.raises(BaselineError) as caught:
        write(baseline(), LABELS, path)
    assert str(caught.value) == (
        f"The baseline cannot be written to {path}: File exists. Name another file with --robustness-baseline=FILE; "
        f"nothing has to be computed again."
    )


def test_a_place_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(BaselineError) as caught:
        read(tmp_path)
    assert str(caught.value) == f"{tmp_path} cannot be read: Is a directory."


def test_a_run_like_the_baseline_is_comparable_and_may_have_fewer_conditions(path):
    fewer = dataclasses.replace(PROTOCOL, transforms={CONTROL: "control", ZOOM: PROTOCOL.transforms[ZOOM]})
    for run in (PROTOCOL, fewer, dataclasses.replace(PROTOCOL, data="python:mine:photos")):
        assert differences(PROTOCOL, run) == []
        require_comparable(PROTOCOL, run, path, tests=True)


@pytest.mark.parametrize(
    ("fields", "difference"),
    [
        (
            {"dataset": "fedcba9876543210", "images": 7},
            (
                "images: 6 of folder:photos (fingerprint 0123456789ab) in the baseline, "
                "7 of folder:photos (fingerprint fedcba987654) in this run"
            ),
        ),
        ({"classes": ("cat", "cow")}, "classes: class 1 is 'dog' in the baseline, 'cow' in this run"),
        ({"classes": ("cat",)}, "classes: 2 in the baseline, 1 in this run"),
        ({"seed": 5}, "seed: 0 in the baseline, 5 in this run"),
        ({"pipeline": 2}, "pipeline: 1 in the baseline, 2 in this run"),
        (
            {"transforms": {Condition("zoom", 5): "zoom(level=3.0, version=1)"}},
            "zoom-s5: not in the baseline, which has control, vflip, zoom-s3",
        ),
        (
            {"transforms": {VFLIP: "vflip(version=2)"}},
            "vflip: vflip(version=1) in the baseline, vflip(version=2) in this run",
        ),
    ],
)
def test_each_difference_is_told(fields, difference):
    assert differences(PROTOCOL, dataclasses.replace(PROTOCOL, **fields)) == [difference]


def test_all_differences_are_listed_at_once(path):
    run = dataclasses.replace(PROTOCOL, seed=5, classes=("cat",), tests={"test": "paired", "alpha": 0.05})
    with pytest.raises(BaselineError) as caught:
        require_comparable(PROTOCOL, run, path, tests=True)
    assert str(caught.value) == (
        f"{path} is not comparable with this run:\n"
        "  - classes: 2 in the baseline, 1 in this run\n"
        "  - seed: 0 in the baseline, 5 in this run\n"
        "  - correction: none in the baseline, no such option in this run\n"
        "  - test: independent in the baseline, paired in this run\n"
        "Run as the baseline was run, or write a new one with --robustness-update-baseline."
    )


def test_how_models_were_tested_matters_only_where_their_verdicts_do(path):
    run = dataclasses.replace(PROTOCOL, tests={"test": "paired"})
    require_comparable(PROTOCOL, run, path)
    with pytest.raises(BaselineError, match="test: independent in the baseline, paired in this run"):
        require_comparable(PROTOCOL, run, path, tests=True)


def test_the_only_model_needs_no_name():
    only = baseline()
    assert only.model() is only.model("resnet18") is only.models["resnet18"]


def test_a_model_that_is_not_there_is_refused():
    with pytest.raises(BaselineError, match=r"^'vgg' is not a model of the baseline\. Known: resnet18\.$"):
        baseline().model("vgg")


def test_of_several_models_one_must_be_named():
    model = baseline().models["resnet18"]
    with pytest.raises(
        BaselineError, match=r"^The baseline holds 2 models; name one of them with --robustness-baseline-model: a, b\.$"
    ):
        baseline(models={"b": model, "a": model}).model()
