"""Names in options: separated by commas and blanks, which may be part of a path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.frontends.session.options.names import in_quotes, read_names

PATHS = ["python:my nets/a.py:f", "python:a,b/[x] ü.py:f", "onnx:one two.onnx", "openvino:C:\\my nets\\x.xml"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("{}", ["{}"]),
        ("'{}'", ["{}"]),
        ('"{}"', ["{}"]),
        ("{}, resnet18", ["{}", "resnet18"]),
        ("resnet18 {} vgg16", ["resnet18", "{}", "vgg16"]),
        ("{},{}", ["{}", "{}"]),
        ("'{}' {}", ["{}", "{}"]),
    ],
)
def test_a_path_may_hold_blanks_commas_and_brackets(path, written, names):
    assert read_names(written.replace("{}", path)) == tuple(name.replace("{}", path) for name in names)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b", ("a", "b")),
        (" a ,  b\tc\n", ("a", "b", "c")),
        ("python:x.py:f,python:y.py:g", ("python:x.py:f", "python:y.py:g")),
        ("python:pkg.mod:make vflip", ("python:pkg.mod:make", "vflip")),
        ("python:no_function, resnet18", ("python:no_function", "resnet18")),
        ("'python:odd.py:f here.py:g'", ("python:odd.py:f here.py:g",)),
        ('"python:o\'brien/n.py:f"', ("python:o'brien/n.py:f",)),
        ("equalize+vflip", ("equalize+vflip",)),
        ("rotation:17.5,zoom:1e-05 vflip", ("rotation:17.5", "zoom:1e-05", "vflip")),
        ("worst(rotation+translate,k=10)", ("worst(rotation+translate,k=10)",)),
        ("vflip, worst( a + b , k = 3 ),hflip", ("vflip", "worst( a + b , k = 3 )", "hflip")),
        ("worst(a,k=1) worst(b),c", ("worst(a,k=1)", "worst(b)", "c")),
        ("worst(worst(a,k=2),k=3),b", ("worst(worst(a,k=2),k=3)", "b")),
        ("worst(a,b", ("worst(a", "b")),
        ("python:a(1/n.py:f,python:b)2/n.py:f", ("python:a(1/n.py:f", "python:b)2/n.py:f")),
        ("onnx:net (copy, 2).onnx,b", ("onnx:net (copy, 2).onnx", "b")),
    ],
)
def test_names_are_split(text, names):
    assert read_names(text) == names


@pytest.mark.parametrize("text", ["", " , ", "python:o'brien/n.py:f", '"a'])
def test_no_name_and_an_open_quote_are_refused(text):
    with pytest.raises(ValueError, match="name"):
        read_names(text)


@given(st.lists(st.from_regex(r"python:[a-z ,]*[a-z][.]py:f|[a-z0-9:.@/]+[a-z]", fullmatch=True), min_size=1))
def test_quoted_names_are_read_back(names):
    whole = [name for name in names if not name.startswith(("python:", "onnx:", "openvino:")) or name.endswith(".py:f")]
    if whole:
        assert read_names(" ".join(map(in_quotes, whole))) == tuple(whole)
