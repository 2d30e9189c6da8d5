"""The files for programs hold every result, in columns and keys that stay."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.analysis.baseline.apart import AllApart, ClassApart, FallenApart
from pytest_robustness.analysis.policy import TestPolicy
from pytest_robustness.analysis.test_result import ImageChange
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.report import tables
from pytest_robustness.report.csv_text import csv_text
from pytest_robustness.report.tables import as_dict, write


def test_the_three_files_are_written_and_nothing_else_is_left(findings, tmp_path):
    paths = write(findings.view(), tmp_path / "a" / "report")
    assert [path.name for path in paths] == ["results.json", "accuracy.csv", "tests.csv"]
    assert sorted(path.name for path in (tmp_path / "a" / "report").iterdir()) == sorted(path.name for path in paths)


def test_writing_again_replaces_the_files(findings, tmp_path):
    write(findings.view(), tmp_path)
    write(findings.view(model_tests=(), class_tests=()), tmp_path)
    assert json.loads((tmp_path / "results.json").read_text())["model_tests"] == []


def test_results_json_is_valid_json_without_nan(findings, tmp_path):
    write(findings.view(), tmp_path)

    def refuse(name):
        raise AssertionError(name)

    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert found["model_tests"][2]["p_value"] is None
    assert found["model_tests"][2]["outcome"] == "INCONCLUSIVE"


def test_model_tests_carry_their_numbers_under_the_names_of_the_design(findings):
    row = as_dict(findings.view())["model_tests"][0]
    expected = {
        "model": "digits:resnet18",
        "transform": "vflip",
        "severity": None,
        "outcome": "FAIL",
        "n": 10,
        "control_accuracy": 90.0,
        "accuracy": 80.0,
        "difference": -10.0,
        "ci_low": -15.0,
        "ci_high": -5.0,
        "effect_size": -2.5,
        "statistic": -4.2,
        "df": 18.0,
        "p_value": 0.0005,
        "p_adjusted": 0.0005,
    }
    assert {name: row[name] for name in expected} == expected


def test_class_tests_say_of_each_class_whether_it_is_sensitive(findings):
    classes = findings.classes()
    untold = dataclasses.replace(
        classes.classes[0], index=3, name="ten", result=findings.inconclusive(), images=findings.of_images(blind=True)
    )
    rows = as_dict(findings.view(class_tests=(findings.classes(classes=(*classes.classes, untold)),)))["class_tests"]
    assert [(row["class_index"], row["class_name"], row["outcome"]) for row in rows] == [
        (0, "six", "FAIL"),
        (1, "nine", "FAIL"),
        (2, "zero", "PASS"),
        (3, "ten", "INCONCLUSIVE"),
    ]


@pytest.mark.parametrize(
    ("rule", "outcomes"), [("strict", ["FAIL", "FAIL", "PASS"]), ("article", ["FAIL", "PASS", "PASS"]),
                           ("margin", ["PASS", "FAIL", "PASS"])],
)  # fmt: skip
def test_a_class_that_the_images_fail_is_no_pass_and_one_that_the_rule_lets_pass_no_failure(
    findings, tmp_path, rule, outcomes
):
    made = findings.classes()
    test = findings.classes(sensitive=made.classes[:1], beyond=made.classes[1:2])
    write(findings.view(class_tests=(test,), model_tests=(), policy=TestPolicy(verdict=rule)), tmp_path)
    rows = json.loads((tmp_path / "results.json").read_text())["class_tests"]
    assert [(row["outcome"], row["sensitive"], row["beyond"]) for row in rows] == list(
        zip(outcomes, [True, False, False], [False, True, False], strict=True)
    )
    table = pd.read_csv(tmp_path / "tests.csv")
    assert table.outcome.tolist() == outcomes
    assert table.sensitive.astype(bool).tolist() == [True, False, False]
    assert table.beyond.astype(bool).tolist() == [False, True, False]


def test_the_class_summary_counts_every_class_once(findings):
    classes = findings.classes(untested=("ten", "eleven"), left_out=("vgg19",))
    (row,) = as_dict(findings.view(class_tests=(classes,)))["class_summary"]
    assert (row["sensitive"], row["insensitive"], row["inconclusive"]) == (2, 1, 2)
    assert (row["outcome"], row["allowed"], row["left_out"]) == ("FAIL", 1, ["vgg19"])
    assert (row["beyond"], row["blind"]) == (2, 2)


def test_errors_and_skipped_images_are_listed(findings):
    found = as_dict(findings.view(skipped=("a.png",)))
    assert found["errors"] == [
        {
            "model": "digits:vgg16",
            "transform": "zoom",
            "severity": 3,
            "error": "digits:vgg16 failed during the sweep: ValueError: no",
        }
    ]
    assert found["skipped_images"] == ["a.png"]


def test_accuracy_has_a_row_for_each_finished_cell_and_class(findings, tmp_path):
    view = findings.view()
    write(view, tmp_path)
    table = pd.read_csv(tmp_path / "accuracy.csv", dtype={"severity": "Int64"})
    assert list(table) == ["model", "transform", "severity", "class_index", "class_name", "n", "correct", "top5"]
    assert table["top5"].isna().all()
    assert len(table) == len(view.counts) * 3
    row = table[(table.model == "digits:vgg16") & (table["transform"] == "control")]
    assert row.correct.tolist() == [15, 18, 0]
    assert table[table.severity == 3].model.unique().tolist() == ["digits:resnet18"]
    assert (tmp_path / "accuracy.csv").read_text().splitlines()[1] == "digits:resnet18,control,,0,six,20,19,"


def test_tests_has_a_row_for_each_test_of_a_model_and_of_a_class(findings, tmp_path):
    write(findings.view(), tmp_path)
    table = pd.read_csv(tmp_path / "tests.csv")
    assert table.kind.tolist() == ["model"] * 3 + ["class"] * 3
    assert table.severity.isna().tolist() == [True, True, False, True, True, True]
    assert table.class_index.tolist()[3:] == [0, 1, 2]
    assert table.p_value.tolist()[0] == 0.0005
    assert math.isnan(table.p_value[2])


def as_pandas_writes(columns, rows, **options):
    """Return the CSV of pandas; a column of whole numbers may have gaps."""
    frame = pd.DataFrame([[defused(value) for value in row] for row in rows], columns=columns, dtype=object)
    for name in columns:
        kinds = {type(value) for value in frame[name]} - {type(None)}
        frame[name] = frame[name].astype({float: "float64", int: "Int64", str: "str"}[(kinds or {int}).pop()])
    return frame.to_csv(index=False, lineterminator="\n", **options)


def defused(value):
    """Return a text behind an apostrophe where a spreadsheet would read it as a formula: OWASP's list."""
    if not isinstance(value, str) or value[:1] not in {*"=+-@\t\r\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"}:
        return value
    with contextlib.suppress(ValueError):
        if "_" not in value and value == value.strip() and math.isfinite(float(value)):
            return value
    return f"'{value}"


