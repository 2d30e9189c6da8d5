"""Files in the place of a baseline, damaged or made to harm: each is refused by name, or gives the same figures."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import struct
import time
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_robustness.analysis.answers import arrays
from pytest_robustness.analysis.answers.recorded import rows
from pytest_robustness.analysis.baseline import (
    Baseline,
    BaselineModel,
    ImageSet,
    RunProtocol,
    answers_path,
    classes_path,
    document,
    files,
    read,
    require_writable,
    write,
)
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, ClassLabel, Condition
from pytest_robustness.core.errors import BaselineError
from tests.recorded import in_order

if TYPE_CHECKING:
    from pathlib import Path

VFLIP = Condition("vflip")
DAMAGED = 200


def baseline() -> Baseline:
    """Return a baseline of two models and 60 images."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 60)
    shown = ImageSet(
        np.frombuffer(rng.bytes(16 * 60), "V16"), labels, (ClassLabel("cat", "cat"), ClassLabel("d", "dog"))
    )
    models = {
        name: BaselineModel(
            name, np.array([1, 0]), {c: rng.integers(-1, 2, 60) for c in (CONTROL, VFLIP)}, {VFLIP: Outcome.FAIL}
        )
        for name in ("alpha", "beta")
    }
    protocol = RunProtocol("folder:photos", 0, 1, {CONTROL: "control", VFLIP: "vflip(version=1)"}, {"alpha": 0.05})
    return Baseline(protocol, shown, models)


