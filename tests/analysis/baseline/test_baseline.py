import contextlib
import dataclasses
import errno
import hashlib
import itertools
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_robustness.analysis.baseline import (
    Baseline,
    BaselineModel,
    ImageSet,
    Overlap,
    RunProtocol,
    answers_path,
    classes_path,
    differences,
    files,
    read,
    require_comparable,
    write,
)
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, ClassLabel, Condition
from pytest_robustness.core.errors import BaselineError, RobustnessError
from tests.recorded import in_order

VFLIP, ZOOM = Condition("vflip"), Condition("zoom", 3)
LABELS = np.array([0, 0, 1, 1, 1, 0])
RESTORE = (
    "Restore its files from version control, or delete them and write them anew with --robustness-update-baseline."
)

PROTOCOL = RunProtocol(
    data="folder:photos",
    seed=0,
    pipeline=1,
    transforms={CONTROL: "control", VFLIP: "vflip(version=1)", ZOOM: "zoom(level=1.5, version=1)"},
    tests={"test": "independent", "alpha": 0.05, "correction": "none"},
)


def identities(*texts):
    """Return the identities of images that are these texts."""
    return np.array([hashlib.sha256(text.encode()).digest()[:16] for text in texts], "V16")


def images(*names, labels=LABELS, classes=("cat", "dog")):
    """Return images of these names; by default those of the baseline below."""
    labelled = tuple(ClassLabel(name, name) for name in classes)
    return ImageSet(identities(*(names or map(str, range(len(labels))))), np.asarray(labels, np.int64), labelled)


def answered(text):
    """Return answers: the digits, -1 for a dash."""
    return np.array([-1 if character == "-" else int(character) for character in text], np.int32)


def baseline(**fields):
    # Right on 1111 0-, 1011 0-, 0001 0-: class cat is output 1, dog output 0, and the last image could not be read.
    answers = {CONTROL: answered("11001-"), ZOOM: answered("12001-"), VFLIP: answered("00103-")}
    model = BaselineModel("f00d", np.array([1, 0]), answers, {VFLIP: Outcome.FAIL, ZOOM: Outcome.PASS})
    return Baseline(**{"protocol": PROTOCOL, "images": images(), "models": {"resnet18": model}} | fields)


