"""Tar archives: what is read is what WebDataset reads; what is damaged, double or ambiguous is refused by name."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_robustness.core.errors import BadImageError, OptionError
from pytest_robustness.core.file_hashes import FileHashes, FileStatus
from pytest_robustness.data import keys, open_source
from pytest_robustness.data.archives import index as tar_index
from pytest_robustness.data.archives.members import TarMembers
from pytest_robustness.data.notes import data_notes
from tests.data.forms import Photo, add, as_numbered_shards, as_shards, opened, photos, refusal
from tests.image_maker import Kind, content

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_robustness.data.encoded import EncodedSource

PNG = content(Kind("RGB", "PNG", ".png"), 0)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(folder))
    tar_index._folder.cache_clear()
    yield folder
    tar_index._folder.cache_clear()


def pack(path: Path, members: dict[str, bytes]) -> str:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            add(archive, name, data)
    return f"tar:{path}"


def names(source: EncodedSource) -> list[str]:
    return [source.describe(i).partition(".tar/")[2] for i in range(len(source.labels))]


# --- as the library reads it


@pytest.mark.parametrize("per_shard", [1, 7, 100])
def test_samples_are_those_that_webdataset_yields(tmp_path, per_shard):
    def beside(photo: Photo) -> dict[str, object]:
        return {"cls": photo.label, "json": {"width": 7}, "extra.txt": "a remark"}

    spec = as_shards(tmp_path, photos(20), beside, per_shard)
    reference = []
    for path in sorted(tmp_path.glob("*.tar")):
        reference += as_the_library_groups(path)
    source = opened(spec)
    assert len(reference) == len(source.labels) == 20
    for index, sample in enumerate(reference):
        image = next(value for name, value in sample.items() if name in ("png", "jpg", "webp", "ppm"))
        assert source.images.content(index) == image
        assert source.labels[index] == int(sample["cls"].decode())
        assert f"/{sample['__key__']}." in source.describe(index)


def test_an_archive_is_what_the_standard_library_reads(tmp_path):
    members = {f"{'x' * (40 * n)}/{n}.png": PNG + bytes(n) for n in range(9)}  # long names have headers of their own
    members = {name.lstrip("/"): data for name, data in members.items()}
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        path = tmp_path / f"{form}.tar"
        with tarfile.open(path, "w", format=form) as archive:
            for name, data in members.items():
                if form != tarfile.USTAR_FORMAT or len(name) < 100:
                    add(archive, f"a/{name}", data)
        source = opened(f"tar:{path}", labelled=False)
        with tarfile.open(path) as archive:
            expected = {member.name: archive.extractfile(member).read() for member in archive}
        found = {name: source.images.content(i) for i, name in enumerate(names(source))}
        assert found == expected


# --- classes


@pytest.mark.parametrize(
    ("beside", "file", "classes", "note"),
    [
        ({"cls": b"1"}, None, ["0", "1"], "number in its .cls."),
        ({"cls": b"1\n"}, "a\r\nb\x85\u2028d\nc\n \n\n", ["a", "b\x85\u2028d", "c"], "number in its .cls, named by "),
        ({"cls": b"owl"}, None, ["owl"], "name in its .cls."),
        ({"txt": b"owl"}, None, ["owl"], "name in its .txt."),
        ({"txt": b"1"}, None, ["0", "1"], "number in its .txt."),
        ({"cls": b"1", "txt": b"owl"}, None, ["0", "owl"], "number in its .cls, named by its .txt."),
        ({"json": b'{"label": 1, "name": "owl"}'}, None, ["0", "owl"], "named by the entry name of its .json."),
        ({"json": b'{"class": "owl", "id": 5}'}, None, ["owl"], "name in the entry class of its .json."),
        ({"json": b'{"wnid": "n01440764"}'}, None, ["n01440764"], "name in the entry wnid of its .json."),
        ({"json": b"1"}, None, ["0", "1"], "number in the entry label of its .json."),
        ({"json": b'"owl"'}, None, ["owl"], "name in the entry label of its .json."),
        ({"cls": b"1.0"}, None, ["0", "1"], "number in its .cls."),
        ({"cls": b"v1.0"}, None, ["v1.0"], "name in its .cls."),
        ({"cls": b"1", "json": b"not JSON"}, None, ["0", "1"], "number in its .cls."),
    ],
)
def test_the_class_of_a_sample_stands_beside_it(tmp_path, beside, file, classes, note):
    if file:
        (tmp_path / "classes.txt").write_text(file)
    members = {f"{number:03}.{ending}": data for number in range(3) for ending, data in {"png": PNG, **beside}.items()}
    source = opened(pack(tmp_path / "a.tar", members))
    assert [label.name for label in source.classes] == classes
    assert {classes[label] for label in source.labels} == {classes[1] if len(classes) > 1 else classes[0]}
    assert note in source.notes[0]


def as_the_library_groups(path: Path) -> list[dict[str, object]]:
    from webdataset.tariterators import group_by_keys, tar_file_expander

    with path.open("rb") as file:
        return [*group_by_keys(tar_file_expander([{"url": str(path), "stream": file}]))]


BESIDE: dict[str, dict[str, Callable[[int], bytes]]] = {
    "cls": {"cls": lambda n: b"%d" % (n % 3)},
    "pred.cls after": {"cls": lambda n: b"%d" % (n % 3), "pred.cls": lambda n: b"%d" % (n % 2)},
    "seg.cls before": {"a.cls": lambda n: b"0", "cls": lambda n: b"%d" % (n % 3), "seg.cls": lambda n: b"1"},
    "capitals": {"CLS": lambda n: b"%d" % (n % 3), "Pred.CLS": lambda n: b"%d" % (n % 2)},
    "names": {"cls": lambda n: [b"owl", b"cat"][n % 2], "top.cls": lambda n: b"dog"},
    "json": {"json": lambda n: b'{"label": %d}' % (n % 3), "meta.json": lambda n: b'{"width": 7}'},
    "box.json": {"json": lambda n: b'{"label": %d}' % (n % 3), "box.json": lambda n: b'{"label": %d}' % (n % 2)},
    "txt": {"txt": lambda n: [b"owl", b"cat"][n % 2], "note.txt": lambda n: b"%d a remark" % n},
    "dots": {"v1.cls": lambda n: b"0", "v1.0.cls": lambda n: b"1", "cls": lambda n: b"%d" % (n % 3)},
    "cls of one": {"cls": lambda n: b"%d" % (n % 3), "json": lambda n: b'{"label": 5}', "p.json": lambda n: b"1"},
}


@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
@pytest.mark.parametrize("reverse", [False, True])
def test_the_ending_that_gives_the_class_is_the_one_that_webdataset_calls_so(tmp_path, beside, reverse):
    members = {
        f"deep.er/{number:03}.{ending}": PNG if ending == "png" else beside[ending](number)
        for number in range(30)
        for ending in sorted(("png", *beside), reverse=reverse)
    }
    source = opened(pack(tmp_path / "a.tar", members))
    expected = []
    for sample in as_the_library_groups(tmp_path / "a.tar"):
        plain = next(sample[ending] for ending in ("cls", "json", "txt") if ending in sample)
        said = json.loads(plain)["label"] if plain.startswith(b"{") else plain.decode()
        expected.append(str(said))
    assert [source.classes[label].name for label in source.labels] == expected
    others = sorted(ending.lower() for ending in beside if ending.lower() not in ("cls", "json", "txt"))
    counting = "json" if "json" in beside and "cls" not in beside else "txt" if "txt" in beside else "cls"
    mine = ", ".join(f".{ending}" for ending in others if ending.endswith(counting))
    assert source.notes[0].endswith(f"; what stands beside it does not count: {mine}." if mine else f".{counting}.")


@pytest.mark.parametrize(
    ("beside", "kind"),
    [
        ({"fine.cls": b"1"}, "number in its .fine.cls, as no image has a .cls."),
        ({"meta.json": b'{"label": 1}'}, "number in the entry label of its .meta.json, as no image has a .json."),
        ({"a.json": b'{"width": 1}', "b.json": b'{"label": 1}'}, "its .b.json, as no image has a .json."),
        ({"json": b'{"width": 1}', "b.json": b'{"label": 1}'}, "entry label of its .b.json"),
        ({"meta.json": b'{"label": 0}', "txt": b"1"}, "number in its .txt."),
        ({"pred.cls": b"0", "json": b'{"label": 1}'}, "number in the entry label of its .json."),
        ({"fine.cls": b"1", "name.txt": b"owl"}, "number in its .fine.cls, named by its .name.txt, as no image has"),
    ],
)
def test_an_ending_with_more_before_it_counts_where_nothing_else_may_be_meant(tmp_path, beside, kind):
    members = {f"{number}.{ending}": data for number in range(3) for ending, data in {"png": PNG, **beside}.items()}
    source = opened(pack(tmp_path / "a.tar", members))
    assert source.labels.tolist() == [1, 1, 1]
    assert kind in source.notes[0]


@pytest.mark.parametrize("endings", [("coarse.cls", "fine.cls"), ("a.json", "b.json"), ("a.txt", "b.c.txt")])
def test_several_endings_that_may_give_the_class_are_asked_about(tmp_path, endings):
    members = {f"{number}.{ending}": b"1" for number in range(3) for ending in endings}
    members |= {f"{number}.png": PNG for number in range(3)}
    assert refusal(pack(tmp_path / "a.tar", dict(sorted(members.items())))) == (
        f"{tmp_path}/a.tar/0.png has no class in a .cls, a .json or a .txt, and in {tmp_path}/a.tar stand "
        f".{endings[0]}, .{endings[1]}: which of them gives it? Write shards in which that one is called "
        f".{endings[0][-4:].strip('.')}."
    )


@pytest.mark.parametrize(
    ("entries", "label"),
    [
        ('"label": 2', 2),
        ('"label": 2.0, "category": 1', 2),
        ('"label": 2e0, "name": "owl"', 2),
        ('"label": "2.0"', 2),
        ('"label": null, "category": 2', 2),
        ('"label": "", "category": 2', 2),
        ('"label": 2, "category": [1], "name": {"a": 1}', 2),
        ('"LABEL": 1, "bbox": [1, 2], "score": 0.5, "target": 2', 2),
        ('"label": [2], "name": "owl"', "[2]"),
        ('"label": 2.5, "category": 1', "2.5"),
        ('"label": true, "category": 1', "True"),
        ('"label": {"id": 2}, "category": 1', "{'id': 2}"),
        ('"label": NaN, "category": 1', "nan"),
        ('"label": 1e300, "category": 1', "1e+300"),
        (f'"label": "{"x" * 300}", "category": 1', f"'{'x' * 38}…"),
    ],
)
def test_an_entry_that_is_no_class_gives_way_to_none(tmp_path, entries, label):
    members = {
        f"{n}.{end}": PNG if end == "png" else f"{{{entries}}}".encode() for n in range(3) for end in ("json", "png")
    }
    spec = pack(tmp_path / "a.tar", members)
    if isinstance(label, int):
        assert opened(spec).labels.tolist() == [label] * 3
        return
    assert refusal(spec) == (
        f"{tmp_path}/a.tar/0.png: the entry label of its .json is {label}. Valid: a whole number, or a name; or beside "
        f"each image a .cls with the class, which counts first."
    )
    with_cls = dict(sorted((members | {f"{n}.cls": b"1" for n in range(3)}).items()))
    assert opened(pack(tmp_path / "a.tar", with_cls)).labels.tolist() == [1] * 3


def test_an_ending_in_capitals_and_not_is_asked_about(tmp_path):
    members = {"1.png": PNG, "1.cls": b"0", "1.CLS": b"1"}
    assert refusal(pack(tmp_path / "a.tar", members)) == (
        f"{tmp_path}/a.tar holds 1.cls and 1.CLS: which of the two counts? Write it again without one."
    )
    with pytest.raises(ValueError, match="duplicate file name in tar file cls"):
        as_the_library_groups(tmp_path / "a.tar")


LATIN = [b"caf\xe9", b"caf\xe8", "naïve".encode(), b"\xff\xfe", b"owl"]


@pytest.mark.parametrize("ending", ["cls", "txt", "json"])
def test_names_that_are_no_utf_8_stay_apart_as_those_of_folders_do(tmp_path, ending):
    members = {}
    for number, name in enumerate(LATIN):
        members |= {f"{number}.png": PNG, f"{number}.{ending}": b'{"label": "%s"}' % name if ending == "json" else name}
        folder = Path(os.fsdecode(os.fsencode(tmp_path / "photos") + b"/" + name))
        folder.mkdir(parents=True)
        (folder / f"{number}.png").write_bytes(PNG)
    source, folders = opened(pack(tmp_path / "a.tar", members)), opened(f"folder:{tmp_path}/photos")
    assert len(source.classes) == len(LATIN)
    by_key = {folders.key(i): folders.classes[label].name for i, label in enumerate(folders.labels)}
    assert {source.key(i): source.classes[label].name for i, label in enumerate(source.labels)} == by_key


def test_a_list_of_names_that_are_no_utf_8_keeps_them_apart(tmp_path):
    (tmp_path / "classes.txt").write_bytes(b"\n".join(LATIN))
    source = opened(pack(tmp_path / "a.tar", {"1.png": PNG, "1.cls": b"\xef\xbb\xbf1"}))
    assert [label.name for label in source.classes] == [name.decode("utf-8", "backslashreplace") for name in LATIN]
    assert source.labels.tolist() == [1]
    (tmp_path / "classes.txt").unlink()
    spec = pack(tmp_path / "b.tar", {"1.png": PNG, "1.json": b'{"label": "\\ud800x"}'})
    assert [label.name for label in opened(spec).classes] == ["\\ud800x"]


@pytest.mark.parametrize("said", [b"", b" \n", None])
@pytest.mark.parametrize("at", [0, 7, 19])
def test_the_one_image_without_a_class_is_named(tmp_path, said, at):
    labels = {f"{n:02}.cls": said if n == at else b"0" for n in range(20)}
    members = {name: data for name, data in labels.items() if data is not None} | {
        f"{n:02}.png": PNG for n in range(20)
    }
    members |= {f"{n:02}.json": b'{"label": 1}' for n in range(3)}
    assert refusal(pack(tmp_path / "a.tar", dict(sorted(members.items())))).startswith(
        f"{tmp_path}/a.tar/{at:02}.png has no class of the kind that the others have."
    )


def test_a_file_without_an_ending_ends_no_sample(tmp_path):
    source = opened(pack(tmp_path / "a.tar", {"1.png": PNG, "README": b"", "1.cls": b"1"}))
    assert source.labels.tolist() == [1] == [int(s["cls"]) for s in as_the_library_groups(tmp_path / "a.tar")]


def test_labels_may_stand_before_their_image_and_endings_in_capitals(tmp_path):
    source = opened(
        pack(tmp_path / "a.tar", {"1.CLS": b"0", "1.PNG": PNG, "2.json": b"{}", "2.cls": b"1", "2.JPG": PNG})
    )
    assert source.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"1.png": PNG, "1.cls": b"-1"}, "1.png has the class -1, one of 1 labels of "),
        ({"1.png": PNG, "1.cls": b"0", "2.png": PNG}, "2.png has no class of the kind that the others have. Valid: "),
        ({"1.png": PNG, "1.cls": b"0", "2.png": PNG, "2.txt": b"owl"}, "has no class of the kind that the others have"),
        ({"1.png": PNG, "1.jpg": PNG, "1.cls": b"0"}, "belong to one sample: which of them is to be judged?"),
        ({"readme.md": b"", "1.cls": b"0"}, "holds no image. 2 files in "),
        (
            {"1.png": PNG},
            "holds no class folder. Expected a class beside each image (.cls, .json, .txt), or images in ",
        ),
        (
            {"train/cat/1.png": PNG, "val/cat/1.png": PNG},
            "train and val: which of these splits is to be judged? Name it: ",
        ),
        (
            {
                f"{n}.{ending}": PNG if ending == "png" else b"a photo of owl %d" % n
                for n in range(25)
                for ending in ("png", "txt")
            },
            "has 25 different texts in .txt files for 25 images: these are captions, and no classes.",
        ),
    ],
)
def test_samples_without_a_class_are_refused_by_name(tmp_path, members, message):
    assert message in refusal(pack(tmp_path / "a.tar", members))


@pytest.mark.parametrize(
    ("text", "empty"),
    [
        ("a\n\nb\n", "its line 2 is empty, of 3"),
        ("\na\nb", "its line 1 is empty, of 3"),
        ("a\n \t\r\nb\n\n", "its line 2 is empty, of 3"),
        ("", "it is empty"),
        (" \n\n", "it is empty"),
    ],
)
def test_an_empty_line_among_names_is_refused(tmp_path, text, empty):
    (tmp_path / "classes.txt").write_text(text)
    message = refusal(pack(tmp_path / "a.tar", {"1.png": PNG, "1.cls": b"0"}))
    assert message == (
        f"{tmp_path}/classes.txt must hold one name a line and no empty line: {empty}. The line says the number of the "
        f"class, from 0 on: remove the line, or give that class a name."
    )


def test_classes_with_one_name_are_refused(tmp_path):
    (tmp_path / "classes.txt").write_text("crane\nowl\ncrane\n")
    message = refusal(pack(tmp_path / "a.tar", {"1.png": PNG, "1.cls": b"0"}))
    assert message == f"{tmp_path}/classes.txt gives several classes one name: crane. Each class needs its own."


def test_the_image_of_a_sample_is_the_one_with_a_single_ending(tmp_path):
    source = opened(pack(tmp_path / "a.tar", {"1.mask.png": b"", "1.png": PNG, "1.cls": b"0"}))
    assert names(source) == ["1.png"]
    assert "1 .mask.png" in source.notes[-1]


def test_samples_without_labels_are_opened_without(tmp_path):
    spec = pack(tmp_path / "a.tar", {"1.png": PNG, "b/2.png": PNG, "b/3.png": PNG, "c/d/4.png": PNG})
    source = opened(spec, labelled=False)
    assert names(source) == ["1.png", "b/2.png", "b/3.png", "c/d/4.png"]
    assert source.labels.tolist() == [0, 1, 1, 2]


# --- class folders


def test_packed_class_folders_are_read_as_the_folder(tmp_path):
    spec = pack(
        tmp_path / "a.tar",
        {"./photos/dog/1.png": PNG, "./photos/cat/deep/2.1.png": PNG, "./photos/cat/2.2.png": PNG,
         "./photos/cat/n.md": b"",
         "./photos/cat/._1.png": b"", "./__MACOSX/1.png": b""},
    )  # fmt: skip
    source = opened(spec)
    assert [label.key for label in source.classes] == ["cat", "dog"]
    assert keys(source) == [b"2.2.png", b"deep/2.1.png", b"1.png"]
    text = " ".join(source.notes)
    assert "The folder photos/ of " in text
    assert "1 .md" in text
    assert "2 hidden files or folders" in text


def test_a_folder_of_an_archive_can_be_named(tmp_path):
    members = {"train/cat/1.png": PNG, "val/cat/2.png": PNG, "val/dog/2.png": PNG}
    spec = pack(tmp_path / "a.tar", members)
    assert f"Name it: {spec}#folder=val. If they are classes, give one of the folders another name, or" in refusal(spec)
    assert names(opened(f"{spec}#folder=val")) == ["val/cat/2.png", "val/dog/2.png"]
    assert refusal(f"{spec}#folder=test").startswith(f"{tmp_path}/a.tar holds no image below test/.")
    with pytest.raises(OptionError, match=r"'split' is no option of it\. Valid: folder=\.\.\."):
        open_source(f"{spec}#split=val")


# --- damage


def test_what_is_no_whole_archive_is_refused(tmp_path):
    spec = pack(tmp_path / "a.tar", {f"cat/{n}.png": PNG for n in range(9)})
    whole = (tmp_path / "a.tar").read_bytes()
    header = 512
    cases = {
        "within a file": whole[: header + 100],
        "within a header": whole[: 4 * 1024 + 300],
        "in the middle": whole[:3072] + b"\xff" * 512 + whole[3584:],
        "a page": b"<html>404</html>" * 100,
        "short text": b"oops",
        "empty": b"",
    }
    for name, data in cases.items():
        (tmp_path / "a.tar").write_bytes(data)
        message = refusal(spec)
        assert message.startswith(f"{tmp_path}/a.tar ")
        whole = "is no whole tar archive" in message or "is damaged" in message or "holds no" in message
        assert "is no tar archive, but a text in HTML or XML" in message if name == "a page" else whole
        assert "etch it again" in message


@pytest.mark.parametrize("cut", range(20))
def test_an_archive_that_is_cut_off_anywhere_is_refused_or_whole(tmp_path, cut):
    spec = pack(tmp_path / "a.tar", {f"cat/{n}.png": PNG for n in range(3)})
    whole = (tmp_path / "a.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as archive:
        end = max(member.offset_data + (member.size + 511) // 512 * 512 for member in archive) + 512
    kept = len(whole) * cut // 20
    (tmp_path / "a.tar").write_bytes(whole[:kept])
    if kept < end:
        assert str(tmp_path / "a.tar") in refusal(spec)
    else:
        assert len(opened(spec).labels) == 3


@pytest.mark.parametrize(("method", "compress"), [("gzip", gzip.compress), ("bzip2", None), ("xz", None)])
def test_a_compressed_archive_is_refused_with_what_to_do(tmp_path, method, compress):
    mode = {"gzip": "w:gz", "bzip2": "w:bz2", "xz": "w:xz"}[method]
    with tarfile.open(tmp_path / "a.tar", mode) as archive:
        add(archive, "cat/1.png", PNG)
    assert refusal(f"tar:{tmp_path}/a.tar").startswith(
        f"{tmp_path}/a.tar is compressed with {method}, where no image can "
    )


def test_two_members_of_one_name_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for data in (PNG, PNG + b"2"):
            add(archive, "cat/1.png", data)
    assert refusal(f"tar:{tmp_path}/a.tar") == (
        f"{tmp_path}/a.tar holds cat/1.png twice: which of the two counts? Write it again without one."
    )
    for name in ("a", "b"):
        pack(tmp_path / f"{name}.tar", {"cat/1.png": PNG})
    assert refusal(f"tar:{tmp_path}/{{a,b}}.tar") == (
        f"{tmp_path}/a.tar/cat/1.png and {tmp_path}/b.tar/cat/1.png are two images of one name."
    )


def test_links_and_devices_of_an_archive_are_named_and_not_followed(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        add(archive, "cat/1.png", PNG)
        for name, kind in (
            ("cat/link.png", tarfile.SYMTYPE),
            ("cat/hard.png", tarfile.LNKTYPE),
            ("cat/pipe.png", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    source = opened(f"tar:{tmp_path}/a.tar")
    assert names(source) == ["cat/1.png"]
    assert source.notes[-1].endswith("no regular files: cat/link.png, cat/hard.png, cat/pipe.png.")


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    spec = pack(tmp_path / "a.tar", {"cat/1.png": b"no image", "cat/2.png": PNG})
    source = opened(spec)
    with pytest.raises(
        BadImageError, match=rf"{tmp_path}/a\.tar/cat/1\.png is not a readable image: its content"
    ) as caught:
        source.read(0)
    assert caught.value.content
    (tmp_path / "a.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:2000])
    with pytest.raises(BadImageError, match="ends before it: it is cut off, or has changed") as caught:
        source.read(1)
    assert not caught.value.content
    (tmp_path / "a.tar").unlink()
    assert source.identities(np.arange(2), FileHashes()).tobytes() == bytes(32)


def test_hostile_names_are_shown_as_text(tmp_path):
    spec = pack(
        tmp_path / "a.tar",
        {"cat/\x1b[2J.png": PNG, "cat/x.\x1b[31m": b"", "c\u202eat/a.png": PNG, "../../up/1.png": PNG},
    )
    source = opened(spec, labelled=False)
    assert source.read(0).shape == (3, 17, 23)
    for note in data_notes(source, np.arange(len(source.labels))):
        assert note.isprintable()


# --- where archives are


def test_archives_are_named_in_several_ways(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("s-0", "s-1", "deep/s-2"):
        pack(tmp_path / f"{name}.tar", {f"cat/{name[-1]}.png": PNG})
    pack(tmp_path / ".hidden.tar", {"cat/9.png": PNG})
    for argument, count in (
        (f"{tmp_path}", 3), (f"{tmp_path}/s-{{0..1}}.tar", 2), (f"{tmp_path}/s-*.tar", 2),
        (f"{tmp_path}/**/s-?.tar", 3),
        (f"file://{tmp_path}/s-0.tar", 1),
    ):  # fmt: skip
        assert len(opened(f"tar:{argument}").labels) == count
    pack(tmp_path / "{0..1}.tar", {"cat/1.png": PNG})
    assert names(opened(f"tar:{tmp_path}/{{0..1}}.tar")) == ["cat/1.png"]


def test_archives_that_are_not_there_are_named(tmp_path):
    pack(tmp_path / "s-0.tar", {"cat/1.png": PNG})
    valid = "Valid: a tar archive, a pattern of several, or a folder of them."
    assert refusal(f"tar:{tmp_path}/none.tar") == f"{tmp_path}/none.tar does not exist. {valid}"
    assert refusal(f"tar:{tmp_path}/s-{{0..2}}.tar") == (
        f"2 of 3 files do not exist: {tmp_path}/s-1.tar, {tmp_path}/s-2.tar. {valid}"
    )
    assert (
        refusal(f"tar:{tmp_path}/x*.tar") == f"{tmp_path}/x*.tar holds no tar archive. Valid: a file or folder of .tar."
    )
    (tmp_path / "empty").mkdir()
    assert refusal(f"tar:{tmp_path}/empty").startswith(f"{tmp_path}/empty holds no tar archive.")
    with pytest.raises(OptionError, match="lacks its path"):
        open_source("tar:")


# --- what is remembered


def test_an_index_is_remembered_until_the_archive_changes(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(FileStatus, "settled", property(lambda status: True))
    spec = as_numbered_shards(tmp_path, photos(20))
    first = opened(spec)
    read = tar_index.read_index
    monkeypatch.setattr(tar_index, "read_index", lambda *_: pytest.fail("it is read again"))
    again = opened(spec)
    assert names(first) == names(again)
    assert first.notes == again.notes
    np.testing.assert_array_equal(first.labels, again.labels)
    for file in (cache / "tar").iterdir():  # what is damaged is not believed
        file.write_text(file.read_text()[:100])
    monkeypatch.setattr(tar_index, "read_index", read)
    assert names(opened(spec)) == names(first)
    shard = tmp_path / "numbers" / "shard-000.tar"
    shard.unlink()
    pack(shard, {"cat/new.png": PNG, "cat/new.cls": b"0"})
    assert names(opened(spec))[0] == "cat/new.png"


def test_an_archive_that_has_just_changed_is_not_remembered(tmp_path, cache):
    opened(pack(tmp_path / "a.tar", {"cat/1.png": PNG}))
    assert not (cache / "tar").exists()


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(FileStatus, "settled", property(lambda status: True))
    (cache / "tar").write_text("a file")
    assert len(opened(pack(tmp_path / "a.tar", {"cat/1.png": PNG})).labels) == 1


def test_a_large_source_pickles_small():
    count = 100_000
    numbers = np.arange(count)
    members = TarMembers(
        tuple(f"/data/shard-{n:06}.tar" for n in range(100)),
        (numbers // 1000).astype(np.int32),
        numbers.astype(np.int64) * 100_000,
        numbers.astype(np.int64),
        np.char.add("n01440764/ILSVRC2012_val_", numbers.astype(str)).astype(np.bytes_),
        np.full(count, 10, np.int32),
    )
    started = time.perf_counter()
    data = pickle.dumps(members)
    assert len(data) < 7_100_000
    assert pickle.loads(data).key(4321) == "ILSVRC2012_val_4321"
    assert time.perf_counter() - started < 2
