"""A sweep shows how far it is: live on a terminal, in lines elsewhere, and not at all in a worker."""

from __future__ import annotations

import contextlib
import io

import pytest

from pytest_robustness.frontends.session import progress
from pytest_robustness.frontends.session.progress import BarProgress, LineProgress, SilentProgress


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


def test_lines_are_written_at_the_start_for_notes_and_at_the_end(clock):
    lines: list[str] = []
    shown = LineProgress(lines.append)
    shown.start(2000, 24)
    clock.now += 4
    shown.advance(1500)
    shown.note("skipped: a.png")
    shown.advance(500)
    shown.stop()
    assert lines == [
        "robustness: sweep of 2,000 images, 24 cells",
        "robustness: skipped: a.png",
        "robustness: 2,000 of 2,000 images done in 4.0 s, 500 images/s",
    ]


def test_a_line_is_written_at_most_every_quarter_of_a_minute(clock):
    lines: list[str] = []
    shown = LineProgress(lines.append)
    shown.start(400, 2)
    for _ in range(4):
        clock.now += 10
        shown.advance(100)
    assert lines[1:] == [
        "robustness: 200 of 400 images, 10 images/s, 20 s left",
        "robustness: 400 of 400 images, 10 images/s, 0 s left",
    ]


def test_an_end_without_an_image_is_written_too(clock):
    lines: list[str] = []
    shown = LineProgress(lines.append)
    shown.start(10, 1)
    clock.now += 2
    shown.stop()
    assert lines[-1].startswith("robustness: 0 of 10 images done in 2.0 s, ")


def test_a_bar_holds_the_terminal_from_start_to_stop_and_prints_notes_above(capsys):
    events = []

    @contextlib.contextmanager
    def around():
        events.append("in")
        yield
        events.append("out")

    shown = BarProgress(around)
    assert events == []
    shown.start(100, 6)
    assert events == ["in"]
    shown.advance(60)
    shown.note("skipped: [red]a.png")
    shown.advance(40)
    shown.stop()
    assert events == ["in", "out"]
    assert "skipped: [red]a.png" in capsys.readouterr().out


def test_a_note_without_a_bar_is_printed_on_the_terminal_all_the_same(capsys):
    events = []

    @contextlib.contextmanager
    def around():
        events.append("in")
        yield
        events.append("out")

    shown = BarProgress(around)
    shown.note("skipped: a.png")
    shown.note("skipped: b.png")
    assert events == ["in", "out"] * 2
    assert capsys.readouterr().out.split("\n") == ["skipped: a.png", "skipped: b.png", ""]


def test_a_bar_shows_images_cells_and_rate(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    shown = BarProgress(contextlib.nullcontext)
    shown.start(100, 6)
    shown.advance(60)
    shown._bar.refresh()
    shown.stop()
    text = capsys.readouterr().out
    assert "sweep of 6 cells" in text
    assert "60/100" in text
    assert "images/s" in text


def test_a_bar_can_be_drawn_where_a_terminal_lacks_signs(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stdout)
    shown = BarProgress(contextlib.nullcontext)
    shown.start(100, 6)
    shown.advance(60)
    shown._bar.refresh()
    shown.note("skipped: δ…png")
    shown.stop()
    stdout.flush()
    assert b"skipped: \\u03b4\\u2026png" in stdout.buffer.getvalue()


def test_silence_is_silent(capsys):
    shown = SilentProgress()
    shown.start(1, 1)
    shown.advance(1)
    shown.note("nothing")
    shown.stop()
    assert capsys.readouterr() == ("", "")


def test_a_worker_shows_nothing_and_keeps_its_notes(capsys):
    notes: list[str] = []
    shown = SilentProgress(notes.append)
    shown.start(1, 1)
    shown.note("skipped: a.png")
    shown.stop()
    assert notes == ["skipped: a.png"]
    assert capsys.readouterr() == ("", "")
