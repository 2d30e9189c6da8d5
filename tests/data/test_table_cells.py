"""What a cell of a table may name instead of holding bytes, and a folder of tables instead of its files."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pytest_robustness.core.errors import BadImageError
from pytest_robustness.core.file_hashes import FileHashes, content_digest
from pytest_robustness.data import open_source
from pytest_robustness.data.tables.cells import local_file
from pytest_robustness.data.tables.parquet_rows import ParquetRows
from tests.data.forms import refusal, web_server
from tests.image_maker import Kind, content, shade

pytestmark = pytest.mark.usefixtures("quiet_datasets")

PNG = content(Kind("RGB", "PNG", ".png"), 0)


def write(path: Path, images: Any, **options: Any) -> None:
    pq.write_table(pa.table({"image": images, "label": [0] * len(images)}), path, **options)


def struct_of(cells: list[Any]) -> pa.Array:
    return pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


ADDRESSES = ["{web}/1.png", "HTTP{web4}/1.png", "zip://1.png::{web}/z.zip", "simplecache::{web}/1.png", "s3://bucket/1.png",
             "zip://b.png::file://{folder}/z.zip", "memory://b.png", "hf://datasets/a/b/1.png"]  # fmt: skip
"""What a cell may name that would be asked for, taken apart by fsspec, or read from this process."""


@pytest.mark.parametrize("scheme", ["parquet", "hf"])
def test_no_address_in_a_table_is_open_source(tmp_path, scheme):
    (tmp_path / "1.png").write_bytes(PNG)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as file:
        file.writestr("1.png", PNG)
        file.writestr("b.png", PNG)
    with web_server(tmp_path) as (web, served):
        paths = [text.format(web=web, web4=web.removeprefix("http"), folder=tmp_path) for text in ADDRESSES]
        cells = struct_of([{"bytes": None, "path": path} for path in paths])
        write(tmp_path / "a.parquet", cells)
        source = open_source(f"{scheme}:{tmp_path}/a.parquet")
        assert source.identities(np.arange(len(paths)), FileHashes()).tobytes() == bytes(16 * len(paths))
        for index, path in enumerate(paths):
            with pytest.raises(BadImageError) as caught:
                source.read(index)
            assert str(caught.value).endswith(
                f"is not a readable image: the table holds no bytes, only the address {path!r}, and no address in a "
                f"table is opened. Download the images, and write the table with their bytes, or with the absolute "
                f"paths of their files"
            )
            assert not caught.value.content
    assert served == []


@pytest.mark.parametrize("scheme", ["parquet", "hf"])
@pytest.mark.parametrize("prefix", ["", "file://", "local://", "FILE://"])
def test_a_file_that_a_table_names_is_read_as_any_other(tmp_path, monkeypatch, scheme, prefix):
    monkeypatch.setattr("pytest_robustness.data.tables.cells.LARGEST", len(PNG))
    (tmp_path / "good.png").write_bytes(PNG)
    (tmp_path / "large.png").write_bytes(bytes(len(PNG) + 1))
    os.mkfifo(tmp_path / "pipe")
    reasons = {
        tmp_path / "good.png": None,
        tmp_path / "none.png": "No such file or directory",
        tmp_path / "large.png": f"is larger than {len(PNG):,} bytes",
        tmp_path / "pipe": "is no regular file but a pipe, a socket or a device",
        Path("/dev/zero"): "is no regular file but a pipe, a socket or a device",
        tmp_path: "is a folder, not a file",
    }
    cells = struct_of([{"bytes": None, "path": f"{prefix}{path}"} for path in reasons])
    write(tmp_path / "a.parquet", cells)
    source = open_source(f"{scheme}:{tmp_path}/a.parquet")
    assert source.read(0).shape == (3, 17, 23)
    for index, reason in enumerate(reasons.values()):
        if reason:
            with pytest.raises(BadImageError, match=f"is not a readable image: {reason}$"):
                source.read(index)
    assert source.identities(np.arange(1), FileHashes()).tobytes() == content_digest(PNG)


@pytest.mark.parametrize(
    ("path", "windows", "file"),
    [
        ("/photos/a.png", False, "/photos/a.png"),
        ("file:///photos/a.png", False, "/photos/a.png"),
        ("file://photos/a.png", False, None),
        ("photos/a.png", False, None),
        ("~/a.png", False, None),
        ("/photos/a\0.png", False, None),
        ("//server/share/a.png", False, "//server/share/a.png"),
        ("//server/share/a.png", True, None),
        (r"\\server\share\a.png", True, None),
        (r"\\.\pipe\a", True, None),
        (r"file://\\server\share\a.png", True, None),
    ],
)
def test_a_cell_names_a_file_of_this_machine_by_its_whole_path(monkeypatch, path, windows, file):
    monkeypatch.setattr("pytest_robustness.data.tables.cells._WINDOWS", windows)
    assert local_file(path) == (Path(file) if file else None)


ELSEWHERE = [
    "data_files: '{web}/a.parquet'",
    "data_files: ['*.parquet', '{web}/a.parquet']",
    "data_files: {{test: '{web}/a.parquet'}}",
    "data_files: [{{split: test, path: ['{web}/a.parquet']}}]",
    "data_files: 'zip://a.parquet::{web}/a.zip'",
    "data_files: 'hf://datasets/a/b/a.parquet'",
    "data_files: '*.parquet'\n- config_name: other\n  data_files: '{web}/a.parquet'",
    "data_dir: '{web}/'",
]


@pytest.mark.parametrize("file", ["README.md", ".huggingface.yaml"])
@pytest.mark.parametrize("said", ELSEWHERE)
def test_a_folder_whose_files_are_at_an_address_is_refused_before_anything_is_asked(tmp_path, file, said):
    write(tmp_path / "a.parquet", [PNG, PNG])
    with web_server(tmp_path) as (web, served):
        text = f"configs:\n- config_name: default\n  {said.format(web=web)}\n"
        (tmp_path / file).write_text(f"---\n{text}---\n" if file == "README.md" else text)
        message = refusal(f"hf:{tmp_path}", download=True)
    assert message.startswith(f"{tmp_path}/{file} says that files of the data set are at '")
    assert message.endswith(
        "', and no address that a folder names is opened. Download the files into the folder, and name them there."
    )
    assert served == []


def test_a_description_that_names_files_of_its_folder_is_obeyed(tmp_path):
    write(tmp_path / "a.parquet", [PNG, PNG])
    write(tmp_path / "b.parquet", [PNG] * 4)
    (tmp_path / "README.md").write_text(
        "---\nhomepage: https://example.org\nconfigs:\n- config_name: default\n  data_files: b.parquet\n---\nhttps://x.org"
    )
    assert len(open_source(f"hf:{tmp_path}").labels) == 4


# How rows are held: which of eight have their bytes in the table, and how the table is written.
HELD: dict[str, tuple[list[bool], dict[str, Any]]] = {
    "none in the table": ([False] * 8, {}),
    "all in the table, with paths": ([True] * 8, {}),
    "some, in one group": ([True, False] * 4, {}),
    "some, in groups of their own": ([True] * 4 + [False] * 4, {"row_group_size": 4}),
    "some groups mixed": ([True] * 5 + [False] * 3, {"row_group_size": 2}),
    "none, no statistics": ([False] * 8, {"write_statistics": False}),
    "all, no statistics": ([True] * 8, {"write_statistics": False}),
}


@pytest.mark.parametrize("scheme", ["parquet", "hf"])
@pytest.mark.parametrize("held", HELD)
def test_what_is_remembered_of_a_row_holds_as_long_as_its_bytes(tmp_path, monkeypatch, scheme, held):
    monkeypatch.setattr("pytest_robustness.core.file_hashes._SETTLED_NANOSECONDS", -1)
    inside, options = HELD[held]
    now = [shade(number) for number in range(8)]
    paths = [tmp_path / f"photos/{number}.bmp" for number in range(8)]
    (tmp_path / "photos").mkdir()
    for path, one in zip(paths, now, strict=True):
        path.write_bytes(one)
    cells = [
        {"bytes": one if own else None, "path": str(path)} for own, one, path in zip(inside, now, paths, strict=True)
    ]
    write(tmp_path / "a.parquet", struct_of(cells), **options)

    def identities() -> list[bytes]:
        source = open_source(f"{scheme}:{tmp_path}/a.parquet")
        found = [one.tobytes() for one in source.identities(np.arange(8), FileHashes(tmp_path / "memory"))]
        for index, identity in enumerate(found):
            assert source.read_as(index, identity).shape == (3, 8, 8)
        return found

    assert identities() == [content_digest(one) for one in now]
    for changed in (1, 6):
        paths[changed].write_bytes(shade(200 + changed))
        if not inside[changed]:
            now[changed] = shade(200 + changed)
        assert identities() == [content_digest(one) for one in now]


@pytest.mark.parametrize(
    ("held", "read"),
    [
        ("none in the table", 0),
        ("all in the table, with paths", 0),
        ("some, in groups of their own", 0),
        ("some, in one group", 8),
        ("some groups mixed", 2),
        ("all, no statistics", 8),
    ],
)
def test_a_row_is_read_again_only_where_nothing_says_where_its_bytes_are(tmp_path, monkeypatch, held, read):
    monkeypatch.setattr("pytest_robustness.core.file_hashes._SETTLED_NANOSECONDS", -1)
    inside, options = HELD[held]
    for number in range(8):
        (tmp_path / f"{number}.bmp").write_bytes(shade(number))
    cells = [
        {"bytes": shade(number) if own else None, "path": f"{tmp_path}/{number}.bmp"}
        for number, own in enumerate(inside)
    ]
    write(tmp_path / "a.parquet", struct_of(cells), **options)
    hashes, counted = FileHashes(), []
    source = open_source(f"parquet:{tmp_path}/a.parquet")
    source.identities(np.arange(8), hashes)
    content = ParquetRows.content
    monkeypatch.setattr(ParquetRows, "content", lambda self, index: counted.append(index) or content(self, index))
    source.identities(np.arange(8), hashes)
    assert len(counted) == read


@pytest.mark.parametrize("replaced", [True, False])
def test_a_table_that_is_written_again_is_read_again_in_the_same_process(tmp_path, monkeypatch, replaced):
    monkeypatch.setattr("pytest_robustness.core.file_hashes._SETTLED_NANOSECONDS", -1)
    for value in (1, 2):
        write(tmp_path / "new.parquet", [shade(value)] * 20)
        if replaced:
            (tmp_path / "new.parquet").replace(tmp_path / "a.parquet")
        else:
            (tmp_path / "a.parquet").write_bytes((tmp_path / "new.parquet").read_bytes())
        source = open_source(f"parquet:{tmp_path}/a.parquet")
        found = source.identities(np.arange(20), FileHashes(tmp_path / "memory"))
        assert {one.tobytes() for one in found} == {content_digest(shade(value))}
        assert int(source.read(3)[0, 0, 0]) == value
