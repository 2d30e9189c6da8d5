"""The studies augmentation and label_errors in whole runs of the bundled suite."""

from __future__ import annotations

import json

import numpy as np
import PIL.Image
import pytest
import torch
import yaml
from sklearn.datasets import load_digits

from pytest_robustness.transforms import load_augmentations

MODELS = "--robustness-models=digits:resnet18,digits:vgg16_bn"
IMAGES, WRONG = 400, 12


@pytest.fixture
def digits(project):
    """Write digits that the models were not trained on into class folders, some of them into wrong ones."""
    values, targets = load_digits(return_X_y=True)
    pixels = np.rint(values[1::2] * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)[:IMAGES]
    rng = np.random.default_rng(0)
    planted = set(rng.choice(IMAGES, WRONG, replace=False).tolist())
    for i, (image, target) in enumerate(zip(pixels, targets[1::2], strict=False)):
        label = (target + rng.integers(1, 10)) % 10 if i in planted else target
        folder = project.path / "digits" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(image).save(folder / f"{'wrong' if i in planted else 'right'}{i}.png")
    return "--robustness-data=folder:digits"


def test_planted_labels_are_listed_and_the_list_says_how_many_of_it_are_wrong(project, digits):
    project.judge(digits, MODELS, "--robustness-suspects=20", "-k", "label_errors").assert_outcomes(failed=1)
    (found,) = project.results()["studies"]["label_errors"]
    items = found["items"]
    wrong = ["wrong" in item["file"] for item in items]
    assert sum(wrong) >= WRONG - 2
    assert all(wrong[: WRONG - 3])
    assert [item["rank"] for item in items] == list(range(1, len(items) + 1))
    # Twelve images say little of the share of twelve.
    assert found["precision_low"] <= 100 * np.mean(wrong) <= found["precision_high"]
    assert found["precision"] > 50
    assert all(item["class"] != item["answer"] and item["margin"] < 0 for item in items)
    table = project.table("studies/label_errors-images.csv")
    assert table["self_confidence"].tolist() == pytest.approx([item["self_confidence"] for item in items])
    page = (project.path / "reports/latest/index.html").read_text(encoding="utf-8")
    assert "Label errors" in page


def test_without_suspects_it_passes_and_says_what_that_excludes(project):
    result = project.judge("--robustness-data=digits", MODELS, "--robustness-limit=12", "-k", "label_errors", "-v")
    found = project.results()["studies"]["label_errors"][0]
    if found["listed"]:
        pytest.fail(f"twelve images per class have suspects: {json.dumps(found, indent=1)}")
    result.assert_outcomes(passed=1)
    assert found["reason"].startswith("no image of 120 is surely of another class to all 2 models; ")
    assert found["reason"].endswith(" % of wrong labels would be listed")


def test_the_file_of_augmentations_says_what_the_table_says_and_loads(project):
    chosen = "--robustness-data=digits", MODELS, "--robustness-transforms=rotation,vflip,brightness"
    project.judge(*chosen, "-k", "augmentation").assert_outcomes(failed=1)
    file = project.path / "reports/latest/augmentations.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    table = project.table("studies/augmentation-proposals.csv")
    trained = table[table["looks_like"].isna()]
    listed = [(of["index"], one["transform"]) for of in content["classes"] for one in of["augmentations"]]
    assert listed == list(zip(trained["index"], trained["transform"], strict=True))
    assert set(trained["transform"]) <= {"rotation", "vflip", "brightness"}
    assert len(trained) > 10
    left = [(one["index"], one["transform"], one["becomes"]) for one in content["left_out"]]
    # Upside down, a 2 is a 5 to these models, and a 5 a 2.
    assert {(2, "vflip", "5"), (5, "vflip", "2")} <= set(left)
    assert not {(2, "vflip"), (5, "vflip")} & set(listed)
    images = torch.randint(0, 256, (200, 3, 16, 16), dtype=torch.uint8)
    labels = torch.arange(200) % 10
    changed, same = load_augmentations(file)(images, labels)
    assert torch.equal(same, labels)
    assert 0 < (changed != images).flatten(1).any(1).sum() < 200


def test_models_that_nothing_breaks_need_no_augmentation(project):
    chosen = "--robustness-data=digits", MODELS, "--robustness-transforms=rotation:0.01"
    project.judge(*chosen, "-k", "augmentation").assert_outcomes(passed=1)
    content = yaml.safe_load((project.path / "reports/latest/augmentations.yaml").read_text(encoding="utf-8"))
    assert content["classes"] == []


@pytest.mark.parametrize("study", ["label_errors", "augmentation"])
def test_images_without_labels_are_refused(project, study):
    chosen = "--robustness-data=digits", MODELS, "--robustness-limit=10", "--robustness-labels=none"
    result = project.judge(*chosen, "-k", study)
    assert result.ret == 1
    error = f"The study {study} goes by classes, and the images of this run have no labels."
    assert error in " ".join(result.stdout.str().split())
