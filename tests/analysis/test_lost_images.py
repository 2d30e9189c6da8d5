"""The images that a candidate lost are those that a loop over the images gives, in its order."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.analysis.findings import LostImage
from pytest_robustness.analysis.lost_images import in_order_of_loss, lost_images
from pytest_robustness.analysis.predictions import Outputs, ScoredOutputs
from pytest_robustness.core import Cell, ClassLabel, Condition
from pytest_robustness.inference.image_names import ImageNames

CELL = Cell("net", Condition("blur"))


@given(st.data())
def test_the_most_fallen_class_comes_first_then_the_surest_answer(data):
    columns = st.tuples(
        st.booleans(), st.booleans(), st.integers(0, 3), st.sampled_from([0.1, 0.5, 0.9]), st.booleans()
    )
    rows = data.draw(st.lists(columns, max_size=25))
    before, now, labels, sure, compared = (list(column) for column in zip(*rows, strict=True)) if rows else [[]] * 5
    falls = {}
    for label in set(labels):
        members = [i for i, other in enumerate(labels) if other == label and compared[i]]
        falls[label] = sum(before[i] - now[i] for i in members) / max(1, len(members))
    lost = [i for i in range(len(rows)) if before[i] and not now[i] and compared[i]]
    expected = sorted(lost, key=lambda i: (-falls[labels[i]], labels[i], -sure[i], i))
    found = in_order_of_loss(
        np.array(before, np.bool_),
        np.array(now, np.bool_),
        np.array(sure, np.float32),
        np.array(labels, np.int64),
        np.array(compared, np.bool_),
    )
    assert found.tolist() == expected


def world(images):
    """Return predictions of a model that is always wrong, surest of the first image, and skips the second."""
    output = np.full(images, 7, np.int32)
    output[1] = -1
    sure = np.linspace(0.9, 0.1, images, dtype=np.float32)
    scored = ScoredOutputs(Outputs(output, np.array([3, 7])), sure, sure, 1 - sure, np.ones(images, np.int32))
    return SimpleNamespace(
        scored=lambda cell: scored,
        labels=np.zeros(images, np.int64),
        classes=(ClassLabel("a", "ant"), ClassLabel("b", "bee")),
        class_names=("ant", "bee"),
    )


def test_an_image_has_its_name_its_class_and_the_answer():
    source = SimpleNamespace(describe=lambda index: f"photos/{index}.png")
    names = ImageNames(lambda: (source, np.array([10, 11, 12, 13])))
    found = lost_images(world(4), CELL, np.array([True, True, False, True]), names)
    # The second could not be read, the third was wrong before.
    assert [image._replace(probability=round(image.probability, 2)) for image in found] == [
        LostImage(0, "photos/10.png", 0, "ant", "bee", 0.9),
        LostImage(3, "photos/13.png", 0, "ant", "bee", 0.1),
    ]


def test_a_hundred_images_are_kept_the_surest_of_them():
    found = lost_images(world(250), CELL, np.ones(250, np.bool_), None)
    assert [image.position for image in found] == [0, *range(2, 101)]
    assert {image.file for image in found} == {""}
