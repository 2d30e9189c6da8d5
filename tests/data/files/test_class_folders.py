"""What lies in class folders is an image, or left out by name; no folder is read as two classes or for ever."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torchvision.datasets import ImageFolder

from pytest_robustness.core.errors import BadImageError, DataError
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.data import open_source
from pytest_robustness.data.decoding.formats import readable
from pytest_robustness.data.files.class_folders import LeftOut, is_hidden, list_files
from pytest_robustness.data.notes import data_notes
from tests.image_maker import Kind, content

PNG = content(Kind("RGB", "PNG", ".png"), 0)


def put(path: Path, data: bytes = PNG) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("cat/1.png", "cat/deep/2.png", "dog/1.png"):
        put(tmp_path / "photos" / name)
    return tmp_path / "photos"


def names(root: Path) -> list[str]:
    source = open_source(f"folder:{root}")
    return [str(Path(source.describe(i)).relative_to(root)) for i in range(len(source.labels))]


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_source(f"folder:{root}")
    return str(caught.value)


SOUND = ["cat/1.png", "cat/deep/2.png", "dog/1.png"]
HIDDEN = [
    ".ipynb_checkpoints/1-checkpoint.png", ".thumbnails/1.png", "__MACOSX/1.png", "._1.png", ".hidden.png", "Thumbs.db",
    "deep/.cache/x/1.png", "@eaDir/1.png", "__pycache__/1.png", "desktop.ini", ".DS_Store", ".AppleDouble/1.png",
]  # fmt: skip


@pytest.mark.parametrize("name", HIDDEN)
def test_what_a_system_or_a_tool_keeps_is_no_image(photos, name):
    put(photos / "cat" / name)
    assert names(photos) == SOUND
    assert open_source(f"folder:{photos}").notes == (f"1 hidden file or folder in {photos} is left out.",)


@pytest.mark.parametrize("name", ["__MACOSX", ".git", "lost+found", "$RECYCLE.BIN", "System Volume Information"])
def test_a_systems_folder_is_no_class(photos, name):
    put(photos / name / "1.png")
    assert len(open_source(f"folder:{photos}").classes) == 2


def test_every_ending_that_pillow_reads_is_an_image_and_the_others_are_counted(tmp_path):
    for ending in readable().extensions:
        put(tmp_path / "cat" / f"a{ending}")
        put(tmp_path / "cat" / f"b{ending.upper()}")
    for name in ("a.heic", "b.HEIC", "notes.txt", "README", "a.eps", "a.svg"):
        put(tmp_path / "cat" / name)
    source = open_source(f"folder:{tmp_path}")
    assert {".jfif", ".jpe", ".pgm"} <= readable().extensions
    assert len(source.labels) == 2 * len(readable().extensions)
    assert source.notes == (
        f"6 files in {tmp_path} are left out, because their names end in no ending of an image that can be read here: "
        f"2 .heic (needs pillow-heif), 1 .txt, 1 without an ending, 1 .eps, 1 .svg.".replace(
            "1 .txt, 1 without an ending, 1 .eps, 1 .svg", _singles(tmp_path / "cat")
        ),
    )


def _singles(folder: Path) -> str:
    """Return the endings that occur once, in the order in which the folder lists them."""
    left = [entry.name for entry in os.scandir(folder) if entry.name in ("notes.txt", "README", "a.eps", "a.svg")]
    return ", ".join(f"1 {Path(name).suffix or 'without an ending'}" for name in left)


def test_a_class_without_images_is_named(photos):
    (photos / "cow").mkdir()
    put(photos / "horse" / "1.heic")
    notes = open_source(f"folder:{photos}").notes
    assert notes[0] == "2 classes hold no image and take no part: cow, horse."
    assert notes[1].endswith("1 .heic (needs pillow-heif).")


def test_data_without_any_image_says_what_is_there(tmp_path):
    put(tmp_path / "cat" / "a.heic")
    assert "1 .heic (needs pillow-heif)." in refusal(tmp_path)


BESIDE = {
    "loose.png": "1 image in {} itself, in no class folder, is left out.",
    "LOOSE.JPG": "1 image in {} itself, in no class folder, is left out.",
    "photos.zip": "their name ends", "README": "their name ends", "labels.csv": "their name ends",
    ".hidden": "1 hidden file or folder in {} is left out.",
    ".git/config": "1 hidden file or folder in {} is left out.",
    "__MACOSX/cat/1.png": "1 hidden file or folder in {} is left out.",
    "Thumbs.db": "1 hidden file or folder in {} is left out.",
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_what_lies_beside_the_class_folders_is_counted(photos, name):
    put(photos / name)
    kind = Path(name).suffix or "without an ending"
    other = "1 file in {} is left out, because its name ends in no ending of an image that can be read here: 1 {}."
    source = open_source(f"folder:{photos}")
    assert names(photos) == SOUND
    assert source.notes == ((other if BESIDE[name] == "their name ends" else BESIDE[name]).format(photos, kind),)


def test_all_that_lies_beside_the_class_folders_is_counted(photos):
    for name in BESIDE:
        put(photos / name)
    os.mkfifo(photos / "pipe")
    (photos / "shortcut.png").symlink_to(photos / "cat" / "1.png")
    (photos / "link.md").symlink_to(photos / "README")
    text = " ".join(open_source(f"folder:{photos}").notes)
    beside = len([*photos.iterdir()]) - len(("cat", "dog"))
    counts = [int(number) for number in re.findall(r"(\d+) (?:images?|files?|hidden)", text)]
    assert sum(counts) + len(("pipe",)) == beside
    assert "regular files: pipe." in text


# --- links, pipes and devices


@pytest.mark.parametrize("target", ["/not/mounted/green", "nowhere", "green"])
def test_a_class_that_is_a_link_to_nowhere_is_refused_by_name(photos, tmp_path, target):
    message = (
        f"{photos / 'green'} is a link to {target}, which is not there, and may be a class folder. Mount what it leads "
        f"to, or remove the link."
    )
    (photos / "green").symlink_to(target)
    assert refusal(photos) == message
    with pytest.raises(DataError, match="which is not there, and may be a class folder"):
        open_source(f"folder:{photos}", labelled=False)
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "green").symlink_to("nowhere")
    assert "is a link to nowhere, which is not there, and may be a class folder." in refusal(tmp_path / "only")


def test_a_file_that_is_a_link_to_nowhere_beside_the_classes_is_counted_with_the_images(photos):
    (photos / "1.png").symlink_to("nowhere.png")
    assert open_source(f"folder:{photos}").notes == (f"1 image in {photos} itself, in no class folder, is left out.",)


def test_a_link_to_a_file_is_read_and_one_that_leads_nowhere_is_a_bad_image(photos, tmp_path):
    (photos / "dog" / "2.png").symlink_to(put(tmp_path / "store" / "blob"))
    (photos / "dog" / "3.png").symlink_to(tmp_path / "nowhere.png")
    (photos / "dog" / "4.png").symlink_to(photos / "dog" / "4.png")
    source = open_source(f"folder:{photos}")
    assert source.read(3).shape == (3, 17, 23)
    for index in (4, 5):
        with pytest.raises(BadImageError, match=f"{index - 1}.png is not a readable image: ") as caught:
            source.read(index)
        assert not caught.value.content


@pytest.mark.parametrize("target", ["..", ".", "deep", "deep/.."])
def test_a_link_back_into_its_class_is_read_once(photos, target):
    (photos / "cat" / "loop").symlink_to(photos / "cat" if target == ".." else Path(target))
    assert names(photos) == SOUND


@pytest.mark.parametrize("target", ["..", "../dog", "../..", "../../elsewhere", "/"])
@pytest.mark.parametrize("place", ["cat/link", "cat/deep/link"])
def test_a_link_out_of_its_class_is_refused_by_name(photos, tmp_path, target, place):
    put(tmp_path / "elsewhere" / "1.png")
    (photos / place).symlink_to((photos / "cat" / target).resolve())
    assert refusal(photos) == (
        f"{photos / place} is a link to {(photos / 'cat' / target).resolve()}, out of its class folder. Copy the "
        f"images, or make the class folder itself the link."
    )


def test_links_between_two_classes_end(photos):
    (photos / "cat" / "other").symlink_to("../dog")
    (photos / "dog" / "other").symlink_to("../cat")
    assert "out of its class folder" in refusal(photos)


@pytest.mark.parametrize("target", ["cat", "cat/deep"])
def test_two_classes_never_share_their_files(photos, target):
    (photos / "lion").symlink_to(photos / target)
    assert refusal(photos) == (
        f"The class folders cat and lion of {photos} hold the same files, because one is a link into the other: an "
        f"image has one label. Remove the link."
    )


@pytest.mark.parametrize("target", [".", "..", "/"])
def test_a_class_is_no_link_to_all_classes(photos, target):
    (photos / "all").symlink_to(photos / target, target_is_directory=True)
    assert refusal(photos).startswith(f"The class folder {photos / 'all'} is a link to {(photos / target).resolve()}, ")


def test_class_folders_may_be_links_to_elsewhere_also_to_parts_of_one_folder(photos, tmp_path):
    for name in ("cow", "cow2", "ox"):
        put(tmp_path / "store" / name / "1.png")
        (photos / name).symlink_to(tmp_path / "store" / name)
    assert len(open_source(f"folder:{photos}").classes) == 5


def test_a_folder_that_is_called_an_image_is_a_folder(photos):
    put(photos / "dog" / "x.png" / "2.png")
    assert names(photos) == [*SOUND, "dog/x.png/2.png"]


def test_pipes_and_devices_are_named_and_not_opened(photos):
    os.mkfifo(photos / "cat" / "pipe.png")
    (photos / "dog" / "zero.jpg").symlink_to("/dev/zero")
    started = time.monotonic()
    source = open_source(f"folder:{photos}")
    assert source.notes == (
        f"In {photos} these are left out, because they are no regular files: cat/pipe.png, dog/zero.jpg.",
    )
    (photos / "cat" / "1.png").unlink()
    os.mkfifo(photos / "cat" / "1.png")  # after the folder was listed
    with pytest.raises(BadImageError, match="is no regular file but a pipe, a socket or a device"):
        source.read(0)
    data_notes(source, np.arange(len(source.labels)))
    source.identities(np.arange(len(source.labels)), FileHashes())
    assert time.monotonic() - started < 5


def test_a_note_shows_hostile_names_as_text(photos):
    os.mkfifo(photos / "cat" / "\x1b[2J::error::x\n\u202e.png")
    put(photos / "cat" / "a.\x1b[31m")
    source = open_source(f"folder:{photos}")
    for note in data_notes(source, np.arange(len(source.labels))):
        assert note.isprintable()


# --- splits


@pytest.mark.parametrize(
    ("folders", "best"),
    [
        (("train", "val", "test"), "test"),
        (("train", "val"), "val"),
        (("Train", "Valid"), "Valid"),
        (("training", "testing"), "testing"),
        (("validation", "train"), "validation"),
    ],
)
def test_splits_are_asked_about(tmp_path, folders, best):
    for folder in folders:
        put(tmp_path / folder / "cat" / "1.png")
    shown = sorted(folders)
    assert refusal(tmp_path) == (
        f"{tmp_path} holds {', '.join(shown[:-1])} and {shown[-1]}: which of these splits is to be judged? Name it: "
        f"folder:{tmp_path / best}. If they are classes, give one of the folders another name, or name a function that "
        f"returns an ImageFolder of them: python:FILE:FACTORY."
    )
    assert len(open_source(f"folder:{tmp_path / best}").labels) == 1


@pytest.mark.parametrize("folders", [("train", "plane"), ("test",), ("val", "cat")])
def test_classes_that_are_called_like_a_split_are_classes(tmp_path, folders):
    for folder in folders:
        put(tmp_path / folder / "1.png")
    assert len(open_source(f"folder:{tmp_path}").classes) == len(folders)


# --- names


@pytest.mark.parametrize(
    "name",
    [b"caf\xe9", b"\xff\xfe", "naïve".encode(), b"a b", b"::stop-commands::x", b"##[error]x", b"\x1b[31mred", b"a\nb",
     "\u202eevil".encode(), b"=1+1", b"a,b", b"'\"", b"%s{0}", b"CON", "猫".encode()],
)  # fmt: skip
def test_a_class_folder_of_any_name_is_read_and_named(tmp_path, name):
    folder = os.fsencode(tmp_path) + b"/photos/" + name
    Path(os.fsdecode(folder)).mkdir(parents=True)
    for file in (b"1.png", b"\xe9.png"):
        Path(os.fsdecode(folder + b"/" + file)).write_bytes(PNG)
    source = open_source(f"folder:{tmp_path / 'photos'}")
    label = source.classes[0]
    for text in (label.key, label.name, source.describe(0), source.describe(1), source.key(1), *source.notes):
        assert json.loads(json.dumps(text).encode()) == text.encode().decode()
    assert source.read(0).shape == source.read(1).shape == (3, 17, 23)
    assert (source.identities(np.arange(2), FileHashes()) == source.identities(np.arange(1), FileHashes())[0]).all()
    assert label.key == name.decode("utf-8", "backslashreplace")


def test_an_error_about_a_folder_that_is_not_utf_8_has_a_text(tmp_path):
    root = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    assert r"caf\xe9 does not exist" in refusal(Path(root)).encode().decode()


NAMES = st.lists(
    st.sampled_from(["a", "b.png", "c.JPG", "d", "e.png", "B", ".f", "g.txt", "h.gif", "10", "9.png"]), min_size=1,
    max_size=4,
)  # fmt: skip


@given(st.lists(NAMES, min_size=1, max_size=12))
def test_images_come_in_the_order_of_imagefolder(tmp_path_factory, paths):
    root = tmp_path_factory.mktemp("tree")
    put(root / "cat" / "0.png")
    for path in paths:
        file = root.joinpath("cat", *path)
        if not file.exists() and not any(parent.is_file() for parent in file.parents):
            put(file)
    found = list_files(root, "cat", LeftOut())
    folder = ImageFolder(root, is_valid_file=lambda path: Path(path).suffix.lower() in readable().extensions)
    shown = [str(Path(path).relative_to(root)) for path, _ in folder.samples]
    assert found == [path for path in shown if not any(is_hidden(part) for part in Path(path).parts)]