def content_of(found):
    """Return all that a baseline holds, in the order of a file."""
    order = in_order(found.images)
    return (
        found.protocol,
        found.images.identities[order].tobytes(),
        found.images.labels[order].tolist(),
        found.images.classes,
        found.readable[order].tolist(),
        {
            name: (
                model.fingerprint,
                model.outputs.tolist(),
                {c: a[order].tolist() for c, a in model.answers.items()},
                dict(model.outcomes),
            )
            for name, model in found.models.items()
        },
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "robustness-baseline.json"


def test_what_was_written_is_read(path):
    write(baseline(), path)
    assert content_of(read(path)) == content_of(baseline())


names = st.text(st.characters(exclude_categories=[]), min_size=1, max_size=8)


@st.composite
def baselines(draw):
    """Baselines of any models, conditions, classes, outputs and numbers of images, and of names that are no text."""
    count, classes = (
        draw(st.integers(1, 20)),
        draw(st.lists(st.builds(ClassLabel, names, names), min_size=1, max_size=4)),
    )
    transforms = draw(st.lists(st.sampled_from(["hflip", "vflip", "zoom", "a+b"]), unique=True))
    conditions = [CONTROL, *(Condition(t, draw(st.none() | st.integers(1, 5))) for t in transforms)]
    largest = draw(st.sampled_from([3, 65_534, 65_535, 2**31 - 1]))
    readable = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    outputs = st.lists(st.integers(0, largest), min_size=len(classes), max_size=len(classes)).map(np.array)
    answers = st.lists(st.integers(0, largest), min_size=count, max_size=count).map(
        lambda drawn: np.where(readable, drawn, -1)
    )
    models = {
        name: BaselineModel(
            draw(names),
            draw(outputs),
            {c: draw(answers) for c in conditions},
            {c: draw(st.sampled_from(Outcome)) for c in conditions[1:]},
        )
        for name in draw(st.lists(names, unique=True, max_size=3))
    }
    protocol = RunProtocol(
        draw(names), draw(st.integers(0, 2**62)), 1, {c: draw(names) for c in conditions},
        {"alpha": draw(st.floats(0.01, 0.5))}, draw(st.sampled_from(["all", "data"])),
    )  # fmt: skip
    labels = draw(st.lists(st.integers(0, len(classes) - 1), min_size=count, max_size=count))
    numbers = draw(st.lists(st.binary(min_size=16, max_size=16), min_size=count, max_size=count))
    shown = ImageSet(np.frombuffer(b"".join(numbers), "V16"), np.array(labels), tuple(classes))
    return Baseline(protocol, shown, models)


@settings(deadline=None)
@given(baselines())
def test_every_baseline_survives_being_written_and_read(tmp_path_factory, expected):
    path = tmp_path_factory.mktemp("any") / "robustness-baseline.json"
    write(expected, path)
    assert content_of(read(path)) == content_of(expected)


def test_a_diff_shows_accuracies_in_percent_one_a_line(path):
    write(baseline(), path)
    cell = json.loads(path.read_text(encoding="utf-8"))["models"]["resnet18"]["conditions"]["vflip"]
    # The last image could not be read: of the five left, cat has two and dog three.
    assert cell == {"accuracy": 20.0, "correct": 1, "outcome": "FAIL"}
    assert '     "accuracy": 20.0,' in path.read_text(encoding="utf-8").splitlines()
    assert "outcome" not in json.loads(path.read_text(encoding="utf-8"))["models"]["resnet18"]["conditions"]["control"]


def test_the_classes_have_a_line_each_in_a_file_of_their_own(path):
    write(baseline(), path)
    text = classes_path(path).read_text(encoding="utf-8")
    assert text.splitlines() == [
        "{",
        ' "classes": [',
        '  {"key": "cat", "name": "cat", "images": 2},',
        '  {"key": "dog", "name": "dog", "images": 3}',
        " ],",
        ' "models": {',
        '  "resnet18": [',
        '   {"class": "cat", "accuracy": {"control": 100.0, "vflip": 0.0, "zoom-s3": 50.0}},',
        '   {"class": "dog", "accuracy": {"control": 66.67, "vflip": 33.33, "zoom-s3": 66.67}}',
        "  ]",
        " },",
        ' "schema_version": 3',
        "}",
    ]


def test_the_first_file_stays_short_whatever_the_number_of_classes(path):
    names = tuple(f"class {i}" for i in range(1000))
    shown = ImageSet(identities(*map(str, range(6))), LABELS, tuple(ClassLabel(name, name) for name in names))
    model = dataclasses.replace(baseline().models["resnet18"], outputs=np.arange(1000))
    write(baseline(images=shown, models={"resnet18": model}), path)
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60
    assert len(classes_path(path).read_text(encoding="utf-8").splitlines()) == 2009


def test_the_document_tells_the_protocol_and_is_sorted(path):
    write(baseline(), path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["schema_version"] == 3
    assert content["dataset"] == {
        "name": "folder:photos",
        "images": 6,
        "unreadable": 1,
        "classes": 2,
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
    birds = images(classes=("crane", "crane", "swan"))
    model = dataclasses.replace(baseline().models["resnet18"], outputs=np.array([1, 0, 2]))
    write(baseline(images=birds, models={"resnet18": model}), path)
    found = json.loads(classes_path(path).read_text(encoding="utf-8"))["models"]["resnet18"]
    assert [(row["class"], row["accuracy"].get("control")) for row in found] == [
        ("crane", 100.0), ("crane", 66.67), ("swan", None),
    ]  # fmt: skip


def test_the_answers_name_the_hash_of_what_the_document_says(path):
    write(baseline(), path)
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["answers_sha256"]
    said = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    assert np.load(answers_path(path))["document"].tobytes() == said


def test_numpy_reads_the_images_and_the_outputs_that_are_not_those_of_control(path):
    write(baseline(), path)
    found = np.load(answers_path(path))
    order = in_order(images())
    assert found["identities"].tobytes() == images().identities[order].tobytes()
    assert found["labels"].tolist() == [0, 0, 0, 1, 1, 1]
    assert found["outputs"].tolist() == [[1, 0]]
    # Control 11001-, of which 110001 is right; vflip 00103- and zoom 12001-, by control. A dash is the largest number.
    changed = np.array([[0, 0, 0, 0, 1, 1], [1, 1, 1, 0, 1, 0], [0, 1, 0, 0, 0, 0]])[:, order]
    assert np.unpackbits(found["changed"], axis=1, count=6).tolist() == changed.tolist()
    answers = np.array([[1, 1, 0, 0, 1, 65535], [0, 0, 1, 0, 3, 65535], [1, 2, 0, 0, 1, 65535]])[:, order]
    values = found["values"].astype(int)
    assert (values[0] + 256 * values[1]).tolist() == answers[changed == 1].tolist()


def test_the_order_of_the_images_changes_no_byte(path, tmp_path):
    shuffled = [4, 0, 5, 2, 1, 3]
    shown, [model] = images(), baseline().models.values()
    answers = {condition: found[shuffled] for condition, found in model.answers.items()}
    again = baseline(
        images=ImageSet(shown.identities[shuffled], shown.labels[shuffled], shown.classes),
        models={"resnet18": dataclasses.replace(model, answers=answers)},
    )
    write(baseline(), path)
    write(again, tmp_path / "again.json")
    assert answers_path(tmp_path / "again.json").read_bytes() == answers_path(path).read_bytes()


def test_the_bytes_are_those_of_any_day_and_system(path):
    write(baseline(), path)
    with zipfile.ZipFile(answers_path(path)) as archive:
        for member in archive.infolist():
            assert (member.date_time, member.create_system) == ((1980, 1, 1, 0, 0, 0), 3)
            # The hashes cannot be made smaller, and whoever claims many images needs a large file.
            assert (member.compress_type == zipfile.ZIP_STORED) == (member.filename[:3] in ("doc", "ide"))


@pytest.mark.parametrize("names", [("prod-1.0.json", "prod-1.1.json"), ("prod-1.0", "prod-1.1"), ("prod", "prod.json")])
def test_two_baselines_share_no_file(tmp_path, names):
    made = [baseline(), baseline(protocol=dataclasses.replace(PROTOCOL, seed=7))]
    for name, one in zip(names, made, strict=True):
        write(one, tmp_path / name)
    assert len(list(tmp_path.iterdir())) == 6
    for name, one in zip(names, made, strict=True):
        assert content_of(read(tmp_path / name)) == content_of(one)


@given(st.lists(st.text(st.sampled_from("ab."), min_size=1).map(lambda t: t + "x"), min_size=2, unique=True))
def test_no_two_names_share_a_file_of_answers(tmp_path_factory, stems):
    folder = tmp_path_factory.getbasetemp()
    paths = [folder / f"{stem}{ending}" for stem, ending in itertools.product(stems, ("", ".json", ".npz"))]
    assert len({answers_path(path) for path in paths}) == len(paths)


def test_writing_the_same_again_leaves_both_files_alone(path):
    assert write(baseline(), path)
    for file in (path, answers_path(path)):
        os.utime(file, ns=(1, 1))
    assert not write(baseline(), path)
    assert [file.stat().st_mtime_ns for file in (path, answers_path(path))] == [1, 1]


def test_the_order_in_which_models_and_conditions_ran_does_not_show(tmp_path):
    there, back = baseline().models["resnet18"], baseline()
    turned = dataclasses.replace(there, answers=dict(reversed(there.answers.items())))
    protocol = dataclasses.replace(PROTOCOL, transforms=dict(reversed(PROTOCOL.transforms.items())))
    write(dataclasses.replace(back, models={"a": there, "b": there}), tmp_path / "1.json")
    write(dataclasses.replace(back, protocol=protocol, models={"b": turned, "a": turned}), tmp_path / "2.json")
    for suffix in (".json", ".npz"):
        assert (tmp_path / f"1{suffix}").read_bytes() == (tmp_path / f"2{suffix}").read_bytes()


def test_one_other_answer_changes_both_files(path):
    write(baseline(), path)
    before = [file.read_bytes() for file in (path, answers_path(path))]
    model = baseline().models["resnet18"]
    other = dataclasses.replace(model, answers={**model.answers, ZOOM: answered("11001-")})
    assert write(baseline(models={"resnet18": other}), path)
    assert all(file.read_bytes() != old for file, old in zip((path, answers_path(path)), before, strict=True))


def test_nothing_else_is_left_in_the_folder(tmp_path):
    path = tmp_path / "new" / "folder" / "baseline.json"
    write(baseline(), path)
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "baseline.classes.json",
        "baseline.json",
        "baseline.npz",
    ]


def realistic_answers(rng, labels, classes):
    """Draw what a classifier answers: a wrong answer is most often one of a few classes that are like the right one."""
    count, likeness = len(labels), 1 / np.arange(1, 61) ** 1.2
    alike = np.array([rng.permutation(classes)[:60] for _ in range(classes)])

    def wrong():
        return alike[labels, rng.choice(60, count, p=likeness / likeness.sum())]

    ease, control = rng.normal(1.3, 1.6, count), None
    for cost in (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.2, 0.3):
        right = ease - cost + 0.35 * rng.logistic(size=count) > 0
        kept = (rng.random(count) < 0.7) & (control is not None and control != labels)
        drawn = np.where(right, labels, np.where(kept, control if control is not None else 0, wrong()))
        control = drawn if control is None else control
        yield drawn.astype(np.int32)


def test_fifty_thousand_images_under_ten_conditions_take_about_a_megabyte(path):
    rng = np.random.default_rng(0)
    count, conditions = 50_000, [CONTROL, *(Condition(f"t{i}", 3) for i in range(10))]
    labels = rng.permutation(np.repeat(np.arange(1000), count // 1000))
    answers = dict(zip(conditions, realistic_answers(rng, labels, 1000), strict=True))
    # 78 % right in control, between 76 and 31 % right under the transforms.
    assert 0.75 < (answers[CONTROL] == labels).mean() < 0.8
    classes = tuple(ClassLabel(f"n{i:08}", f"class {i}") for i in range(1000))
    shown = ImageSet(np.frombuffer(rng.bytes(16 * count), "V16"), labels, classes)
    protocol = dataclasses.replace(PROTOCOL, transforms={c: str(c) for c in conditions})
    outcomes = dict.fromkeys(conditions[1:], Outcome.FAIL)
    made = Baseline(protocol, shown, {"resnet50": BaselineModel("f00d", np.arange(1000), answers, outcomes)})
    write(made, path)
    with zipfile.ZipFile(answers_path(path)) as archive:
        size = {member.filename: member.compress_size for member in archive.infolist()}
    assert size["changed.npy"] + size["values.npy"] < 300_000
    # The rest is one hash of 16 bytes an image: labels are in order, however the images came.
    assert answers_path(path).stat().st_size < 1_100_000
    assert path.stat().st_size < 5_000
    assert content_of(read(path)) == content_of(made)


@pytest.mark.parametrize(
    ("place", "change", "difference"),
    [
        ("", '"accuracy": 20.0', "models.resnet18.conditions.vflip.accuracy is 99.9, and the answers give 20.0"),
        ("", '"correct": 1', "models.resnet18.conditions.vflip.correct is 99.9, and the answers give 1"),
        (
            ".classes",
            '"vflip": 33.33',
            "models.resnet18[1].accuracy.vflip is 99.9, and the answers give 33.33",
        ),
        (".classes", '"images": 3', "classes[1].images is 99.9, and the answers give 3"),
    ],
)
def test_an_edited_figure_is_refused_by_its_place(path, place, change, difference):
    write(baseline(), path)
    file = path.with_name(f"robustness-baseline{place}.json")
    text = file.read_text(encoding="utf-8")
    assert text.count(change) == 1
    file.write_text(text.replace(change, change.split(":")[0] + ": 99.9"), encoding="utf-8")
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert str(caught.value) == f"{file} was changed after it was written: {difference}. {RESTORE}"


def test_a_class_that_was_renamed_in_its_file_is_refused(path):
    write(baseline(), path)
    file = classes_path(path)
    file.write_text(file.read_text(encoding="utf-8").replace('"cat"', '"lynx"'), encoding="utf-8")
    with pytest.raises(BaselineError, match="was changed after it was written"):
        read(path)


def test_line_ends_of_another_system_change_nothing(path):
    write(baseline(), path)
    for file in (path, classes_path(path)):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert content_of(read(path)) == content_of(baseline())


def test_answers_that_were_packed_by_another_compressor_are_the_same(path):
    write(baseline(), path)
    again = path.with_name("again.npz")
    with zipfile.ZipFile(answers_path(path)) as old, zipfile.ZipFile(again, "w", compresslevel=1) as new:
        for member in old.infolist():
            new.writestr(member, old.read(member), compresslevel=0)
    again.replace(answers_path(path))
    packed = answers_path(path).read_bytes()
    assert content_of(read(path)) == content_of(baseline())
    assert not write(baseline(), path)
    assert answers_path(path).read_bytes() == packed


def test_a_missing_baseline_says_how_to_make_one(path):
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert str(caught.value) == (
        f"There is no baseline at {path}. Run the model in production once with --robustness-update-baseline, and "
        f"commit robustness-baseline.json, robustness-baseline.classes.json and robustness-baseline.npz."
    )
    assert isinstance(caught.value, RobustnessError)


def test_half_a_pair_is_refused(path):
    write(baseline(), path)
    answers_path(path).unlink()
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{answers_path(path)} is missing: it holds the answers that belong to robustness-baseline.json. {RESTORE}"
    )


def test_halves_of_two_pairs_are_refused(tmp_path):
    path, other = tmp_path / "one.json", tmp_path / "other.json"
    write(baseline(), path)
    write(baseline(protocol=dataclasses.replace(PROTOCOL, seed=1)), other)
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
        (lambda text: text[:40], "no JSON: Unterminated string starting at: line 2 column 20 (char 21)"),
        (lambda text: "[]", "it has no schema_version"),
        (lambda text: "{}", "it has no schema_version"),
        (without("protocol", "seed"), "KeyError: 'seed'"),
        (without("answers_sha256"), "KeyError: 'answers_sha256'"),
        (
            without("models", "resnet18", "conditions", "vflip"),
            "ValueError: a model has the conditions ['control', 'zoom-s3'], and not ['control', 'vflip', 'zoom-s3']",
        ),
        (lambda text: text.replace('"FAIL"', '"BROKEN"'), "ValueError: 'BROKEN' is not a valid Outcome"),
    ],
)
def test_a_damaged_document_is_refused(path, change, reason):
    write(baseline(), path)
    damage(path, change)
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert str(caught.value) == f"{path} is damaged, or is no baseline ({reason}). {RESTORE}"


def test_a_newer_baseline_is_refused(path):
    write(baseline(), path)
    damage(path, lambda text: text.replace('"schema_version": 3', '"schema_version": 4'))
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path} was written by a newer pytest-robustness (baseline schema 4; this one reads schema 3). Upgrade "
        f"pytest-robustness, or delete the baseline's files and write them anew with --robustness-update-baseline."
    )


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "baseline.json"
    with pytest.raises(BaselineError) as caught:
        write(baseline(), path)
    assert str(caught.value) == (
        f"The baseline cannot be written to {path}: File exists. Name another file with --robustness-baseline=FILE; "
        f"nothing has to be computed again."
    )