FLOATS = st.floats(width=64) | st.sampled_from([-0.0, 5e-324, 1e16, 1e22, 0.1 + 0.2, math.inf, -math.inf, math.nan])
NAMES = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        *("a,b", 'say "x"', "two\nlines", "carriage\rreturn", "tab\t", "δέλτα", "nan", "NA", "None", " ", "'"),
        *("=1+1", "-1", "+2.5e-3", "-inf", "-", "@x", "=", "-x"),
    ]
)


@given(st.lists(st.tuples(NAMES, FLOATS, st.integers(-(2**53), 2**53)), min_size=1))
def test_csv_is_what_pandas_writes_byte_for_byte(rows):
    found = [(name, value, number if number % 3 else None, number) for name, value, number in rows]
    columns = ["name, of all", "value", "maybe", "number"]
    assert csv_text(columns, found) == as_pandas_writes(columns, found)
    values = [(name, value, number) for name, value, number in rows]
    expected = as_pandas_writes(["a", "b", "c"], values, float_format="%.3g")
    assert csv_text(["a", "b", "c"], values, float_format=".3g") == expected


def test_the_files_are_what_pandas_writes_of_the_same_rows(findings, tmp_path):
    names = ('a "b", c', "two\nlines", "δέλτα")
    results = [findings.result(p_value=1e-300, statistic=math.inf), findings.inconclusive(), findings.result()]
    made = findings.classes()
    classes = tuple(
        dataclasses.replace(finding, name=name, result=result)
        for finding, name, result in zip(made.classes, names, results, strict=True)
    )
    top5 = {Cell("digits:vgg16", CONTROL): np.array([20, 19, 0])}
    view = findings.view(classes=names, class_tests=(findings.classes(classes=classes),), top5=top5)
    write(view, tmp_path)
    frames = [
        pd.DataFrame(
            {
                "model": cell.model,
                "transform": cell.condition.transform,
                "severity": cell.condition.severity,
                "class_index": range(3),
                "class_name": names,
                "n": counts.n,
                "correct": counts.correct,
                "top5": top5.get(cell, pd.NA),
            }
        ).astype({"severity": "Int64", "top5": "Int64"})
        for cell, counts in view.counts.items()
    ]
    expected = pd.concat(frames).to_csv(index=False, lineterminator="\n")
    assert (tmp_path / "accuracy.csv").read_text(encoding="utf-8") == expected
    found = as_dict(view)
    rows = [
        row["images"] | {f"images_{name}": value for name, value in row["images"].items()} | row | {"kind": kind}
        for kind in ("model", "class")
        for row in found[f"{kind}_tests"]
    ]
    table = pd.DataFrame(rows).reindex(columns=tables.TESTS_COLUMNS)
    whole = ("severity", "class_index", "images_lost", "images_gained")
    table = table.astype(dict.fromkeys(whole, "Int64"))
    expected = table.to_csv(index=False, lineterminator="\n")
    assert (tmp_path / "tests.csv").read_text(encoding="utf-8") == expected


