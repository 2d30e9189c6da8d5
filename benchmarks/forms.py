"""The images of `thousand` in other forms: shards of tar, tables of Parquet, and files at a URL."""

from __future__ import annotations

import functools
import http.server
import json
import tarfile
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

PARTS = 4


@contextmanager
def every_form(photos: Path) -> Generator[dict[str, str]]:
    """Yield the spec of each form of the folder ``photos``, by name; the forms lie beside it."""
    files = sorted(photos.rglob("*.png"))
    classes = sorted({file.parent.name for file in files})
    parts = [files[len(files) * part // PARTS : len(files) * (part + 1) // PARTS] for part in range(PARTS)]
    with _served(photos.parent) as address:
        yield {
            "folder": f"folder:{photos}",
            "tar": _shards(photos, parts),
            "parquet": _tables(photos, parts, classes),
            "url": f"folder:{address}/{photos.name}/",
        }


def _shards(photos: Path, parts: list[list[Path]]) -> str:
    folder = photos.with_name("shards")
    folder.mkdir()
    for number, part in enumerate(parts):
        with tarfile.open(folder / f"photos-{number}.tar", "w") as archive:
            for file in part:
                archive.add(file, file.relative_to(photos))
    return f"tar:{folder}/photos-{{0..{PARTS - 1}}}.tar"


def _tables(photos: Path, parts: list[list[Path]], classes: list[str]) -> str:
    folder = photos.with_name("tables")
    folder.mkdir()
    features = {"image": {"_type": "Image"}, "label": {"names": classes, "_type": "ClassLabel"}}
    for number, part in enumerate(parts):
        columns = {
            "image": pa.array([{"bytes": file.read_bytes(), "path": file.name} for file in part]),
            "label": pa.array([classes.index(file.parent.name) for file in part], pa.int64()),
        }
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        pq.write_table(pa.table(columns).replace_schema_metadata(metadata), folder / f"photos-{number}.parquet")
    return f"parquet:{folder}"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


class _Server(http.server.ThreadingHTTPServer):
    # Of more connections at once than its usual five the system drops some, which are tried again after a second, then
    # two, then four.
    request_queue_size = 128


@contextmanager
def _served(folder: Path) -> Generator[str]:
    handler = functools.partial(_Quiet, directory=str(folder))
    with _Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
