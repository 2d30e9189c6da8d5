"""Parquet files and data sets of Hugging Face: columns, classes, what is damaged, how much is read."""

from __future__ import annotations

import json
import pickle
import time
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pytest_robustness.core.errors import BadImageError, OptionError
from pytest_robustness.core.file_hashes import FileHashes
from pytest_robustness.data import keys, open_source
from pytest_robustness.data.tables import parquet_rows
from pytest_robustness.data.tables.parquet_rows import ParquetRows
from tests.data.forms import CLASSES, as_parquet, opened, photos, refusal, table_of
from tests.image_maker import Kind, content

pytestmark = pytest.mark.usefixtures("quiet_datasets")

PNG = content(Kind("RGB", "PNG", ".png"), 0)


def write(path: Path, columns: dict[str, Any], features: dict[str, Any] | None = None, **options: Any) -> str:
    table = pa.table(columns)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, **options)
    return f"parquet:{path}"


# --- as other libraries read it


def test_rows_are_those_that_pyarrow_and_datasets_read(tmp_path):
    images = photos(30)
    spec = as_parquet(tmp_path, images)
    source = opened(spec)
    files = sorted(str(path) for path in (tmp_path / "tables").iterdir())
    by_pyarrow = [row for file in files for row in pq.read_table(file).to_pylist()]
    by_datasets = datasets.load_dataset("parquet", data_files=files, split="train")
    decoded = by_datasets.cast_column("image", datasets.Image(mode="RGB"))
    assert [label.name for label in source.classes] == by_datasets.features["label"].names
    for index in (29, 3, 0, 15, 14, 16):  # in no order
        assert source.images.content(index) == by_pyarrow[index]["image"]["bytes"]
        assert source.labels[index] == by_pyarrow[index]["label"] == by_datasets[index]["label"]
        if source.orientations(np.array([index])) == 1:  # the library obeys the tags
            np.testing.assert_array_equal(source.read(index).permute(1, 2, 0), np.asarray(decoded[index]["image"]))
    assert source.describe(16) == f"{files[1]}[1]/{images[16].path}"


# --- columns


IMAGES = [PNG, PNG]
CLASS_LABEL = {"_type": "ClassLabel", "names": ["a", "b"]}


@pytest.mark.parametrize(
    ("columns", "features", "options", "classes"),
    [
        ({"image": IMAGES, "label": [1, 0]}, None, "", ["0", "1"]),
        ({"x": IMAGES, "y": ["owl", "cat"], "id": [5, 6]}, None, "", ["cat", "owl"]),
        ({"x": IMAGES, "id": [1, 0], "kind": [0, 1]}, {"kind": CLASS_LABEL}, "", ["a", "b"]),
        ({"img": IMAGES, "mask": IMAGES, "label": [0, 0]}, None, "", ["0"]),
        ({"a": IMAGES, "b": IMAGES, "label": [0, 0]}, {"b": {"_type": "Image"}}, "", ["0"]),
        ({"a": IMAGES, "b": IMAGES, "f": [0, 1], "g": [1, 1]}, None, "#image=b,label=g", ["0", "1"]),
        ({"a": IMAGES, "x,y": ["p", "q"]}, None, "#label=x%2Cy", ["p", "q"]),
        ({"image": IMAGES, "label": ["1", "0"]}, None, "", ["0", "1"]),
        ({"image": IMAGES, "label": pa.array(["b", "a"]).dictionary_encode()}, None, "", ["a", "b"]),
        ({"image": pa.array(IMAGES, pa.large_binary()), "label": pa.array([1, 0], pa.uint8())}, None, "", ["0", "1"]),
    ],
)
def test_columns_are_found_by_their_type_and_name(tmp_path, columns, features, options, classes):
    source = opened(write(tmp_path / "a.parquet", columns, features) + options)
    assert [label.name for label in source.classes] == classes
    assert source.read(1).shape == (3, 17, 23)


