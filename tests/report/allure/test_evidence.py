"""What Allure shows of a finding: the word, the text, the table, the chart and the images."""

from __future__ import annotations

import base64
import csv
import dataclasses
import html.parser
import io
import json
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pytest_robustness.analysis.findings import ClassChange, ClassFinding, ImageAccuracy
from pytest_robustness.analysis.test_result import Estimate, Outcome, Verdict
from pytest_robustness.core import CONTROL, Condition
from pytest_robustness.report.allure.chart import Bars, Row, bars_of, svg
from pytest_robustness.report.allure.evidence import classes_csv, description, image_pairs, lost_pictures, severity
from pytest_robustness.report.allure.record import control_accuracies
from pytest_robustness.report.finding_text import finding_lines, text_of
from pytest_robustness.report.gallery import Answer, Example, LostExample, Thumbnails

NASTY = "<script>alert(1)</script>"


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
    finding = findings.model(change=findings.change(difference=difference))
    assert text_of(finding).headline.startswith(f"{difference:+.1f} points ({word}): resnet18 under vflip: ")
    assert severity(finding) == level


@pytest.mark.parametrize(("change", "word"), [(-10.0, "SEVERE"), (-9.9, "MILD")])
def test_a_transform_that_takes_ten_points_of_one_class_is_severe(findings, change, word):
    one = dataclasses.replace(findings.classes().classes[0], images=findings.of_images(difference=change))
    finding = findings.classes(sensitive=(one,), beyond=())
    assert text_of(finding).grade == word
    assert text_of(finding).headline.startswith(f"{change:+.1f} points ({word}) in class six: vflip: ")


def test_only_what_did_not_pass_has_a_word_in_front(findings):
    assert text_of(findings.model(outcome="PASS")).headline.startswith("resnet18 under vflip: ")
    assert text_of(findings.model(outcome="INCONCLUSIVE")).headline.startswith("INCONCLUSIVE: resnet18 under vflip: ")
    assert {severity(findings.model(outcome=outcome)) for outcome in ("PASS", "INCONCLUSIVE")} == {"minor"}


@pytest.mark.parametrize(
    ("fell", "outcome", "level"),
    [(5.0, "PASS", "minor"), (5.0, "FAIL", "normal"), (10.0, "FAIL", "critical")],
)
def test_a_model_that_is_less_robust_than_its_baseline_is_graded_by_its_loss(findings, fell, outcome, level):
    compared = findings.compared(outcome=outcome, result=findings.on_images(difference=-fell))
    start = f"-{fell:.2f} points: " if outcome == "FAIL" else ""
    assert text_of(compared).headline == f"{start}resnet18 against vgg16 under vflip: accuracy fell 5.0 points"
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


def test_the_table_has_the_failing_classes_worst_first_at_three_digits(findings):
    made = findings.classes()
    pooled = Estimate(-12.3456, -20.0, -4.0)
    images = findings.of_images(pooled=pooled, p_adjusted=0.2)
    result = findings.result(difference=-70.5, p_adjusted=0.00012345)
    six = dataclasses.replace(made.classes[0], name='a "b", <c>', result=result, images=images)
    # Sensitive alone, beyond the margin alone: either is in the table, and of those the expected change ranks.
    found = findings.classes(sensitive=(six,), beyond=(made.classes[1],))
    rows = list(csv.DictReader(io.StringIO(classes_csv(found))))
    assert [(row["class_index"], row["sensitive"], row["beyond"]) for row in rows] == [
        ("1", "False", "True"),
        ("0", "True", "False"),
    ]
    assert rows[1] == {
        "class_index": "0",
        "class_name": 'a "b", <c>',
        "n": "10",
        "control_accuracy": "90",
        "accuracy": "80",
        "difference": "-70.5",
        "expected_change": "-12.3",
        "expected_low": "-20",
        "expected_high": "-4",
        "p_adjusted": "0.000123",
        "sensitive": "True",
        "images_p_adjusted": "0.2",
        "beyond": "False",
        "alone": "",
    }
    assert len(classes_csv(made, most=1).splitlines()) == 2
    assert len(classes_csv(findings.classes(sensitive=(), beyond=())).splitlines()) == 1


def test_a_class_without_figures_of_its_images_has_empty_fields(findings):
    bare = dataclasses.replace(findings.classes().classes[0], images=None)
    (row,) = csv.DictReader(io.StringIO(classes_csv(findings.classes(sensitive=(bare,), beyond=()))))
    assert {row[name] for name in ("expected_change", "expected_low", "expected_high", "images_p_adjusted")} == {""}


