"""The transform that changes each image by the augmentations of its class."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch
from scipy import stats
from torch.utils.data import DataLoader, default_collate
from torchvision import tv_tensors
from torchvision.datasets import FakeData, VisionDataset
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from pytest_robustness.transforms import Registry, builtin
from pytest_robustness.transforms.augmentations import Augmentation
from pytest_robustness.transforms.class_conditional import ClassConditional

IMAGES = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def flips(probability=1.0):
    return ClassConditional(
        {0: [Augmentation("vflip", probability)], 2: [Augmentation("hflip", probability)]}, 3, builtin()
    )


def flipped(images, labels):
    """Flip image by image with torchvision: class 0 top to bottom, class 2 left to right."""
    expected = []
    for image, label in zip(images, labels.tolist(), strict=True):
        change = {0: functional.vertical_flip, 2: functional.horizontal_flip}.get(label, torch.clone)
        expected.append(change(image))
    return torch.stack(expected)


def test_each_image_of_a_batch_gets_its_class_s_transform():
    images, labels = flips()(IMAGES, LABELS)
    assert torch.equal(images, flipped(IMAGES, LABELS))
    assert labels is LABELS
    assert torch.equal(flips()((IMAGES, LABELS))[0], images)


@pytest.mark.parametrize("label", [2, np.int64(2), torch.tensor(2), torch.tensor([2])])
def test_one_image_with_its_label(label):
    image, same = flips()(IMAGES[0], label)
    assert torch.equal(image, functional.horizontal_flip(IMAGES[0]))
    assert same is label


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_pil_image_stays_one(mode):
    image = functional.to_pil_image(IMAGES[0]).convert(mode)
    found, _ = flips()(image, 0)
    assert isinstance(found, PIL.Image.Image)
    assert found.mode == mode
    assert np.array_equal(np.asarray(found), np.asarray(image)[::-1])


def test_grey_images_and_images_of_torchvision_keep_their_form():
    grey, _ = flips()(IMAGES[:, :1], LABELS)
    assert torch.equal(grey, flipped(IMAGES[:, :1], LABELS))
    found, _ = flips()(tv_tensors.Image(IMAGES[0]), 0)
    assert isinstance(found, tv_tensors.Image)
    assert torch.equal(found, functional.vertical_flip(IMAGES[0]))


def test_it_is_a_step_of_compose_the_transforms_of_a_dataset_and_part_of_a_collate_function():
    class Data(VisionDataset):
        def __len__(self):
            return len(IMAGES)

        def __getitem__(self, index):
            return self.transforms(IMAGES[index], int(LABELS[index]))

    steps = v2.Compose([flips(), v2.ToDtype(torch.float32, scale=True)])
    for index, expected in enumerate(flipped(IMAGES, LABELS)):
        image, label = Data(transforms=steps)[index]
        assert torch.equal(image, functional.to_dtype(expected, torch.float32, scale=True))
        assert label == LABELS[index]
    collated = DataLoader(
        list(zip(IMAGES, LABELS, strict=True)), batch_size=6, collate_fn=lambda rows: flips()(*default_collate(rows))
    )
    assert torch.equal(next(iter(collated))[0], flipped(IMAGES, LABELS))


def test_probabilities_are_those_of_the_policy_and_at_most_one_transform_is_applied():
    registry = Registry()
    for name, value in (("ones", 1), ("twos", 2)):

        @registry.transform(name, version=1)
        def add(images, value=value):
            return images + value

    transform = ClassConditional({0: [Augmentation("ones", 0.3), Augmentation("twos", 0.5)]}, 2, registry)
    n = 4000
    torch.manual_seed(0)
    images, _ = transform(torch.zeros(n, 3, 1, 1, dtype=torch.uint8), torch.zeros(n, dtype=torch.int64))
    counts = torch.bincount(images[:, 0, 0, 0].long(), minlength=4).tolist()
    assert counts[3] == 0
    assert stats.chisquare(counts[:3], [0.2 * n, 0.3 * n, 0.5 * n]).pvalue > 0.001
    untouched, _ = transform(torch.zeros(n, 3, 1, 1, dtype=torch.uint8), torch.ones(n, dtype=torch.int64))
    assert not untouched.any()


@pytest.mark.parametrize(("levels", "ends"), [((0.5, 2.0), (0.75, 1.5)), ((10, 2), (9, 4))])
def test_magnitudes_are_drawn_between_the_ends_whole_ones_where_levels_are_whole(levels, ends):
    registry, seen = Registry(), []

    @registry.transform("record", levels=levels, version=1)
    def record(images, level):
        seen.append(level)
        return images

    transform = ClassConditional({0: [Augmentation("record", 1.0, ends)]}, 1, registry)
    torch.manual_seed(0)
    for _ in range(300):
        transform(IMAGES[0], 0)
    low, high = sorted(ends)
    if isinstance(levels[0], int):
        assert set(seen) == set(range(low, high + 1))
        assert all(isinstance(level, int) for level in seen)
    else:
        assert stats.kstest(seen, stats.uniform(low, high - low).cdf).pvalue > 0.001


def test_signs_are_drawn_for_each_image_and_the_seed_repeats_them():
    transform = ClassConditional({0: [Augmentation("rotation", 1.0, (90.0, 90.0))]}, 1, builtin())
    same = IMAGES[:1].repeat(40, 1, 1, 1)
    labels = torch.zeros(40, dtype=torch.int64)
    torch.manual_seed(5)
    first, _ = transform(same, labels)
    left, right = (torch.rot90(IMAGES[0], turns, (1, 2)) for turns in (1, -1))
    signs = [1 if torch.equal(image, left) else -1 if torch.equal(image, right) else 0 for image in first]
    assert set(signs) == {1, -1}
    torch.manual_seed(5)
    assert torch.equal(transform(same, labels)[0], first)


def test_the_input_is_left_as_it_was():
    before = IMAGES.clone()
    flips()(IMAGES, LABELS)
    assert torch.equal(IMAGES, before)


@pytest.mark.parametrize(
    ("inputs", "error", "text"),
    [
        ((IMAGES,), TypeError, "got Tensor."),
        ((), TypeError, "got nothing."),
        ((IMAGES, LABELS[:2]), TypeError, r"got images \[6, 3, 8, 8\] with labels \[2\]"),
        ((IMAGES, 0), TypeError, r"got images \[6, 3, 8, 8\] with labels \[\]"),
        ((IMAGES[0], 1.0), TypeError, "got labels of torch.float32"),
        ((IMAGES[0], 3), ValueError, "Label 3 is not a class of the augmentations. Valid: 0 to 2, in the order"),
        ((IMAGES[0], -1), ValueError, "Label -1 is not a class"),
        ((IMAGES[0].float(), 0), ValueError, "The image is float32, not uint8. Put ClassConditional before the"),
        ((IMAGES[0, 0], 0), TypeError, r"got an image of shape \[8, 8\]"),
        (("picture", 0), TypeError, "got str"),
        ((PIL.Image.new("RGBA", (8, 8)), 0), ValueError, r"mode is RGBA. Convert it first: image.convert\('RGB'\)"),
    ],
)
def test_other_input_is_refused(inputs, error, text):
    with pytest.raises(error, match=text):
        flips()(*inputs)


def test_an_empty_batch_and_a_policy_without_classes_change_nothing():
    assert flips()(IMAGES[:0], LABELS[:0])[0].shape == (0, 3, 8, 8)
    nothing = ClassConditional({}, 3, builtin())
    assert torch.equal(nothing(IMAGES, LABELS)[0], IMAGES)
    assert "0 of 3 classes: nothing" in repr(nothing)


def test_it_works_on_fake_data_of_torchvision():
    data = FakeData(4, (3, 8, 8), 3, transform=v2.PILToTensor())
    images, labels = default_collate([data[i] for i in range(4)])
    assert torch.equal(flips()(images, labels)[0], flipped(images, labels))
