"""What Allure shows of a finding: the word, the text, the table, the chart and the images."""

from __future__ import annotations

import base64
import csv
import dataclasses
import html.parser
import io
import json

import numpy as np
import pytest
from PIL import Image

from pytest_robustness.analysis.findings import ClassChange, ClassFinding
from pytest_robustness.analysis.test_result import Outcome, Verdict
from pytest_robustness.core import Condition
from pytest_robustness.report.allure.chart import Bars, Row, bars_of, png
from pytest_robustness.report.allure.evidence import classes_csv, description, image_pairs, severity
from pytest_robustness.report.finding_text import finding_lines, text_of
from pytest_robustness.report.gallery import Answer, Exhibit, Thumbnails

NASTY = "<script>alert(1)</script>"
GREY, RED = (140, 149, 159), (196, 67, 43)


class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    ("difference", "word", "level"),
    [(-10.0, "SEVERE", "critical"), (-9.9, "MILD", "normal"), (12.0, "SEVERE", "critical")],
)
def test_a_model_that_changes_by_ten_points_is_severe(findings, difference, word, level):
    finding = findings.model(result=findings.result(difference=difference))
    assert text_of(finding).headline.startswith(f"{word}: resnet18 under vflip: ")
    assert severity(finding) == level


@pytest.mark.parametrize(("sensitive", "word"), [(2, "SEVERE"), (1, "MILD")])
def test_a_transform_that_half_of_the_classes_feel_is_severe(findings, sensitive, word):
    finding = findings.classes()
    finding = findings.classes(sensitive=finding.classes[:sensitive])
    assert text_of(finding).grade == word
    assert text_of(finding).headline.startswith(f"{word}: vflip: ")


def test_only_what_did_not_pass_has_a_word_in_front(findings):
    assert text_of(findings.model(outcome="PASS")).headline.startswith("resnet18 under vflip: ")
    assert text_of(findings.model(outcome="INCONCLUSIVE")).headline.startswith("INCONCLUSIVE: resnet18 under vflip: ")
    assert {severity(findings.model(outcome=outcome)) for outcome in ("PASS", "INCONCLUSIVE")} == {"minor"}


@pytest.mark.parametrize(("outcome", "level"), [("PASS", "minor"), ("INCONCLUSIVE", "minor"), ("FAIL", "critical")])
def test_a_model_that_is_less_robust_than_its_baseline_is_critical(findings, outcome, level):
    compared = findings.compared(outcome=outcome)
    assert text_of(compared).headline == "resnet18 against vgg16 under vflip: accuracy fell 5.0 points"
    assert severity(compared) == level


@pytest.mark.parametrize("outcome", ["PASS", "INCONCLUSIVE", "FAIL"])
def test_a_comparison_that_cannot_be_told_is_minor_and_says_so_first_whatever_is_made_of_it(findings, outcome):
    verdict = Verdict(Outcome(outcome), "inconclusive: 898 images are too few to see a drop of 1 point")
    compared = findings.compared(undecided=True, verdict=verdict)
    assert text_of(compared).headline == (
        "INCONCLUSIVE: resnet18 against vgg16 under vflip: 898 images are too few to see a drop of 1 point"
    )
    assert severity(compared) == "minor"


def test_the_description_shows_every_line_of_the_finding_and_no_markup_of_others(findings):
    finding = findings.model(model=NASTY, worst=(ClassChange(0, "a & <b>", 97.0, 12.0),))
    reader = Reader()
    reader.feed(description(finding))
    assert reader.tags == [("p", []), ("strong", []), ("pre", [])]
    lines = finding_lines(finding)
    assert reader.text == lines[0] + "\n".join(lines[2:])


def test_the_table_has_the_sensitive_classes_worst_first_at_three_digits(findings):
    made = findings.classes()
    six = type(made.classes[0])(0, 'a "b", <c>', findings.result(difference=-12.3456, p_adjusted=0.00012345))
    rows = list(csv.DictReader(io.StringIO(classes_csv(findings.classes(sensitive=(six, made.sensitive[1]))))))
    assert [row["class_index"] for row in rows] == ["1", "0"]
    assert rows[1] == {
        "class_index": "0",
        "class_name": 'a "b", <c>',
        "n": "10",
        "control_accuracy": "90",
        "accuracy": "80",
        "difference": "-12.3",
        "p_adjusted": "0.000123",
    }
    assert len(classes_csv(made, most=1).splitlines()) == 2
    assert len(classes_csv(findings.classes(sensitive=())).splitlines()) == 1


