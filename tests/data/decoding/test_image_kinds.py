"""Images of every mode, bit depth and format are read as people mean them; hostile files are refused by name."""

from __future__ import annotations

import errno
import io
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import GifImagePlugin, Image, ImageFile, PngImagePlugin, TiffImagePlugin

from pytest_robustness.core.errors import BadImageError
from pytest_robustness.data import open_source
from pytest_robustness.data.decoding import formats
from pytest_robustness.data.decoding.decode import decode
from pytest_robustness.data.decoding.formats import extension, formats_for, readable
from pytest_robustness.data.decoding.headers import Traits, header_traits
from pytest_robustness.data.decoding.pixels import PixelRangeError, to_rgb
from pytest_robustness.data.notes import data_notes
from tests.image_maker import (
    EPS,
    Kind,
    content,
    encoded,
    expected,
    hostile,
    kinds,
    oddities,
    png_bomb,
    refused_kinds,
    samples,
    text_bomb,
)

RGB_PNG = Kind("RGB", "PNG", ".png")
HOSTILE = 150


def pixels(data: bytes, name: str) -> np.ndarray:
    return decode(data, name).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("kind", kinds(), ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_kind_is_read_as_it_is_meant(kind, seed):
    error = np.abs(pixels(content(kind, seed), f"a{kind.ending}") - expected(kind, seed))
    if kind.lossless:
        assert error.max() <= (1 if kind.mode == "CMYK" else 0.5)
    else:  # an exchange of two channels would be 30 on average
        assert error.mean() < 12


@pytest.mark.parametrize("kind", refused_kinds(), ids=str)
def test_pixels_without_a_known_range_are_refused_by_name(kind):
    with pytest.raises(
        BadImageError, match=r"^photos/a is not a readable image: its pixels are .*save it with 8"
    ) as no:
        decode(content(kind, 0), "photos/a")
    assert no.value.content


@given(depth=st.integers(9, 16), values=st.lists(st.integers(0, 65535), min_size=1, max_size=40))
def test_deep_grey_is_the_nearest_of_256_levels(depth, values):
    white = (1 << depth) - 1
    grey = np.array([[value & white for value in values]], np.uint16)
    data = b"P5 %d 1 %d\n" % (len(values), white) + grey.astype(">u2").tobytes()
    assert pixels(data, "a.pgm")[0, :, 0] == pytest.approx(grey[0] * (255 / white), abs=0.503)


@given(st.integers(0, 65535))
def test_sixteen_bits_are_scaled_by_257(value):
    image = Image.fromarray(np.full((1, 1), value, np.uint16))
    assert to_rgb(image).tolist() == [[[round(value / 257)] * 3]]


@given(st.lists(st.integers(-300, 600), min_size=1, max_size=5))
def test_wide_integers_are_taken_as_they_are_within_a_byte_and_refused_beyond(values):
    image = Image.fromarray(np.array([values], np.int32))
    if min(values) >= 0 and max(values) <= 255:
        assert to_rgb(image)[0, :, 1].tolist() == values
    else:
        with pytest.raises(PixelRangeError, match=f"from {min(values)} to {max(values)}"):
            to_rgb(image)


@pytest.mark.parametrize("form", ["PNG", "GIF", "WEBP", "TIFF"])
def test_colours_below_transparency_stay(form):
    image = Image.new("RGBA", (4, 3), (200, 100, 50, 0))
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    if form == "GIF":
        image = image.convert("P", palette=Image.Palette.ADAPTIVE)
        image.info["transparency"] = int(np.asarray(image)[0, 0])
    shown = pixels(encoded(image, form, **options), "a")
    assert np.abs(shown.astype(int) - [200, 100, 50]).max() <= (8 if form == "GIF" else 0)


@pytest.mark.parametrize(("form", "options"), [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})])
def test_the_first_frame_is_read(form, options):
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert pixels(data, "a")[0, 0].tolist() == [255, 0, 0]


def test_lab_and_ycbcr_are_converted():
    lab = Image.merge("LAB", [Image.new("L", (4, 4), level) for level in (136, 208, 195)])  # sRGB red
    red = pixels(encoded(lab, "TIFF"), "a")[0, 0]
    assert np.abs(red.astype(int) - [255, 0, 0]).max() < 12
    image = Image.new("RGB", (16, 16), (200, 100, 50))
    # Pillow before 13 cannot read what it has written without a compression.
    shown = pixels(encoded(image.convert("YCbCr"), "TIFF", compression="tiff_lzw"), "a")[0, 0]
    assert np.abs(shown.astype(int) - [200, 100, 50]).max() <= 2


