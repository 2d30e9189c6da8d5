"""All shards in a folder are found, and what is none is counted: nothing that lies there vanishes in silence."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest

from pytest_robustness.data import open_source
from pytest_robustness.data.files.shards import find
from tests.data.files.test_splits import WRITERS, write
from tests.data.forms import refusal, web_server

SHARDS = ["s-0.tar", "s-1.TAR", "deep/s-2.Tar", "deep/er/s-3.tar", "b.tar/s-4.tar"]
OTHERS = ["s-5.tar.gz", "s-6.TAR.XZ", "deep/s-7.tar.part", "README", "s-8.tar.tmp", "s-9.tgz", "photo.png"]
HIDDEN = [".s.tar", ".tmp/s.tar", "deep/.cache/a/s.tar", "__MACOSX/s.tar"]


def put(root: Path, names: list[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def as_memory(root: Path) -> str:
    system = fsspec.filesystem("memory")
    for path in root.rglob("*"):
        if path.is_file():
            system.pipe_file(f"/{root.name}/{path.relative_to(root)}", path.read_bytes())
    return f"memory://{root.name}"


@pytest.mark.parametrize("place", ["disk", "memory", "web"])
def test_shards_of_any_case_are_found_and_the_others_counted(tmp_path, place):
    root = tmp_path / f"shards-{place}"
    put(root, [*SHARDS, *OTHERS, *HIDDEN])
    with web_server(root) as (url, _):
        argument = {"disk": str(root), "memory": as_memory(root), "web": f"{url}/"}[place]
        found = find("tar", argument, (".tar",), "tar archive")
    names = [container.text.removeprefix(f"{argument.rstrip('/')}/") for container in found.containers]
    assert sorted(names) == sorted(SHARDS)
    others, hidden = found.notes
    assert hidden == f"4 hidden files or folders in {argument} are left out."
    said = f"7 files in {argument} are left out, because their names end otherwise than in .tar: "
    assert others.startswith(said)
    kinds = others.removeprefix(said).removesuffix(".").split(", ")
    assert sorted(kinds) == sorted(
        ["1 .tar.gz", "1 .tar.xz", "1 .part", "1 without an ending", "1 .tmp", "1 .tgz", "1 .png"]
    )


@pytest.mark.parametrize("scheme", WRITERS)
def test_what_lies_beside_shards_is_a_note(tmp_path, scheme):
    spec = write(scheme, tmp_path, ["a", "deep/b"])
    (tmp_path / f"deep/b.{scheme}").rename(tmp_path / f"deep/b.{scheme.upper()}")
    put(tmp_path, [f"c.{scheme}.gz", ".d"])
    endings = {"tar": ".tar", "parquet": ".parquet or .pq"}[scheme]
    for labelled in (True, False):
        source = open_source(spec, labelled=labelled)
        assert len(source.labels) == 2
        assert source.notes[-2:] == (
            f"1 file in {tmp_path} is left out, because its name ends otherwise than in {endings}: 1 .{scheme}.gz.",
            f"1 hidden file or folder in {tmp_path} is left out.",
        )
    put(tmp_path, ["other/e.gz"])
    assert refusal(f"{scheme}:{tmp_path}/other").endswith(
        f"1 file in {tmp_path}/other is left out, because its name ends otherwise than in {endings}: 1 .gz."
    )


def test_links_to_folders_are_listed_where_they_lead_or_refused_by_name(tmp_path):
    spec = write("tar", tmp_path / "shards", ["a", "deep/b"])
    write("tar", tmp_path / "elsewhere", ["c"])
    (tmp_path / "shards" / "again").symlink_to("deep")
    (tmp_path / "shards" / "deep" / "loop").symlink_to("..")
    (tmp_path / "shards" / "d.tar").symlink_to(tmp_path / "elsewhere" / "c.tar")  # a file may be a link
    assert len(open_source(spec).labels) == 3
    os.mkfifo(tmp_path / "shards" / "pipe")
    assert open_source(spec).notes[-1].endswith("because they are no regular files: pipe.")
    link = tmp_path / "shards" / "deep" / "more"
    link.symlink_to(tmp_path / "elsewhere")
    assert refusal(spec) == (
        f"{link} is a link to {tmp_path}/elsewhere, out of {tmp_path}/shards. Remove it; if what it leads to is meant "
        f"too, name both in braces: {{a,b}}."
    )
    link.unlink()
    link.symlink_to("/not/mounted")
    assert refusal(spec) == (
        f"{link} is a link to /not/mounted, which is not there, and may be a folder of .tar. Mount what it leads to, "
        f"or remove the link."
    )
    link.unlink()
    (tmp_path / "shards" / "e.tar").symlink_to("/not/mounted.tar")
    assert "1 of 4 files do not exist: " in refusal(spec)


def test_a_folder_of_shards_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    spec = write("tar", tmp_path, ["a", "deep/b"])
    original = os.scandir

    def denied(path):
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(os, "scandir", denied)
    assert refusal(spec) == f"{tmp_path}/deep cannot be read: Permission denied."


@pytest.mark.parametrize("scheme", WRITERS)
def test_a_folder_of_a_web_server_is_listed(tmp_path, scheme):
    write(scheme, tmp_path, ["a", "deep/b c", "deep/d"])
    here = open_source(f"{scheme}:{tmp_path}")
    with web_server(tmp_path) as (url, _):
        there = open_source(f"{scheme}:{url}/")
        assert len(there.labels) == len(here.labels) == 3
        assert sorted(map(there.images.content, range(3))) == sorted(map(here.images.content, range(3)))
        assert len(open_source(f"{scheme}:{url}/deep/").labels) == 2
        message = refusal(f"{scheme}:{url}/none/")
    assert f"{url}/none/" in message
