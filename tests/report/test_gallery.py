"""What a report shows of the images: which, with which answers, how small, and what fallen classes are taken for."""

from __future__ import annotations

import base64
import dataclasses
import io
import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.analysis.findings import ClassFinding, ClassTest, Counts
from pytest_robustness.analysis.test_result import Outcome, TestResult, Verdict
from pytest_robustness.core import CONTROL, Cell, ClassLabel, Condition, Predictions, Preprocess, Shard
from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.errors import BadImageError
from pytest_robustness.inference.class_matching import imagenet_classes
from pytest_robustness.inference.run_log import Ledger
from pytest_robustness.inference.store import Store
from pytest_robustness.report import gallery
from pytest_robustness.report.confusions import fallen_classes
from pytest_robustness.report.evidence import Evidence, answer_naming, average_changes
from pytest_robustness.report.gallery import Answer, Exhibit
from pytest_robustness.report.thumbnails import Darkroom
from pytest_robustness.transforms import builtin

NAMES = ("ant", "bee", "cat")
VFLIP = Condition("vflip")


def result(difference=0.0, p=1.0):
    return TestResult("independent", 5, 90.0, 90.0 + difference, difference, 0, 0, 0, 0, 8.0, p, p, 1.0)


def class_test(results, condition=VFLIP, models=("a", "b")):
    findings = tuple(ClassFinding(i, f"class {i}", found) for i, found in enumerate(results))
    sensitive = tuple(finding for finding in findings if finding.result.rejects(0.05))
    return ClassTest(condition, models, findings, sensitive, 0, (), (), 0.05, Verdict(Outcome.FAIL, ""))


def test_two_classes_that_fell_most_and_two_that_changed_least_are_shown():
    test = class_test(
        [
            result(-10, 0.001),
            result(-40, 0.001),
            result(-30, 0.001),
            result(+50, 0.001),
            result(-3, 0.5),
            result(0, 1.0),
            result(+1, 0.8),
            result(math.nan, math.nan),
        ]
    )
    shown = [(finding.index, sensitive) for finding, sensitive in gallery.shown_classes(test)]
    assert shown == [(1, True), (2, True), (5, False), (6, False)]


def test_of_each_transform_its_middle_severity_is_shown_and_twelve_transforms_at_most():
    tests = [class_test([result()], Condition("zoom", severity)) for severity in (5, 1, 3)]
    tests += [class_test([result()], Condition(f"transform{i}")) for i in range(20)]
    shown = [test.condition for test in gallery.shown_tests(tests)]
    assert shown == [Condition("zoom", 3), *(Condition(f"transform{i}") for i in range(11))]


@given(st.data())
@hypothesis_settings(deadline=None, max_examples=50)
def test_the_typical_image_is_the_nearest_to_the_class(data):
    models, images = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6))
    table = st.lists(st.lists(st.booleans(), min_size=images, max_size=images), min_size=models, max_size=models)
    before, after = (np.array(data.draw(table)) for _ in range(2))
    distances = [
        abs(before[:, i].sum() - before.sum() / images) + abs(after[:, i].sum() - after.sum() / images)
        for i in range(images)
    ]
    chosen = gallery.typical(list(before), list(after))
    assert distances[chosen] == pytest.approx(min(distances))
    assert all(distance > distances[chosen] - 1e-9 for distance in distances[:chosen])


@pytest.fixture
def store(tmp_path):
    """Two models on eight images of three classes; image 7 was skipped. Model b's outputs are shifted by one."""
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    opened = Store(tmp_path / "store.sqlite")
    opened.put_dataset("data", "photos", [ClassLabel(name, name) for name in NAMES], labels)
    answers = {
        ("a", CONTROL): [0, 0, 0, 1, 1, 2, 2, -1],
        ("a", VFLIP): [1, 1, 3, 1, 2, 2, 2, -1],
        ("b", CONTROL): [1, 1, 2, 2, 2, 2, 3, -1],
        ("b", VFLIP): [1, 2, 2, 2, 2, 2, 3, -1],
    }
    for (model, condition), predicted in answers.items():
        key = f"{model} {condition}"
        outputs = [0, 1, 2] if model == "a" else [1, 2, 3]
        opened.put_cells("data", {key: {"outputs": outputs}})
        nothing = np.zeros(8, np.float32)
        opened.put(Shard(0, 8), {key: Predictions(np.array(predicted, np.int32), nothing, nothing)}, {})
    yield opened
    opened.close()


@pytest.fixture
def ledger():
    cells = [Cell(model, condition) for model in "ab" for condition in (CONTROL, VFLIP)]
    return Ledger(dataset="data", keys={cell: f"{cell.model} {cell.condition}" for cell in cells})