def test_the_accuracy_in_control_of_every_model_is_there(findings):
    two = [findings.model("a", accuracy=ImageAccuracy(91.0, 80.5)), findings.model("b"), findings.classes()]
    assert control_accuracies(two[:1]) == {"control accuracy": 91.0}
    assert control_accuracies([two[0], *two]) == {"control accuracy of a": 91.0, "control accuracy of b": 91.0}
    assert control_accuracies(two[2:]) == {}


@pytest.mark.parametrize(
    ("sensitive", "beyond", "words"),
    [
        (True, True, "sensitive, beyond the margin"),
        (True, False, "sensitive"),
        (False, True, "beyond the margin"),
        (False, False, "neither sensitive nor beyond the margin"),
    ],
)
def test_a_picture_says_how_its_class_changed(findings, sensitive, beyond, words):
    photograph = uri(np.zeros((96, 96, 3), np.uint8), "jpeg")
    shown = example(findings, Thumbnails(photograph, photograph, 96), (Answer("net", "six", "nine", True, False),))
    ((name, _),) = image_pairs([dataclasses.replace(shown, sensitive=sensitive, beyond=beyond)])
    assert name.startswith(f"six ({words}) before and after vflip")


SVG = "{http://www.w3.org/2000/svg}"


def parsed(bars):
    """Return the chart as XML, which is stricter than HTML."""
    return ET.fromstring(svg(bars))


def shown_names(chart):
    """Return the names as they stand beside the bars, and whole as they are shown on hovering."""
    groups = chart.findall(f"{SVG}g")[1:]
    return [(group.find(f"{SVG}text").text, group.find(f"{SVG}title").text) for group in groups]


def test_the_bars_are_as_long_as_the_accuracies():
    chart = parsed(Bars("title", [Row("a", 100.0, 50.0), Row("b", 80.0, 20.0), Row("c", 0.0, 33.3)]))
    lines = [float(line.get("d").split("V")[0][1:].split()[0]) for line in chart.findall(f"{SVG}path")]
    percent = (lines[-1] - lines[0]) / 100
    before, after = (
        [rect for rect in chart.iter(f"{SVG}rect") if rect.get("class") == side] for side in ("before", "after")
    )
    assert {float(rect.get("x")) for rect in (*before, *after)} == {lines[0]}
    assert [float(rect.get("width")) / percent for rect in before] == pytest.approx([100, 80, 0], abs=0.01)
    assert [float(rect.get("width")) / percent for rect in after] == pytest.approx([50, 20, 33.3], abs=0.01)
    assert [g.findall(f"{SVG}text")[1].text for g in chart.findall(f"{SVG}g")[1:]] == [
        "100 → 50 %", "80 → 20 %", "0 → 33 %",
    ]  # fmt: skip


def test_rows_lie_below_each_other_and_within_the_chart():
    for count in (0, 1, 11):
        chart = parsed(Bars("title", [Row(str(i), 50.0, 40.0) for i in range(count)]))
        ends = [float(r.get("y")) + float(r.get("height")) for r in chart.iter(f"{SVG}rect") if r.get("class")]
        assert len(ends) == 2 * count
        assert ends == sorted(set(ends))
        assert max(ends, default=0) < float(chart.get("height")) - 20
        assert ("no class is sensitive or beyond the margin" in [text.text for text in chart.iter(f"{SVG}text")]) == (
            count == 0
        )


def test_a_long_name_is_cut_beside_the_bars_and_whole_on_hovering():
    long, wide = "m " * 200 + "end", "三角洲" * 20
    chart = parsed(Bars(long, [Row(long, 50.0, 40.0), Row(wide, 50.0, 40.0), Row("owl", 50.0, 40.0)]))
    (cut_long, whole), (cut_wide, whole_wide), short = shown_names(chart)
    assert (whole, whole_wide, short) == (long, wide, ("owl", "owl"))
    assert (len(cut_long), cut_long[-1]) == (28, "…")
    assert cut_wide.replace(" ", "") == "三角洲" * 4 + "三…"
    assert chart.find(f"{SVG}g/{SVG}title").text == long


def test_a_chart_of_classes_shows_the_failing_ones_and_counts_each_kind(findings):
    made = findings.classes()
    bars = bars_of(findings.classes(sensitive=made.classes[:1], beyond=made.classes[1:2]))
    assert bars.title == "vflip: 1 of 3 classes sensitive, 1 beyond the margin"
    assert [row.name for row in bars.rows] == ["nine", "six"]