@pytest.mark.parametrize(
    ("columns", "features", "options", "message"),
    [
        (
            {"a": IMAGES, "b": IMAGES, "label": [0, 0]},
            None,
            "",
            "{path} has several columns that may hold the images: a, b. Name one: parquet:{path}#image=a.",
        ),
        (
            {"image": IMAGES, "coarse": [0, 1], "fine": [1, 0]},
            {"coarse": CLASS_LABEL, "fine": CLASS_LABEL},
            "",
            "{path} has several columns that may hold the labels: coarse, fine. Name one: parquet:{path}#label=coarse.",
        ),
        ({"label": [0, 1]}, None, "", "{path} has no column of images. Its columns: label (int64)."),
        ({"image": IMAGES}, None, "", "{path} has no column of labels. Its columns: image (binary)."),
        (
            {"image": IMAGES, "label": [0, 1]},
            None,
            "#label=lable",
            "{path} has no column 'lable'. Its columns: image, label.",
        ),
        (
            {"image": IMAGES, "label": [0.5, 1.0], "n": [0, 1]},
            None,
            "#label=label",
            (
                "The column 'label' of {path} holds double, and 0.5 in row 0 is no whole number. Valid labels: whole "
                "numbers from 0 on, or the names of classes."
            ),
        ),
        (
            {"image": IMAGES, "label": [0, 1]},
            None,
            "#image=label",
            (
                "The column 'label' of {path} holds no encoded images but int64. Valid: binary, or a struct with "
                "bytes. Columns of images: image."
            ),
        ),
        (
            {"image": IMAGES, "label": [0, -1]},
            {"label": CLASS_LABEL},
            "",
            (
                "{path}[1] has the class -1, one of 1 labels of {path} that name no class. Valid: integers from 0 to "
                "1, of which the 2 classes have names. Images without labels are judged with --robustness-labels=none."
            ),
        ),
        (
            {"image": IMAGES, "label": [None, 1]},
            None,
            "",
            (
                "{path}[0] has no label, one of 1 of {path}. Images without labels are judged with "
                "--robustness-labels=none."
            ),
        ),
        (
            {"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())},
            None,
            "",
            "{path} holds no image: its tables have no rows.",
        ),
    ],
)  # fmt: skip
def test_columns_that_are_not_clear_are_asked_about(tmp_path, columns, features, options, message):
    path = tmp_path / "a.parquet"
    assert refusal(write(path, columns, features) + options) == message.format(path=path)


HALF = [0.5, 1.0]
LABELS_OF_OTHER_TYPES = {
    "bool": pa.array([True, False]),
    "list": pa.array([[0], [1]]),
    "null": pa.array([None, None]),
    "date": pa.array([0, 1], pa.date32()),
    "decimal": pa.array([0, 1], pa.decimal128(3, 1)),
    "binary": pa.array([b"a", b"b"], pa.binary()),
}
IMAGES_OF_OTHER_TYPES = {
    "string": pa.array(["a.png", "b.png"]),
    "list": pa.array([[0], [1]], pa.list_(pa.uint8())),
    "struct": pa.array([{"path": "a.png"}] * 2),
}


@pytest.mark.parametrize(
    ("scheme", "name", "kind"),
    [
        *(("parquet", name, kind) for name in ("label", "labels", "Class") for kind in LABELS_OF_OTHER_TYPES),
        *(("hf", "label", kind) for kind in LABELS_OF_OTHER_TYPES if kind != "binary"),
    ],
)
def test_a_column_called_label_gives_way_to_no_other(tmp_path, scheme, name, kind):
    write(tmp_path / "a.parquet", {"image": IMAGES, name: LABELS_OF_OTHER_TYPES[kind], "site": ["farm", "zoo"]})
    spec = f"{scheme}:{tmp_path}/a.parquet"
    shown = spec if scheme == "hf" else f"{tmp_path}/a.parquet"
    stored = str(pq.read_schema(tmp_path / "a.parquet").field(name).type)
    assert refusal(spec).replace("<item: ", "<element: ") == (  # the libraries call it one or the other
        f"The column {name!r} of {shown} holds {stored.replace('<item: ', '<element: ')}. Valid labels: whole numbers, "
        f"or the names of classes. If the labels are in 'site', name it: {spec}#label=site."
    )
    assert [label.name for label in opened(f"{spec}#label=site").classes] == ["farm", "zoo"]
    assert len(opened(spec, labelled=False).labels) == 2


@pytest.mark.parametrize("kind", IMAGES_OF_OTHER_TYPES)
def test_a_column_called_image_gives_way_to_no_other(tmp_path, kind):
    spec = write(tmp_path / "a.parquet", {"image": IMAGES_OF_OTHER_TYPES[kind], "thumbnail": IMAGES, "label": [0, 1]})
    stored = pq.read_schema(tmp_path / "a.parquet").field("image").type
    for labelled in (True, False):
        assert refusal(spec, labelled=labelled) == (
            f"The column 'image' of {tmp_path}/a.parquet holds {stored}. Valid images: binary, or a struct with bytes. "
            f"If the images are in 'thumbnail', name it: {spec}#image=thumbnail."
        )
    assert opened(f"{spec}#image=thumbnail").read(1).shape == (3, 17, 23)


def test_a_plain_column_called_label_gives_way_to_no_declared_one(tmp_path):
    columns = {"image": IMAGES, "label": [1, 0], "camera": [0, 0]}
    spec = write(tmp_path / "a.parquet", columns, {"camera": CLASS_LABEL, "image": {"_type": "Image"}})
    assert refusal(spec) == (
        f"{tmp_path}/a.parquet has several columns that may hold the labels: camera, label. Name one: "
        f"{spec}#label=camera."
    )
    assert opened(f"{spec}#label=label").labels.tolist() == [1, 0]
    spec = write(
        tmp_path / "b.parquet", {"image": IMAGES, "thumb": IMAGES, "label": [1, 0]}, {"thumb": {"_type": "Image"}}
    )
    assert "several columns that may hold the images: thumb, image. Name one: " in refusal(spec)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("scheme", ["parquet", "hf"])
def test_the_column_of_images_is_noted_where_there_are_several(tmp_path, scheme, labelled):
    write(tmp_path / "a.parquet", {"mask": IMAGES[::-1], "image": IMAGES, "b": IMAGES, "label": [1, 0]})
    spec = f"{scheme}:{tmp_path}/a.parquet"
    shown = spec if scheme == "hf" else f"{tmp_path}/a.parquet"
    note = f"{shown}: the images are in the column 'image'. Others hold images too: 'mask', 'b'."
    assert opened(spec, labelled=labelled).notes[0] == note
    write(tmp_path / "a.parquet", {"image": IMAGES, "label": [1, 0]})
    assert not any("column 'image'" in one for one in opened(spec, labelled=labelled).notes)


FLOATS = {
    "double": pa.array([2.0, 0.0, 11.0]),
    "float": pa.array([2.0, 0.0, 11.0], pa.float32()),
    "halffloat": pa.array(np.array([2, 0, 11], np.float16)),
}


@pytest.mark.parametrize("scheme", ["parquet", "hf"])
@pytest.mark.parametrize("kind", FLOATS)
def test_whole_numbers_are_labels_in_any_type(tmp_path, scheme, kind):
    write(tmp_path / "a.parquet", {"image": [PNG] * 3, "label": FLOATS[kind], "fold": [0, 1, 2]})
    source = opened(f"{scheme}:{tmp_path}/a.parquet")
    assert source.labels.tolist() == [int(x) for x in pq.read_table(tmp_path / "a.parquet").column("label").to_pylist()]
    assert len(source.classes) == 12
    write(tmp_path / "b.parquet", {"image": [PNG] * 3, "label": [str(x) for x in FLOATS["double"].to_pylist()]})
    np.testing.assert_array_equal(opened(f"{scheme}:{tmp_path}/b.parquet").labels, source.labels)


@pytest.mark.parametrize("scheme", ["parquet", "hf"])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.0, 1.5, 2.5], "holds double, and 1.5 in row 1 is no whole number. Valid labels: "),
        ([0.0, 1.0, float("nan")], "holds double, and nan in row 2 is no whole number. Valid labels: "),
        ([0.0, 1.0, float("inf")], "cannot be read as int64: "),
        ([0.0, None, 1.0], "[1] has no label, one of 1 of "),
        ([0.0, 1.0, -1.0], "[2] has the class -1, "),
    ],
)
def test_other_numbers_are_no_labels_and_give_way_to_none(tmp_path, scheme, values, message):
    write(tmp_path / "a.parquet", {"image": [PNG] * 3, "label": pa.array(values), "fold": [0, 1, 2]})
    assert message in refusal(f"{scheme}:{tmp_path}/a.parquet")


