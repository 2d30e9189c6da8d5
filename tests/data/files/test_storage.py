"""Files by URL: what is listed and read, how often, and what is said where a storage cannot be read."""

from __future__ import annotations

import datetime as dt
import logging
import pickle
import sys
import time
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pytest_robustness.core.errors import BadImageError
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.data import keys
from pytest_robustness.data.files import storage
from pytest_robustness.data.files.remote_files import RemoteFiles
from pytest_robustness.data.files.storage import is_url, local_path, protocol_of, status_in
from tests.data.forms import CLASSES, FORMS, Photo, opened, photos, refusal, web_server
from tests.image_maker import Kind, content

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_robustness.data.encoded import EncodedSource

PNG = content(Kind("RGB", "PNG", ".png"), 0)


@pytest.fixture(autouse=True)
def memory(monkeypatch) -> Iterator[Any]:
    """The file system of memory://, empty."""
    monkeypatch.setattr("pytest_robustness.data.faults._WAITS", (0.0, 0.0))
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    storage._located.cache_clear()


def put(memory: Any, *names: str, data: bytes = PNG) -> str:
    for name in names:
        memory.pipe_file(f"/bucket/photos/{name}", data)
    return "folder:memory://bucket/photos"


def names(source: EncodedSource) -> list[str]:
    return [source.describe(index).removeprefix("memory://bucket/photos/") for index in range(len(source.labels))]


# --- folders as on a disk


def test_folders_of_a_storage_obey_the_rules_of_those_on_a_disk(tmp_path, memory):
    files = ["dog/b.png", "dog/a.JPG", "cat/deep/er/1.png", "cat/z.webp", "cat/.hidden/1.png", "cat/._z.webp",
             "cat/notes.txt", "cat/README", ".git/1.png", "cow/Thumbs.db", "7.png", "__MACOSX/2.png"]  # fmt: skip
    spec = put(memory, *files)
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
    for labelled in (True, False):
        here, there = opened(f"folder:{tmp_path}", labelled=labelled), opened(spec, labelled=labelled)
        assert names(there) == [here.describe(i).removeprefix(f"{tmp_path}/") for i in range(len(here.labels))]
        assert [label.key for label in there.classes] == [label.key for label in here.classes]
        np.testing.assert_array_equal(here.labels, there.labels)
        assert keys(here) == keys(there)
        texts = [" ".join(source.notes) for source in (here, there)]
        assert sorted(texts[0].replace(str(tmp_path), "memory://bucket/photos")) == sorted(texts[1])
        for one in (here, there):
            assert one.read(0).shape == (3, 17, 23)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["1.png"], "memory://bucket/photos holds no class folder. Expected memory://bucket/photos/<class>/<image>."),
        ([], "memory://bucket/photos holds no file, or does not exist. Expected memory://bucket/photos/<class>/<image>."),
        (["cat/1.txt"], "The class folders in memory://bucket/photos hold no image. Expected memory://bucket/photos/<class>"),
        (
            ["train/cat/1.png", "test/cat/1.png"],
            "memory://bucket/photos holds test and train: which of these splits is to be judged? Name it: folder:",
        ),
    ],
)  # fmt: skip
def test_a_storage_without_class_folders_is_refused(memory, files, message):
    assert refusal(put(memory, *files)).startswith(message)


def test_a_url_of_a_file_is_no_folder(memory):
    put(memory, "cat/1.png")
    assert refusal("folder:memory://bucket/photos/cat/1.png").startswith(
        "memory://bucket/photos/cat/1.png is a file, not a folder."
    )


# --- what is read, and how often


def test_a_folder_is_listed_once_and_each_image_read_once(memory, monkeypatch, tmp_path):
    spec = put(memory, *(f"{name}/{number}.png" for name in CLASSES for number in range(5)))
    monkeypatch.setattr(storage, "_SETTLED_SECONDS", -1)
    calls = []
    for method in ("find", "cat_file", "info"):
        original = getattr(MemoryFileSystem, method)

        def counted(self, *args, _original=original, _method=method, **kwargs):
            calls.append(_method)
            return _original(self, *args, **kwargs)

        monkeypatch.setattr(MemoryFileSystem, method, counted)
    source = opened(spec)
    assert calls.count("find") == 1
    source.identities(np.arange(15), FileHashes(tmp_path / "memory"))
    assert calls.count("cat_file") == 15
    opened(spec).identities(np.arange(15), FileHashes(tmp_path / "memory"))
    assert calls.count("cat_file") == 15
    memory.pipe_file("/bucket/photos/cat/3.png", PNG + b"more")
    changed = opened(spec).identities(np.arange(15), FileHashes(tmp_path / "memory"))
    assert calls.count("cat_file") == 16
    assert len(set(map(bytes, changed))) == 2


