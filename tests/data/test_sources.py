"""Each kind of dataset: what it reads, what it refuses and with which words, and how its images are identified."""

import dataclasses
import hashlib
import os
import pickle
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.datasets import CIFAR10, ImageFolder, Imagenette

from pytest_robustness.core import ClassLabel, DataSource, Selection
from pytest_robustness.core.errors import BadImageError, OptionError
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.data import check, identities, keys, known, open_source, select
from pytest_robustness.data.decoding.formats import readable
from pytest_robustness.data.decoding.pillow_settings import PillowSettings
from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.data.map_style.dataset import MapStyleSource
from tests.data.forms import refusal


def save(path: Path, seed: int, size: tuple[int, int] = (6, 5)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for seed, name in enumerate(["dog/b.png", "dog/a.JPG", "cat/deep/er/1.png", "cat/z.webp", "cat/b.gif"]):
        save(root / name, seed)
    (root / "cat" / "notes.txt").write_text("not an image")
    return root


def identified(source: DataSource, indices: np.ndarray) -> list[bytes]:
    return identities(source, indices, FileHashes()).tolist()


# --- specs


@pytest.mark.parametrize(
    "spec",
    ["digits", "cifar10", "cifar10:~/data", "imagenette", "imagenet:/data:train", "imagenet:/data", "folder:a:b",
     r"imagenet:C:\data", "python:package.module:make", "python:a/b.py:make"],
)  # fmt: skip
def test_valid_specs_are_accepted_without_touching_files(spec):
    check(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "imgnet:/data",
            (
                "'imgnet' is not a dataset. Known: cifar10[:root], digits, folder:path, folder:url, "
                "hf:name[:split], imagenet:root[:train|val], "
                "imagenette[:root], parquet:path, python:package.module:factory, "
                "python:path/to/file.py:factory, tar:path."
            ),
        ),
        ("digits:half", "'digits:half' has a part too many: 'half'. Valid: digits."),
        ("folder", "'folder' lacks its path. Valid: folder:path, folder:url."),
        ("folder:", "'folder:' lacks its path. Valid: folder:path, folder:url."),
        ("imagenet", "'imagenet' lacks its root. Valid: imagenet:root[:train|val]."),
        ("imagenet:/data:test", "'test' is not a split of imagenet. Known: train, val."),
        (
            "python",
            "'python' lacks its module. Valid: python:package.module:factory, python:path/to/file.py:factory.",
        ),
        (
            "python:module",
            (
                "'python:module' lacks the name of its factory. Valid: python:package.module:factory, "
                "python:path/to/file.py:factory."
            ),
        ),
        (
            "python:file.py:",
            (
                "'python:file.py:' lacks the name of its factory. Valid: python:package.module:factory, "
                "python:path/to/file.py:factory."
            ),
        ),
    ],
)
def test_specs_that_are_not_valid_are_refused(spec, message):
    for function in (check, open_source):
        with pytest.raises(OptionError) as caught:
            function(spec)
        assert str(caught.value) == message


def test_every_known_form_is_explained_in_one_line():
    assert {form.partition(":")[0].partition("[")[0] for form in known()} == {
        "digits", "cifar10", "imagenette", "imagenet", "folder", "hf", "parquet", "python", "tar",
    }  # fmt: skip
    assert all(text and "\n" not in text for text in known().values())