def test_numbers_that_need_not_be_whole_are_no_labels_under_another_name(tmp_path):
    spec = write(tmp_path / "a.parquet", {"image": IMAGES, "score": [1.0, 2.0], "species": ["owl", "cat"]})
    assert [label.name for label in opened(spec).classes] == ["cat", "owl"]
    assert "has no column of labels" in refusal(write(tmp_path / "b.parquet", {"image": IMAGES, "score": HALF}))


def test_an_option_of_another_name_is_refused(tmp_path):
    with pytest.raises(OptionError, match=r"'img' is no option of it\. Valid: image=\.\.\., label=\.\.\.\.$"):
        open_source(f"parquet:{tmp_path}/a.parquet#img=x")


# --- damage


def test_a_file_that_is_no_whole_table_is_refused(tmp_path):
    spec = write(tmp_path / "a.parquet", {"image": IMAGES * 50, "label": [0, 1] * 50})
    whole = (tmp_path / "a.parquet").read_bytes()
    for data in (whole[:-1], whole[: len(whole) // 2], b"", b"PAR1", b"<html></html>", b"PAR1" + bytes(100) + b"PAR1"):
        (tmp_path / "a.parquet").write_bytes(data)
        message = refusal(spec)
        what = "no Parquet file, but " if data.startswith(b"<") else "no whole Parquet file: "
        assert message.startswith(f"{tmp_path}/a.parquet is {what}")
        assert message.lower().endswith(" fetch it again.")
    assert (
        refusal(f"parquet:{tmp_path}/b.parquet")
        == f"{tmp_path}/b.parquet does not exist. Valid: a Parquet file, a pattern of several, or a folder of them."
    )


def test_a_row_that_cannot_be_read_is_a_bad_image(tmp_path):
    cells = [
        {"bytes": b"no image", "path": "a.png"},
        {"bytes": None, "path": "b.png"},
        None,
        {"bytes": PNG, "path": None},
    ]
    spec = write(tmp_path / "a.parquet", {"image": cells, "label": [0] * 4})
    source = opened(spec)
    reasons = ["its content is in no image format that is read", "the table holds no bytes, only the name 'b.png'",
               "the table has no image there"]  # fmt: skip
    for index, reason in enumerate(reasons):
        with pytest.raises(BadImageError) as caught:
            source.read(index)
        assert str(caught.value).endswith(f"is not a readable image: {reason}")
        assert caught.value.content == (index == 0)
    assert source.read(3).shape == (3, 17, 23)
    assert source.describe(0) == f"{tmp_path}/a.parquet[0]/a.png"
    assert keys(source) == [b"a.png", b"b.png", b"2", b"3"]
    assert source.identities(np.arange(4), FileHashes())[1:3].tobytes() == bytes(32)


def test_damage_within_a_table_is_a_bad_image_and_no_traceback(tmp_path):
    rng = np.random.default_rng(0)
    spec = write(
        tmp_path / "a.parquet",
        {"image": [rng.bytes(3000) for _ in range(64)], "label": [0] * 64},
        compression="zstd",
        use_dictionary=False,
    )
    source = opened(spec)
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[4:400] = bytes(396)
    (tmp_path / "a.parquet").write_bytes(data)
    parquet_rows._reader.cache_clear()
    with pytest.raises(BadImageError, match="is no whole Parquet file") as caught:
        source.read(5)
    assert not caught.value.content
    parquet_rows._reader.cache_clear()


def test_files_of_several_splits_are_asked_about(tmp_path):
    for name in ("train-00000-of-00001", "test-00000-of-00001"):
        write(tmp_path / f"{name}.parquet", {"image": IMAGES, "label": [0, 1]})
    assert refusal(f"parquet:{tmp_path}") == (
        f"{tmp_path} holds test and train: which of these splits is to be judged? Name it: "
        f"parquet:{tmp_path}/test*.parquet. If they are no splits, or all of them are meant, name them in braces: "
        f"{{a,b}}."
    )
    assert len(opened(f"parquet:{tmp_path}/test*.parquet").labels) == 2


def test_a_file_that_lacks_a_column_is_named(tmp_path):
    write(tmp_path / "a.parquet", {"image": IMAGES, "label": [0, 1]})
    write(tmp_path / "b.parquet", {"image": IMAGES, "klass": [0, 1]})
    assert refusal(f"parquet:{tmp_path}") == f"{tmp_path}/b.parquet has no column 'label', which the other files have."


def test_without_pyarrow_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert refusal(f"parquet:{tmp_path}") == (
        f"parquet:{tmp_path} needs pyarrow, which is not installed. Run: pip install pyarrow"
    )


# --- memory


def test_rows_are_read_a_few_at_a_time_whatever_the_size_of_a_group(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    columns = {"image": [rng.bytes(1 << 20) for _ in range(96)], "label": [0] * 96}
    small_pages = {"use_dictionary": False, "data_page_size": 1 << 20, "write_batch_size": 4}
    spec = write(tmp_path / "a.parquet", columns, compression="none", **small_pages)
    del columns
    before = pa.total_allocated_bytes()
    source = opened(spec)
    held = []
    for index in range(96):
        assert len(source.images.content(index)) == 1 << 20
        held.append(pa.total_allocated_bytes() - before)
    assert max(held) < 64 << 20  # the one group has 96 MB
    parquet_rows._reader.cache_clear()


def test_a_large_table_pickles_small():
    numbers = np.arange(100_000)
    names = np.char.add("ILSVRC2012_val_", numbers.astype(str)).astype(np.bytes_)
    rows = ParquetRows(("/data/a.parquet",), np.array([0, 100_000]), "image", names, names)
    started = time.perf_counter()
    assert len(pickle.dumps(rows)) < 5_000_000
    assert time.perf_counter() - started < 2


# --- Hugging Face


def saved(path: Path, splits: list[str]) -> str:
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=[*CLASSES])})
    rows = {"image": [{"bytes": photo.content, "path": photo.path} for photo in photos(6)], "label": [0, 1, 2] * 2}
    one = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict(dict.fromkeys(splits, one)).save_to_disk(str(path))
    return f"hf:{path}"


