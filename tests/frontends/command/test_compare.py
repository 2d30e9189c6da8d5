"""`compare` prints, writes and exits; from Python it gives the same as frames."""

from __future__ import annotations

import json

import numpy as np
import pytest

import pytest_robustness
from pytest_robustness.core.errors import ComparisonError, OptionError
from pytest_robustness.frontends.command.main import main
from tests.recorded import CONDITIONS, ZOOM, drawn, planted, put_report, recorded

LABELS = np.random.default_rng(1).integers(0, 3, 300)


@pytest.fixture
def reports(tmp_path, monkeypatch):
    """Write a run, one with 2 % of other wrong answers, and one that got worse."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    rng = np.random.default_rng(0)
    first = {c: drawn(rng, LABELS, 3, 0.8) for c in CONDITIONS}
    runs = {
        "a": {"net": first},
        "b": {"net": {c: planted(rng, given, LABELS, 3, 0.02) for c, given in first.items()}},
        "worse": {"net": {**first, ZOOM: drawn(rng, LABELS, 3, 0.4)}},
        "renamed": {"new": first, "other": {c: drawn(rng, LABELS, 3, 0.8) for c in CONDITIONS}},
    }
    for name, models in runs.items():
        put_report(recorded(models, LABELS, ("ant", "bee", "cat")), tmp_path / name)
    return tmp_path


def test_nothing_worse_is_success(reports, capsys):
    assert main(["compare", "a", "b"]) == 0
    shown = capsys.readouterr().out
    assert "18 of 900 answers changed (2.0 %): 0 from right to" in shown
    assert "Page: reports/comparison/comparison.html" in shown
    assert json.loads((reports / "reports/comparison/comparison.json").read_text())["worse"] is False


def test_something_worse_is_a_failure(reports, capsys):
    assert main(["compare", "a/results.json", "worse", "--report", "out"]) == 1
    assert "1 of 3 comparisons is significantly worse" in capsys.readouterr().out
    assert (reports / "out/comparison.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["a"], "Missing argument 'B'"),
        (["a", "nowhere"], "ERROR: There is no nowhere."),
        (["a", "renamed"], "ERROR: The runs have no model in common: net in a, new, other in renamed."),
        (["a", "b", "--model", "net"], "'net' names no pair of models. Valid: OLD=NEW."),
        (["a", "renamed", "--model", "net=new", "--model", "net=other"], "'net' is named twice."),
        (["a", "b", "--alpha", "1.5"], "ERROR: alpha is 1.5. Valid: a number above 0 and below 1, such as 0.05."),
    ],
)
def test_what_is_used_wrongly_is_refused(reports, capsys, arguments, text):
    assert main(["compare", *arguments]) == pytest.ExitCode.USAGE_ERROR
    assert text in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_model_is_compared_under_another_name(reports, capsys):
    assert main(["compare", "a", "renamed", "--model", "net=new"]) == 0
    shown = capsys.readouterr().out
    assert "None of 900 answers changed." in shown
    assert "Only renamed has the model other." in shown


def test_python_has_the_same(reports):
    found = pytest_robustness.compare("a", "b")
    assert isinstance(found, pytest_robustness.Comparison)
    assert not found.worse
    frame = found.to_frame()
    assert frame["other_wrong"].tolist() == [6, 6, 6]
    assert frame["severity"].astype(object).tolist()[-1] == 3
    classes = found.to_frame("classes")
    assert len(classes) == 9
    assert classes["other_wrong"].sum() == 18
    assert found.verdict in " ".join(repr(found).split())
    assert "<table" in found._repr_html_()
    assert found.report("somewhere").name == "comparison.html"
    with pytest.raises(OptionError, match="'rows' is not a table"):
        found.to_frame("rows")
    with pytest.raises(OptionError, match="alpha is 0"):
        pytest_robustness.compare("a", "b", alpha=0)
    with pytest.raises(ComparisonError):
        pytest_robustness.compare("a", "nowhere")


def test_the_report_of_a_part_of_the_tests_is_compared(project, monkeypatch, capsys):
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("COLUMNS", "100")
    for model in ("slope", "colour"):
        project.judge("-k", f"hflip and {model}", f"--robustness-report={model}")
    capsys.readouterr()
    for now, heading in (("slope", "slope"), ("colour", "slope → colour")):
        assert main(["compare", "slope", now]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert shown[2] == heading
        assert "None of 2 comparisons is significantly worse. None of 80 answers changed." in shown
