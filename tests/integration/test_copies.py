"""Copies of images in a whole run: tests say what the images show, however often each stands in its folder."""

from __future__ import annotations

import json

import pytest

STUDIES = ("detectable", "parity")
OWN_TEST = """
from pathlib import Path


def test_own(robustness):
    found = robustness.image_test("MODEL", "vflip")
    figures = found.result, found.change, found.verdict, found.classes
    Path("own.txt").write_text(repr(figures), encoding="utf-8")
"""


def judged(project, *arguments):
    """Return what a run tested: of models, classes and studies, and of the images of a model; and its warnings."""
    project.run("--pyargs", "robustness_tests", "test_own.py", f"--robustness-studies={','.join(STUDIES)}", *arguments)
    found = project.results()
    parts = [found[kind] for kind in ("model_tests", "class_tests", "class_summary")]
    # An image is listed by its file and its place, which are others.
    parts += [
        [{key: value for key, value in row.items() if key != "items"} for row in found["studies"][name]]
        for name in STUDIES
    ]
    return json.dumps(parts, indent=1), (project.path / "own.txt").read_text(encoding="utf-8"), found["warnings"]


@pytest.mark.parametrize("models", [1, 3])
def test_copies_change_no_test_and_no_verdict(project, models):
    mixed = project.add_mixed("mixed", 2.0)
    named = [mixed, "python:nets.py:colour", "python:nets.py:slope"][:models]
    project.write("test_own.py", OWN_TEST.replace("MODEL", mixed))
    arguments = (
        f"--robustness-models={','.join(named)}",
        "--robustness-transforms=vflip,brightness",
        "--robustness-reference=python:nets.py:slope",
    )
    once = judged(project, *arguments)
    assert not any("copies" in text for text in once[2])
    for name in ("down", "up"):
        for number in range(20):
            image = project.image(name, number)
            for copy in range(number % 3):
                image.with_name(f"z{copy}_{image.name}").write_bytes(image.read_bytes())
    copied = judged(project, *arguments)
    assert copied[:2] == once[:2]
    (warning,) = (text for text in copied[2] if "copies" in text)
    assert warning.startswith(
        "78 images, 40 distinct: the others are copies. Tests and intervals of models and classes count each"
    )