def test_a_place_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(BaselineError) as caught:
        read(tmp_path)
    assert str(caught.value) == f"{tmp_path} cannot be read: is a folder, not a file. {RESTORE}"


SAME = Overlap(images(), images())


def test_a_run_like_the_baseline_is_comparable_and_may_have_fewer_conditions(path):
    fewer = dataclasses.replace(PROTOCOL, transforms={CONTROL: "control", ZOOM: PROTOCOL.transforms[ZOOM]})
    for run in (PROTOCOL, fewer, dataclasses.replace(PROTOCOL, data="python:mine:photos")):
        assert differences(PROTOCOL, run) == []
        require_comparable(PROTOCOL, run, SAME, path, tests=True)


@pytest.mark.parametrize(
    ("fields", "difference"),
    [
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


@pytest.mark.parametrize(("data", "other"), [("folder:b", False), ("python:own.py:photos", True), ("data", True)])
def test_images_that_are_known_in_another_way_are_said_to_be(path, data, other):
    strange = Overlap(images(), images("a", "b", labels=[0, 1]))
    with pytest.raises(BaselineError) as caught:
        require_comparable(PROTOCOL, dataclasses.replace(PROTOCOL, data=data), strange, path)
    reason = (
        ". If these are the same images: those of digits, cifar10, python: and of datasets given as objects are known "
        "by their pixels, those of files by their bytes, so that one is not found in the other"
    )
    said = "images: no image of this run is in the baseline (6 in the baseline, 2 in this run, of folder:photos there)"
    assert str(caught.value).splitlines()[1] == f"  - {said}{reason if other else ''}"


def test_all_differences_are_listed_at_once(path):
    run = dataclasses.replace(PROTOCOL, seed=5, tests={"test": "paired", "alpha": 0.05})
    strange = Overlap(images(), images("a", "b", labels=[0, 1]))
    with pytest.raises(BaselineError) as caught:
        require_comparable(PROTOCOL, run, strange, path, tests=True)
    assert str(caught.value) == (
        f"{path} is not comparable with this run:\n"
        "  - images: no image of this run is in the baseline (6 in the baseline, 2 in this run, of folder:photos there)"
        "\n"
        "  - seed: 0 in the baseline, 5 in this run\n"
        "  - correction: none in the baseline, no such option in this run\n"
        "  - test: independent in the baseline, paired in this run\n"
        "Run as the baseline was run, or write a new one with --robustness-update-baseline."
    )


def test_how_models_were_tested_matters_only_where_their_verdicts_do(path):
    run = dataclasses.replace(PROTOCOL, tests={"test": "paired"})
    require_comparable(PROTOCOL, run, SAME, path)
    with pytest.raises(BaselineError, match="test: independent in the baseline, paired in this run"):
        require_comparable(PROTOCOL, run, SAME, path, tests=True)


def test_the_only_model_needs_no_name():
    only = baseline()
    assert only.model() is only.model("resnet18") is only.models["resnet18"]


def test_a_model_that_is_not_there_is_refused():
    with pytest.raises(BaselineError, match=r"^'vgg' is not a model of the baseline\. Known: resnet18\. Name "):
        baseline().model("vgg")


def test_of_several_models_one_must_be_named():
    model = baseline().models["resnet18"]
    with pytest.raises(
        BaselineError, match=r"^The baseline holds 2 models; name one of them with --robustness-baseline-model: a, b\.$"
    ):
        baseline(models={"b": model, "a": model}).model()


@pytest.mark.parametrize("name", ["baseline", "classes"])
@pytest.mark.parametrize("ours", ["", '"theirs": 1,\n'])
def test_a_merge_that_was_not_resolved_is_named_as_such(path, name, ours):
    write(baseline(), path)
    file = path if name == "baseline" else classes_path(path)
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    middle = len(lines) // 2
    lines[middle:middle] = ["<<<<<<< HEAD\n", ours, "=======\n", ">>>>>>> other\n"]
    file.write_text("".join(lines), encoding="utf-8")
    with pytest.raises(BaselineError, match="has merge conflict markers") as caught:
        read(path)
    assert str(caught.value).startswith(f"{file} has merge conflict markers. ")


def test_the_file_that_names_the_others_takes_its_place_last(path, monkeypatch):
    placed, usual = [], files.replacing

    @contextlib.contextmanager
    def noted(file):
        with usual(file) as part:
            yield part
        placed.append(file)

    monkeypatch.setattr(files, "replacing", noted)
    write(baseline(), path)
    assert placed == [answers_path(path), classes_path(path), path]


@pytest.mark.parametrize("place", [Path, classes_path, answers_path])
def test_a_disk_that_is_full_leaves_the_former_baseline(path, place, monkeypatch):
    write(baseline(), path)
    model = baseline().models["resnet18"]
    answers = {condition: np.roll(given, 1) for condition, given in model.answers.items()}
    other = baseline(models={"resnet18": dataclasses.replace(model, answers=answers)})
    former, usual = {file: file.read_bytes() for file in path.parent.iterdir()}, files.replacing

    @contextlib.contextmanager
    def full(file):
        with usual(file) as part:
            if file == place(path):
                raise OSError(errno.ENOSPC, "No space left on device")
            yield part

    with monkeypatch.context() as patch:
        patch.setattr(files, "replacing", full)
        with pytest.raises(BaselineError, match=r"cannot be written to .*: No space left on device"):
            write(other, path)
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == former
    assert write(other, path)
    assert all(file.read_bytes() != content for file, content in former.items())


@pytest.mark.parametrize("place", [Path, classes_path, answers_path])
def test_a_file_that_git_lfs_has_not_fetched_is_named_as_such(path, place):
    write(baseline(), path)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    place(path).write_text(pointer, encoding="utf-8")
    for use in (read, lambda path: write(baseline(), path)):
        with pytest.raises(BaselineError, match=r"is a pointer of Git LFS, .* Run git lfs pull") as caught:
            use(path)
        assert str(caught.value).startswith(f"{place(path)} ")
        assert place(path).read_text(encoding="utf-8") == pointer


@pytest.mark.parametrize("images", [3, 4])
@pytest.mark.parametrize("place", [answers_path, classes_path])
def test_files_of_two_baselines_do_not_belong_together(path, tmp_path, place, images):
    first, other = baseline(), baseline()
    kept = slice(None, images)
    labels = other.images.labels[kept]
    classes = (*other.images.classes, ClassLabel("zoo", "zoo"))
    models = {
        name: dataclasses.replace(
            model, outputs=np.append(model.outputs, 99), answers={c: a[kept] for c, a in model.answers.items()}
        )
        for name, model in other.models.items()
    }
    other = Baseline(other.protocol, ImageSet(other.images.identities[kept], labels, classes), models)
    write(first, path)
    (tmp_path / "other").mkdir()
    write(other, tmp_path / "other" / path.name)
    place(path).write_bytes(place(tmp_path / "other" / path.name).read_bytes())
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{place(path)} does not belong to {path.name}: it has ")
    assert "uint8" not in str(caught.value)


OPERATION = "mine(level=None, draws=1, version={})"


@pytest.mark.parametrize(
    ("before", "now", "code"),
    [
        (repr("0123456789abcdef"), repr("fedcba9876543210"), True),
        (1, 2, False),
        (1, repr("fedcba9876543210"), False),
    ],
)
def test_another_code_of_a_transform_is_said_in_words(before, now, code):
    def protocol(version):
        keys = {CONTROL: "control", Condition("mine"): f"{OPERATION.format(version)} + {OPERATION.format(3)}"}
        return RunProtocol("folder:photos", 0, 1, keys, {})

    (found,) = differences(protocol(before), protocol(now))
    assert found.startswith("mine: the code of the transform, or of something that it uses, is another") == code
    assert ("each minor version compiles code in its own way" in found) == code
    assert ("version=1" in found.partition("Undo")[2]) == code
    assert f"version={before}" in found
    assert f"version={now}" in found