def test_the_content_decides_and_not_the_ending():
    sound = content(RGB_PNG, 0)
    for name in ("a.jpg", "a.tif", "a", "a.tga"):
        np.testing.assert_array_equal(pixels(sound, name), expected(RGB_PNG, 0))


def test_a_format_without_a_signature_is_read_only_by_its_name():
    data = content(Kind("RGB", "TGA", ".tga"), 0)
    assert pixels(data, "A.TGA").shape == (17, 23, 3)
    with pytest.raises(BadImageError, match="in no image format that is read"):
        decode(data, "a.png")


# --- which formats


def test_no_format_that_starts_a_program_is_opened():
    dangerous = {"EPS", "WMF", "IPTC", "GRIB", "BUFR", "HDF5", "MPEG", "PDF"}
    assert dangerous.isdisjoint(readable().formats)
    assert {".eps", ".ps", ".wmf", ".emf", ".pdf", ".mpg"}.isdisjoint(readable().extensions)
    assert {"JPEG", "PNG", "GIF", "BMP", "TIFF", "PPM"} <= set(readable().formats)


@pytest.mark.slow
def test_postscript_starts_no_program(tmp_path, monkeypatch):
    (tmp_path / "gs").write_text(f"#!/bin/sh\necho started >> {tmp_path}/started\nexit 1\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    code = (
        "import sys; from pytest_robustness.data.decoding.decode import decode\n"
        "try: decode(open(sys.argv[1], 'rb').read(), 'x.png')\nexcept Exception as error: print(error)"
    )
    (tmp_path / "x.png").write_bytes(EPS)
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "x.png")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (
        said.strip()
        == "x.png is not a readable image: its content is in no image format that is read: it is PostScript"
    )
    assert not (tmp_path / "started").exists()
    with pytest.raises(subprocess.CalledProcessError), Image.open(tmp_path / "x.png") as image:  # the trap works
        image.load()
    assert (tmp_path / "started").exists()


def test_endings_are_those_that_pillow_gives_its_formats():
    Image.init()
    ours = {ending: kind for ending, kind in formats._FORMAT_OF.items() if ending in readable().extensions}
    known = {ending: Image.EXTENSION.get(ending, kind) for ending, kind in ours.items()}
    different = {ending for ending, kind in ours.items() if known[ending] != kind}
    assert different <= {".mpo"}  # which is a JPEG to begin with
    missing = {e for e, kind in Image.EXTENSION.items() if kind in readable().formats} - ours.keys()
    assert missing == set()


def test_a_plugin_that_is_installed_is_used(monkeypatch):
    plugin = ModuleType("pillow_heif")

    def register_heif_opener() -> None:
        Image.OPEN["HEIF"] = (Image.OPEN["PNG"][0], lambda prefix: prefix.startswith(b"ftypheic"))

    plugin.register_heif_opener = register_heif_opener
    assert ".heic" not in readable().extensions
    monkeypatch.setitem(sys.modules, "pillow_heif", plugin)
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    try:
        readable.cache_clear()
        assert {".heic", ".heif"} <= readable().extensions
        assert "HEIF" in formats_for("a.jpg")
    finally:
        readable.cache_clear()


def test_a_plugin_that_fails_teaches_nothing(monkeypatch):
    def fail() -> None:
        raise RuntimeError("no codec")

    plugin = ModuleType("pillow_heif")
    plugin.register_heif_opener = fail
    monkeypatch.setitem(sys.modules, "pillow_heif", plugin)
    try:
        readable.cache_clear()
        assert "HEIF" not in readable().formats
    finally:
        readable.cache_clear()


@pytest.mark.parametrize(
    ("name", "ending"), [("a.PNG", ".png"), ("d.x/a", ""), (".png", ""), ("a.", "."), ("a.b.c", ".c")]
)
def test_the_ending_of_a_name(name, ending):
    assert extension(name) == ending


# --- Pillow's settings

SETTINGS = [
    (ImageFile, "LOAD_TRUNCATED_IMAGES", True),
    (Image, "MAX_IMAGE_PIXELS", 3),
    (Image, "MAX_IMAGE_PIXELS", None),
    (PngImagePlugin, "MAX_TEXT_CHUNK", 1 << 40),
    (PngImagePlugin, "MAX_TEXT_MEMORY", 1),
    (TiffImagePlugin, "READ_LIBTIFF", True),
    (GifImagePlugin, "LOADING_STRATEGY", GifImagePlugin.LoadingStrategy.RGB_ALWAYS),
]


