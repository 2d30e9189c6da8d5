"""`exif` turns each image as its file's tag says, whatever batch it is in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageOps

from pytest_robustness.core import Canvas, Selection, bound
from pytest_robustness.core.errors import OptionError, TransformError
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.data import identities, open_source
from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.inference.preprocess import center_crop, to_canvas
from pytest_robustness.transforms import builtin
from pytest_robustness.transforms.exif import obey
from tests.identities import identified
from tests.image_maker import encoded

CODES = range(1, 9)
EXIF = builtin().get("exif")


def tagged(pixels: np.ndarray, code: int, form: str = "PNG") -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = code
    return encoded(Image.fromarray(pixels), form, exif=exif)


@pytest.fixture
def photos(tmp_path):
    """A folder with an image of each code, in squares of 12 pixels, all of them different."""
    folder = tmp_path / "photos" / "cat"
    folder.mkdir(parents=True)
    draw = np.random.default_rng(1)
    for code in CODES:
        (folder / f"{code}.png").write_bytes(tagged(draw.integers(0, 256, (12, 12, 3), np.uint8), code))
    return open_source(f"folder:{tmp_path / 'photos'}")


def selected(source, indices) -> Selection:
    indices = np.asarray(indices, np.int64)
    return Selection(source, indices, source.labels[indices], identities(source, indices, FileHashes()))


def as_viewers_show(path) -> torch.Tensor:
    with Image.open(path) as image:
        return torch.from_numpy(np.array(ImageOps.exif_transpose(image).convert("RGB"))).permute(2, 0, 1)


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_obeyed_as_pillow_does(tmp_path, code):
    pixels = np.random.default_rng(code).integers(0, 256, (5, 8, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(tagged(pixels, code))
    stored = torch.from_numpy(pixels).permute(2, 0, 1)
    torch.testing.assert_close(obey(stored, code), as_viewers_show(tmp_path / "a.png"))


def test_each_image_of_a_batch_is_turned_by_its_own_tag(photos):
    selection = selected(photos, range(8))
    images = torch.stack([photos.read(i) for i in range(8)])
    before = images.clone()
    order = np.array([5, 0, 7, 2])
    result = bound(EXIF, selection)(images[order], None, selection.identities[order], 0)
    torch.testing.assert_close(result, torch.stack([as_viewers_show(photos.describe(i)) for i in order]))
    torch.testing.assert_close(images, before)


def test_the_key_is_the_same_for_any_selection_and_bound_or_not(photos):
    keys = {
        EXIF.key(None),
        bound(EXIF, selected(photos, [0])).key(None),
        bound(EXIF, selected(photos, [3, 4])).key(None),
    }
    assert keys == {"exif(level=None, draws=0, version=1)"}


def test_a_turned_canvas_is_that_of_a_turned_file_up_to_rounding(tmp_path):
    """Resizing rounds to whole pixel values, and an odd excess is cut unevenly: by a pixel, the crop may differ."""
    grey = np.linspace(0, 255, 60 * 80, dtype=np.uint8).reshape(60, 80)
    pixels = np.stack([grey, grey[::-1], grey[:, ::-1]], axis=2)
    canvas = Canvas(32, 24, "bilinear", antialias=True)
    for code in CODES:
        (tmp_path / "a.png").write_bytes(tagged(pixels, code))
        of_file = to_canvas(as_viewers_show(tmp_path / "a.png"), canvas)
        of_canvas = obey(to_canvas(torch.from_numpy(pixels).permute(2, 0, 1), canvas), code)
        both = [center_crop(image, canvas.crop).int() for image in (of_file, of_canvas)]
        assert (both[0] - both[1]).abs().max() <= 8, code  # a shift by one pixel of this ramp
        assert both[0].shape == both[1].shape == (3, 24, 24)


def test_data_without_files_is_refused():
    source = ArraySource("digits", (), np.zeros((2, 3, 4, 4), np.uint8), np.zeros(2, np.int64))
    with pytest.raises(OptionError) as error:
        bound(EXIF, Selection(source, np.arange(2), source.labels, identified(range(2))))
    assert str(error.value) == (
        "'exif' applies the orientation tags of image files, and digits has none to read. Leave it out of "
        "--robustness-transforms, or name the files: --robustness-data=folder:PATH."
    )


def test_a_quarter_turn_of_an_oblong_image_is_refused(tmp_path):
    folder = tmp_path / "photos" / "cat"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(tagged(np.zeros((5, 8, 3), np.uint8), 6))
    source = open_source(f"folder:{tmp_path / 'photos'}")
    selection = selected(source, [0])
    with pytest.raises(TransformError, match="tag 6 asks for a quarter turn, and images of 8 x 5 pixels cannot keep"):
        bound(EXIF, selection)(source.read(0)[None], None, selection.identities, 0)


@pytest.mark.parametrize("name", ["exif+vflip", "vflip+exif", "worst(exif+rotation,k=2)"])
def test_a_chain_is_bound_with_it(photos, name):
    selection = selected(photos, [5])
    one = photos.read(5)[None]
    if name.startswith("worst"):
        worst = bound(builtin().get(name), selection)
        results = [variant(one, 1, selection.identities, 0) for variant in worst.variants]
        mirrored = as_viewers_show(photos.describe(5)).flip(-1)[None]  # an operation is drawn by its place, too
        same = builtin().get("worst(hflip+rotation,k=2)")
        plain = [variant(mirrored, 1, selection.identities, 0) for variant in same.variants]
        torch.testing.assert_close(results, plain)
        return
    result = bound(builtin().get(name), selection)(one, None, selection.identities, 0)[0]
    upright = as_viewers_show(photos.describe(5))
    expected = upright.flip(-2) if name == "exif+vflip" else obey(one[0].flip(-2), 6)
    torch.testing.assert_close(result, expected)


def test_it_is_known_and_a_run_has_it_on_request_alone():
    assert "exif" not in builtin().names()
    assert [one.on_request for one in builtin().describe() if one.name == "exif"] == [True]


def test_it_cannot_be_applied_before_it_is_bound():
    with pytest.raises(TransformError, match=r"call bound\(selection\)"):
        EXIF(torch.zeros((1, 3, 4, 4), dtype=torch.uint8), None, identified([1]), 0)
