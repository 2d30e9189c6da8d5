"""A model that is no better than guessing is an error, unless the images are too few to say so."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_robustness.analysis.checks import ChanceCheck
from pytest_robustness.analysis.predictions import StoredPredictions
from pytest_robustness.core import CONTROL, Cell, ClassLabel
from pytest_robustness.inference.run_log import RunLog
from pytest_robustness.inference.store.store import Store
from tests.stored import put_answers, put_images


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "s.sqlite")
    yield opened
    opened.close()


def judged(
    store, labels, answers, classes, outputs=None, rule="error", match="position", proposals=None, distinct=None
):
    """Return the errors and the warnings about one model, whose answers are outputs."""
    labels, answers = np.asarray(labels), np.asarray(answers, np.int32)
    put_images(store, labels, [ClassLabel(f"n{i}", f"class {i}") for i in range(classes)])
    log = RunLog(dataset="data")
    put_answers(store, log, Cell("net", CONTROL), answers, range(classes) if outputs is None else outputs, labels)
    predictions = StoredPredictions(lambda: store, log)
    if distinct is not None:
        vars(predictions)["distinct"] = distinct
    check = ChanceCheck(rule, {"net": match, "absent": match}, proposals or {})
    return check.errors(predictions), check.warnings(predictions)


def answers_of(classes, each, right):
    """Return labels and answers: ``right`` are right, as many in each class as in the others; the next class else."""
    labels = np.tile(np.arange(classes), each)
    return labels, np.where(np.arange(len(labels)) < right, labels, (labels + 1) % classes)


def test_copies_of_images_do_not_tell_a_model_from_guessing(store):
    # Right on 19 of 30 cannot be told from guessing, nor on 57 of 90 that are the same 30 three times.
    labels, answers = (np.repeat(values, 3) for values in answers_of(2, 15, 19))
    assert judged(store, labels, answers, 2) == ({}, ())
    _, (warning,) = judged(store, labels, answers, 2, distinct=np.arange(90) % 3 == 0)
    assert warning.startswith("net is right on 19 of 30 images without any transform, where guessing is right on 15")


@pytest.mark.parametrize(
    ("classes", "each", "right", "verdict"),
    [
        (2, 15, 19, "warning"),  # a sound model, on 30 images
        (2, 15, 20, ""),
        (2, 200, 260, ""),
        (2, 200, 200, "error"),
        (2, 200, 0, "error"),
        (2, 5, 6, "warning"),
        (10, 20, 20, "error"),
        (10, 20, 0, "error"),
        (10, 1, 1, "warning"),
        (10, 20, 40, ""),
        (10, 100, 760, ""),
        (1000, 1, 2, "error"),
        (1000, 1, 200, ""),  # sound and weak, on ImageNet
    ],
)
def test_few_right_answers_are_an_error_where_the_images_suffice(store, classes, each, right, verdict):
    errors, warnings = judged(store, *answers_of(classes, each, right), classes)
    assert (bool(errors), bool(warnings)) == (verdict == "error", verdict == "warning")


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_model_that_always_gives_the_commonest_class_is_no_better_than_chance(store, share):
    """Its accuracy is that of the class, far above one in the number of classes."""
    labels = np.where(np.arange(20_000) < 20_000 * share, 0, 1)
    errors, _ = judged(store, labels, np.zeros(20_000), 2)
    assert set(errors) == {"net"}


def test_a_model_that_knows_a_rare_class_is_better_than_chance_though_it_is_right_less_often(store):
    labels = np.where(np.arange(1000) < 900, 0, 1)
    answers = np.where(np.arange(1000) < 750, 0, 1)  # finds all of the rare class, at the cost of 150 of the other
    errors, warnings = judged(store, labels, answers, 2)
    assert not errors
    assert not warnings


@pytest.mark.parametrize("labels", [[0] * 50, [3] * 50])
def test_images_of_one_class_are_not_judged(store, labels):
    assert judged(store, labels, np.zeros(50), 4) == ({}, ())


def test_outputs_in_another_order_than_the_classes_are_not_taken_for_wrong(store):
    labels = np.repeat([0, 1, 2], 20)
    outputs = np.array([7, 3, 5])
    assert judged(store, labels, outputs[labels], 3, outputs.tolist()) == ({}, ())


def test_an_output_that_is_no_class_of_the_data_names_none(store):
    labels = np.repeat([0, 1, 2], 20)
    errors, _ = judged(store, labels, np.full(60, 9), 3, [7, 3, 5])
    assert errors["net"].startswith(
        "net is right on 0 of 60 images without any transform, where guessing is right on 0:"
    )


def test_images_that_could_not_be_read_do_not_count(store):
    labels = np.repeat([0, 1], 20)
    answers = np.where(np.arange(40) % 2, labels, -1)
    assert judged(store, labels, answers, 2) == ({}, ())
    assert judged(store, labels, np.full(40, -1), 2) == ({}, ())


def test_the_error_asks_for_the_class_order(store):
    labels = np.repeat([0, 1], 50)
    errors, _ = judged(store, labels, 1 - labels, 2)
    assert errors == {
        "net": "net is right on 0 of 100 images without any transform, where guessing is right on 50: no better than "
        "chance for 2 classes. Class order? Its outputs and the folders of the data may be in different orders: give "
        "the model its class list. If it is as weak as that, --robustness-chance-check=warn judges it."
    }


BY_NAME = ("wordnet id", "name", "name, Unicode-normalized", "name, case-folded", "first synonym")


@pytest.mark.parametrize("match", ["position", "number", *BY_NAME])
@pytest.mark.parametrize("rule", ["error", "warn", "off"])
def test_only_an_order_that_nothing_confirms_is_an_error(store, rule, match):
    labels = np.repeat([0, 1], 50)
    errors, warnings = judged(store, labels, 1 - labels, 2, rule=rule, match=match)
    assert bool(errors) == (rule == "error" and match not in BY_NAME)
    assert bool(warnings) == (rule != "off" and not errors)


def test_a_warning_about_classes_that_were_matched_by_name_blames_the_data_first(store):
    labels = np.repeat([0, 1], 50)
    _, warnings = judged(store, labels, 1 - labels, 2, match="wordnet id")
    assert "".join(warnings) == (
        "net is right on 0 of 100 images without any transform, where guessing is right on 50: no better than chance "
        "for 2 classes. Its classes were matched by wordnet id, so that the data is hard for it, or its class list is "
        "not in the order of its outputs."
    )


@pytest.mark.parametrize("rule", ["warn", "off"])
def test_few_images_are_warned_of_unless_the_check_is_off(store, rule):
    labels, answers = answers_of(2, 5, 6)
    errors, warnings = judged(store, labels, answers, 2, rule=rule)
    assert not errors
    assert bool(warnings) == (rule == "warn")


def test_the_warning_gives_the_figures(store):
    labels = np.repeat([0, 1], 15)
    wrong = [0, 1, 2, 3, 4, 15, 16, 17, 18, 19, 20]
    answers = np.where(np.isin(np.arange(30), wrong), 1 - labels, labels)
    _, warnings = judged(store, labels, answers, 2)
    text = (
        "net is right on 19 of 30 images without any transform, where guessing is right on 15, so that it cannot be "
        "told from guessing: judge it on more images, and see that its class list is in the order of its outputs."
    )
    assert warnings == (text,)


@pytest.mark.parametrize(
    ("each", "right", "match", "place"),
    [(50, 0, "position", 0), (50, 0, "name", 1), (5, 6, "position", 1)],
    ids=["refused", "hard data", "few images"],
)
def test_each_message_ends_with_what_is_proposed(store, each, right, match, place):
    proposals = {"net": "To find out: pytest-robustness doctor net --data=folder:photos", "other": "no"}
    found = judged(store, *answers_of(2, each, right), 2, match=match, proposals=proposals)[place]
    [text] = found.values() if place == 0 else found
    assert text.endswith(f". {proposals['net']}")
