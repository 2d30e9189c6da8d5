"""The study label_errors where confident learning has nothing to compare with, in whole runs of the bundled suite."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

MODEL = """
import torch
from torch import nn

from pytest_robustness import Model, Preprocess


class Colour(nn.Module):
    def __init__(self, roll):
        super().__init__()
        self.roll, self.weight = roll, nn.Parameter(torch.ones(1))

    def forward(self, images):
        return (images.mean((2, 3)) * 20 * self.weight).roll(self.roll, 1)


def model(roll):
    return Model(Colour(roll), Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)), ("red", "green", "blue"))


def right():
    return model(0)


def also():
    return model(0)


def rolled():
    return model(1)
"""
COLOURS = ("red", "green", "blue")


def judged(project, name, folders):
    """Judge images of colours in ``folders``: by folder, how many are red, green and blue."""
    rng = np.random.default_rng(0)
    (project.path / "colours.py").write_text(MODEL, encoding="utf-8")
    for folder, counts in folders.items():
        (project.path / "data" / folder).mkdir(parents=True)
        for channel, count in enumerate(counts):
            for i in range(count):
                pixels = rng.integers(0, 61, (32, 32, 3))
                pixels[..., channel] += 120
                path = project.path / "data" / folder / f"{COLOURS[channel]}{i}.png"
                PIL.Image.fromarray(pixels.astype(np.uint8)).save(path)
    models = "--robustness-models=" + ",".join(f"python:colours.py:{one}" for one in name.split())
    result = project.judge("--robustness-data=folder:data", models, "-k", "label_errors")
    [found] = project.results()["studies"]["label_errors"]
    report = project.path / "reports/latest"
    texts = [result.stdout.str(), *(path.read_text(encoding="utf-8") for path in report.glob("studies/label_errors*"))]
    assert not any(" nan" in text or ",nan" in text or ",inf" in text for text in texts)
    return found


@pytest.mark.parametrize("names", ["right", "right also"])
@pytest.mark.parametrize(
    ("folders", "unjudged", "listed"),
    [
        ({"red": (15, 0, 5), "green": (0, 15, 0), "blue": (0, 0, 0)}, 5, 0),
        ({"red": (15, 0, 5), "green": (0, 15, 0)}, 5, 0),
        ({"red": (30, 0, 12), "green": (3, 30, 1), "blue": (0, 0, 0)}, 13, None),
        ({"red": (0, 0, 10), "green": (0, 0, 10), "blue": (0, 0, 0)}, 20, 0),
    ],
)
def test_answers_of_a_class_without_images_are_named_and_no_test_passes(project, names, folders, unjudged, listed):
    found = judged(project, names, folders)
    assert found["unjudged"] == unjudged
    assert found["listed"] == listed or listed is None
    are = f"{unjudged} images are answered as a class without images of its own "
    assert are in found["reason"]
    assert found["outcome"] == ("FAIL" if found["listed"] and found["precision"] > 50 else "INCONCLUSIVE")
    after = [item for item in found["items"] if not item["judged"]]
    assert len(after) == unjudged
    assert all("blue" in item["file"] and item["threshold"] is None for item in after)
    assert found["listed"] == 0 or "no more than" not in found["reason"] or found["precision_high"] <= 50
    assert ("(blue)" if "blue" in folders else "(output 2)") in found["reason"]


@pytest.mark.parametrize("name", ["rolled", "right"])
def test_where_no_label_is_an_answer_nothing_is_estimated_and_no_cause_is_asserted(project, name):
    """A class order that is wrong, and folders whose names were exchanged, look alike."""
    right = {"red": (10, 0, 0), "green": (0, 10, 0), "blue": (0, 0, 10)}
    exchanged = {"red": (0, 10, 0), "green": (0, 0, 10), "blue": (10, 0, 0)}
    found = judged(project, name, right if name == "rolled" else exchanged)
    assert found["outcome"] == "INCONCLUSIVE"
    assert found["reason"] == (
        "30 images of 30 listed, and no estimate of wrong labels is possible, because no image has its label as the "
        "answer; look at some: labels or answers may be wrong"
    )
    assert found["headline"] == "30 images of 30 are surely answered as another class"
    assert [found[name] for name in ("precision", "precision_low", "precision_high", "recall")] == [None] * 4
