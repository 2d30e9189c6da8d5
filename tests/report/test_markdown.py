"""The summary in Markdown says what failed, and shows names as they are whatever is in them."""

from __future__ import annotations

import dataclasses
import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pytest_robustness.analysis.findings import ClassFinding
from pytest_robustness.analysis.test_result import Estimate, Outcome, Verdict
from pytest_robustness.core import CONTROL, Cell, Condition
from pytest_robustness.core.text import is_printable
from pytest_robustness.report.markdown import escape, render, write

FELL = {}
"""What `findings.on_images` gives, as it is."""

SAME = {
    "treated": 90.0,
    "difference": 0.0,
    "ci_low": -0.2,
    "ci_high": 0.2,
    "effect_size": 0.0,
    "p_value": 1.0,
    "p_adjusted": 1.0,
    "detectable_drop": 0.6,
    "lost": 0,
    "gained": 0,
}
CHANGES = {Condition("vflip"): Estimate(-10.0, -14.0, -6.0)}
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def compared(findings, condition, change, outcome, reason, **fields):
    """Return the comparison of a model with the baseline."""
    names = {"model": "digits:resnet18", "counterpart": "digits:vgg16", "result": findings.on_images(**change)}
    return findings.compared(condition, verdict=Verdict(Outcome(outcome), reason), **names, **fields)


def cells(text):
    """Return the texts of every table row, as a reader of the page sees them."""
    rows = re.findall(r"<tr>(.*?)</tr>", MARKDOWN.render(text), re.DOTALL)
    return [
        [html.unescape(re.sub("<.*?>", "", cell)) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)]
        for row in rows
    ]


def test_the_summary_has_the_verdict_and_a_table_for_each_kind_of_test(findings):
    tests = (
        compared(findings, CONTROL, SAME, "PASS", "right and wrong on the same images"),
        compared(
            findings,
            Condition("zoom", 3),
            FELL,
            "FAIL",
            "accuracy fell 5.0 points",
            beyond_control=Estimate(-5.0, -6.0, -4.0),
            fallen=(ClassFinding(6, "six", findings.on_images()),),
        ),
    )
    text = render(findings.view(gate_tests=tests, changes=CHANGES, notes=("The baseline can be tightened.",)))
    assert text.splitlines()[0] == "## Robustness: FAIL"
    assert "baseline shows a loss of robustness; 1 could not be made, of vgg16." in text.splitlines()[2]
    assert re.findall("^### .*", text, re.MULTILINE) == [
        "### Against the baseline", "### Models that fail", "### Models", "### Sensitive classes", "### Inconclusive",
        "### Passed, and what that excludes", "### Errors", "### Notes",
    ]  # fmt: skip
    found = cells(text)
    assert found[0][4] == "90 % interval"
    # The one is of images, the other a mean over classes: they differ where classes do in size.
    heads = {row[0]: row for row in found if row[0] in ("transform", "model")}
    assert heads["model"][-1] == "worst (mean over classes)"
    assert "average change of top-1" in [name for row in found for name in row]
    assert ["control", "90.00", "90.00", "0.00", "−6.30 to −3.70", "1e-6", "", "ok"] in found
    assert ["zoom", "90.00", "85.00", "−5.00", "−6.30 to −3.70", "1e-6", "−5.00", "less robust"] in found
    assert ["vflip", "1 of 2", "2", "2", "0", "−10.0", "−14.0 to −6.0", "resnet18"] in found
    assert ["zoom", "0 of 1, 1 error", "0", "1", "1", "", "", ""] in found
    assert ["resnet18", "92.5", "1000", "1 of 2", "1", "2", "1", "vflip −10.0"] in found
    assert ["vgg16", "82.5", "1000", "0 of 1, 1 error", "1", "1", "0", "vflip −10.0"] in found
    assert ["vflip", "2 of 3", "1", "1", "2", "0", "nine −58.0 (−60.0), six −28.0 (−30.0)"] in found
    assert "- resnet18 under zoom: accuracy fell 5.0 points. Classes that fell: six −5.0\n" in text
    assert text.endswith(
        "- digits:vgg16 failed during the sweep: ValueError: no\n\n### Notes\n\n- The baseline can be tightened.\n"
    )


def test_what_could_not_be_told_is_not_shown_as_tested(findings):
    few = tuple(dataclasses.replace(c, result=findings.inconclusive()) for c in findings.classes().classes)
    test = findings.classes(outcome="INCONCLUSIVE", classes=few, sensitive=(), beyond=(), allowed=0)
    text = render(findings.view(class_tests=(test,), skipped=("photos/a.png",)))
    assert ["vflip", "inconclusive", "0", "0", "0", "0", ""] in cells(text)
    assert text.endswith("### Notes\n\n- 1 image could not be read and took no part.\n")
    undecided = text.partition("### Inconclusive\n\n")[2].partition("\n\n")[0].splitlines()
    assert [line.partition(":")[0] for line in undecided] == ["- resnet18 under zoom", "- the classes under vflip"]