@pytest.mark.parametrize(
    ("splits", "asked", "chosen"),
    [
        (["train", "validation", "test"], "", "test"),
        (["train", "validation"], "", "validation"),
        (["train"], "", "train"),
        (["train", "test"], ":train", "train"),
        (["train", "test.v2-x"], ":test.v2-x", "test.v2-x"),
    ],
)
def test_the_split_is_the_one_to_judge_on(tmp_path, splits, asked, chosen):
    source = opened(saved(tmp_path / "d", splits) + asked)
    assert len(source.labels) == 6
    assert source.images.dataset.cache_files[0]["filename"].startswith(str(tmp_path / "d" / chosen))


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(
    "form",
    [
        {"type": "numpy"},
        {"type": "pandas"},
        {"type": "arrow"},
        {"type": "torch"},
        {"type": "torch", "columns": ["label"]},
        {"type": "numpy", "columns": ["image"]},
        {"type": None, "columns": ["label"]},
        {"type": "pandas", "columns": ["label"], "output_all_columns": True},
    ],
    ids=str,
)
def test_the_format_that_a_data_set_was_saved_with_does_not_count(tmp_path, form, labelled):
    one = datasets.load_from_disk(saved(tmp_path / "d", ["test"]).removeprefix("hf:"))["test"]
    one.with_format(**form).save_to_disk(str(tmp_path / "formatted"))
    assert datasets.load_from_disk(str(tmp_path / "formatted")).format["type"] == form["type"]
    source = opened(f"hf:{tmp_path}/formatted", labelled=labelled)
    expected = photos(6)
    assert [source.images.content(index) for index in range(6)] == [photo.content for photo in expected]
    assert [source.describe(index).rpartition("]/")[2] for index in range(6)] == [photo.path for photo in expected]
    assert source.labels.tolist() == (one["label"][:] if labelled else [0] * 6)
    assert source.read(0).shape[0] == 3
    source.identities(np.arange(6), FileHashes())