def test_naming_a_dataset_imports_neither_torch_nor_numpy():
    code = (
        "import sys; from pytest_robustness import data; data.check('folder:x'); data.known(); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'torchvision', 'numpy', 'sklearn', 'PIL')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- selection

LABELS = st.lists(st.integers(0, 6), max_size=80).map(lambda values: np.asarray(values, np.int64))


def labelled(labels: np.ndarray) -> ArraySource:
    return ArraySource("some", (), labels, np.zeros((len(labels), 3, 1, 1), np.uint8))


def drawn(labels: np.ndarray, limit: int | None, seed: int) -> np.ndarray:
    return select(labelled(labels), limit, seed)


@settings(deadline=None)
@given(labels=LABELS, limit=st.integers(1, 12), seed=st.integers(0, 2**32))
def test_a_selection_is_ascending_stratified_and_part_of_every_larger_one(labels, limit, seed):
    chosen = drawn(labels, limit, seed)
    assert chosen.dtype == np.int64
    assert (np.diff(chosen) > 0).all()
    expected = np.minimum(np.bincount(labels, minlength=7), limit)
    np.testing.assert_array_equal(np.bincount(labels[chosen], minlength=7), expected)
    assert set(chosen) <= set(drawn(labels, limit + 3, seed))


@settings(deadline=None)
@given(labels=LABELS, limit=st.integers(1, 12), seed=st.integers(0, 100))
def test_one_more_image_displaces_at_most_one(labels, limit, seed):
    before, after = (set(drawn(some, limit, seed).tolist()) for some in (labels, np.append(labels, 2)))
    assert len(before - after) <= 1
    assert after - before <= {len(labels)}


def test_files_are_drawn_by_their_path_below_the_class(photos):
    for number in range(30):
        (photos / "cat" / f"{number:02}.png").write_bytes(b"%d" % number)
    first = open_source(f"folder:{photos}")
    chosen = {first.describe(index) for index in select(first, 5, 0) if first.labels[index] == 0}
    (photos / "cat" / "00a.png").write_bytes(b"new")
    photos.rename(photos.with_name("moved"))
    second = open_source(f"folder:{photos.with_name('moved')}")
    again = {second.describe(index).replace("moved", photos.name) for index in select(second, 5, 0)}
    assert len(chosen) == 5
    assert len(chosen - again) <= 1


def test_no_limit_selects_everything():
    np.testing.assert_array_equal(drawn(np.asarray([1, 0, 1]), None, 0), [0, 1, 2])


def test_another_seed_draws_other_images_evenly():
    labels = np.zeros(20, np.int64)
    counts = np.bincount(np.concatenate([drawn(labels, 5, seed) for seed in range(400)]), minlength=20)
    # Each image is drawn with probability 1/4: 100 times of 400, standard deviation 8.7.
    assert counts.min() > 60
    assert counts.max() < 140


def test_a_seed_draws_the_same_images_on_every_machine():
    # As `printf '%s' 7:0 | sha256sum` and so on to 7:29, sorted, has them.
    assert drawn(np.zeros(30, np.int64), 3, 7).tolist() == [4, 7, 12]


# --- digits


def test_digits_are_the_odd_half_in_three_equal_channels():
    from sklearn.datasets import load_digits

    source = open_source("digits")
    original = load_digits()
    assert (source.name, source.in_memory, len(source.labels)) == ("digits", True, 898)
    assert list(source.classes) == [ClassLabel(str(digit), str(digit)) for digit in range(10)]
    np.testing.assert_array_equal(source.labels, original.target[1::2])
    for index in (0, 5, 897):
        image = source.read(index)
        expected = [[round(value * 255 / 16) for value in row] for row in original.images[2 * index + 1]]
        assert image.dtype == torch.uint8
        np.testing.assert_array_equal(image, [expected] * 3)
    assert source.describe(12) == "digits[12]"


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert refusal("digits") == (
        "The digits come with scikit-learn, which is not installed. Run: pip install scikit-learn"
    )


def test_an_arrays_images_are_identified_by_their_pixels():
    source = open_source("digits")
    some = np.asarray([1, 2, 5])
    before = identified(source, some)
    assert before == identified(open_source("digits"), some)
    assert len(set(before)) == 3
    source.images[5, 0, 3, 3] ^= 1
    after = identified(source, some)
    assert after[:2] == before[:2]
    assert after[2] != before[2]


def test_a_selection_is_identified_by_classes_labels_and_images():
    source = open_source("digits")

    def fingerprint(indices, labels=None, of=source):
        images = np.asarray(indices)
        return Selection(
            of, images, of.labels[images] if labels is None else labels, *[identities(of, images, FileHashes())]
        ).fingerprint

    renamed = dataclasses.replace(source, classes=(ClassLabel("zero", "0"), *source.classes[1:]))
    seen = [
        fingerprint([1, 2, 5]),
        fingerprint([1, 2, 6]),
        fingerprint([1, 2]),
        fingerprint([1, 2, 5], np.zeros(3, np.int64)),
        fingerprint([1, 2, 5], of=renamed),
    ]
    assert len(set(seen)) == len(seen)
    assert fingerprint([1, 2, 5]) == seen[0]


# --- folder


def test_a_folder_is_read_as_torchvisions_imagefolder_reads_it(photos):
    source = open_source(f"folder:{photos}")
    reference = ImageFolder(photos, is_valid_file=lambda path: not path.endswith(".txt"))
    assert [label.key for label in source.classes] == [label.name for label in source.classes] == reference.classes
    assert [source.describe(index) for index in range(5)] == [path for path, _ in reference.samples]
    np.testing.assert_array_equal(source.labels, reference.targets)
    assert not source.in_memory
    for index, (image, _) in enumerate(reference):
        np.testing.assert_array_equal(source.read(index).permute(1, 2, 0), np.asarray(image))


def test_a_folder_source_survives_pickling(photos):
    source = pickle.loads(pickle.dumps(open_source(f"folder:{photos}")))
    assert source.describe(0) == str(photos / "cat" / "b.gif")
    assert source.read(0).shape == (3, 5, 6)


def test_a_relative_folder_is_found_after_the_working_directory_changed(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    source = open_source("folder:photos")
    monkeypatch.chdir(photos)
    assert source.read(0).shape == (3, 5, 6)


def test_an_empty_class_keeps_its_place_and_hidden_files_are_no_data(photos):
    (photos / "cow").mkdir()
    save(photos / ".thumbnails" / "a.png", 1)
    (photos / "dog" / "._a.png").write_bytes(b"a Mac's resource fork")
    source = open_source(f"folder:{photos}")
    assert [label.key for label in source.classes] == ["cat", "cow", "dog"]
    np.testing.assert_array_equal(source.labels, [0, 0, 0, 2, 2])


def test_a_class_folder_may_be_a_link(photos, tmp_path):
    save(tmp_path / "elsewhere" / "1.png", 9)
    (photos / "cow").symlink_to(tmp_path / "elsewhere")
    source = open_source(f"folder:{photos}")
    assert source.describe(3) == str(photos / "cow" / "1.png")


def test_a_file_that_vanished_is_a_bad_image(photos):
    source = open_source(f"folder:{photos}")
    (photos / "cat" / "b.gif").unlink()
    with pytest.raises(BadImageError) as caught:
        source.read(0)
    assert str(caught.value) == f"{photos}/cat/b.gif is not a readable image: No such file or directory"


def test_a_folder_that_is_missing_a_file_or_without_classes_is_refused(tmp_path):
    nothing, file, flat, bare = (tmp_path / name for name in ("nothing", "file", "flat", "bare"))
    file.write_text("")
    save(flat / "a.png", 1)
    (bare / "cat").mkdir(parents=True)
    layout = "Expected {0}/<class>/<image>"
    assert refusal(f"folder:{nothing}") == f"{nothing} does not exist. {layout.format(nothing)}."
    assert refusal(f"folder:{file}") == f"{file} is a file, not a folder. {layout.format(file)}."
    assert refusal(f"folder:{flat}") == f"{flat} holds no class folder. {layout.format(flat)}."
    assert refusal(f"folder:{bare}") == (
        f"The class folders in {bare} hold no image. {layout.format(bare)}, with one of the extensions "
        f"{', '.join(sorted(readable().extensions))}."
    )


@pytest.mark.parametrize("locked", ["", "cat/deep"])
def test_a_folder_that_may_not_be_read_is_refused(photos, monkeypatch, locked):
    # Permission bits do not stop a superuser, who may well be running this.
    scandir = os.scandir

    def guarded(path):
        if Path(path) == photos / locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    message = f"{photos / locked} cannot be read: Permission denied."
    assert refusal(f"folder:{photos}") == message + ("" if locked else f" Expected {photos}/<class>/<image>.")


def test_files_are_identified_by_their_whole_content_alone(photos, tmp_path):
    large = photos / "cat" / "z.webp"
    large.write_bytes(bytes(20_000))
    everything = np.arange(5)
    before = identified(open_source(f"folder:{photos}"), everything)
    place = list(open_source(f"folder:{photos}").images.paths).index(b"cat/z.webp")
    assert before[place] == hashlib.sha256(bytes(20_000)).digest()[:16]
    photos.rename(tmp_path / "moved")
    moved = open_source(f"folder:{tmp_path / 'moved'}")
    assert identified(moved, everything) == before
    for content in (b"1" + bytes(19_999), bytes(9_999) + b"1" + bytes(10_000), bytes(19_999) + b"1", bytes(20_001)):
        (tmp_path / "moved" / "cat" / "z.webp").write_bytes(content)
        after = identified(moved, everything)
        assert after[place] == hashlib.sha256(content).digest()[:16]
        assert [*after[:place], *after[place + 1 :]] == [*before[:place], *before[place + 1 :]]
    (tmp_path / "moved" / "cat" / "z.webp").unlink()
    assert identified(moved, everything)[place] == bytes(16)


# --- imagenet


@pytest.mark.parametrize(("spec", "folder"), [("", "val"), (":val", "val"), (":train", "train")])
def test_imagenet_is_read_from_the_folder_of_its_split(tmp_path, spec, folder):
    for split in ("train", "val"):
        save(tmp_path / split / "n01440764" / f"{split}.png", 1)
        (tmp_path / split / "readme").mkdir()
    source = open_source(f"imagenet:{tmp_path}{spec}")
    assert list(source.classes) == [ClassLabel("n01440764", "n01440764")]
    assert source.describe(0) == str(tmp_path / folder / "n01440764" / f"{folder}.png")
    assert source.name == f"imagenet:{tmp_path}{spec}"


def test_imagenets_root_may_hold_the_classes_itself(tmp_path):
    save(tmp_path / "n01440764" / "a.png", 1)
    assert open_source(f"imagenet:{tmp_path}").describe(0) == str(tmp_path / "n01440764" / "a.png")


def test_imagenet_that_is_not_sorted_into_classes_is_refused(tmp_path):
    layout = f"Expected {tmp_path}/val/<WordNet id>/<image>."
    assert refusal(f"imagenet:{tmp_path}") == f"{tmp_path} holds no class folder. {layout}"
    save(tmp_path / "val" / "ILSVRC2012_val_00000001.png", 1)
    assert refusal(f"imagenet:{tmp_path}") == f"{tmp_path}/val holds no class folder. {layout}"
    (tmp_path / "val" / "tench").mkdir()
    assert refusal(f"imagenet:{tmp_path}") == (
        f"{tmp_path}/val holds no folder named by a WordNet id, such as n01440764. {layout}"
    )
    assert refusal(f"imagenet:{tmp_path}:train").startswith(f"{tmp_path}/train does not exist. ")


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"readme": 0}, ()),
        ({"tench": 2}, ("1 folder in {root} is left out, because no class is called so: tench (2 images).",)),
        (
            {"n0144076": 1, "fish/tench": 3, ".cache": 1, "readme": 0},
            ("2 folders in {root} are left out, because no class is called so: fish (3 images), n0144076 (1 image).",),
        ),
    ],
)
def test_images_in_folders_that_are_no_wordnet_id_are_left_out_and_counted(tmp_path, others, said):
    save(tmp_path / "n01440764" / "a.png", 1)
    for folder, images in others.items():
        (tmp_path / folder).mkdir(parents=True)
        for number in range(images):
            save(tmp_path / folder / f"{number}.png", number)
    source = open_source(f"imagenet:{tmp_path}")
    assert len(source.labels) == 1
    of_folders = tuple(note for note in source.notes if "hidden" not in note)
    assert of_folders == tuple(sentence.format(root=tmp_path) for sentence in said)