def test_fallen_classes_come_with_what_they_are_mistaken_for(store, ledger):
    found = Evidence(store, ledger, NAMES).fallen()
    assert set(found) == {Cell("a", VFLIP), Cell("b", VFLIP)}
    ant, bee = found[Cell("a", VFLIP)]
    assert (ant.name, ant.n, ant.right_control, ant.right_treated) == ("ant", 3, 3, 0)
    assert ant.mistakes == (("bee", 0, 2), ("output 3", 0, 1))
    assert (bee.name, bee.n, bee.right_control, bee.right_treated) == ("bee", 3, 2, 1)
    assert bee.mistakes == (("cat", 1, 2),)
    (ant,) = found[Cell("b", VFLIP)]
    assert (ant.right_control, ant.right_treated, ant.mistakes) == (2, 1, (("bee", 1, 2),))


def test_a_cell_in_error_has_no_fallen_classes(store, ledger):
    ledger.errors[Cell("a", CONTROL)] = "no better than chance"
    assert set(Evidence(store, ledger, NAMES).fallen()) == {Cell("b", VFLIP)}


def test_an_exhibit_has_the_answers_of_every_model(store, ledger):
    (exhibit,) = Evidence(store, ledger, NAMES).exhibits([class_test([result(-50, 0.001)])])
    # Models right on the images of the first class: 2, 2, 1 in control (mean 5/3) and 1, 0, 0 under vflip (mean 1/3).
    assert exhibit.position == 1
    assert (exhibit.condition, exhibit.sensitive, exhibit.thumbnails) == (VFLIP, True, None)
    assert exhibit.answers == (
        Answer("a", "ant", "bee", right_control=True, right_treated=False),
        Answer("b", "ant", "bee", right_control=True, right_treated=False),
    )


def test_a_skipped_image_is_never_shown(store, ledger):
    (exhibit,) = Evidence(store, ledger, NAMES).exhibits([class_test([result(0, math.nan)] * 2 + [result(0, 1.0)])])
    assert exhibit.finding.index == 2
    assert exhibit.position == 6


@given(seed=st.integers(0, 1000), images=st.integers(1, 60), classes=st.integers(1, 12))
@hypothesis_settings(deadline=None, max_examples=40)
def test_counts_of_mistakes_are_those_of_a_loop(seed, images, classes):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    control, treated = (rng.integers(-1, classes + 2, images).astype(np.int32) for _ in range(2))
    treated[control < 0] = -1
    control[treated < 0] = -1
    targets = rng.permutation(classes)
    names = [f"class {i}" for i in range(classes)]
    found = fallen_classes(labels, control, treated, targets, names, str)
    falls = []
    for label in range(classes):
        members = [i for i in range(images) if labels[i] == label and control[i] >= 0]
        right = [sum(int(answers[i]) == targets[label] for i in members) for answers in (control, treated)]
        falls.append((right[0] - right[1]) / max(1, len(members)))
        for fallen in (one for one in found if one.index == label):
            assert (fallen.n, fallen.right_control, fallen.right_treated) == (len(members), *right)
            wrong = Counter(str(treated[i]) for i in members if treated[i] != targets[label])
            before = Counter(str(control[i]) for i in members)
            assert [m.treated for m in fallen.mistakes] == sorted(wrong.values(), reverse=True)[:5]
            assert all((m.treated, m.control) == (wrong[m.answer], before[m.answer]) for m in fallen.mistakes)
    expected = sorted((i for i in range(classes) if falls[i] > 0), key=lambda i: (-falls[i], i))[:10]
    assert [one.index for one in found] == expected


@pytest.mark.parametrize("background", [0, 1])
def test_an_output_outside_of_the_data_is_called_what_imagenet_calls_it(background):
    wnids = [*imagenet_classes()]
    classes = [ClassLabel(wnids[i], wnids[i]) for i in (0, 217, 482)]
    naming = answer_naming(np.array([0, 217, 482]) + background, classes, ["tench", "springer", "player"])
    assert naming(217 + background) == "springer"
    assert naming(1 + background) == imagenet_classes()[wnids[1]]
    assert naming(1000 + background) == f"output {1000 + background}"


def test_an_output_of_no_known_place_is_called_by_its_number():
    wnids = [*imagenet_classes()]
    classes = [ClassLabel(wnids[0], "tench"), ClassLabel(wnids[217], "springer")]
    naming = answer_naming(np.array([0, 1]), classes, ["tench", "springer"])
    assert [naming(i) for i in range(3)] == ["tench", "springer", "output 2"]


