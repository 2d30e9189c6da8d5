"""Text of users is shown as text: no terminal, log or spreadsheet reads more in it."""

from __future__ import annotations

import csv
import io
import os
import re
import shlex
import subprocess
import types
import unicodedata
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.core.text import (
    abridged,
    counted,
    decoded,
    encodable,
    for_csv,
    for_log,
    for_terminal,
    is_printable,
    pasted,
    printable,
    printable_lines,
    quoted,
)

ANY = st.text(st.characters(exclude_categories=[]))
NASTY = ANY | st.lists(
    st.sampled_from(
        ["::", "##[", "##vso[", "]", "\n", " ", "\x1b[2J", "\x07", "\u202e", "\udcff", "=", "a", "stop-commands"]
    )
).map("".join)


def unsafe(character: str) -> bool:
    """Whether Unicode calls a character a control, a surrogate, a separator of lines, or a mark of direction."""
    directions = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return (
        unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(character) in directions
        or character in "\u200e\u200f\u061c\ufeff"
    )


@given(NASTY)
def test_what_is_printable_is_one_line_of_unicode_without_controls(text):
    shown = printable(text)
    assert not any(map(unsafe, shown))
    shown.encode("utf-8")
    assert is_printable(shown)
    assert printable(shown) == shown
    assert (shown == text) == is_printable(text)


@given(NASTY)
def test_lines_stay_lines(text):
    shown = printable_lines(text)
    assert not any(unsafe(character) for character in shown if character not in "\n\t")
    assert shown.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "name",
    ["owl", "great white shark", "C:\\photos\\a.png", "δέλτα", "ホホジロザメ", "\U0001f469\u200d\U0001f52c", "naïve",
     "– “quoted”", "a|b`c`<i>", "עברית", "fogs+zoom"],
)  # fmt: skip
def test_ordinary_names_are_shown_as_they_are(name):
    assert printable(name) == printable_lines(name) == for_terminal(name) == for_csv(name) == name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("bell\x07\x00", "bell\\x07\\x00"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_what_is_not_printable_is_escaped(text, shown):
    assert printable(text) == shown


@given(NASTY, st.integers(2, 40))
def test_no_text_is_longer_than_its_limit_but_for_escapes(text, limit):
    assert len(printable("a" * 50 + text, limit)) == limit
    assert len(quoted(text * 100, limit)) <= limit


def test_a_huge_text_costs_no_more_than_its_limit():
    assert len(printable_lines("\x1b" * 10**8)) == 20_000


def commands(text: str) -> list[str]:
    """Return what GitHub's runner would obey: its two rules (actions/runner, ``ActionCommand.cs``)."""
    lines = re.split(r"[\n\r]", text)
    second = [line for line in lines if line.lstrip().startswith("::")]
    return second + [line for line in lines if "##[" in line and "]" in line.partition("##[")[2]]


@given(NASTY)
def test_no_line_for_a_log_is_a_command(text):
    assert not commands(for_terminal(text))
    assert not re.search(r"##(vso|teamcity)?\[", for_log(text))


@pytest.mark.parametrize(
    "text", ["::stop-commands::x", "  ::error::x", "a\n::x::", "##[error]x", "a ##[group]b", "##vso[x]"]
)
def test_commands_of_ci_systems_are_seen_as_text(text):
    shown = for_log(text)
    assert not commands(shown)
    assert shown.replace("\\", "") == text


@given(NASTY)
def test_no_cell_of_a_table_is_a_formula_and_the_text_is_kept(text):
    cell = for_csv(text)
    assert cell in (text, f"'{text}")
    file = io.StringIO()
    csv.writer(file).writerow([cell])
    file.seek(0)
    (read,) = next(csv.reader(file)) if "\r" not in text and "\n" not in text and text else [cell]
    assert not re.match(r"[=@\t\r]|[+-](?![\d.])", read)


@pytest.mark.parametrize("number", ["-1", "+2", "-0.5", "+1e-300", "-.5", "3"])
def test_numbers_stay_numbers(number):
    assert for_csv(number) == number


@given(st.lists(st.text("abc", min_size=1)), st.integers(1, 6))
def test_the_first_of_a_list_are_named_and_the_others_counted(names, most):
    named, _, left = abridged(names, most).partition(" and ")
    assert named.split(", ") == names[:most] or not names
    assert left == (f"{len(names) - most} more" if len(names) > most else "")


@given(st.integers(0, 10**9))
def test_a_count_has_the_noun_due_and_commas_that_change_nothing(count):
    number, noun = counted(count, "class", "classes").split()
    assert noun == ("class" if count == 1 else "classes")
    assert int(number.replace(",", "")) == count
    assert all(len(group) == 3 for group in number.split(",")[1:])


def test_the_others_are_counted_with_commas():
    assert abridged([*map(str, range(1003))], 1, "no. {}".format) == "no. 0 and 1,002 more"


@given(st.binary(min_size=1))
def test_any_name_of_a_file_can_be_written_as_utf8(name):
    text = decoded(os.fsdecode(name))
    assert text.encode("utf-8")
    assert text == os.fsdecode(name) or "\\x" in text


@given(st.text(), st.sampled_from(["ascii", "latin-1", "cp1252", "cp437", "utf-8", "utf-16"]))
def test_a_text_can_be_written_in_any_encoding_and_loses_nothing(text, encoding):
    shown = encodable(text, encoding)
    shown.encode(encoding)
    for sign in text:
        try:
            sign.encode(encoding)
            assert sign in shown
        except UnicodeEncodeError:
            assert ascii(sign)[1:-1] in shown or sign in "─–−…→±µ∞"


@pytest.mark.parametrize(("text", "plain"), [("── 2 – 3", "-- 2 - 3"), ("−1.5 … 4", "-1.5 . 4"), ("a → b", "a > b")])
def test_our_own_signs_have_plain_ones_of_their_width(text, plain):
    assert encodable(text, "ascii") == plain
    assert encodable(text, "utf-8") == text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@given(VALUES, st.integers(10, 300))
def test_any_value_is_named_on_one_short_line(value, limit):
    shown = quoted(value, limit)
    assert len(shown) <= limit
    assert is_printable(shown)


@pytest.mark.parametrize(
    "make", [lambda inner: [inner] * 10, lambda inner: dict.fromkeys(range(10), inner), lambda inner: (inner,)]
)
def test_a_value_that_is_far_larger_than_its_text_is_named_at_once(make):
    value = "x" * 1000
    for _ in range(300):  # written out, it would have 10 ** 300 texts
        value = make(value)
    assert len(quoted(value)) <= 200
    assert quoted(10**5000) in ("<int>", quoted(10**5000))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_pasted_word_is_one_word_of_the_shell(word):
    assert shlex.split(pasted(word)) == [word]


@given(st.text(st.sampled_from(["\\", '"', "'", " ", "a", "-", "[", "|", "=", "é"]), min_size=1))
def test_a_word_pasted_on_windows_has_the_quotes_that_its_shells_take(word):
    with mock.patch("pytest_robustness.core.text.os", types.SimpleNamespace(name="nt")):
        written = pasted(word)
    # Python quotes a word for the blank in it, and with it the rest by Microsoft's rules.
    assert written in (word, subprocess.list2cmdline([f" {word}"]).replace('" ', '"', 1))
    assert (written == word) == bool(re.fullmatch(r"[\\a=-]+", word))
