"""Small pictures of images as models see them."""

from __future__ import annotations

import base64
import dataclasses
import io

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tvf

from pytest_robustness.analysis.findings import ClassFinding, LostImage
from pytest_robustness.core import CONTROL, ClassLabel, Condition, Preprocess
from pytest_robustness.core.errors import BadImageError
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.data import identities
from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.report.gallery import Answer, Example, LostExample
from pytest_robustness.report.thumbnails import Painter
from pytest_robustness.transforms import builtin
from tests.report.test_gallery import result

VFLIP = Condition("vflip")


def opened(uri):
    kind, _, content = uri.partition(";base64,")
    return kind, np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


def exhibit_of(position, condition=VFLIP):
    finding = ClassFinding(0, "ant", result())
    return Example(condition, finding, False, False, position, (Answer("net", "ant", "ant", True, True),))


def source_of(*images):
    labels = np.zeros(len(images), np.int64)
    return ArraySource("photos", [ClassLabel("ant", "ant")], labels, torch.stack(images).numpy())


def test_small_images_are_shown_pixel_by_pixel():
    images = [torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8) for _ in range(3)]
    images_of = {"source": source_of(*images), "indices": np.array([0, 2]), "registry": builtin(), "seed": 0}
    (shown,) = Painter({"net": Preprocess().canvas}, **images_of).examples([exhibit_of(1)])
    kind, control = opened(shown.thumbnails.control)
    assert (kind, shown.thumbnails.width) == ("data:image/png", 8)
    assert np.array_equal(control, images[2].permute(1, 2, 0).numpy())
    assert np.array_equal(opened(shown.thumbnails.treated)[1], images[2].flip(1).permute(1, 2, 0).numpy())


def test_large_images_are_shown_as_the_model_gets_them_and_small():
    image = torch.zeros(3, 300, 400, dtype=torch.uint8)
    image[0, :150] = 250
    image[2, 150:] = 250
    images_of = {"source": source_of(image), "indices": np.array([0]), "registry": builtin(), "seed": 0}
    (shown,) = Painter({"net": Preprocess(resize=256, crop=224).canvas}, **images_of).examples([exhibit_of(0)])
    kind, control = opened(shown.thumbnails.control)
    assert kind == "data:image/jpeg"
    assert control.shape == (96, 96, 3)
    assert len(shown.thumbnails.control) < 6000
    assert np.allclose(control[::-1], opened(shown.thumbnails.treated)[1], atol=12)
    assert control[10, 48, 0] > 230 > 20 > control[10, 48, 2]


def test_a_random_transform_draws_what_it_drew_for_the_models():
    images = [torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8) for _ in range(5)]
    condition = Condition("rotation", 3)
    source = source_of(*images)
    images_of = {"source": source, "indices": np.arange(5), "registry": builtin(), "seed": 7}
    examples = [exhibit_of(position, condition) for position in range(5)]
    shown = Painter({"net": Preprocess().canvas}, **images_of).examples(examples)
    known = identities(source, np.arange(5), FileHashes())
    batch = builtin().get("rotation")(torch.stack(images), 3, known, 7)
    assert not torch.equal(batch, tvf.rotate(torch.stack(images), 30))
    for example, expected in zip(shown, batch, strict=True):
        treated = opened(example.thumbnails.treated)[1].astype(int)
        # A batch may round a pixel differently from one image alone.
        assert np.abs(treated - expected.permute(1, 2, 0).numpy()).max() <= 1


def test_an_image_that_cannot_be_shown_says_why_and_the_others_are_shown():
    registry = builtin()

    @registry.transform("breaks", version=1)
    def breaks(images):
        raise ZeroDivisionError("by zero")

    source = source_of(torch.zeros(3, 8, 8, dtype=torch.uint8))

    class Gone:
        labels = source.labels

        def read(self, index):
            if index == 1:
                raise BadImageError("photos/1.png", "the file is empty")
            return source.read(0)

    images_of = {"source": Gone(), "indices": np.array([0, 1]), "registry": registry, "seed": 0}
    examples = [exhibit_of(0, Condition("breaks")), exhibit_of(1), exhibit_of(0)]
    broken, gone, fine = Painter({"net": Preprocess().canvas}, **images_of).examples(examples)
    assert broken.note == "This image cannot be shown: ZeroDivisionError: by zero"
    assert gone.note == "This image cannot be shown: photos/1.png is not a readable image: the file is empty"
    assert (broken.thumbnails, gone.thumbnails) == (None, None)
    assert fine == dataclasses.replace(examples[2], thumbnails=fine.thumbnails)
    assert fine.thumbnails is not None


def test_a_lost_image_is_drawn_before_and_after_and_once_in_control():
    images = [torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8) for _ in range(2)]
    images_of = {"source": source_of(*images), "indices": np.array([1]), "registry": builtin(), "seed": 0}
    lost = LostImage(0, "photos/1.png", 0, "ant", "bee", 0.9)
    examples = [LostExample("net", VFLIP, lost), LostExample("net", CONTROL, lost)]
    flipped, control = Painter({"net": Preprocess().canvas}, **images_of).lost(examples)
    for shown in (flipped, control):
        assert np.array_equal(opened(shown.thumbnails.control)[1], images[1].permute(1, 2, 0).numpy())
    assert np.array_equal(opened(flipped.thumbnails.treated)[1], images[1].flip(1).permute(1, 2, 0).numpy())
    assert control.thumbnails.treated == ""
