"""What a user should know about the data is in every report: files left out, classes without images."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image
from pytest import ExitCode  # noqa: PT013


def said(result):
    """Return what the terminal says, without its line breaks."""
    return " ".join(" ".join(result.outlines).split())


def test_what_was_left_out_is_in_every_report(project):
    photos = project.path / "photos"
    (photos / "down" / "a.heic").write_bytes(b"")
    (photos / "up" / ".ipynb_checkpoints").mkdir()
    (photos / "up" / ".ipynb_checkpoints" / "00.png").write_bytes(project.image("down", 0).read_bytes())
    turned = Image.Exif()
    turned[0x0112] = 3
    with Image.open(project.image("up", 1)) as image:
        image.save(project.image("up", 1), exif=turned)
    result = project.judge("-k", "hflip")
    assert result.ret == ExitCode.OK
    why = "because its name ends in no ending of an image that can be read here"
    notes = [
        f"1 file in {photos} is left out, {why}: 1 .heic (needs pillow-heif).",
        f"1 hidden file or folder in {photos} is left out.",
        "1 of 40 images carries an EXIF orientation (3), which is not applied, as in torchvision's ImageFolder.",
    ]
    assert project.results()["data_notes"] == notes
    reports = project.path / "reports/latest"
    for note in notes:
        assert f"data: {note}" in said(result)
        assert note.partition("'")[0] in (reports / "index.html").read_text()
        assert note.partition(" in /")[0] in (reports / "summary.md").read_text()
    assert set(project.table("accuracy.csv").n) == {20}


def test_a_class_without_images_is_named(project):
    (project.path / "photos" / "empty").mkdir()
    project.write(
        "nets.py", (project.path / "nets.py").read_text().replace('["down", "up"]', '["down", "up", "empty"]')
    )
    nets = (project.path / "nets.py").read_text()
    project.write("nets.py", nets.replace("[-up, up]", "[-up, up, up - 99]"))
    result = project.judge("-k", "hflip")
    note = "1 class holds no image and takes no part: empty."
    assert f"data: {note}" in said(result)
    assert note in (project.path / "reports/latest/index.html").read_text()


def test_a_class_folder_that_is_not_utf_8_loses_no_report(project):
    folder = os.fsencode(project.path / "photos") + b"/caf\xe9"
    (project.path / "photos" / "up").rename(Path(os.fsdecode(folder)))
    project.write("nets.py", (project.path / "nets.py").read_text().replace(', classes=["down", "up"]', ""))
    result = project.judge("-k", "hflip")
    # The classes are now in another order than the outputs, which no list confirms.
    assert "Class order?" in result.stdout.str()
    result = project.judge("-k", "hflip", "--robustness-chance-check=warn")
    assert "INTERNALERROR" not in result.stdout.str()
    assert [row["class_name"] for row in project.results()["classes"]] == [r"caf\xe9", "down"]
    assert r"caf\xe9" in (project.path / "reports/latest/index.html").read_text()
    assert set(project.table("accuracy.csv").class_name) == {r"caf\xe9", "down"}


def test_sixteen_bit_grey_has_the_figures_of_eight_bits(project):
    def figures(deep: bool) -> list[list[object]]:
        for name in ("down", "up"):
            for number in range(20):
                with Image.open(project.image(name, number)) as image:
                    grey = np.asarray(image.convert("L"))
                made = Image.fromarray(grey.astype(np.uint16) * 257) if deep else Image.fromarray(grey)
                made.save(project.image(name, number))
        project.judge("--robustness-models=python:nets.py:slope")
        return project.table("accuracy.csv")[["transform", "class_name", "n", "correct"]].to_numpy().tolist()

    eight = figures(deep=False)
    assert figures(deep=True) == eight
    with Image.open(project.image("up", 0)) as image:
        assert image.mode == "I;16"
    assert {row[-1] for row in eight} == {0, 20}


def test_a_models_file_that_loads_truncated_images_changes_none(project):
    cut = project.image("up", 4)
    cut.write_bytes(cut.read_bytes()[:-60])
    nets = (project.path / "nets.py").read_text()
    project.write("nets.py", "from PIL import ImageFile\nImageFile.LOAD_TRUNCATED_IMAGES = True\n" + nets)
    project.judge("-k", "hflip", "--robustness-on-bad-image=skip")
    assert project.results()["skipped_images"] == [str(cut)]