def read(png_bytes):
    image = Image.open(io.BytesIO(png_bytes))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB"), np.int16)


def widths(pixels, color):
    """Return how wide each bar of a colour is, from the top: the longest row of each run of rows that have it."""
    near = (np.abs(pixels - color).max(axis=2) < 12)[:-46]
    counts = [*near.sum(axis=1).tolist(), 0]
    found, widest = [], 0
    for count in counts:
        if count < 8 and widest:
            found.append(widest)
        widest = max(widest, count) if count >= 8 else 0
    return found


def test_the_bars_are_as_long_as_the_accuracies():
    pixels = read(png(Bars("title", [Row("a", 100.0, 50.0), Row("b", 80.0, 20.0)])))
    grey, red = widths(pixels, GREY), widths(pixels, RED)
    full = grey[0]
    assert np.allclose(np.array(grey) / full, [1.0, 0.8], atol=0.01)
    assert np.allclose(np.array(red) / full, [0.5, 0.2], atol=0.01)


def test_a_name_too_long_for_its_column_does_not_reach_the_bars():
    short, long = (read(png(Bars("t", [Row(name, 50.0, 40.0)]))) for name in ("m", "m " * 200))
    assert np.abs(short[:, 372:] - long[:, 372:]).max() < 12


def test_a_chart_shows_all_classes_and_those_that_fell_most(findings):
    assert [row.name for row in bars_of(findings.model()).rows] == ["all classes", "six", "nine"]
    assert [row.name for row in bars_of(findings.classes()).rows] == ["nine", "six"]
    assert [row.name for row in bars_of(findings.images()).rows] == ["all classes"]
    assert read(png(bars_of(findings.classes(sensitive=())))).size > 0


@pytest.mark.parametrize("name", ["δέλτα", "دلتا", "三角洲", "🏝️ delta", "Łódź"])
def test_a_class_whose_name_cannot_be_drawn_is_shown_by_its_index(findings, name):
    fallen = dataclasses.replace(findings.classes().classes[0], index=17, name=name)
    result = findings.on_images()
    charts = [
        bars_of(findings.model(worst=(ClassChange(17, name, 90.0, 10.0),))),
        bars_of(findings.classes(sensitive=(fallen,))),
        bars_of(findings.compared(fallen=(ClassFinding(17, name, result),))),
    ]
    assert [chart.rows[-1].name for chart in charts] == ["class 17"] * 3
    assert bars_of(findings.model(worst=(ClassChange(17, "Rio  (delta)", 90.0, 10.0),))).rows[-1].name == "Rio  (delta)"


def test_a_title_shows_what_cannot_be_drawn_as_question_marks():
    boxes, marks = (png(Bars(f"{title} under vflip", [Row("a", 50.0, 40.0)])) for title in ("сеть", "????"))
    assert boxes == marks


def uri(pixels, kind="png"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def shown(data_uri):
    head, _, body = data_uri.partition(",")
    assert head.startswith("data:image/")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body))).convert("RGB"))


def exhibit(findings, thumbnails, answers):
    return Exhibit(Condition("vflip"), findings.classes().classes[0], True, 3, answers, thumbnails)


def test_images_are_shown_before_and_after_and_small_ones_enlarged(findings):
    rng = np.random.default_rng(0)
    before = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    thumbnails = Thumbnails(uri(before), uri(before[::-1]), 8)
    answers = (Answer("net", "six", "nine", True, False),)
    ((name, content),) = image_pairs([exhibit(findings, thumbnails, answers)])
    assert name == "six (sensitive) before and after vflip: taken for six, then for nine"
    images = json.loads(content)
    assert set(images) == {"expected", "actual"}
    assert np.array_equal(shown(images["expected"]), before.repeat(24, 0).repeat(24, 1))
    assert np.array_equal(shown(images["actual"]), before[::-1].repeat(24, 0).repeat(24, 1))


def test_a_photograph_stays_as_it_is(findings):
    photograph = uri(np.zeros((96, 96, 3), np.uint8), "jpeg")
    answers = tuple(Answer(name, "six", "nine", True, name == "b") for name in "abc")
    ((name, content),) = image_pairs([exhibit(findings, Thumbnails(photograph, photograph, 96), answers)])
    assert name == "six (sensitive) before and after vflip: 3 of 3 models right, then 1"
    assert json.loads(content) == {"expected": photograph, "actual": photograph}


def test_an_image_that_cannot_be_shown_is_left_out(findings):
    assert image_pairs([exhibit(findings, None, ())]) == []