def test_what_was_not_tested_has_no_section(findings):
    text = render(findings.view(model_tests=(findings.model("digits:vgg16"),), class_tests=(), errors={}))
    assert re.findall("^### .*", text, re.MULTILINE) == ["### Models that fail", "### Models"]


def test_the_model_is_named_where_several_are_compared(findings):
    test = compared(findings, CONTROL, SAME, "PASS", "")
    other = compared(findings, CONTROL, SAME, "PASS", "")
    tests = (test, type(other)(**{**vars(other), "model": "digits:vgg16"}))
    assert [row[0] for row in cells(render(findings.view(gate_tests=tests)))][1:3] == [
        "resnet18 control",
        "vgg16 control",
    ]


def test_a_comparison_with_too_few_images_is_called_inconclusive_whatever_it_counts_as(findings):
    for outcome in Outcome:
        test = compared(findings, CONTROL, FELL, outcome, "too few", undecided=True)
        assert cells(render(findings.view(gate_tests=(test,))))[1][-1] == "inconclusive"


def test_long_lists_are_cut_and_say_so(findings):
    models = tuple(f"m{i}" for i in range(8))
    tests = tuple(findings.model(model) for model in models)
    labels = dict.fromkeys(models, "") | {model: model for model in models}
    errors = {Cell(f"m{i}", CONTROL): f"error {i}" for i in range(25)}
    text = render(findings.view(models=models, labels=labels, model_tests=tests, errors=errors))
    assert "m0, m1, m2, m3, m4 and 3 more" in text
    assert "<details>" not in text
    assert "- error 19\n- 5 more errors\n" in text
    assert "error 20" not in text


def test_many_models_are_folded_and_very_many_cut(findings):
    def summary_of(count):
        models = tuple(f"m{i}" for i in range(count))
        tests = tuple(findings.model(model) for model in models)
        labels = {model: model for model in models}
        return render(
            findings.view(models=models, labels=labels, model_tests=tests, class_tests=(), counts={}, errors={})
        )

    assert "<details>" not in summary_of(15)
    assert "<details><summary>16 models</summary>\n\n| model | control" in summary_of(16)
    many = summary_of(53)
    assert "| m49 | " in many
    assert "| m50 | " not in many
    assert "3 more models: see results.json" in many


def test_what_passed_is_folded_with_what_it_excludes_and_what_is_inconclusive_is_not(findings):
    def test_of(outcome, reason):
        return findings.model("digits:vgg16", outcome=outcome, verdict=Verdict(Outcome(outcome), reason))

    tests = [test_of("PASS", f"within 2 points: -0.{i} points") for i in range(52)]
    text = render(findings.view(model_tests=(*tests, test_of("INCONCLUSIVE", "about 3,700 images would decide"))))
    passed = text.partition("### Passed, and what that excludes\n\n")[2].partition("</details>")[0].splitlines()
    assert passed[:3] == [
        "<details><summary>Tests that passed</summary>",
        "",
        "- vgg16 under vflip: within 2 points: -0.0 points",
    ]
    assert passed[-2:] == ["- 2 more, in results.json", ""]
    assert "### Inconclusive\n\n- vgg16 under vflip: about 3,700 images would decide\n" in text


@pytest.mark.parametrize(
    "name", ["a|b", "<script>", "`x`", "*x*", "_x_", "[a](b)", "a\\|b", "$x$", "~x~", "a\nb", "&lt;"]
)
def test_a_name_is_shown_as_it_is_in_a_table(findings, name):
    condition = Condition(name)
    text = render(
        findings.view(
            conditions=(condition,),
            model_tests=(findings.model("digits:resnet18", condition),),
            class_tests=(),
            errors={},
        )
    )
    shown = " ".join(name.split())
    assert [row[0] for row in cells(text)] == ["transform", shown, "model", "resnet18"]
    assert cells(text)[-1][-1] == f"{shown} −10.0"


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp", "Zs"))).filter(is_printable))
def test_any_text_comes_back_from_a_table_cell(text):
    page = MARKDOWN.render(f"| head | x |\n| --- | --- |\n| {escape(text)} | y |\n")
    cell = re.findall(r"<td>(.*?)</td>", page, re.DOTALL)[0]
    assert html.unescape(cell) == " ".join(text.split())


def test_names_of_transforms_and_models_stay_readable_in_the_source():
    assert escape("equalize_zoom_brightness") == "equalize_zoom_brightness"
    assert escape("python:digit_reader.py:reader") == "python:digit_reader.py:reader"


def test_the_file_is_in_the_folder_of_the_report(findings, tmp_path):
    view = findings.view()
    path = write(view, tmp_path / "report")
    assert path == tmp_path / "report/summary.md"
    assert path.read_text(encoding="utf-8") == render(view)
