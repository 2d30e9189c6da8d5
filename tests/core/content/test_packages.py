"""A package counts by the files of every distribution that may hold it, wherever these lie among others."""

from __future__ import annotations

import importlib.metadata
import itertools
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.core.content import packages
from pytest_robustness.core.content.packages import package_hash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Listed = dict[str, tuple[str, str | None]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The one folder that packages are installed to."""
    own = [folder for folder in sys.path if "site-packages" not in folder]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *own])
    yield tmp_path
    packages.forget()


def install(place: Path, name: str, version: str, record: str | None, top_level: str | None = None) -> None:
    folder = place / f"{name.replace('-', '_')}.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file, text in (("RECORD", record), ("top_level.txt", top_level)):
        (folder / file).unlink(missing_ok=True)
        if text is not None:
            (folder / file).write_text(text)


def hashed(module: str) -> bytes:
    packages.forget()
    return package_hash(module)


def test_a_package_counts_by_the_hashes_of_its_files(place):
    def listed(record: str) -> bytes:
        install(place, "zebra", "1.0", record)
        return hashed("zebra.stripes")

    first = listed("zebra/a.py,sha256=AAA,3\nzebra/b.py,sha256=BBB,3\nzebra-1.0.dist-info/direct_url.json,sha256=X,1\n")
    assert listed("zebra/b.py,sha256=BBB,3\nzebra/a.py,sha256=AAA,3\nx.pyc,,\nzebra-1.0.dist-info/RECORD,,\n") == first
    assert listed("zebra/a.py,sha256=AAA,3\nzebra/b.py,sha256=CCC,3\n") != first


@pytest.mark.slow
def test_a_package_is_found_by_the_name_that_it_is_imported_by():
    assert package_hash("PIL.Image") == package_hash("PIL") != b""
    assert package_hash("no_such_package") == b""


TWO: Listed = {"a-core": ("1", "acme/core/x.py"), "a-aug": ("1", "acme/aug/x.py")}
NAMED: Listed = {"acme": ("1", "acme/core/x.py"), "a-aug": ("1", "acme/aug/x.py")}
COMPILED = "acme/x.cpython-311-x86_64-linux-gnu.so"
# The distributions of a place by name, each with its version and the file of its RECORD; the module that is used; the
# distribution whose next version must count.
SHARED: dict[str, tuple[Listed, str, str]] = {
    "the first of a namespace": (TWO, "acme.core.x", "a-core"),
    "the second": (TWO, "acme.aug.x", "a-aug"),
    "the other": (TWO, "acme.aug.x", "a-core"),
    "the namespace itself": (TWO, "acme", "a-aug"),
    "one called as the namespace": (NAMED, "acme.core.x", "acme"),
    "beside one called as the namespace": (NAMED, "acme.aug.x", "a-aug"),
    "what one called as the namespace may import": (NAMED, "acme.core.x", "a-aug"),
    "one called as another's package": ({"acme": ("1", "else/x.py"), "b": ("1", "acme/x.py")}, "acme.x", "b"),
    "a package": ({"acme": ("1", "acme/__init__.py")}, "acme", "acme"),
    "a module that is one file": ({"acme": ("1", "acme.py")}, "acme", "acme"),
    "compiled code alone": ({"b": ("1", COMPILED)}, "acme.x", "b"),
    "compiled code in a namespace": ({"acme": ("1", COMPILED), "b": ("1", "acme/y.py")}, "acme.x", "acme"),
    "a module that no file is listed for": ({"acme": ("1", "acme/x.py")}, "acme.made_up", "acme"),
    "one without a list": ({"acme": ("1", None)}, "acme.x", "acme"),
    "one without a list in a namespace": ({"b": ("1", None), "c": ("1", "acme/c.py")}, "acme.c", "b"),
}


@pytest.mark.parametrize("what", ["its version", "its files"])
@pytest.mark.parametrize(("listed", "module", "next_of"), SHARED.values(), ids=SHARED)
def test_another_version_of_any_distribution_that_may_hold_a_module_counts(place, listed, module, next_of, what):
    def put(release: str, digest: str) -> bytes:
        for name, (version, path) in listed.items():
            ours = name == next_of
            record = None if path is None else f"{path},sha256={digest if ours else 'A'},1\n"
            install(place, name, release if ours else version, record, None if path else "acme\n")
        return hashed(module)

    if what == "its files" and listed[next_of][1] is None:
        pytest.skip("nothing lists its files")
    first = put("1", "A")
    assert put("1", "A") == first
    assert put(*(("2", "A") if what == "its version" else ("1", "B"))) != first


def test_the_order_in_which_distributions_are_found_does_not_count(place, monkeypatch):
    names = ("a-core", "a-aug", "a-x")
    for name in names:
        install(place, name, "1", f"acme/{name}/x.py,sha256=A,1\n")
    found = [importlib.metadata.distribution(name) for name in names]
    hashes = set()
    for order in itertools.permutations(found):
        monkeypatch.setattr(importlib.metadata, "distributions", lambda order=order: order)
        hashes.add(hashed("acme.x"))
    assert len(hashes) == 1


def test_a_distribution_elsewhere_does_not_count(place):
    install(place, "acme", "1", "acme/x.py,sha256=A,1\n")
    first = hashed("acme.x")
    install(place, "other", "1", "other/x.py,sha256=A,1\n")
    assert hashed("acme.x") == first