# --- cifar10 and imagenette


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two images in the format of the published archive, which Python 2 pickled."""
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    data = np.arange(2 * 3072, dtype=np.uint32).astype(np.uint8).reshape(2, 3072)
    batch = pickle.dumps({"data": data, "labels": [1, 0]}, protocol=2)
    assert b"\x89\x88\x87" in batch
    batch = batch.replace(b"\x89\x88\x87", b"K\x00K\x01\x87")  # dtype("u1", 0, 1), as numpy was written to then
    meta = pickle.dumps({"label_names": ["airplane", "automobile"]}, protocol=2)
    for name, content in (("test_batch", batch), ("batches.meta", meta)):
        (folder / name).write_bytes(content)
    monkeypatch.setattr(CIFAR10, "train_list", [])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", hashlib.md5(batch).hexdigest()]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": hashlib.md5(meta).hexdigest()})
    return tmp_path


def test_cifar10_is_the_test_split_in_memory(cifar10):
    source = open_source(f"cifar10:{cifar10}")
    assert (source.in_memory, source.describe(1)) == (True, "cifar10[1]")
    assert [label.name for label in source.classes] == ["airplane", "automobile"]
    np.testing.assert_array_equal(source.labels, [1, 0])
    # The archive keeps each image as 1024 red, 1024 green and 1024 blue values, row by row.
    np.testing.assert_array_equal(source.read(1).flatten(), np.arange(3072, 6144).astype(np.uint8))
    assert source.read(1).shape == (3, 32, 32)


def test_absent_data_says_where_it_was_looked_for_and_how_to_get_it(tmp_path):
    assert refusal(f"cifar10:{tmp_path}") == (
        f"CIFAR-10 was looked for in {tmp_path}/cifar-10-batches-py and is not there, or not whole. Add "
        f"--robustness-download, or unpack cifar-10-python.tar.gz in {tmp_path}, so that "
        f"{tmp_path}/cifar-10-batches-py exists."
    )
    assert refusal(f"imagenette:{tmp_path}") == (
        f"Imagenette was looked for in {tmp_path}/imagenette2 and is not there, or not whole. Add "
        f"--robustness-download, or unpack imagenette2.tgz in {tmp_path}, so that {tmp_path}/imagenette2 exists."
    )


def test_a_failed_download_says_what_to_put_where(tmp_path, monkeypatch):
    nobody_listens = "http://127.0.0.1:9/archive.tgz"
    monkeypatch.setattr(CIFAR10, "url", nobody_listens)
    monkeypatch.setattr(Imagenette, "_ARCHIVES", {"full": (nobody_listens, None)})
    message = refusal(f"cifar10:{tmp_path}", download=True)
    assert message.startswith(f"CIFAR-10 could not be downloaded to {tmp_path}: <urlopen error ")
    assert message.endswith(
        f" Without a network, unpack cifar-10-python.tar.gz in {tmp_path}, so that "
        f"{tmp_path}/cifar-10-batches-py exists."
    )
    assert refusal(f"imagenette:{tmp_path}", download=True).startswith("Imagenette could not be downloaded to ")


def test_without_a_root_the_users_cache_is_looked_at(tmp_path, monkeypatch):
    import platformdirs

    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))
    where = tmp_path / "pytest-robustness" / "cifar10" / "cifar-10-batches-py"
    assert refusal("cifar10").startswith(f"CIFAR-10 was looked for in {where} and is not there")


def test_imagenette_is_the_validation_split_by_wordnet_id(tmp_path):
    for split in ("train", "val"):
        for wnid in ("n03888257", "n01440764"):
            save(tmp_path / "imagenette2" / split / wnid / f"{split}.JPEG", 1)
    source = open_source(f"imagenette:{tmp_path}")
    assert list(source.classes) == [ClassLabel("n01440764", "tench"), ClassLabel("n03888257", "parachute")]
    assert source.describe(1) == str(tmp_path / "imagenette2" / "val" / "n03888257" / "val.JPEG")


# --- python

MODULE = """
import numpy as np, torch
from PIL import Image
from pytest_robustness.core import ClassLabel

