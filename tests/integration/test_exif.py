"""The condition `exif` in a whole run: tags are applied to the images that carry one, and to no other."""

from __future__ import annotations

from PIL import ExifTags, Image
from pytest import ExitCode  # noqa: PT013 (as the other integration tests do)


def tag(path, code):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = code
    with Image.open(path) as image:
        image.save(path, exif=exif)


def correct(project):
    table = project.table("accuracy.csv")
    table["model"] = table["model"].str.rpartition(":")[2]
    return table.set_index(["model", "transform", "class_name"])["correct"]


def test_images_with_a_tag_are_turned_and_the_others_kept(project):
    for number in range(5):
        tag(project.image("up", number), 3)
    tag(project.image("down", 0), 2)  # mirrored, which changes no answer
    project.judge("--robustness-transforms=exif", "-k", "test_models")
    found = correct(project)
    assert found["slope", "exif", "up"] == found["slope", "control", "up"] - 5
    assert found["slope", "exif", "down"] == found["slope", "control", "down"]
    assert found["colour", "exif", "up"] == found["colour", "control", "up"]
    again = project.forwards
    project.judge("--robustness-transforms=exif", "-k", "test_models")
    assert project.forwards - again <= 40  # the canary alone: the answers are those of the images, whatever their tags


def test_data_without_files_has_no_tags(project):
    result = project.judge(
        "--robustness-transforms=exif",
        "--robustness-data=digits",
        "--robustness-models=digits:resnet18",
        "-k",
        "test_models",
    )
    assert result.ret != ExitCode.OK
    said = " ".join("\n".join([*result.outlines, *result.errlines]).split())
    assert "'exif' applies the orientation tags of image files, and digits has none to read." in said
