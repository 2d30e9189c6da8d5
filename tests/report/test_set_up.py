"""Every report that shows a set-up shows the same: what it is, where it comes from, and what the doctor said."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from pytest_robustness.core import CONTROL, SETTINGS, Cell, Preprocess
from pytest_robustness.inference.loading.model_facts import ModelFacts
from pytest_robustness.report import set_up
from pytest_robustness.report.allure import run_files
from pytest_robustness.report.page import render
from pytest_robustness.report.tables import as_dict

MODELS = ("digits:resnet18", "digits:vgg16")
IMAGENET = Preprocess(256, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
WHOLE = dict.fromkeys(SETTINGS, "published")
PARTLY = {
    "mean": "file",
    "std": "file",
    "size": "sidecar",
    "interpolation": "assumed",
    "antialias": "assumed",
    "classes": "data",
}
AS_THEY_ARE = {**dict.fromkeys(SETTINGS, "factory"), "size": "data", "interpolation": "unused", "antialias": "unused"}


def facts(origins, preprocess=IMAGENET, method="name", **more):
    return ModelFacts("f00d", method, (0, 1, 2), preprocess, output_count=1000, origins=origins, **more).shown()


@pytest.fixture
def view(findings):
    def view_of(*of_models, **fields):
        models = dict(zip(MODELS, of_models, strict=False))
        plain = {"options": {"seed": 0, "test": "welch", "alpha": 0.05, "correction": "none"}, "dataset": {}}
        return findings.view(provenance={**plain, "models": models}, **fields)

    return view_of


def test_a_row_has_each_part_with_its_value_and_its_origin(view):
    report = view(
        facts(WHOLE),
        facts(AS_THEY_ARE, Preprocess(mean=(0, 0, 0), std=(1, 1, 1)), "position"),
        diagnoses={MODELS[1]: "BGR"},
    )
    first, second = set_up.rows(report)
    values = ["0.485, 0.456, 0.406", "0.229, 0.224, 0.225", "256, crop 224", "bilinear", "yes", "by name"]
    assert [cell.value for cell in first.cells] == values
    assert {(cell.origin, cell.assumed) for cell in first.cells} == {("published weights", False)}
    assert [cell.value for cell in second.cells] == ["0, 0, 0", "1, 1, 1", "as they are", "–", "–", "by position"]
    assert [cell.origin for cell in second.cells] == ["your code", "your code", "the data", "", "", "your code"]
    assert [(row.model, row.diagnosis) for row in (first, second)] == [(MODELS[0], "–"), (MODELS[1], "BGR")]


def test_what_was_assumed_is_marked(view):
    [row] = set_up.rows(view(facts(PARTLY, Preprocess(256, 224, antialias=False), "number")))
    assert [cell.assumed for cell in row.cells] == [False, False, False, True, True, False]
    assert [cell.value for cell in row.cells[3:]] == ["bilinear", "no", "by number"]


def test_a_default_of_the_architecture_is_named_so_and_marked_where_it_is_warned_of(view):
    origins = dict.fromkeys(SETTINGS, "architecture") | {"classes": "factory"}
    trusted, doubted = set_up.rows(view(facts(origins), facts(origins, assumed=("mean", "std", "size"))))
    words = ["timm's default of the architecture"] * 5 + ["your code"]
    assert [cell.origin for cell in trusted.cells] == [cell.origin for cell in doubted.cells] == words
    assert not any(cell.assumed for cell in trusted.cells)
    assert [cell.assumed for cell in doubted.cells] == [True, True, True, False, False, False]


def test_models_of_which_nothing_is_known_have_no_row(view):
    assert set_up.rows(view()) == []
    assert set_up.rows(view({"fingerprint": "f"})) == []
    assert set_up.sentence(view()) == ""
    # What an earlier version wrote down has no origins.
    old = {name: value for name, value in facts(WHOLE).items() if name != "origins"}
    assert {cell.origin for cell in set_up.rows(view(old))[0].cells} == {""}


def test_a_sentence_says_it_once_for_models_that_are_alike(view):
    assert set_up.sentence(view(facts(WHOLE), facts(WHOLE))) == "published weights"
    assert set_up.sentence(view(facts(WHOLE), facts(PARTLY))) == (
        "resnet18: published weights; vgg16: mean and std its file, size its sidecar, interpolation and antialias "
        "assumed, classes the data"
    )


def test_page_json_and_allure_have_it(view, tmp_path):
    report = view(facts(WHOLE), facts(PARTLY, kept=(0, 1, 2)), diagnoses={MODELS[0]: "channels are BGR: <b>"})
    page = render.render(report)
    table = page[page.index('class="provenance set-up"') :].partition("</table>")[0]
    words = re.sub(r"<[^>]*>|\s+", " ", table)
    assert "0.485, 0.456, 0.406" in words
    assert words.count("published weights") == 6
    assert words.count("assumed") == 2
    assert "channels are BGR: &lt;b&gt;" in words
    assert "3 of 1,000" in page
    assert "Models answer among the outputs of the data&#39;s 3 classes (--robustness-outputs=data)." in page
    rows = as_dict(report)["models"]
    assert [row.get("diagnosis") for row in rows] == ["channels are BGR: <b>", None]
    assert [row["origins"] for row in rows] == [WHOLE, PARTLY]
    assert [row["kept_outputs"] for row in rows] == [None, 3]
    known = {"name": "photos", "images": 1, "classes": 3, "fingerprint": "f"}
    more = {"dataset": known, "packages": {}, "device": "cpu", "runtime": "eager", "python": "3.12"}
    found = run_files.environment(dataclasses.replace(report, provenance={**report.provenance, **more}))
    assert found["set-up"] == set_up.sentence(report)
    assert found["outputs"].endswith("(--robustness-outputs=data).")


def test_top5_is_a_column_of_the_tables_of_models_where_it_is_defined(findings):
    plain = render.render(findings.view())
    assert "top-5" not in plain[plain.index('id="changes"') :].partition("</table>")[0]
    page = render.render(findings.view(top5={Cell(MODELS[0], CONTROL): np.array([20, 19, 0])}))
    head, body = page[page.index('id="changes"') :].partition("</table>")[0].split("</thead>")
    assert [re.sub(r"<[^>]*>", "", text) for text in re.findall(r"<th [^>]*>.*?</th>", head)][1:3] == [
        "control",
        "top-5",
    ]
    # 39 of 40 images; the other model has none.
    cells = re.findall(r'<td data-value="([^"]*)" class="secondary quiet">([^<]*)</td>', body)
    assert cells == [("97.5000", "97.5\N{NO-BREAK SPACE}%"), ("", "–")]