def figures(found: Baseline) -> object:
    """Return all that a comparison reads, in the order of a file."""
    order = in_order(found.images)
    models = {
        name: (
            model.fingerprint,
            model.outputs.tolist(),
            {c: a[order].tolist() for c, a in model.answers.items()},
            dict(model.outcomes),
        )
        for name, model in found.models.items()
    }
    images = found.images
    return found.protocol, images.identities[order].tobytes(), images.labels[order].tolist(), images.classes, models


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a good baseline is."""
    written = tmp_path / "b.json"
    write(baseline(), written)
    return written


def bind(path: Path, content: object, packed: bytes | None = None) -> None:
    """Put a pair at ``path`` whose hashes agree, as somebody would who means harm."""
    beside = answers_path(path)
    shape = arrays.Shape(60, 2, 2, rows([(name, c) for name in ("alpha", "beta") for c in (CONTROL, VFLIP)]))
    if packed is None:
        found = arrays.unpack(beside.read_bytes(), shape)._replace(document=document.digest(content))
        beside.write_bytes(arrays.pack(found, shape.rows))
    else:
        beside.write_bytes(packed)
    with contextlib.suppress(Exception):
        content = {**content, "answers_sha256": arrays.digest(arrays.unpack(beside.read_bytes(), shape))}
    path.write_text(json.dumps(content), encoding="utf-8")


def refused(path: Path) -> str:
    """Return the text of the refusal, which comes soon and names a way out."""
    started = time.monotonic()
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert time.monotonic() - started < 5
    text = str(caught.value)
    assert str(path.parent) in text
    assert "--robustness-update-baseline" in text
    assert len(text) < 1000
    assert text.isprintable()
    return text


def test_a_pair_that_was_bound_again_is_read(path):
    bind(path, json.loads(path.read_text()))
    assert figures(read(path)) == figures(baseline())


def flipped(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def edited(content: bytes, rng: random.Random) -> bytes:
    """Change one value, or lose, double or rename one key, anywhere in the document."""
    found = json.loads(content)
    places = []

    def visit(value: object, holder: object, key: object) -> None:
        if holder is not None:
            places.append((holder, key))
        for inner in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            visit(value[inner], value, inner)

    visit(found, None, None)
    holder, key = rng.choice(places)
    odd = [None, [], {}, "", -1, 1.5, True, 10**30, "\udcff\x1b[2J", "a" * 10_000, 0, "PASS", {"a": {"b": []}}]
    change = rng.choice(["value", "lose", "rename"]) if isinstance(holder, dict) else "value"
    if change == "lose":
        del holder[key]
    elif change == "rename":
        holder[f"{key}x"] = holder.pop(key)
    else:
        holder[key] = rng.choice(odd)
    return json.dumps(found, indent=1, sort_keys=True).encode()


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def joined(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + rng.randbytes(rng.randrange(1, 200)) + content[place + rng.randrange(20) :]


@pytest.mark.parametrize("seed", range(DAMAGED))
def test_a_damaged_baseline_is_refused_or_gives_the_same_figures(path, seed):
    rng = random.Random(seed)
    file = rng.choice([path, classes_path(path), answers_path(path)])
    damage = rng.choice([flipped, cut, joined, edited] if file.suffix == ".json" else [flipped, cut, joined])
    file.write_bytes(damage(file.read_bytes(), rng))
    with contextlib.suppress(BaselineError):
        # Blanks of the document may differ, and what an archive says of dates and systems.
        assert figures(read(path)) == figures(baseline())


@pytest.mark.parametrize("seed", range(60))
def test_a_document_that_was_edited_with_its_hashes_is_refused_or_read_without_a_traceback(path, seed):
    content = json.loads(edited(path.read_bytes(), random.Random(seed)))
    with contextlib.suppress(BaselineError):
        bind(path, content)
        read(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * 200_000, ""),
        (b'{"a":' * 100_000, ""),
        (b"\xff\xfe{}", "codec can't decode"),
        (b"null", "it has no schema_version"),
        (b'{"schema_version": true}', "it has no schema_version"),
        (b'{"schema_version": 3}', "KeyError: 'classes_sha256'"),
        (b'{"schema_version": 3, "schema_version": 3}', "the key 'schema_version' stands there twice"),
        (b'{"schema_version": 3, "x": NaN}', "NaN is no number of JSON"),
        (b'{"schema_version": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b'{"schema_version": ' + b"9" * 4000 + b"}", "was written by a newer pytest-robustness"),
        (b'{"schema_version": 3, "classes_sha256": 1}', "TypeError: 'classes_sha256' is 1"),
        (b'{"schema_version": 3, "classes_sha256": "", "dataset": {}, "models": null}', "TypeError: 'models' is None"),
        (b"", "Expecting value"),
    ],
)
def test_a_document_that_is_none_is_refused(path, text, reason):
    path.write_bytes(text)
    assert reason in refused(path)


@pytest.mark.parametrize(
    "keys",
    [
        *[("dataset", key) for key in ("name", "images", "classes")],
        *[("protocol", key) for key in ("seed", "pipeline", "tests", "conditions")],
        ("protocol", "tests", "alpha"),
        *[("protocol", "conditions", "vflip", key) for key in ("transform", "key")],
        ("protocol", "conditions", "vflip"),
        *[("models", "alpha", key) for key in ("fingerprint", "conditions")],
        ("models", "alpha"),
        *[("models", "alpha", "conditions", name) for name in ("vflip",)],
        ("models", "alpha", "conditions", "vflip", "outcome"),
    ],
)
@pytest.mark.parametrize("value", [None, float("inf"), -1, True, [[]], {"a": None}])
def test_a_field_of_a_wrong_type_is_refused_with_its_name(path, keys, value):
    content = json.loads(path.read_text())
    holder = content
    for key in keys[:-1]:
        holder = holder[key]
    holder[keys[-1]] = value
    with pytest.raises(ValueError, match="JSON") if value == float("inf") else contextlib.nullcontext():
        bind(path, content)
        if keys[-1] == "tests" and value == {"a": None}:
            assert "'a' is None" in refused(path)
        elif not (keys[-1] == "alpha" and value in (-1, True)):
            refused(path)


def archive_of(members: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, data in members:
            archive.writestr(member, data)
    return buffer.getvalue()


def stored(path: Path) -> list[tuple[zipfile.ZipInfo, bytes]]:
    with zipfile.ZipFile(answers_path(path)) as archive:
        found = [(zipfile.ZipInfo(member.filename), archive.read(member)) for member in archive.infolist()]
    for (new, _), old in zip(found, archive.infolist(), strict=True):
        new.compress_type = old.compress_type
    return found


def header(text: str) -> bytes:
    padded = text.encode() + b" " * 10 + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded


def bomb(path: Path) -> bytes:
    members = stored(path)
    members[-1] = members[-1][0], members[-1][1] + bytes(2**28)
    members[-1][0].compress_type = zipfile.ZIP_DEFLATED
    return archive_of(members)


def huge_header(path: Path) -> bytes:
    members = stored(path)
    members[-1] = members[-1][0], header("{'descr': '<u2', 'fortran_order': False, 'shape': (4, 99999999999999)}")
    return archive_of(members)


def deep_header(path: Path) -> bytes:
    members = stored(path)
    members[-1] = members[-1][0], header("(" * 3000 + ")" * 3000)
    return archive_of(members)


def pickled_header(path: Path) -> bytes:
    members = stored(path)
    members[-1] = members[-1][0], header("{'descr': '|O', 'fortran_order': False, 'shape': (2, 60)}") + b"cos\nsystem\n"
    return archive_of(members)


def missing_member(path: Path) -> bytes:
    return archive_of(stored(path)[:-1])


def doubled_member(path: Path) -> bytes:
    return archive_of([*stored(path), *stored(path)[-1:]])


def traversing_member(path: Path) -> bytes:
    members = stored(path)
    members[-1] = zipfile.ZipInfo("../../answers.npy"), members[-1][1]
    return archive_of(members)


def label_beyond(path: Path) -> bytes:
    members = stored(path)
    members[2] = members[2][0], members[2][1][:-4] + b"\xff\xff\xff\xff"
    return archive_of(members)


def no_archive(path: Path) -> bytes:
    return b"PK\x03\x04" + b"x" * 500


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "make",
    [
        bomb, huge_header, deep_header, pickled_header, missing_member, doubled_member, traversing_member, label_beyond,
        no_archive, lambda path: b"", lambda path: b"x" * 10**6,
    ],
)  # fmt: skip
def test_an_archive_that_is_made_to_harm_is_refused(path, make):
    content = json.loads(path.read_text())
    bind(path, content, make(path))
    refused(path)


def test_counts_that_the_answers_do_not_have_are_refused(path):
    content = json.loads(path.read_text())
    for images in (0, 59, 61, 10**6, 10**18):
        content["dataset"]["images"] = images
        bind(path, content)
        refused(path)
        write(baseline(), path)


def pipe(place: Path) -> None:
    os.mkfifo(place)


def folder(place: Path) -> None:
    place.mkdir()


def device(place: Path) -> None:
    place.symlink_to("/dev/zero")


def loop(place: Path) -> None:
    place.symlink_to(place)


def ten_gigabytes(place: Path) -> None:
    with place.open("wb") as file:
        file.truncate(10 * 2**30)


@pytest.mark.parametrize("which", ["json", "classes", "npz"])
@pytest.mark.parametrize("make", [pipe, folder, device, loop, ten_gigabytes])
def test_what_is_no_file_of_its_size_is_refused_at_once(path, which, make):
    place = {"json": path, "classes": classes_path(path), "npz": answers_path(path)}[which]
    place.unlink()
    make(place)
    assert str(place) in refused(path)


@pytest.mark.parametrize("version", [1, 2])
def test_an_old_baseline_says_how_to_write_a_new_one(path, version):
    path.write_text(f'{{"answers_sha256": "0", "schema_version": {version}}}')
    assert refused(path) == (
        f"{path} cannot be compared with: it was written by an older pytest-robustness, in another form. Delete its "
        "files, run the model in production once with --robustness-update-baseline, and commit the three."
    )
    answers_path(path).unlink()
    require_writable(path)


@pytest.mark.parametrize("damage", [flipped, cut, joined])
def test_a_damaged_baseline_can_be_written_over(path, damage):
    for seed in range(20):
        found = path.read_bytes()
        path.write_bytes(found[:100] + damage(found[100:], random.Random(seed)))
        assert write(baseline(), path) or path.read_bytes() == found
        assert figures(read(path)) == figures(baseline())


@pytest.mark.parametrize("start", ["<<<<<<< HEAD\n{", "{\n<<<<<<< HEAD"])
def test_a_baseline_with_a_conflict_of_git_can_be_written_over(path, start):
    path.write_text(start + path.read_text()[1:])
    refused(path)
    write(baseline(), path)
    assert figures(read(path)) == figures(baseline())


@pytest.mark.parametrize("which", ["json", "classes", "npz"])
@pytest.mark.parametrize(
    "make",
    [
        pipe, folder, device,
        lambda place: place.write_bytes(b"SQLite format 3\x00" + bytes(100)),
        lambda place: place.write_text('BASELINE = {"answers_sha256": ""}\n'),
        lambda place: place.write_text('{\n "schema_version": 3,\n "provenance": {}\n}'),
        lambda place: place.write_bytes(b""),
        lambda place: place.write_bytes(archive_of([(zipfile.ZipInfo("weights.npy"), bytes(200))])),
    ],
)  # fmt: skip
def test_what_is_no_baseline_is_not_written_over(path, which, make):
    place = {"json": path, "classes": classes_path(path), "npz": answers_path(path)}[which]
    place.unlink()
    make(place)
    before = place.read_bytes() if place.is_file() else None
    with pytest.raises(BaselineError) as caught:
        write(baseline(), path)
    assert str(caught.value) == (
        f"The baseline is not written to {path}: {place} is there, and is no file of a baseline. Delete it, or name "
        "another file with --robustness-baseline=FILE."
    )
    assert before is None or place.read_bytes() == before


def test_the_limits_are_above_what_a_run_can_write():
    imagenet_twelve_times = arrays.Shape(1_281_167, 1000, 12, [arrays.Row(0, -1)] * (12 * 46))
    assert imagenet_twelve_times.most_bytes < files._MOST_ARRAYS
