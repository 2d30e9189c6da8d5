"""A sweep tells how far it is: live on a terminal, in lines elsewhere, and not at all in a worker."""

from __future__ import annotations

import contextlib
import io

import pytest

from pytest_robustness.plugin import progress
from pytest_robustness.plugin.progress import BarProgress, LineProgress, SilentProgress


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


def test_lines_tell_the_start_the_notes_and_the_end(clock):
    lines: list[str] = []
    told = LineProgress(lines.append)
    told.start(2000, 24)
    clock.now += 4
    told.advance(1500)
    told.note("skipped: a.png")
    told.advance(500)
    told.stop()
    assert lines == [
        "robustness: sweep of 2,000 images, 24 cells",
        "robustness: skipped: a.png",
        "robustness: 2,000 of 2,000 images done in 4.0 s, 500 images/s",
    ]


def test_a_line_is_written_at_most_every_quarter_of_a_minute(clock):
    lines: list[str] = []
    told = LineProgress(lines.append)
    told.start(400, 2)
    for _ in range(4):
        clock.now += 10
        told.advance(100)
    assert lines[1:] == [
        "robustness: 200 of 400 images, 10 images/s, 20 s left",
        "robustness: 400 of 400 images, 10 images/s, 0 s left",
    ]


def test_an_end_without_an_image_is_told_too(clock):
    lines: list[str] = []
    told = LineProgress(lines.append)
    told.start(10, 1)
    clock.now += 2
    told.stop()
    assert lines[-1].startswith("robustness: 0 of 10 images done in 2.0 s, ")


def test_a_bar_holds_the_terminal_from_start_to_stop_and_prints_notes_above(capsys):
    events = []

    @contextlib.contextmanager
    def around():
        events.append("in")
        yield
        events.append("out")

    told = BarProgress(around())
    assert events == []
    told.start(100, 6)
    assert events == ["in"]
    told.advance(60)
    told.note("skipped: [red]a.png")
    told.advance(40)
    told.stop()
    assert events == ["in", "out"]
    assert "skipped: [red]a.png" in capsys.readouterr().out


def test_a_bar_shows_images_cells_and_rate(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    told = BarProgress(contextlib.nullcontext())
    told.start(100, 6)
    told.advance(60)
    told._bar.refresh()
    told.stop()
    shown = capsys.readouterr().out
    assert "sweep of 6 cells" in shown
    assert "60/100" in shown
    assert "images/s" in shown


def test_a_bar_can_be_drawn_where_a_terminal_lacks_signs(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stdout)
    told = BarProgress(contextlib.nullcontext())
    told.start(100, 6)
    told.advance(60)
    told._bar.refresh()
    told.note("skipped: δ…png")
    told.stop()
    stdout.flush()
    assert b"skipped: \\u03b4\\u2026png" in stdout.buffer.getvalue()


def test_silence_is_silent(capsys):
    told = SilentProgress()
    told.start(1, 1)
    told.advance(1)
    told.note("nothing")
    told.stop()
    assert capsys.readouterr() == ("", "")