@pytest.mark.parametrize(("module", "name", "value"), SETTINGS)
def test_no_setting_of_pillows_changes_what_is_readable(monkeypatch, module, name, value):
    files = {f"a{kind.ending}": content(kind, 0) for kind in kinds()}
    files |= {f"cut{name}": data[: len(data) * 2 // 3] for name, data in files.items()}
    files |= {"bomb.png": png_bomb(20_000, 20_000), "text.png": text_bomb()}
    before = {name: outcome(data, name) for name, data in files.items()}
    monkeypatch.setattr(module, name, value)
    assert {name: outcome(data, name) for name, data in files.items()} == before
    assert getattr(module, name) == value


def outcome(data: bytes, name: str) -> bytes | str:
    try:
        return pixels(data, name).tobytes()
    except BadImageError as error:
        return str(error)


def test_threads_that_decode_leave_the_settings_as_they_were(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    cut = content(Kind("RGB", "JPEG", ".jpg"), 0)[:-100]
    outcomes: list[bytes | str] = []
    threads = [threading.Thread(target=lambda: outcomes.extend(outcome(cut, "a") for _ in range(50))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 200
    assert all(isinstance(each, str) for each in outcomes)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


# --- faults of the moment


class Failing:
    """Raises the errors of a list, one a call, and then acts as usual."""

    def __init__(self, action, *errors):
        self.action, self.errors = action, list(errors)

    def __call__(self, *arguments, **options):
        if self.errors:
            raise self.errors.pop(0)
        return self.action(*arguments, **options)


def test_a_shortage_of_memory_in_passing_is_tried_once_more(monkeypatch):
    sound = content(RGB_PNG, 0)
    monkeypatch.setattr(Image, "open", Failing(Image.open, MemoryError()))
    np.testing.assert_array_equal(pixels(sound, "a.png"), expected(RGB_PNG, 0))


@pytest.mark.parametrize(
    "errors",
    [
        [MemoryError(), MemoryError()],
        [OSError(errno.EMFILE, "Too many open files")],
        [OSError(errno.EIO, "Input/output error")],
        [ImportError("no littlecms")],
        [OSError("out of memory error when reading image file")],
    ],
)
def test_a_fault_of_the_moment_is_no_property_of_the_content(monkeypatch, errors):
    monkeypatch.setattr(Image, "open", Failing(Image.open, *errors))
    with pytest.raises(BadImageError) as caught:
        decode(content(RGB_PNG, 0), "a.png")
    assert not caught.value.content


@pytest.mark.parametrize("data", [b"", b"text", content(RGB_PNG, 0)[:-200], png_bomb(100_000, 100_000)])
def test_what_is_no_image_is_so_by_its_content(data):
    with pytest.raises(BadImageError) as caught:
        decode(data, "a.png")
    assert caught.value.content


# --- hostile files


def test_hostile_files_are_named_or_read_and_never_end_the_run(tmp_path):
    """150 files: each is refused by name with a sentence, or has the pixels that Pillow shows for the same content."""
    files = hostile(seed=20, count=HOSTILE)
    assert len(files) == HOSTILE
    folder = tmp_path / "photos" / "cat"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    strange = set(oddities(folder))
    started = time.monotonic()
    source = open_source(f"folder:{tmp_path / 'photos'}")
    read, refused = 0, {}
    for index in range(len(source.labels)):
        name = Path(source.describe(index)).name
        try:
            image = source.read(index)
        except BadImageError as error:
            refused[name] = str(error)
        else:
            read += 1
            np.testing.assert_array_equal(image.permute(1, 2, 0), as_shown(files[name]), err_msg=name)
    assert read + len(refused) == len(files)
    for name, text in refused.items():
        assert text.startswith(f"{folder / name} is not a readable image: ")
        assert len(text) < 400
    assert strange.isdisjoint(Path(source.describe(i)).name for i in range(len(source.labels)))
    assert any("pipe.png" in note for note in source.notes)
    assert data_notes(source, np.arange(len(files)))  # headers of all of them are looked at
    assert len(refused) > 70
    assert read > 40  # damage that leaves an image, such as a byte behind its end
    assert time.monotonic() - started < 60


def as_shown(data: bytes) -> np.ndarray:
    """Return the pixels by a plain decoding, without any of our own code but the scaling of deep grey."""
    with Image.open(io.BytesIO(data)) as image:
        if image.mode.startswith("I"):
            return to_rgb(image)
        return np.asarray(image.convert("RGB"))


# --- traits


def turned(orientation: int, form: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(Image.new("RGB", (5, 4), "red"), form, exif=exif)


def traits(data: bytes) -> Traits:
    return header_traits(lambda: io.BytesIO(data), "a")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_an_exif_orientation_is_noticed_and_not_applied(form, orientation):
    data = turned(orientation, form)
    assert traits(data) == Traits(orientation, transparent=False)
    assert decode(data, "a").shape == (3, 4, 5)


def test_pillow_applies_the_orientation_of_a_tiff_itself():
    assert decode(turned(6, "TIFF"), "a").shape == (3, 5, 4)
    assert traits(turned(6, "TIFF")).orientation == 1


@pytest.mark.parametrize(
    ("mode", "form", "transparent"),
    [("RGBA", "PNG", True), ("LA", "PNG", True), ("RGB", "PNG", False), ("P", "GIF", False), ("RGBA", "WEBP", True)],
)
def test_transparency_is_noticed(mode, form, transparent):
    assert traits(encoded(Image.new(mode, (5, 4)), form)).transparent is transparent


def test_what_has_no_header_has_no_traits(tmp_path):
    none = Traits(1, transparent=False)
    assert traits(b"see the cat") == header_traits((tmp_path / "missing").open, "missing") == none


@pytest.mark.parametrize(("plain", "of"), [(6, "10 images"), (700, "500 images looked at")])
def test_traits_are_counted(tmp_path, plain, of):
    folder = tmp_path / "photos" / "cat"
    folder.mkdir(parents=True)
    for number in range(plain):
        (folder / f"plain{number}.png").write_bytes(content(RGB_PNG, 0))
    for number in range(3):
        (folder / f"turned{number}.jpg").write_bytes(turned(6, "JPEG"))
    (folder / "clear.png").write_bytes(content(Kind("RGBA", "PNG", ".png"), 0))
    source = open_source(f"folder:{tmp_path / 'photos'}")
    notes = data_notes(source, np.arange(len(source.labels)))
    if plain == 6:
        assert notes == (
            f"3 of {of} carry an EXIF orientation (6), which is not applied, as in torchvision's ImageFolder.",
            f"1 of {of} is transparent in part: the alpha channel is dropped, the colours stay.",
        )
    assert all(f"of {of}" in note for note in notes)
    assert data_notes(source, np.arange(0)) == ()


def tiff(pixels: np.ndarray, *, signed: bool = False) -> bytes:
    """Return a TIFF that Pillow does not write: more bands than colours, signed integers."""
    height, width, samples = pixels.shape
    entries = {
        256: (4, 1, width),
        257: (4, 1, height),
        259: (3, 1, 1),
        262: (3, 1, 2 if samples > 1 else 1),
        277: (3, 1, samples),
        278: (4, 1, height),
        279: (4, 1, pixels.nbytes),
        339: (3, 1, 2 if signed else 1),
    }
    if samples > 3:
        entries[338] = 3, 1, 0  # no alpha, but data of a kind that is not said
    after = 8 + 2 + 12 * (len(entries) + 2) + 4
    entries |= {258: (3, samples, after if samples > 2 else 8), 273: (4, 1, after + 2 * samples)}
    fields = b"".join(struct.pack("<HHII", tag, *entries[tag]) for tag in sorted(entries))
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + fields + struct.pack("<I", 0)
    return head + struct.pack(f"<{samples}H", *[8] * samples) + pixels.tobytes()


def notes_of(folder, *files):
    (folder / "photos" / "cat").mkdir(parents=True)
    for number, data in enumerate(files):
        (folder / "photos" / "cat" / f"{number}.tif").write_bytes(data)
    source = open_source(f"folder:{folder / 'photos'}")
    return data_notes(source, np.arange(len(source.labels)))


def test_a_band_that_is_no_colour_is_dropped_and_counted(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 4), dtype=np.uint8)
    four, three = tiff(pixels), tiff(pixels[..., :3])
    for data in (four, three):
        np.testing.assert_array_equal(decode(data, "a").permute(1, 2, 0).numpy(), pixels[..., :3])
    assert notes_of(tmp_path, four, three) == (
        "1 of 2 images has channels besides red, green and blue (near infrared, say), which are dropped.",
    )
    alpha = encoded(Image.fromarray(pixels, "RGBA"), "TIFF")
    assert not any("channels besides" in note for note in notes_of(tmp_path / "alpha", alpha))


@pytest.mark.parametrize("form", ["TIFF", "GIF", "WEBP", "PNG"])
def test_frames_besides_the_first_are_counted(tmp_path, form):
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue", "lime")]
    one = encoded(frames[0], form)
    more = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    assert notes_of(tmp_path, one, more, more) == (
        "2 of 3 images have several frames or pages, of which the first alone is read.",
    )
    np.testing.assert_array_equal(decode(more, "a"), decode(one, "a"))
    assert notes_of(tmp_path / "one", one) == ()


def test_the_preview_in_a_photograph_is_no_frame(tmp_path):
    whole, preview = Image.new("RGB", (16, 12), "red"), Image.new("RGB", (8, 6), "red")
    data = encoded(whole, "MPO", save_all=True, append_images=[preview])
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.n_frames) == ("MPO", 2)
    assert notes_of(tmp_path, data) == ()


def test_a_second_frame_that_is_cut_off_hides_no_trait_of_the_first():
    frames = [Image.new("RGBA", (5, 4), colour) for colour in ((0, 0, 0, 0), (9, 0, 0, 255))]
    one = encoded(frames[0], "GIF")
    more = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert all(traits(more[:end]).transparent for end in range(len(one), len(more)))


def test_signed_integers_of_8_bits_are_refused():
    pixels = np.arange(-10, 10, dtype=np.int8).reshape(5, 4, 1)
    with pytest.raises(BadImageError, match="signed integers of 8 bits, whose range is not known"):
        decode(tiff(pixels, signed=True), "a")
    grey = decode(tiff(pixels.view(np.uint8)), "a")[0].numpy()
    np.testing.assert_array_equal(grey, pixels.view(np.uint8)[..., 0])


@pytest.mark.parametrize(
    ("bits", "form", "scale"), [(12, "PNG", 16), (12, "TIFF", 16), (10, "PNG", 64), (14, "PNG", 4), (16, "PNG", None)]
)
def test_images_of_16_bits_that_use_fewer_are_called_dark(tmp_path, bits, form, scale):
    pixels = np.linspace(0, 2**bits - 1, 20).round().astype(np.uint16).reshape(5, 4)
    notes = notes_of(tmp_path, *[encoded(Image.fromarray(pixels), form)] * 3)
    if scale is None:
        assert notes == ()
        return
    brightest = round(255 * (2**bits - 1) / 65535)
    [note] = notes
    assert note == (
        f"Images of 16 bits come out dark: none of 3 decoded has a pixel above {brightest} of 255. If only {bits} "
        f"of their bits are used, multiply their values by {scale}."
    )


def png_of_16_bits(pixels: np.ndarray) -> bytes:
    """Return a PNG of colours of 16 bits, which Pillow does not write: uint16 [H, W, 2, 3 or 4]."""
    height, width, channels = pixels.shape
    kind = {2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    framed = (struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
              for name, data in chunks)  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize(("bits", "scale"), [(10, 64), (11, 32), (12, 16), (14, 4), (16, None)])
def test_colours_of_16_bits_that_use_fewer_are_called_dark(tmp_path, channels, bits, scale):
    values = np.linspace(0, 2**bits - 1, 20 * channels).round().astype(np.uint16).reshape(5, 4, channels)
    values[-1, -1] = 2**bits - 1
    notes = [note for note in notes_of(tmp_path, png_of_16_bits(values)) if "dark" in note]
    assert len(notes) == (scale is not None)
    for note in notes:
        assert f"none of 1 decoded has a pixel above {(2**bits - 1) >> 8} of 255. If only {bits} of their bits" in note
        assert note.endswith(f"multiply their values by {scale}.")


def test_one_bright_image_shows_that_all_bits_are_used(tmp_path):
    dark, bright = (np.full((5, 4), value, np.uint16) for value in (4095, 60000))
    assert notes_of(tmp_path, *(encoded(Image.fromarray(each), "PNG") for each in (dark, bright))) == ()
    assert notes_of(tmp_path / "black", encoded(Image.fromarray(0 * dark), "PNG"), b"no image") == ()


def test_the_maker_repeats_itself():
    kind = Kind("I;16", "PNG", ".png", 16)
    assert content(kind, 5) == content(kind, 5) != content(kind, 6)
    assert len(np.unique(samples(kind, 5))) > 200
    assert hostile(1, 60) == hostile(1, 60)