def test_every_model_has_its_control_accuracy(findings):
    rows = as_dict(findings.view())["models"]
    # 37 and 33 of 40 images are right.
    assert [(row["label"], row["control_accuracy"]) for row in rows] == [("resnet18", 92.5), ("vgg16", 82.5)]
    assert [row["control_accuracy"] for row in as_dict(findings.view(counts={}))["models"]] == [None, None]


def test_a_model_test_has_what_its_images_show_and_the_margin(findings):
    row = as_dict(findings.view())["model_tests"][0]
    assert row["margin"] == 2.0
    assert row["images"] == {
        "n": 1000,
        "lost": 120,
        "gained": 20,
        "difference": -10.0,
        "ci_low": -12.0,
        "ci_high": -8.0,
        "level": 90.0,
        "p_value": 1e-18,
        "images_to_decide": 61.0,
    }


def test_a_class_test_has_what_its_images_show_and_what_to_expect_on_others(findings):
    row = as_dict(findings.view())["class_tests"][1]
    assert row["margin"] == 10.0
    assert row["images"] == {
        "n": 100,
        "right": 90,
        "difference": -60.0,
        "p_value": 1e-8,
        "p_adjusted": 3e-8,
        "blind": False,
        "expected_change": -58.0,
        "expected_low": -66.0,
        "expected_high": -50.0,
    }