class MapStyle:
    classes = ["cat", "dog"]
    def __init__(self, items, **attributes):
        self.items = items
        self.__dict__.update(attributes)
    def __len__(self):
        return len(self.items)
    def __getitem__(self, index):
        if isinstance(self.items[index], Exception):
            raise self.items[index]
        return self.items[index], index % 2

def grey(): return (np.arange(12).reshape(3, 4) * 20).astype(np.uint8)

def kinds():
    colour = np.stack([grey()] * 3, axis=-1)
    frozen = colour[::-1][::-1].copy()
    frozen.flags.writeable = False
    return MapStyle([Image.fromarray(grey()), Image.fromarray(colour).convert("RGBA"), grey(), grey()[..., None],
                     colour, frozen, torch.from_numpy(grey())[None], torch.from_numpy(colour).permute(2, 0, 1)])

def targets(): return MapStyle([grey()] * 4, targets=torch.tensor([0, 1, 0, 1]))
def synonyms(): return MapStyle([grey()], classes=[("tench", "Tinca tinca"), "dog"])
def damaged(): return MapStyle([OSError("cannot open"), grey()], targets=[0, 1])
def scaled(): return MapStyle([torch.rand(3, 4, 4)])
def channels_first(): return MapStyle([np.zeros((3, 4, 5), np.uint8)])
def number(): return 3
def too_few(): return MapStyle([grey()] * 2, targets=[0])
def out_of_range(): return MapStyle([grey()] * 2, targets=[0, 2])
def fractions(): return MapStyle([grey()] * 2, targets=[0.0, 1.0])
def not_readable(): return MapStyle([OSError("cannot open")])
def numbered(): return MapStyle([grey()], classes=[0, 1])
def empty(): return MapStyle([])
def broken(): raise RuntimeError("no disk")