def test_a_chart_shows_all_classes_and_those_that_fell_most(findings):
    assert [row.name for row in bars_of(findings.model()).rows] == ["all classes", "six", "nine"]
    assert [row.name for row in bars_of(findings.classes()).rows] == ["nine", "six"]
    assert [row.name for row in bars_of(findings.images()).rows] == ["all classes"]
    assert [row.name for row in bars_of(findings.compared()).rows] == ["all classes"]


@pytest.mark.parametrize("name", ["δέλτα", "دلتا", "三角洲", "🏝️ delta", "Łódź", NASTY, 'a & "b" <c>', "{{ 7 * 7 }}"])
def test_a_name_is_shown_as_it_is_whatever_it_holds(findings, name):
    fallen = dataclasses.replace(findings.classes().classes[0], index=17, name=name)
    result = findings.on_images()
    for bars in (
        bars_of(findings.model(model=name, worst=(ClassChange(17, name, 90.0, 10.0),))),
        bars_of(findings.classes(sensitive=(fallen,))),
        bars_of(findings.compared(fallen=(ClassFinding(17, name, result),))),
    ):
        chart = parsed(bars)
        assert shown_names(chart)[-1] == (name, name)
        assert chart.find(f"{SVG}g/{SVG}title").text == bars.title
        assert {element.tag for element in chart.iter()} == {
            f"{SVG}{tag}" for tag in ("svg", "g", "title", "text", "rect", "path")
        }


@given(st.text())
def test_a_chart_of_any_name_is_well_formed(name):
    chart = parsed(Bars(name, [Row(name, 50.0, 40.0)]))
    assert len(list(chart.iter(f"{SVG}g"))) == 2
    svg(Bars(name, [Row(name, 50.0, 40.0)])).encode()


def test_a_character_that_xml_forbids_is_replaced():
    assert shown_names(parsed(Bars("t", [Row("b\udce4r \x00 \x1b[31m", 50.0, 40.0)])))[0][1] == "b�r � �[31m"


def uri(pixels, kind="png"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def shown(data_uri):
    head, _, body = data_uri.partition(",")
    assert head.startswith("data:image/")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body))).convert("RGB"))


def example(findings, thumbnails, answers):
    return Example(Condition("vflip"), findings.classes().classes[0], True, False, 3, answers, thumbnails)


def test_images_are_shown_before_and_after_and_small_ones_enlarged(findings):
    rng = np.random.default_rng(0)
    before = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    thumbnails = Thumbnails(uri(before), uri(before[::-1]), 8)
    answers = (Answer("net", "six", "nine", True, False),)
    ((name, content),) = image_pairs([example(findings, thumbnails, answers)])
    assert name == "six (sensitive) before and after vflip: taken for six, then for nine"
    images = json.loads(content)
    assert set(images) == {"expected", "actual"}
    assert np.array_equal(shown(images["expected"]), before.repeat(24, 0).repeat(24, 1))
    assert np.array_equal(shown(images["actual"]), before[::-1].repeat(24, 0).repeat(24, 1))


def test_a_photograph_stays_as_it_is(findings):
    photograph = uri(np.zeros((96, 96, 3), np.uint8), "jpeg")
    answers = tuple(Answer(name, "six", "nine", True, name == "b") for name in "abc")
    ((name, content),) = image_pairs([example(findings, Thumbnails(photograph, photograph, 96), answers)])
    assert name == "six (sensitive) before and after vflip: 3 of 3 models right, then 1"
    assert json.loads(content) == {"expected": photograph, "actual": photograph}


def test_an_image_that_cannot_be_shown_is_left_out(findings):
    assert image_pairs([example(findings, None, ())]) == []


def test_lost_images_are_compared_before_and_after_and_shown_alone_in_control(findings):
    image = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    file = io.BytesIO()
    image.save(file, "png")
    uri = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    named, unnamed = findings.lost(2)
    examples = [
        LostExample("net", Condition("vflip"), named, Thumbnails(uri, uri, 8)),
        LostExample("net", CONTROL, unnamed, Thumbnails(uri, "", 8)),
        LostExample("net", CONTROL, named, note="This image cannot be shown: no"),
    ]
    compared, alone = lost_pictures(examples)
    assert compared[0] == "lost: /photos/six/0.png, six, taken for nine (99 %)"
    assert compared[2:] == ("application/vnd.allure.image.diff", "imagediff")
    assert set(json.loads(compared[1])) == {"expected", "actual"}
    assert alone[0] == "lost: image at position 1, six, taken for nine (98 %)"
    assert alone[2:] == ("image/png", "png")
    shown = np.asarray(Image.open(io.BytesIO(alone[1])))
    assert np.array_equal(shown[::24, ::24], np.asarray(image))
