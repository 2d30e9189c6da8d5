"""What studies found, in every report: tables, page, terminal, Markdown, JUnit."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from types import SimpleNamespace

import pytest

from pytest_robustness.analysis.study_finding import Curve, StudyFinding, StudyPicture
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import CONTROL, Condition
from pytest_robustness.report import junit, markdown, studies, summary, tables, terminal
from pytest_robustness.report.finding_text import Grade, text_of
from pytest_robustness.report.gallery import Drawn, Thumbnails
from pytest_robustness.report.page import render
from pytest_robustness.report.page import studies as page_studies
from pytest_robustness.report.run_report import StudySection
from pytest_robustness.report.study_text import figure_text
from tests.simulated import simulated_report

ROTATION = Condition("rotation", 3)
HOSTILE = "<script>alert(1)</script>"
STUDY = SimpleNamespace(
    name="breaking_point",
    title="Breaking points",
    about="Where accuracy breaks.",
    columns={"model": "model", "point": "breaking point", "low": "from", "never": "never"},
    main="point",
    item_name="points",
    item_columns={"magnitude": "magnitude", "accuracy": "accuracy, %"},
)


def finding(model="resnet18", outcome="FAIL", point=12.5, items=4, **fields):
    made = StudyFinding(
        "breaking_point",
        (f"digits:{model}",),
        ROTATION,
        Verdict(Outcome(outcome), "it breaks below severity 3"),
        f"{model} breaks at {point}",
        {"model": model, "point": point, "low": math.nan, "never": None},
        ("  margin              2 points",),
        tuple({"magnitude": float(i), "accuracy": 90.0 - i} for i in range(items)),
        (
            Curve(
                "accuracy",
                (0.0, 10.0, 20.0),
                (90.0, 80.0, 20.0),
                x_title="degrees",
                mark=12.5,
                mark_low=11,
                mark_high=14,
            ),
        ),
    )
    return dataclasses.replace(made, **fields)


@pytest.fixture
def run():
    """Return a whole run that asked no study, as the page needs it."""
    return simulated_report(models=["digits:resnet18", "digits:vgg16"], transforms=["vflip"], classes=["six", "nine"])


@pytest.fixture
def view(findings):
    picture = StudyPicture(3, Condition("vflip"), "digits:resnet18", f"{HOSTILE}.png")
    drawn = Drawn(
        "digits:resnet18", Condition("vflip"), 3, Thumbnails("data:image/png;base64,AA", "data:image/png;base64,BB", 8)
    )
    found = (
        finding("vgg16", "PASS", 40.0),
        finding(pictures=(picture,)),
        finding("alexnet", "INCONCLUSIVE", None, headline=f"{HOSTILE} cannot be told", condition=CONTROL),
    )
    return findings.view(studies=(StudySection(STUDY, found, {picture: drawn}),))


def test_the_tables_have_a_row_for_each_finding_and_for_each_item(view, tmp_path):
    studies.write(view, tmp_path)
    with (tmp_path / "studies/breaking_point.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == ["vgg16", "resnet18", "alexnet"]
    assert [row["outcome"] for row in rows] == ["PASS", "FAIL", "INCONCLUSIVE"]
    assert [row["point"] for row in rows] == ["40.0", "12.5", ""]
    assert {(row["transform"], row["severity"]) for row in rows} == {("rotation", "3"), ("control", "")}
    with (tmp_path / "studies/breaking_point-points.csv").open(encoding="utf-8") as file:
        items = list(csv.DictReader(file))
    assert [row["accuracy"] for row in items if row["models"] == "digits:vgg16"] == ["90.0", "89.0", "88.0", "87.0"]
    assert len(items) == 12
    assert not (tmp_path / "nothing/studies").exists()
    assert studies.write(dataclasses.replace(view, studies=()), tmp_path / "nothing") == []


def test_results_json_holds_findings_and_items_and_no_nan(view, tmp_path):
    tables.write(view, tmp_path)
    rows = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["studies"]["breaking_point"]
    assert [(row["outcome"], row["point"], row["low"], len(row["items"])) for row in rows] == [
        ("PASS", 40.0, None, 4),
        ("FAIL", 12.5, None, 4),
        ("INCONCLUSIVE", None, None, 4),
    ]


def test_the_page_shows_those_that_fail_first_and_nothing_unescaped(view, run):
    page = render.render(dataclasses.replace(run, studies=view.studies))
    assert HOSTILE not in page
    part = page.partition('<section id="studies"')[2].partition("</section>")[0]
    # Names break at underscores and dots, where the page inserts a sign of its own.
    plain = part.replace("<wbr>", "").partition("with all figures")[2]
    assert plain.index("resnet18 breaks at 12.5") < plain.index("vgg16 breaks at 40")
    assert "1 failed, 1 inconclusive, 1 passed of 3 tests" in part.lower()
    # The table of models and conditions has a row for each model and marks what fails.
    conditions, rows = page_studies.matrix(run, view.studies[0])
    assert conditions == [ROTATION, CONTROL]
    assert [(row.label, [cell.text for cell in row.cells]) for row in rows] == [
        ("digits:vgg16", ["40", ""]),
        ("digits:resnet18", ["12.5", ""]),
        ("digits:alexnet", ["", "–"]),
    ]
    assert 'class="fail"' in part
    assert plain.count("<svg") == 3
    assert 'href="#studies"' in page
    # A column without any value is left out.
    assert ">never<" not in part
    assert "never" not in page_studies.columns(view.studies[0])


def test_a_page_without_studies_has_no_such_tab(run):
    assert "#studies" not in render.render(run)


def test_a_page_holds_the_first_rows_and_says_how_many_more_the_table_has(run):
    many = tuple(finding(f"net{i}", "PASS" if i % 3 else "FAIL", items=50) for i in range(400))
    section = StudySection(STUDY, many)
    shown, more = page_studies.table(section)
    assert (len(shown), more) == (300, 100)
    assert [one.verdict.outcome for one in shown[:134]] == [Outcome.FAIL] * 134
    assert sum(len(rows) for _, rows, _ in page_studies.items(section)) <= 300
    assert len(page_studies.charts(section)) == 48
    assert len(render.render(dataclasses.replace(run, studies=(section,)))) < 1_500_000


def test_a_chart_keeps_its_numbers_within_its_frame(view):
    (chart, *_) = page_studies.charts(view.studies[0])
    assert chart.mark.low < chart.mark.at < chart.mark.high
    for line in chart.lines:
        for x, y in line.dots:
            assert 0 <= x <= page_studies.WIDTH
            assert 0 <= y <= page_studies.HEIGHT
    # The dots fall as the curve does: y runs downwards in SVG.
    heights = [y for _, y in chart.lines[0].dots]
    assert heights == sorted(heights)


@pytest.mark.parametrize("y", [(5.0, 5.0), (math.nan, 3.0), (-1e-9, 1e-9), (1e6, -1e6)])
def test_a_chart_of_odd_numbers_is_drawn(y):
    odd = finding(curves=(Curve("a", (0.0, 1.0), y, low=y, high=y, diagonal=True),))
    (chart,) = page_studies.charts(StudySection(STUDY, (odd,)))
    assert chart.diagonal
    assert "nan" not in chart.lines[0].points


def test_the_outcome_of_a_run_counts_its_studies(view, findings):
    passing = findings.view(model_tests=(), class_tests=(), errors={})
    only = dataclasses.replace(passing, studies=(StudySection(STUDY, (finding(outcome="PASS"),)),))
    assert summary.outcome(only) is Outcome.PASS
    assert summary.outcome(dataclasses.replace(only, studies=view.studies)) is Outcome.FAIL
    assert "Breaking points: 1 passed of 1 test." in summary.verdict(only)
    # Its line stands with its study, and in no other list.
    assert summary.reasons(only, Outcome.PASS) == []


def test_terminal_and_markdown_list_the_findings(view):
    text = terminal.render(view, 80, color=False)
    assert "Breaking points: 1 failed, 1 inconclusive, 1 passed of 3 tests" in text
    assert text.count("fail: resnet18 breaks at 12.5: it breaks below severity 3") == 1
    shown = markdown.render(view)
    assert shown.count("FAIL: resnet18 breaks at 12.5: it breaks below severity 3") == 1
    assert HOSTILE not in shown


def test_a_failed_test_says_its_figures(view):
    grade, headline, details = text_of(view.studies[0].findings[1])
    assert (grade, headline) == (Grade.MILD, "resnet18 breaks at 12.5")
    assert details == ["it breaks below severity 3", "  margin              2 points"]
    figures = dict(junit.figures(view.studies[0].findings[1]))
    assert figures["point"] == 12.5
    assert figures["study"] == "breaking_point"
    assert "low" not in figures


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.0123456, "−0.01235"), (1234567, "1,234,567"), (math.nan, "–"), (math.inf, "inf"), (False, "no"), ("a", "a")],
)
def test_a_figure_is_written_for_people(value, text):
    assert figure_text(value) == text
