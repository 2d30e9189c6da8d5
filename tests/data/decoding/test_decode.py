"""Images of up to 8 bits come out as PIL's ``convert("RGB")`` shows them; what is no whole image is an error."""

import hashlib
import io
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pytest_robustness.core.errors import BadImageError
from pytest_robustness.data.decoding.decode import decode
from tests.image_maker import png_bomb

IMAGENET = Path(__file__).resolve().parents[3] / "../shared/data/imagenet-sample"


def picture(mode: str = "RGB", size: tuple[int, int] = (37, 23)) -> Image.Image:
    """Smooth colours with some noise, so that neither channels nor rows can be mixed up unnoticed."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(7).integers(0, 40, (height, width, 4))
    pixels = np.stack([rows * 200 // height, columns * 200 // width, 150 - rows, 255 - columns * 6 % 256], axis=-1)
    return Image.fromarray(((pixels + noise) % 256).astype(np.uint8), "RGBA").convert(mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def as_pil_shows(data: bytes) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def rotated_by_exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture(), "JPEG", exif=exif)


def transparent_palette_png() -> bytes:
    # Transparency given in bytes is the kind that PIL warns about.
    return encoded(picture().quantize(16), "PNG", transparency=bytes(range(16)))


KINDS = {
    "jpeg": encoded(picture(), "JPEG"),
    "progressive jpeg": encoded(picture(), "JPEG", progressive=True),
    "unsampled jpeg": encoded(picture(), "JPEG", subsampling=0, quality=95),
    "grey jpeg": encoded(picture("L"), "JPEG"),
    "cmyk jpeg": encoded(picture("CMYK"), "JPEG"),
    "rotated jpeg": rotated_by_exif(),
    "png": encoded(picture(), "PNG"),
    "grey png": encoded(picture("L"), "PNG"),
    "grey and alpha png": encoded(picture("LA"), "PNG"),
    "rgba png": encoded(picture("RGBA"), "PNG"),
    "1-bit png": encoded(picture("1"), "PNG"),
    "palette png": encoded(picture().quantize(16), "PNG"),
    "transparent palette png": transparent_palette_png(),
    "gif": encoded(picture(), "GIF"),
    "animated gif": encoded(picture(), "GIF", save_all=True, append_images=[Image.new("RGB", (37, 23), "red")]),
    "webp": encoded(picture("RGBA"), "WEBP"),
    "lossless webp": encoded(picture(), "WEBP", lossless=True),
    "bmp": encoded(picture(), "BMP"),
    "tiff": encoded(picture(), "TIFF"),
    "cmyk tiff": encoded(picture("CMYK"), "TIFF"),
    "ppm": encoded(picture(), "PPM"),
    "one pixel": encoded(picture(size=(1, 1)), "PNG"),
    "one column": encoded(picture(size=(1, 40)), "JPEG"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_decoded_as_pil_converts_it(kind):
    image = decode(KINDS[kind], kind)
    assert image.dtype == torch.uint8
    np.testing.assert_array_equal(image.permute(1, 2, 0), as_pil_shows(KINDS[kind]))


def test_lossless_pixels_come_back_in_channels_rows_columns():
    expected = torch.from_numpy(np.array(picture())).permute(2, 0, 1)
    assert decode(KINDS["png"], "picture").shape == (3, 23, 37)
    assert torch.equal(decode(KINDS["png"], "picture"), expected)


def test_exif_orientation_is_not_applied():
    assert Image.open(io.BytesIO(KINDS["rotated jpeg"])).getexif()[0x0112] == 6
    assert torch.equal(decode(KINDS["rotated jpeg"], ""), decode(KINDS["jpeg"], ""))


def test_decoded_pixels_can_be_written_to():
    image = decode(KINDS["jpeg"], "")
    image.zero_()
    assert not image.any()


@pytest.mark.parametrize("kind", ["jpeg", "progressive jpeg", "png", "gif", "webp", "bmp"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_an_error_and_not_filled_with_grey(kind, kept):
    big = encoded(picture(size=(190, 130)), kind.split()[-1], **({"progressive": True} if " " in kind else {}))
    with pytest.raises(BadImageError, match=r"^photos/cat is not a readable image: \w.+"):
        decode(big[: int(len(big) * kept)], "photos/cat")


def test_a_jpeg_without_its_last_byte_is_truncated():
    with pytest.raises(BadImageError, match="is truncated"):
        decode(KINDS["jpeg"][:-1], "a.jpg")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a.jpg is not a readable image: the file is empty"),
        (b"see the cat", "a.jpg is not a readable image: its content is in no image format that is read"),
    ],
    ids=["empty", "text"],
)
def test_what_is_no_image_is_named_with_its_reason(data, message):
    with pytest.raises(BadImageError) as caught:
        decode(data, "a.jpg")
    assert str(caught.value) == message


def test_damaged_png_data_is_an_error():
    data = bytearray(KINDS["png"])
    data[len(data) // 3 : len(data) // 3 + 40] = bytes(40)
    with pytest.raises(BadImageError):
        decode(bytes(data), "a.png")


def test_a_decompression_bomb_is_an_error():
    with pytest.raises(BadImageError, match="decompression bomb"):
        decode(png_bomb(20_000, 20_000), "a.png")


def test_the_error_survives_the_trip_between_processes():
    with pytest.raises(BadImageError) as caught:
        decode(b"", "a.jpg")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.image, copy.reason, copy.content) == ("a.jpg", "the file is empty", True)
    assert not pickle.loads(pickle.dumps(BadImageError("a.jpg", "gone", content=False))).content


@pytest.mark.real_data
@pytest.mark.skipif(not IMAGENET.is_dir(), reason="the ImageNet sample is not beside the checkout")
def test_imagenet_files_are_decoded_as_pil_shows_them():
    paths = sorted(IMAGENET.glob("*/*"), key=lambda path: hashlib.sha256(path.name.encode()).digest())[:100]
    for path in paths:
        np.testing.assert_array_equal(
            decode(path.read_bytes(), path.name).permute(1, 2, 0), as_pil_shows(path.read_bytes())
        )