@pytest.mark.parametrize(
    ("info", "known"),
    [
        ({"ETag": '"abc"', "size": 3}, True),
        ({"etag": "abc", "LastModified": dt.datetime.now(dt.UTC)}, True),
        ({"md5Hash": "abc"}, True),
        ({"CRC": 5, "date_time": (1980, 1, 1)}, True),
        ({"mtime": 1_000.5, "size": 3}, True),
        ({"mtime": 1_000_000.5}, False),
        ({"created": dt.datetime(1970, 1, 1, tzinfo=dt.UTC)}, True),
        ({"LastModified": "1970-01-01T00:10:00Z"}, True),
        ({"Last-Modified": "Thu, 01 Jan 1970 00:10:00 GMT"}, True),
        ({"Last-Modified": "yesterday"}, False),
        ({"updated": "2970-01-01T00:10:00+00:00"}, False),
        ({"size": 3}, False),
        ({"ETag": None, "size": 3}, False),
        ({}, False),
    ],
)
def test_a_version_is_what_changes_with_the_content(info, known):
    now = 1_000_001.0
    status = status_in(info, now)
    assert (status is not None) is known
    if known:
        assert status == status_in(dict(info), now)
        for name, value in info.items():
            other = value + 1 if isinstance(value, int | float) else None if name == "size" else f"{value}x"
            if name not in ("date_time", "LastModified", "Last-Modified", "created"):
                assert status_in(info | {name: other}, now) != status


def test_what_has_no_version_is_read_each_time(memory, monkeypatch, tmp_path):
    spec = put(memory, "cat/1.png", "dog/1.png")  # just created: its time says nothing yet
    read = []
    original = MemoryFileSystem.cat_file
    monkeypatch.setattr(
        MemoryFileSystem, "cat_file", lambda self, path, **k: read.append(path) or original(self, path, **k)
    )
    for _ in range(2):
        opened(spec).identities(np.arange(2), FileHashes(tmp_path / "memory"))
    assert len(read) == 4


def test_a_large_source_pickles_small_and_without_what_was_listed():
    numbers = np.arange(100_000)
    paths = np.char.add("n01440764/ILSVRC2012_val_", numbers.astype(str)).astype(np.bytes_)
    source = RemoteFiles("s3://bucket/photos", paths, [{"ETag": "x" * 40}] * 100_000)
    started = time.perf_counter()
    data = pickle.dumps(source)
    assert len(data) < 4_700_000
    assert time.perf_counter() - started < 2
    assert pickle.loads(data).key(7) == "ILSVRC2012_val_7"


# --- faults


class ServerDisconnectedError(Exception):
    """As aiohttp's is called."""


class RefusedError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__("answer")
        self.status = status


@pytest.mark.parametrize(
    "error", [ServerDisconnectedError(), TimeoutError("slow"), ConnectionResetError(104, "reset"), RefusedError(503)]
)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_network_that_fails_is_asked_again(memory, monkeypatch, error, times):
    source = opened(put(memory, "cat/1.png"))
    faults = [error] * times
    original = MemoryFileSystem.cat_file

    def shaky(self, path, **kwargs):
        if faults:
            raise faults.pop()
        return original(self, path, **kwargs)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", shaky)
    if times < 3:
        assert source.read(0).shape == (3, 17, 23)
        return
    with pytest.raises(BadImageError, match=r"memory://bucket/photos/cat/1\.png is not a readable image: ") as caught:
        source.read(0)
    assert not caught.value.content


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError("bucket"), "{url} does not exist: there is no such bucket, folder or file."),
        (PermissionError("Forbidden"), "{url} may not be read: PermissionError: Forbidden. Give credentials in the "),
        (RefusedError(403), "{url} may not be read: RefusedError: answer. Give credentials in the environment: "),
        (TimeoutError(), "{url} cannot be reached: TimeoutError: TimeoutError. Check the address "),
        (ConnectionRefusedError(111, "refused"), "{url} cannot be reached: ConnectionRefusedError: refused. Check "),
        (RuntimeError("\x1b[2Jodd"), "{url} cannot be read: RuntimeError: \\x1b[2Jodd."),
    ],
)  # fmt: skip
def test_what_keeps_a_storage_from_being_read_is_said(memory, monkeypatch, caplog, error, message):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(MemoryFileSystem, "find", fail)
    with caplog.at_level(logging.DEBUG):
        text = refusal("folder:memory://bucket/photos")
    assert text.startswith(message.format(url="memory://bucket/photos"))
    assert any(record.exc_info for record in caplog.records)


def test_a_protocol_that_is_not_known_or_not_installed_says_what_to_do(monkeypatch):
    assert refusal("folder:s4://bucket").startswith("s4://bucket has a protocol that fsspec does not know. Known: ")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    sys.modules["fsspec.registry"]._registry.pop("s3", None)
    storage._located.cache_clear()
    assert refusal("folder:s3://bucket/photos") == (
        "s3://bucket/photos needs a package that is not installed. Run: pip install aiohttp fsspec s3fs"
    )
    assert refusal("tar:gs://bucket/{0..1}.tar") == (
        "gs://bucket/0.tar needs a package that is not installed. Run: pip install gcsfs"
    )