class Source:
    name, in_memory = "mine", True
    classes = (ClassLabel("a", "A"),)
    labels = np.zeros(2, np.int64)
    def read(self, index): return torch.zeros(3, 2, 2, dtype=torch.uint8)
    def describe(self, index): return f"mine {index}"

def own(): return Source()

class Identified(Source):
    def key(self, index): return ["first", "second"][index]
    def identities(self, indices, hashes): return np.frombuffer(b"".join(b"%d" % i * 16 for i in indices), "V16")

def identified(): return Identified()

def plain_names():
    source = Source()
    source.classes = ["a"]
    return source

def listed_labels():
    source = Source()
    source.labels = [0, 0]
    return source
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "datasets.py"
    path.write_text(MODULE)
    return path


def test_every_valid_type_of_image_is_adapted(file):
    source = open_source(f"python:{file}:kinds")
    grey = np.arange(12).reshape(3, 4) * 20
    for index in range(8):
        image = source.read(index)
        assert image.dtype == torch.uint8
        np.testing.assert_array_equal(image, [grey] * 3, err_msg=source.describe(index))
    assert list(source.classes) == [ClassLabel("cat", "cat"), ClassLabel("dog", "dog")]
    assert source.labels.dtype == np.int64
    np.testing.assert_array_equal(source.labels, [0, 1] * 4)