def test_a_comparison_with_the_baseline_has_both_p_values_the_interval_that_decides_and_its_broken_classes(findings):
    broken = findings.classes().classes[:1]
    compared = findings.compared(fallen=findings.classes().classes[:2], broken=broken)
    (row,) = as_dict(findings.view(gate_tests=(compared,)))["gate"]
    assert (row["p_worse"], row["p_kept"]) == (1e-6, 1.0)
    assert {name: row["images"][name] for name in ("ci_low", "ci_high", "level")} == {
        "ci_low": -6.3,
        "ci_high": -3.7,
        "level": 90.0,
    }
    assert [found["class_name"] for found in row["fallen_classes"]] == ["six", "nine"]
    assert row["broken_classes"] == row["fallen_classes"][:1]


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_figure_that_is_not_finite_is_null_and_an_empty_cell(findings, tmp_path, value):
    change = findings.change(**dict.fromkeys(("low", "high", "needed"), value))
    assert isinstance(change, ImageChange)
    write(findings.view(model_tests=(findings.model(change=change),), class_tests=()), tmp_path)
    images = json.loads((tmp_path / "results.json").read_text())["model_tests"][0]["images"]
    assert [images[name] for name in ("ci_low", "ci_high", "images_to_decide")] == [None] * 3
    (row,) = rows_of_tests(tmp_path)
    assert row["images_to_decide"] == ""


def rows_of_tests(folder):
    """Return the rows of ``tests.csv`` as text."""
    return list(csv.DictReader((folder / "tests.csv").read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("together", [None, AllApart(400, 340, 380.5)])
def test_a_comparison_says_what_fell_on_images_that_the_baseline_lacks(findings, together):
    fell = FallenApart((ClassApart("six", 100, 95, 90, 40),), together)
    rows = [findings.compared(apart=apart) for apart in (None, FallenApart(), fell)]
    plain, nothing, found = as_dict(findings.view(gate_tests=tuple(rows)))["gate"]
    assert plain["apart_classes"] == nothing["apart_classes"] == []
    assert plain["apart_all_classes"] is nothing["apart_all_classes"] is None
    six = {"name": "six", "n_before": 100, "right_before": 95, "n": 90, "right": 40}
    assert found["apart_classes"] == [six]
    assert found["apart_all_classes"] == (together and {"n": 400, "right": 340, "expected": 380.5})


def test_columns_of_tests_are_only_added():
    first = (
        "kind,model,transform,severity,class_index,class_name,outcome,test,n,control_accuracy,accuracy,difference,ci_low,"
        "ci_high,effect_size,statistic,df,p_value,p_adjusted,detectable_drop"
    )
    assert ",".join(tables.TESTS_COLUMNS).startswith(first + ",reason,margin,")
    assert len(set(tables.TESTS_COLUMNS)) == len(tables.TESTS_COLUMNS)


def test_a_row_of_tests_has_the_figures_of_the_images_in_their_columns(findings, tmp_path):
    write(findings.view(), tmp_path)
    rows = rows_of_tests(tmp_path)
    model, of_class = rows[0], rows[4]
    assert [model[f"images_{name}"] for name in ("n", "lost", "gained", "ci_low", "level", "to_decide")] == [
        "1000",
        "120",
        "20",
        "-12.0",
        "90.0",
        "61.0",
    ]
    assert (model["n"], model["p_value"], model["blind"], model["expected_change"]) == ("10", "0.0005", "", "")
    expected = {"images_n": "100", "images_difference": "-60.0", "blind": "False", "expected_low": "-66.0"}
    assert {name: of_class[name] for name in expected} == expected
    assert (of_class["images_lost"], of_class["margin"]) == ("", "10.0")


def test_a_run_without_results_still_has_its_columns(findings, tmp_path):
    write(findings.view(counts={}, model_tests=(), class_tests=()), tmp_path)
    assert (tmp_path / "accuracy.csv").read_text() == ",".join(tables.ACCURACY_COLUMNS) + "\n"
    assert (tmp_path / "tests.csv").read_text() == ",".join(tables.TESTS_COLUMNS) + "\n"


def test_a_folder_that_cannot_be_written_is_told(findings, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RobustnessError) as caught:
        write(findings.view(), tmp_path / "file")
    assert str(caught.value) == (
        f"The report cannot be written to {tmp_path / 'file'}: File exists. Name another folder with "
        f"--robustness-report=DIR; nothing has to be computed again."
    )
