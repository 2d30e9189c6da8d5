"""Tables of several files, each of which says itself what its labels mean and how its images are held."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pytest_robustness.data import open_source
from tests.data.forms import refusal
from tests.image_maker import Kind, content

if TYPE_CHECKING:
    from pathlib import Path

PNG = content(Kind("RGB", "PNG", ".png"), 0)


def write(path: Path, labels: Any, names: list[str] | None = None, image: Any = None) -> None:
    """Write one row for each label; ``image`` is what each row has, else a struct as Hugging Face writes it."""
    images = pa.array([image or {"bytes": PNG, "path": "a.png"}] * len(labels))
    table = pa.table({"image": images, "label": labels})
    feature = {"label": {"_type": "ClassLabel", "names": names}} if names else {}
    features = {"info": {"features": {"image": {"_type": "Image"}, **feature}}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), path)


def shown(folder: Path, scheme: str = "parquet") -> list[str]:
    """Return the name of the class of each row."""
    source = open_source(f"{scheme}:{folder}")
    return [source.classes[label].name for label in source.labels]


INT32, LARGE = pa.array([0, 1], pa.int32()), pa.array(["a", "b"], pa.large_string())
DICTIONARY = pa.array(["b", "a"]).dictionary_encode()


@pytest.mark.parametrize(
    ("first", "second", "classes"),
    [
        (pa.array([1, 0]), INT32, ["1", "0", "0", "1"]),
        (pa.array([1, 0], pa.uint8()), INT32, ["1", "0", "0", "1"]),
        (pa.array(["a", "b"]), LARGE, ["a", "b", "a", "b"]),
        (LARGE, pa.array(["a", "b"]), ["a", "b", "a", "b"]),
        (pa.array(["a", "b"]), DICTIONARY, ["a", "b", "b", "a"]),
        (DICTIONARY, pa.array(["a", "b"]), ["b", "a", "a", "b"]),
        (DICTIONARY, pa.array(["c", "a"]).dictionary_encode(), ["b", "a", "c", "a"]),
        (pa.array([1, 0]), pa.array([1.0, 0.0]), ["1", "0", "1", "0"]),
        (pa.array([1, 0]), pa.array([], pa.null()), ["1", "0"]),
        (pa.array([], pa.null()), pa.array([1, 0]), ["1", "0"]),
        (pa.array([], pa.string()), pa.array([1, 0]), ["1", "0"]),
    ],
)
def test_types_of_one_meaning_are_read_as_one(tmp_path, first, second, classes):
    write(tmp_path / "a.parquet", first)
    write(tmp_path / "b.parquet", second)
    assert shown(tmp_path) == classes


@pytest.mark.parametrize(
    ("first", "second", "types"),
    [
        (pa.array([0, 1]), pa.array(["a", "b"]), ("string", "int64")),
        (DICTIONARY, INT32, ("int32", "dictionary<values=string, indices=int32, ordered=0>")),
        (pa.array([0, 1]), pa.array([False, True]), ("bool", "int64")),
    ],
)
def test_labels_of_different_kinds_are_refused(tmp_path, first, second, types):
    write(tmp_path / "a.parquet", first)
    write(tmp_path / "b.parquet", second)
    assert refusal(f"parquet:{tmp_path}#label=label") == (
        f"The column 'label' of {tmp_path}/b.parquet holds {types[0]}, and that of {tmp_path}/a.parquet {types[1]}. "
        f"Valid: whole numbers in all files, or names of classes in all. Write one of them again."
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (pa.array([None, None], pa.null()), "b.parquet[0]/a.png has no label, one of 2 of "),
        (pa.array([0, 2**63], pa.uint64()), "b.parquet cannot be read as int64: Integer value 9223372036854775808 "),
    ],
)
def test_labels_that_name_no_class_are_refused_in_any_type(tmp_path, labels, message):
    write(tmp_path / "a.parquet", pa.array([0, 1]))
    write(tmp_path / "b.parquet", labels)
    assert message in refusal(f"parquet:{tmp_path}#label=label")


STRUCT, PLAIN, UNNAMED = {"bytes": PNG, "path": "a.png"}, PNG, {"bytes": PNG}


@pytest.mark.parametrize(("first", "second"), [(STRUCT, PLAIN), (PLAIN, STRUCT), (STRUCT, UNNAMED), (UNNAMED, PLAIN)])
def test_each_file_holds_images_in_its_own_way(tmp_path, first, second):
    write(tmp_path / "a.parquet", pa.array([0]), image=first)
    write(tmp_path / "b.parquet", pa.array([1]), image=second)
    source = open_source(f"parquet:{tmp_path}")
    assert [source.read(index).shape for index in (0, 1)] == [(3, 17, 23)] * 2
    assert len(open_source(f"parquet:{tmp_path}", labelled=False).labels) == 2


def test_each_file_names_its_own_numbers(tmp_path):
    write(tmp_path / "a.parquet", pa.array([0, 1, 2]), ["cat", "cow", "dog"])
    write(tmp_path / "b.parquet", pa.array([0, 1, 2]), ["dog", "cat", "cow"])
    write(tmp_path / "c.parquet", pa.array([], pa.int64()))
    assert shown(tmp_path) == ["cat", "cow", "dog", "dog", "cat", "cow"]
    note = (
        f"1 of 2 files number their classes otherwise than {tmp_path}/a.parquet, {tmp_path}/b.parquet first: each "
        f"file's numbers are read by its own names."
    )
    assert note in open_source(f"parquet:{tmp_path}").notes
    write(tmp_path / "b.parquet", pa.array([3]), ["dog", "cat", "cow"])
    assert "b.parquet[0]/a.png has the class 3, " in refusal(f"parquet:{tmp_path}")


@pytest.mark.parametrize("scheme", ["parquet", "hf"])
@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            ["cat", "dog"],
            ["cat", "cow"],
            (
                "{b} and {a} name different classes in the column 'label': the number 1 is 'cow' in the first, 'dog' "
                "in the second. "
            ),
        ),
        (["cat", "dog"], ["cat"], "the number 1 is no class in the first, 'dog' in the second. "),
        (["cat", "dog"], None, "{a} names the classes of its column 'label', and {b} has numbers alone: "),
        (None, ["cat", "dog"], "{b} names the classes of its column 'label', and {a} has numbers alone: "),
    ],
)
def test_numbers_of_different_classes_are_refused(tmp_path, monkeypatch, scheme, first, second, message):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    tables = tmp_path / "tables"
    tables.mkdir()
    write(tables / "a.parquet", pa.array([0, 0]), first)
    write(tables / "b.parquet", pa.array([0, 0]), second)
    said = message.format(a=tables / "a.parquet", b=tables / "b.parquet")
    assert said in refusal(f"{scheme}:{tables}#label=label")


def test_numbers_in_another_order_are_refused_where_another_library_reads_them(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    tables = tmp_path / "tables"
    tables.mkdir()
    write(tables / "a.parquet", pa.array([0, 1]), ["cat", "dog"])
    write(tables / "b.parquet", pa.array([0, 1]), ["cat", "dog"])
    assert shown(tables, "hf") == ["cat", "dog", "cat", "dog"]
    write(tables / "b.parquet", pa.array([0, 1]), ["dog", "cat"])
    assert "the number 0 is 'dog' in the first, 'cat' in the second." in refusal(f"hf:{tables}")
    assert shown(tables) == ["cat", "dog", "dog", "cat"]
