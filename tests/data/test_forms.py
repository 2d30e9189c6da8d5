"""The same images are the same whichever form they come in: bytes, labels, pixels, draws."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.data import identities, select, why_apart
from pytest_robustness.data.notes import data_notes
from tests.data.forms import CLASSES, FORMS, NAMELESS, Photo, opened, photos, web_server

if TYPE_CHECKING:
    from pytest_robustness.data.encoded import EncodedSource

PHOTOS = photos()


@pytest.fixture(autouse=True)
def caches(tmp_path_factory, monkeypatch):
    """Nothing is remembered outside of the test."""
    import datasets

    folder = tmp_path_factory.mktemp("caches")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(folder / name))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "hf")


def everything(source: EncodedSource) -> dict[bytes, tuple[str, bytes]]:
    """Return class and pixels of each image, by its identity."""
    indices = np.arange(len(source.labels))
    identities = source.identities(indices, FileHashes())
    return {
        identities[i].tobytes(): (source.classes[source.labels[i]].key, source.read(int(i)).numpy().tobytes())
        for i in indices
    }


def expected(images: list[Photo]) -> dict[bytes, str]:
    return {hashlib.sha256(photo.content).digest()[:16]: CLASSES[photo.label] for photo in images}


@pytest.fixture(scope="module")
def from_a_folder(tmp_path_factory) -> EncodedSource:
    return opened(FORMS["folder"](tmp_path_factory.mktemp("reference"), PHOTOS))


@pytest.mark.parametrize("form", FORMS)
def test_each_form_holds_the_same_images(tmp_path, form, from_a_folder):
    source = opened(FORMS[form](tmp_path, PHOTOS))
    assert [label.key for label in source.classes] == [*CLASSES]
    found = everything(source)
    assert {identity: label for identity, (label, _) in found.items()} == expected(PHOTOS)
    assert found == everything(from_a_folder)
    assert len(source.labels) == 30


_PYTHON = """
import pathlib
import numpy as np
from PIL import Image
class Photos:
    classes = ["cat", "cow", "dog"]
    paths = sorted(pathlib.Path(FOLDER).glob("*/*.png"))
    def __len__(self): return len(self.paths)
    def __getitem__(self, i):
        return Image.open(self.paths[i]).convert("RGB"), self.classes.index(self.paths[i].parent.name)