def test_a_split_that_is_not_clear_or_not_there_is_asked_about(tmp_path):
    spec = saved(tmp_path / "d", ["train", "extra"])
    assert refusal(spec) == f"{spec} has the splits train, extra: which is to be judged? Name it: {spec}:train."
    assert refusal(f"{spec}:test") == f"{spec}:test has no split 'test'. Its splits: train, extra."


def test_files_are_loaded_as_the_library_loads_them(tmp_path):
    pq.write_table(table_of(photos(6)), tmp_path / "a.parquet")
    source = opened(f"hf:{tmp_path}/a.parquet")
    assert [label.name for label in source.classes] == [*CLASSES]
    assert len(source.labels) == 6
    (tmp_path / "a.xyz").write_text("")
    assert refusal(f"hf:{tmp_path}/a.xyz").startswith(f"{tmp_path}/a.xyz is no file of a data set. Valid: .parquet, ")
    (tmp_path / "empty").mkdir()
    assert refusal(f"hf:{tmp_path}/empty").startswith(f"{tmp_path}/empty is no data set that can be loaded: ")
    assert refusal(f"hf:{tmp_path}/none") == (
        f"{tmp_path}/none does not exist. Valid: a folder, a file, or a name on the hub."
    )


def test_an_image_file_of_a_data_set_that_changes_is_read_again(tmp_path):
    for photo in photos(6):
        path = tmp_path / "test" / photo.member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo.content)
    source = opened(f"hf:{tmp_path}")
    before = source.identities(np.arange(6), FileHashes())
    place = source.describe(2)
    assert place.startswith(str(tmp_path / "test"))
    Path(place).write_bytes(PNG)
    after = source.identities(np.arange(6), FileHashes())
    assert (before != after).tolist() == [False, False, True, False, False, False]
    assert source.read(2).shape == (3, 17, 23)


@pytest.mark.parametrize("download", [False, True])
def test_a_name_on_the_hub_fails_in_seconds_without_a_network(monkeypatch, download):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    started = time.monotonic()
    message = refusal("hf:someone/photos", download=download)
    assert time.monotonic() - started < 20
    assert message.startswith("The data set 'someone/photos' is neither a folder here nor in the cache ")
    assert "HF_HOME and HF_DATASETS_CACHE" in message
    if download:
        assert "HF_ENDPOINT names a mirror, HF_TOKEN an account" in message
    else:
        assert message.endswith("Add --robustness-download to fetch it, or name a folder.")
    assert not huggingface_hub.constants.HF_HUB_OFFLINE


def test_without_the_library_the_error_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "datasets", None)
    assert refusal("hf:photos") == (
        "hf:photos needs the package datasets, which is not installed. Run: pip install datasets pyarrow"
    )