def test_an_image_that_is_gone_is_a_bad_image_of_this_run_alone(memory):
    source = opened(put(memory, "cat/1.png", "cat/2.png"))
    memory.rm("/bucket/photos/cat/1.png")
    with pytest.raises(BadImageError) as caught:
        source.read(0)
    assert str(caught.value) == "memory://bucket/photos/cat/1.png is not a readable image: No such file"
    assert not caught.value.content
    identities = source.identities(np.arange(2), FileHashes())
    assert [bytes(one) == bytes(16) for one in identities] == [True, False]


# --- URLs


@pytest.mark.parametrize(
    ("text", "url", "protocol"),
    [
        ("s3://bucket/x", True, "s3"), ("zip://x::s3://b/a.zip", True, "s3"), ("HTTP://h/x", True, "http"),
        ("a/b", False, ""), (r"C:\x", False, ""), ("C:/x", False, ""), ("a:b", False, ""), ("./s3:/x", False, ""),
        ("simplecache::s3://b", True, "s3"),
    ],
)  # fmt: skip
def test_urls_are_told_from_paths(text, url, protocol):
    assert is_url(text) is url
    if url:
        assert protocol_of(text) == protocol
        assert local_path(text) is None


def test_a_file_url_is_a_path(tmp_path):
    assert local_path(f"file://{tmp_path}/a b") == tmp_path / "a b"
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_bytes(PNG)
    assert opened(f"folder:file://{tmp_path}").describe(0) == f"{tmp_path}/cat/1.png"


# --- servers


def test_names_that_a_web_server_escapes_are_shown_as_they_are(tmp_path):
    for name in ("café au lait/1 2.png", "a%20b/ü.png", "a&b/<1>.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_bytes(PNG)
    with web_server(tmp_path) as (url, _):
        source = opened(f"folder:{url}")
        assert sorted(label.key for label in source.classes) == ["a%20b", "a&b", "café au lait"]
        assert sorted(source.key(i) for i in range(3)) == ["1 2.png", "<1>.png", "ü.png"]
        assert {source.read(i).shape for i in range(3)} == {(3, 17, 23)}
        text = refusal(f"folder:{url}/none/")
        assert text.startswith(f"{url}/none/ ")
        assert "does not exist" in text


def test_a_server_that_serves_no_parts_is_named(tmp_path):
    spec = FORMS["named shards"](tmp_path, photos(12)).replace(str(tmp_path), "{url}")
    with web_server(tmp_path, ranges=False) as (url, _):
        source = opened(spec.replace("{url}", url))
        with pytest.raises(BadImageError, match="the server answers no range requests"):
            source.read(0)


@pytest.mark.parametrize("form", ["packed folder", "parquet", "zip"])
def test_a_large_file_of_a_server_that_serves_no_parts_is_refused(tmp_path, form):
    noise = [Photo(n % 3, f"{n}.png", np.random.default_rng(n).bytes(3_000_000)) for n in range(8)]
    spec = FORMS[form](tmp_path, noise)
    with web_server(tmp_path, ranges=False) as (url, _):
        text = refusal(spec.replace(str(tmp_path), url) + ("/test-00000-of-00002.parquet" if form == "parquet" else ""))
    assert " cannot be read in parts: the server answers no range requests, it sends whole files alone. " in text


def test_a_server_that_is_not_there_is_named():
    started = time.monotonic()
    text = refusal("folder:http://127.0.0.1:9/photos/")
    assert text.startswith("http://127.0.0.1:9/photos/ ")
    assert time.monotonic() - started < 20


@pytest.mark.slow
def test_s3_serves_each_form(tmp_path, monkeypatch):
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "us-east-1"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache"))
        _in_a_bucket(tmp_path, photos(12))
    finally:
        server.stop()


def _in_a_bucket(tmp_path: Path, images: list[Any]) -> None:
    import s3fs

    system = s3fs.S3FileSystem()
    system.mkdir("bucket")
    specs = [FORMS[form](tmp_path / "data", images) for form in ("folder", "numbered shards", "parquet")]
    system.put(f"{tmp_path}/data/", "bucket/data", recursive=True)
    here = {form: opened(form) for form in specs}
    for spec, source in here.items():
        there = opened(spec.replace(str(tmp_path), "s3://bucket"))
        everything = np.arange(12)
        hashes = FileHashes(tmp_path / "memory")
        np.testing.assert_array_equal(there.identities(everything, hashes), source.identities(everything, FileHashes()))
        np.testing.assert_array_equal(there.labels, source.labels)
        assert keys(there) == keys(source)
        for index in (11, 0):
            np.testing.assert_array_equal(there.read(index), source.read(index))
    assert len(opened("tar:s3://bucket/data/numbers/shard-*.tar").labels) == 12
    assert len(opened("tar:s3://bucket/data/numbers").labels) == 12
    assert "does not exist" in refusal("folder:s3://no-such-bucket/photos")
    assert refusal("folder:s3://bucket/none").startswith("s3://bucket/none holds no file, or does not exist.")
    assert "does not exist" in refusal("tar:s3://bucket/none.tar")