"""


@pytest.mark.parametrize("form", ["digits", "python", *FORMS])
def test_why_two_forms_share_no_image_is_said_where_one_is_known_by_pixels(tmp_path, form):
    folder = FORMS["folder"](tmp_path, PHOTOS)
    module = tmp_path / "own.py"
    module.write_text(f"FOLDER = {folder.removeprefix('folder:')!r}{_PYTHON}", encoding="utf-8")
    own = f"python:{module}:Photos"
    spec = {"digits": "digits", "python": own}.get(form) or FORMS[form](tmp_path, PHOTOS)
    source = opened(spec)
    (found,) = identities(source, np.array([3]), FileHashes())
    pixels = source.read(3).numpy()
    of_pixels = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).digest()[:16]
    assert bool(why_apart(spec, folder)) is bool(why_apart(folder, spec)) is (found.tobytes() == of_pixels)
    assert bool(why_apart(spec, own)) is bool(why_apart(spec, "data")) is (found.tobytes() != of_pixels)
    assert ("known by their pixels" in why_apart(spec, folder)) is (found.tobytes() == of_pixels)


@pytest.mark.parametrize("form", sorted(FORMS.keys() - NAMELESS))
def test_a_limit_draws_the_same_images_from_each_form(tmp_path, form, from_a_folder):
    source = opened(FORMS[form](tmp_path, PHOTOS))
    for limit, seed in ((1, 0), (4, 7)):
        drawn = [one.identities(select(one, limit, seed), FileHashes()) for one in (source, from_a_folder)]
        assert {d.tobytes() for d in drawn[0]} == {d.tobytes() for d in drawn[1]}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_knows_the_orientations_of_its_images(tmp_path, form, from_a_folder):
    source = opened(FORMS[form](tmp_path, PHOTOS))
    codes = []
    for one in (source, from_a_folder):
        indices = np.arange(30)
        identities = [identity.tobytes() for identity in one.identities(indices, FileHashes())]
        codes.append(dict(zip(identities, one.orientations(indices).tolist(), strict=True)))
    assert codes[0] == codes[1]
    assert len(set(codes[0].values())) > 2
    assert any("carry an EXIF orientation" in note for note in data_notes(source, np.arange(30)))


@pytest.mark.parametrize("form", FORMS)
def test_without_labels_each_form_holds_the_same_images(tmp_path, form):
    source = opened(FORMS[form](tmp_path, PHOTOS), labelled=False)
    assert {*everything(source)} == {*expected(PHOTOS)}


@pytest.mark.slow
def test_another_process_opens_each_form_itself(tmp_path):
    sources = [opened(make(tmp_path / form, PHOTOS)) for form, make in FORMS.items() if form != "memory"]
    for source in sources:
        source.read(0)  # what is open here must not be needed there
    (tmp_path / "pickled").write_bytes(pickle.dumps(sources))
    code = (
        "import hashlib, pickle, sys; sources = pickle.load(open(sys.argv[1], 'rb')); "
        "print(*(hashlib.sha256(s.images.content(i)).hexdigest() for s in sources for i in (29, 0, 17)))"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "pickled")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    here = [source.images.content(index) for source in sources for index in (29, 0, 17)]
    assert printed == [hashlib.sha256(content).hexdigest() for content in here]


@pytest.mark.parametrize("form", sorted(FORMS.keys() - {"memory"}))
def test_a_forked_process_opens_each_form_itself(tmp_path, form):
    source = opened(FORMS[form](tmp_path, PHOTOS))
    here = [source.images.content(index) for index in range(30)]
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            same = [source.images.content(index) for index in range(30)] == here
            os.write(writing, b"1" if same else b"0")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.set_blocking(reading, False)
    assert os.read(reading, 1) == b"1"


@pytest.mark.parametrize("form", FORMS)
def test_what_is_known_is_not_read_again(tmp_path, form, monkeypatch):
    from pytest_robustness.core import file_hashes
    from pytest_robustness.data.files import storage

    monkeypatch.setattr(file_hashes, "_SETTLED_NANOSECONDS", -1)
    monkeypatch.setattr(storage, "_SETTLED_SECONDS", -1)
    spec = FORMS[form](tmp_path, PHOTOS)
    indices = np.arange(30)
    first = opened(spec).identities(indices, FileHashes(tmp_path / "memory"))
    again = opened(spec)
    monkeypatch.setattr(type(again.images), "content", lambda *_: pytest.fail("it is read again"))
    monkeypatch.setattr(file_hashes, "_hash", lambda *_: pytest.fail("it is read again"))
    np.testing.assert_array_equal(again.identities(indices, FileHashes(tmp_path / "memory")), first)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "numbered shards", "parquet"])
def test_a_web_server_serves_each_form(tmp_path, kind):
    path = FORMS[kind](tmp_path, PHOTOS).partition(":")[2]
    with web_server(tmp_path) as (url, served):
        place = path.replace(str(tmp_path), url)
        source = opened(
            {"folder": "folder:", "numbered shards": "tar:", "parquet": "parquet:"}[kind]
            + (f"{url}/tables/test-{{00000..00001}}-of-00002.parquet" if kind == "parquet" else place)
        )
        assert {identity: label for identity, (label, _) in everything(source).items()} == expected(PHOTOS)
        if kind == "numbered shards":
            served.clear()
            source.read(3)
            assert len(served) == 1
            assert "bytes=" in served[0]
        assert source.describe(0).startswith(url)
    shutil.rmtree(tmp_path)
