"""Write the same images in every form in which data comes: files, archives, tables, and at URLs; and open them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import http.server
import io
import json
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from pytest_robustness.core.errors import DataError
from pytest_robustness.data import open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_robustness.data.encoded import EncodedSource

CLASSES = ("cat", "cow", "dog")


@dataclasses.dataclass(frozen=True)
class Photo:
    """One image: the class that it shows, its path below the folder of the class, its bytes."""

    label: int
    path: str
    content: bytes

    @property
    def member(self) -> str:
        return f"{CLASSES[self.label]}/{self.path}"


def photos(count: int = 30, size: tuple[int, int] = (7, 5)) -> list[Photo]:
    """Return images in several formats, some of them in folders below that of their class, in the order of a folder."""
    made = []
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        form, ending = [("PNG", "png"), ("JPEG", "JPG"), ("WEBP", "webp"), ("PPM", "ppm")][number % 4]
        file = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 1 + number % 8
        Image.fromarray(pixels).save(file, form, **({"exif": exif} if form == "JPEG" else {}))
        made.append(Photo(number % 3, f"{number:04}.{ending}", file.getvalue()))
    return sorted(made, key=lambda photo: photo.member)


def as_folder(root: Path, images: Sequence[Photo]) -> str:
    for photo in images:
        path = root / "photos" / photo.member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo.content)
    return f"folder:{root / 'photos'}"


def as_memory(root: Path, images: Sequence[Photo]) -> str:
    import fsspec

    system = fsspec.filesystem("memory")
    place = f"/{root.name}-{id(images)}"
    for photo in images:
        system.pipe_file(f"{place}/{photo.member}", photo.content)
    return f"folder:memory:/{place}"


def as_zip(root: Path, images: Sequence[Photo]) -> str:
    import zipfile

    root.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(root / "photos.zip", "w") as archive:
        for photo in images:
            archive.writestr(zipfile.ZipInfo(f"photos/{photo.member}"), photo.content)
    return f"folder:zip://photos::{root / 'photos.zip'}"


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def as_packed_folder(root: Path, images: Sequence[Photo]) -> str:
    root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(root / "packed.tar", "w") as archive:
        for photo in images:
            add(archive, f"photos/{photo.member}", photo.content)
    return f"tar:{root / 'packed.tar'}"


def as_shards(
    root: Path, images: Sequence[Photo], beside: Callable[[Photo], dict[str, object]], per_shard: int = 11
) -> str:
    """Write shards with the library's own writer."""
    import webdataset

    root.mkdir(parents=True, exist_ok=True)
    with webdataset.ShardWriter(str(root / "shard-%03d.tar"), maxcount=per_shard, verbose=0) as sink:
        for photo in images:
            name, _, ending = photo.member.rpartition(".")
            sink.write({"__key__": name, ending: photo.content, **beside(photo)})
    last = (len(images) - 1) // per_shard
    return f"tar:{root}/shard-{{000..{last:03}}}.tar"


def as_numbered_shards(root: Path, images: Sequence[Photo]) -> str:
    spec = as_shards(root / "numbers", images, lambda photo: {"cls": photo.label})
    (root / "numbers" / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return spec


def as_named_shards(root: Path, images: Sequence[Photo]) -> str:
    return as_shards(root / "names", images, lambda photo: {"txt": CLASSES[photo.label]})


def as_json_shards(root: Path, images: Sequence[Photo]) -> str:
    def beside(photo: Photo) -> dict[str, object]:
        return {"json": {"label": photo.label, "class_name": CLASSES[photo.label], "width": 7}}

    return as_shards(root / "json", images, beside)


def table_of(images: Sequence[Photo], *, names: bool = True) -> Any:
    """Return what `datasets` writes to Parquet."""
    import pyarrow as pa

    image = pa.array([{"bytes": photo.content, "path": photo.path} for photo in images])
    label = pa.array([photo.label for photo in images], pa.int64())
    features = {"image": {"_type": "Image"}, "label": {"names": [*CLASSES], "_type": "ClassLabel"}}
    table = pa.table({"image": image, "label": label})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if names else {}
    return table.replace_schema_metadata(metadata)


def as_parquet(root: Path, images: Sequence[Photo]) -> str:
    import pyarrow.parquet as pq

    (root / "tables").mkdir(parents=True, exist_ok=True)
    half = len(images) // 2
    for number, part in enumerate((images[:half], images[half:])):
        path = root / "tables" / f"test-{number:05}-of-00002.parquet"
        pq.write_table(table_of(part), path, row_group_size=4)
    return f"parquet:{root / 'tables'}"


def as_plain_parquet(root: Path, images: Sequence[Photo]) -> str:
    """Write a table with columns of other names, of bytes and of names of classes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "id": [*range(len(images))],
            "jpg": [photo.content for photo in images],
            "species": [CLASSES[photo.label] for photo in images],
        }
    )
    root.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, root / "plain.parquet")
    return f"parquet:{root / 'plain.parquet'}#label=species"


def as_dataset(root: Path, images: Sequence[Photo]) -> str:
    import datasets

    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=[*CLASSES])})
    rows = {
        "image": [{"bytes": photo.content, "path": photo.path} for photo in images],
        "label": [photo.label for photo in images],
    }
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(root / "saved"))
    return f"hf:{root / 'saved'}"


def as_imagefolder(root: Path, images: Sequence[Photo]) -> str:
    as_folder(root / "hf", [])
    for photo in images:
        path = root / "hf" / "test" / photo.member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo.content)
    return f"hf:{root / 'hf'}"


FORMS: dict[str, Callable[[Path, Sequence[Photo]], str]] = {
    "folder": as_folder,
    "memory": as_memory,
    "zip": as_zip,
    "packed folder": as_packed_folder,
    "numbered shards": as_numbered_shards,
    "named shards": as_named_shards,
    "shards with JSON": as_json_shards,
    "parquet": as_parquet,
    "plain parquet": as_plain_parquet,
    "saved data set": as_dataset,
    "imagefolder": as_imagefolder,
}
# Forms that do not keep the names of files.
NAMELESS = frozenset({"plain parquet"})


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files, and parts of them as `Range` asks for."""

    served: list[str]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        path = Path(self.translate_path(self.path))
        self.served.append(f"{self.path} {asked}".strip())
        if not asked.startswith("bytes=") or not path.is_file() or not self.ranges:
            super().do_GET()
            return
        content = path.read_bytes()
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start = int(first) if first else len(content) - int(last)
        end = min(int(last), len(content) - 1) if first and last else len(content) - 1
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        self.send_header("Content-Length", str(end + 1 - start))
        self.end_headers()
        self.wfile.write(content[start : end + 1])

    def end_headers(self) -> None:
        if self.ranges:
            self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    ranges = True


class _Server(http.server.ThreadingHTTPServer):
    # Of more connections at once than its usual five the system drops some, which are tried again after a second, then
    # two, then four.
    request_queue_size = 128


@contextlib.contextmanager
def web_server(folder: Path, *, ranges: bool = True) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder; yield its URL, and what has been asked for so far."""
    served: list[str] = []
    handler = type("Handler", (_Handler,), {"served": served, "ranges": ranges})
    server = _Server(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def opened(spec: str, **options: bool) -> EncodedSource:
    return open_source(spec, **options)


def refusal(spec: str, **options: bool) -> str:
    """Return the text of the error that opening ``spec`` raises."""
    with pytest.raises(DataError) as caught:
        open_source(spec, **options)
    return str(caught.value)
