"""Every report names the class that one model alone loses, the model, and the fall."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re

import pandas as pd
import pytest

from pytest_robustness.analysis.test_result import ModelFall
from pytest_robustness.report import markdown, summary
from pytest_robustness.report.allure.chart import bars_of
from pytest_robustness.report.allure.evidence import classes_csv
from pytest_robustness.report.finding_text import finding_lines
from pytest_robustness.report.junit import figures
from pytest_robustness.report.page import heat, payload
from pytest_robustness.report.page.render import render as page_of
from pytest_robustness.report.tables import write
from pytest_robustness.report.terminal import render

ALONE = (ModelFall("vgg16", 2, "zero", 40, -80.0, 1e-6), ModelFall("resnet18", 2, "zero", 40, -41.0, 1e-3))
UNSHOWN = (ModelFall("vgg16", 0, "six", 5, -60.0, 0.4),)


@pytest.fixture
def view(findings):
    models = ("digits:resnet18", "digits:vgg16")
    test = findings.classes(models=models, sensitive=(), beyond=(), alone=ALONE, unshown_alone=UNSHOWN)
    return findings.view(class_tests=(test,), model_tests=())


def test_texts_name_model_class_and_fall(view):
    assert "zero -1.0 (-6.0 to +4.0), measured +0.0, -80.0 in vgg16 alone" in render(view, 120, color=False)
    assert "zero −1.0 (0.0, −80.0 in vgg16 alone)" in markdown.render(view).replace("+0.0", "0.0")
    headline, *lines = finding_lines(view.class_tests[0])
    assert headline.startswith("-80.0 points (SEVERE) in class zero of vgg16 alone: vflip: ")
    assert "  in single models    in vgg16 alone: zero -80.0, in resnet18 alone: zero -41.0" in lines
    assert "  in single models    1 fall beyond the margin is not shown" in lines
    changed = "no class changed significantly and by more than 10 measured points"
    fell = "in vgg16 alone: zero -80.0, in resnet18 alone: zero -41.0"
    assert f"{changed} over all models; {fell}" in summary.verdict(view)


def test_tables_have_it(view, tmp_path):
    write(view, tmp_path)
    found = json.loads((tmp_path / "results.json").read_text())
    (row,) = found["class_summary"]
    assert [(fall["model"], fall["name"], fall["difference"]) for fall in row["alone"]] == [
        ("vgg16", "zero", -80.0),
        ("resnet18", "zero", -41.0),
    ]
    assert row["unshown_alone"] == 1
    assert [row["alone"] for row in found["class_tests"]] == [None, None, "vgg16; resnet18"]
    assert [row["outcome"] for row in found["class_tests"]] == ["PASS", "PASS", "FAIL"]
    assert pd.read_csv(tmp_path / "tests.csv").alone.tolist()[-1] == "vgg16; resnet18"
    assert dict(figures(view.class_tests[0]))["falls_in_single_models"] == 2
    (row,) = csv.DictReader(io.StringIO(classes_csv(view.class_tests[0])))
    assert (row["class_name"], row["beyond"], row["alone"]) == ("zero", "True", "vgg16; resnet18")


def test_the_page_has_it_for_its_scripts(view):
    (packed,) = json.loads(gzip.decompress(base64.b64decode(payload.encode(view))))["classTests"]
    assert packed["alone"] == [[2, "vgg16", "−80.0"], [2, "resnet18", "−41.0"]]


def test_every_count_of_what_is_beyond_the_margin_counts_it(findings, tmp_path):
    models = ("digits:resnet18", "digits:vgg16")
    made = findings.classes(models=models)
    # One class over all models, which also fell in one of them, and another in two models alone.
    test = findings.classes(models=models, sensitive=(), beyond=(made.classes[1],), alone=ALONE)
    view = findings.view(class_tests=(test,), model_tests=())
    counted = {finding.index for finding in test.beyond} | {fall.index for fall in test.alone}
    assert counted == {1, 2}
    assert [finding.index for finding in test.beyond_anywhere] == [1, 2]

    (row,) = [line.split() for line in render(view, 120, color=False).splitlines() if line.startswith("vflip  ")][:1]
    assert row == ["vflip", "0", "3", "1", "2", "0"]
    (row,) = [line for line in markdown.render(view).splitlines() if line.startswith("| vflip | 0 of 3")]
    assert row.split(" | ")[4] == "**2**"
    write(view, tmp_path)
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["class_summary"][0]["beyond"] == 2
    assert [row["beyond"] for row in found["class_tests"]] == [False, True, True]
    assert dict(figures(test))["classes_beyond_margin"] == 2
    assert any(line.startswith("  beyond the margin   2 classes") for line in finding_lines(test))
    assert "2 beyond the margin" in bars_of(test).title
    assert [row["beyond"] for row in csv.DictReader(io.StringIO(classes_csv(test)))] == ["True", "True"]

    page = page_of(view)
    (packed,) = json.loads(gzip.decompress(base64.b64decode(payload.encode(view))))["classTests"]
    assert packed["beyond"] == [0, 1, 1]
    (bar,) = heat.class_bars(view)
    assert bar.beyond == 2
    cells = re.search(r'id="class-tests".*?<tbody>(.*?)</tbody>', page, re.DOTALL)[1]
    assert re.findall(r'class="number">(\d+)<', cells) == ["0", "1", "2", "0"]
    words = "changed significantly and by more than 10 measured points, over all models or in one alone"
    assert page.count(f"the class {words}.") == 3
    assert f"beyond: {words};" in " ".join(render(view, 120, color=False).split())