def test_the_average_change_has_the_interval_of_a_paired_test():
    n = np.array([50, 50])
    right = {"a": (80, 60), "b": (90, 85), "c": (70, 40)}
    counts = {}
    for model, (control, treated) in right.items():
        counts[Cell(model, CONTROL)] = Counts(n, np.array([control - 40, 40]))
        counts[Cell(model, VFLIP)] = Counts(n, np.array([treated - 40, 40]))
    counts[Cell("alone", VFLIP)] = Counts(n, n)
    (found,) = average_changes(counts).values()
    expected = stats.ttest_rel([60, 85, 40], [80, 90, 70])
    interval = expected.confidence_interval(0.95)
    assert (found.n, found.difference) == (3, pytest.approx(-55 / 3))
    assert (found.ci_low, found.ci_high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def opened(uri):
    kind, _, content = uri.partition(";base64,")
    return kind, np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


def exhibit_of(position, condition=VFLIP):
    finding = ClassFinding(0, "ant", result())
    return Exhibit(condition, finding, False, position, (Answer("net", "ant", "ant", True, True),))


def source_of(*images):
    labels = np.zeros(len(images), np.int64)
    return ArraySource("photos", [ClassLabel("ant", "ant")], labels, torch.stack(images).numpy())


def test_small_images_are_shown_pixel_by_pixel():
    images = [torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8) for _ in range(3)]
    darkroom = Darkroom(source_of(*images), np.array([0, 2]), builtin(), 0)
    (shown,) = darkroom.develop([exhibit_of(1)], {"net": Preprocess().canvas})
    kind, control = opened(shown.thumbnails.control)
    assert (kind, shown.thumbnails.width) == ("data:image/png", 8)
    assert np.array_equal(control, images[2].permute(1, 2, 0).numpy())
    assert np.array_equal(opened(shown.thumbnails.treated)[1], images[2].flip(1).permute(1, 2, 0).numpy())


def test_large_images_are_shown_as_the_model_gets_them_and_small():
    image = torch.zeros(3, 300, 400, dtype=torch.uint8)
    image[0, :150] = 250
    image[2, 150:] = 250
    darkroom = Darkroom(source_of(image), np.array([0]), builtin(), 0)
    (shown,) = darkroom.develop([exhibit_of(0)], {"net": Preprocess(resize=256, crop=224).canvas})
    kind, control = opened(shown.thumbnails.control)
    assert kind == "data:image/jpeg"
    assert control.shape == (96, 96, 3)
    assert len(shown.thumbnails.control) < 6000
    assert np.allclose(control[::-1], opened(shown.thumbnails.treated)[1], atol=12)
    assert control[10, 48, 0] > 230 > 20 > control[10, 48, 2]


def test_a_random_transform_draws_what_it_drew_for_the_models():
    images = [torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8) for _ in range(5)]
    condition = Condition("rotation", 3)
    darkroom = Darkroom(source_of(*images), np.arange(5), builtin(), 7)
    exhibits = [exhibit_of(position, condition) for position in range(5)]
    shown = darkroom.develop(exhibits, {"net": Preprocess().canvas})
    batch = builtin().get("rotation")(torch.stack(images), 3, np.arange(5), 7)
    assert not torch.equal(batch, tvf.rotate(torch.stack(images), 30))
    for exhibit, expected in zip(shown, batch, strict=True):
        treated = opened(exhibit.thumbnails.treated)[1].astype(int)
        # A batch may round a pixel differently from one image alone.
        assert np.abs(treated - expected.permute(1, 2, 0).numpy()).max() <= 1


def test_an_image_that_cannot_be_shown_says_why_and_the_others_are_shown():
    registry = builtin()

    @registry.transform("breaks", version=1)
    def breaks(images):
        raise ZeroDivisionError("by zero")

    source = source_of(torch.zeros(3, 8, 8, dtype=torch.uint8))

    class Gone:
        def read(self, index):
            if index == 1:
                raise BadImageError("photos/1.png", "the file is empty")
            return source.read(0)

    darkroom = Darkroom(Gone(), np.array([0, 1]), registry, 0)
    exhibits = [exhibit_of(0, Condition("breaks")), exhibit_of(1), exhibit_of(0)]
    broken, gone, fine = darkroom.develop(exhibits, {"net": Preprocess().canvas})
    assert broken.note == "This image cannot be shown: ZeroDivisionError: by zero"
    assert gone.note == "This image cannot be shown: photos/1.png is not a readable image: the file is empty"
    assert (broken.thumbnails, gone.thumbnails) == (None, None)
    assert fine == dataclasses.replace(exhibits[2], thumbnails=fine.thumbnails)
    assert fine.thumbnails is not None
