"""What a run prints can be read in every encoding."""

from __future__ import annotations

import io

import pytest

from pytest_robustness.report.encoding import writable
from pytest_robustness.report.terminal import render

TEXT = "─ … ± − – — → × ä δ \x1b[31m*\x1b[0m"


def stream(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", TEXT),
        ("utf-16", TEXT),
        ("ascii", "- ... +- - - - -> x \\xe4 \\u03b4 \x1b[31m*\x1b[0m"),
        ("latin-1", "- ... ± - - - -> × ä \\u03b4 \x1b[31m*\x1b[0m"),
        ("cp1252", "- … ± - – — -> × ä \\u03b4 \x1b[31m*\x1b[0m"),
        ("cp437", "─ ... ± - - - -> x ä δ \x1b[31m*\x1b[0m"),
    ],
)
def test_what_an_encoding_lacks_is_written_in_ascii(encoding, shown):
    assert writable(TEXT, stream(encoding)) == shown


def test_half_a_sign_of_a_file_name_can_be_written():
    assert writable("b\udce4r.png", stream("utf-8")) == "b\\udce4r.png"


def test_a_stream_without_an_encoding_holds_everything():
    assert writable(TEXT, io.StringIO()) == TEXT


def test_the_summary_keeps_its_lines(findings):
    text = render(findings.view(), 80, color=False)
    shown = writable(text, stream("ascii"))
    assert shown == text.replace("─", "-")
    assert shown.isascii()