def test_targets_are_used_where_a_dataset_has_them(file):
    np.testing.assert_array_equal(open_source(f"python:{file}:targets").labels, [0, 1, 0, 1])


def test_the_first_of_several_synonyms_names_a_class(file):
    assert open_source(f"python:{file}:synonyms").classes[0] == ClassLabel("tench", "tench")


def test_an_image_that_the_dataset_cannot_read_is_a_bad_image(file):
    source = open_source(f"python:{file}:damaged")
    with pytest.raises(BadImageError) as caught:
        source.read(0)
    assert str(caught.value) == f"python:{file}:damaged[0] is not a readable image: cannot open"
    assert source.read(1).shape == (3, 3, 4)
    assert identified(source, np.arange(2))[0] == bytes(16)
    assert identified(source, np.arange(2))[1] != bytes(16)


@pytest.mark.parametrize("error", [KeyError("a.png"), zlib.error("invalid block"), EOFError()])
def test_whatever_a_dataset_raises_is_a_bad_image(error):
    class Torn:
        def __getitem__(self, index):
            raise error

    with pytest.raises(BadImageError, match=r"torn\[0\] is not a readable image"):
        MapStyleSource("torn", [ClassLabel("a", "a")], np.zeros(1, np.int64), Torn(), PillowSettings.current()).read(0)


def test_a_map_style_dataset_is_identified_by_its_pixels(file):
    found = identified(open_source(f"python:{file}:kinds"), np.arange(4))
    assert len(set(found)) == 1  # a PIL image, arrays and tensors of the same pixels
    assert identified(open_source("digits"), np.arange(1)) != found[:1]


def test_a_source_may_name_and_identify_its_images_itself(file):
    source = open_source(f"python:{file}:identified")
    assert identified(source, np.arange(2)) == [b"0" * 16, b"1" * 16]
    assert keys(source) == [b"first", b"second"]


def test_a_source_of_ones_own_is_used_as_it_is(file):
    source = open_source(f"python:{file}:own")
    assert (source.name, source.in_memory, list(source.classes)) == ("mine", True, [ClassLabel("a", "A")])
    assert (source.describe(1), source.read(0).shape, keys(source)) == ("mine 1", (3, 2, 2), [b"0", b"1"])
    assert len(set(identified(source, np.arange(2)))) == 1


@pytest.mark.slow
def test_a_dataset_from_a_file_can_be_unpickled_in_another_process(file, tmp_path):
    (tmp_path / "source.pickle").write_bytes(pickle.dumps(open_source(f"python:{file}:targets")))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).read(1)[0].tolist())"
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "source.pickle")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.strip() == str((np.arange(12).reshape(3, 4) * 20).tolist())


def test_a_file_shadows_no_module_of_its_name(file):
    open_source(f"python:{file}:targets")
    assert getattr(sys.modules.get("datasets"), "__file__", None) != str(file)


def test_a_factory_may_be_in_a_package(tmp_path, monkeypatch):
    (tmp_path / "robust_photos").mkdir()
    (tmp_path / "robust_photos" / "sets.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    source = open_source("python:robust_photos.sets:targets")
    assert source.describe(2) == "python:robust_photos.sets:targets[2]"
    assert len(pickle.loads(pickle.dumps(source)).labels) == 4


IMAGES = (
    "Valid: a PIL image, a uint8 tensor [3, H, W] or [1, H, W], or a uint8 array [H, W, 3], [H, W, 1] or [H, W]; leave "
    "scaling and normalizing to the model's Preprocess."
)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (
            "number",
            (
                "{spec} is an int. Valid: an object with the members of pytest_robustness.DataSource, or a "
                "dataset with __len__, __getitem__ -> (image, label), and classes."
            ),
        ),
        ("scaled", "{spec}[0] is a Tensor of torch.float32 [3, 4, 4]. " + IMAGES),
        ("channels_first", "{spec}[0] is a ndarray of uint8 [3, 4, 5]. " + IMAGES),
        ("too_few", "{spec} has 2 images but labels of shape [1]. Valid: one each."),
        ("out_of_range", "{spec} has int64 labels from 0 to 2 for 2 classes. Valid: integers from 0 to 1."),
        ("fractions", "{spec} has labels that are float64, such as 0.0. Valid: integers from 0 to 1."),
        (
            "not_readable",
            (
                "The labels of {spec} cannot be read: OSError: cannot open. Valid: an attribute targets with one "
                "integer per image, or items (image, label)."
            ),
        ),
        ("numbered", "{spec} has 0 among its classes. Valid: one name, a text, for each class."),
        ("plain_names", "{spec} has 'a' among its classes. Valid: pytest_robustness.ClassLabel(key, name)."),
        ("listed_labels", "{spec} has labels that are a list. Valid: an int64 array [N]."),
        ("empty", "{spec} has no image."),
        ("broken", "The dataset '{spec}' could not be loaded: RuntimeError: no disk ({file}:39)"),
    ],
)
def test_what_a_factory_got_wrong_is_said(file, factory, message):
    spec = f"python:{file}:{factory}"
    assert refusal(spec) == message.format(spec=spec, file=file)


def test_a_factory_that_cannot_be_found_is_refused(tmp_path):
    file = tmp_path / "sets.py"
    assert refusal(f"python:{file}:make") == f"There is no file {file}. Name a Python file that defines the factory."
    file.write_text("def photos(): ...\ndef slides(): ...\nlimit = 3\n")
    assert refusal(f"python:{file}:photo") == (
        f"'photo' is not a function of {file}. Did you mean 'photos'? Known: photos, slides."
    )
    assert refusal(f"python:{file}:limit") == f"'limit' in {file} is not a function but a value of type int."
    assert refusal("python:no_such_package.sets:make") == (
        "There is no module 'no_such_package'. Install it, or run from the directory that holds it."
    )


def test_a_file_that_fails_to_load_is_refused_and_can_be_mended(tmp_path):
    file = tmp_path / "sets.py"
    file.write_text("1 / 0\n")
    assert refusal(f"python:{file}:own") == (
        f"The dataset 'python:{file}:own' could not be loaded: ZeroDivisionError: division by zero ({file}:1)"
    )
    file.write_text(textwrap.dedent(MODULE) + "# mended\n")
    assert open_source(f"python:{file}:own").name == "mine"
