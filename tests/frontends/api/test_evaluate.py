"""An evaluation from Python finds what a run of pytest finds, from one store, and takes objects as well as names."""

from __future__ import annotations

import gc
import inspect
import re
import sqlite3
import sys
import typing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from pytest_robustness import Evaluation, Model, Outcome, Preprocess, evaluate
from pytest_robustness.core.errors import BaselineError, DataError, OptionError, RobustnessError
from pytest_robustness.frontends.api.arguments import ARGUMENTS, PYTEST_ALONE, EvaluationOptions
from pytest_robustness.frontends.command.main import cli
from pytest_robustness.frontends.session.session import RobustnessSession

TINY: dict[str, Any] = {
    "models": ["python:nets.py:slope", "python:nets.py:colour"],
    "data": "folder:photos",
    "transforms": ["vflip", "hflip"],
    "workers": 0,
    "margin": 10,
    "progress": False,
}


class Bright(torch.nn.Module):
    """Says up where the top is brighter than the bottom."""

    def forward(self, images):
        top, bottom = images.chunk(2, dim=2)
        up = 10 * (top - bottom).mean(dim=(1, 2, 3))
        return torch.stack([-up, up], dim=1)


class Photos:
    """The photos of the project as torchvision's datasets have them."""

    def __init__(self, folder):
        self.classes = ["down", "up"]
        paths = [path for name in self.classes for path in sorted((folder / name).iterdir())]
        self.images = [Image.open(path).convert("RGB").copy() for path in paths]
        self.targets = [self.classes.index(path.parent.name) for path in paths]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], self.targets[index]


@pytest.fixture
def evaluation(folder) -> Evaluation:
    return evaluate(**TINY)


def test_pytest_finds_the_same_in_the_store_of_an_evaluation_and_computes_nothing(folder, evaluation):
    stored = folder.stored()
    assert set(stored.values()) == {40}
    folder.judge()
    assert folder.stored() == stored
    for kind, name in (("tests", "tests.csv"), ("images", "images.csv")):
        expected = folder.table(name)
        found = evaluation.to_frame(kind)
        assert list(found) == list(expected)
        pd.testing.assert_frame_equal(
            found.astype(object).where(found.notna(), np.nan),
            expected.astype(object).where(expected.notna(), np.nan),
            check_dtype=False,
            rtol=1e-6,
        )
    assert evaluation.outcome is Outcome.FAIL


def test_models_and_classes_are_the_rows_of_their_tests(evaluation):
    tests = evaluation.to_frame("tests")
    for kind, name in (("model", "models"), ("class", "classes")):
        frame, rows = evaluation.to_frame(name), tests[tests["kind"] == kind].reset_index(drop=True)
        pd.testing.assert_frame_equal(frame, rows[list(frame)], check_dtype=False)
        # What was left out has no figure in these rows, or says what the kind does.
        for column in set(rows) - set(frame) - {"kind", "reason"}:
            assert rows[column].isna().all()
    row = evaluation.to_frame("models").set_index(["model", "transform"]).loc[("python:nets.py:slope", "vflip")]
    assert (row.control_accuracy, row.accuracy, row.images_lost) == (100, 0, 40)


def test_a_table_that_does_not_exist_is_named_with_those_that_do(evaluation):
    with pytest.raises(OptionError, match=r"'model' is not a table\. Did you mean 'models'\? Known: classes, images"):
        evaluation.to_frame("model")


def test_reports_are_those_of_a_run(folder, evaluation):
    page = evaluation.report("mine")
    assert page.is_file()
    folder.judge()
    for name in ("accuracy.csv", "tests.csv", "images.csv"):
        mine, theirs = ((folder.path / place / name).read_text() for place in ("mine", "reports/latest"))
        assert mine.splitlines() == theirs.splitlines()


def test_a_model_and_a_dataset_may_be_objects(folder):
    net = Bright().train()
    weights = Model(net, Preprocess(mean=(0, 0, 0), std=(1, 1, 1)))
    found = evaluate({"bright": weights}, Photos(folder.path / "photos"), ["vflip", "hflip"], progress=False)
    frame = found.to_frame().set_index("transform")
    right = {name: 100 * folder.right(1, 0, name).mean() for name in ("control", "vflip", "hflip")}
    assert frame.accuracy.to_dict() == {name: right[name] for name in ("vflip", "hflip")}
    assert set(frame.control_accuracy) == {right["control"]}
    assert set(frame.model) == {"bright"}
    # A copy was judged.
    assert net.training
    # Objects of the same content are known, whatever they are called.
    again = evaluate({"other": Model(Bright(), weights.preprocess)}, "folder:photos", "vflip", progress=False)
    assert again.robustness.run_log.sweep_seconds is not None
    # One cell, described as it was computed last.
    assert {cell for cell in folder.stored() if cell[1] == "vflip"} == {("other", "vflip", None)}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"severity": 12}, OptionError, r"severity: '12' is not valid. Valid: levels from 1"),
        ({"limit": 0}, OptionError, r"limit: '0' is not valid. Valid: a whole number from 1, or all"),
        ({"precision": "fp8"}, OptionError, r"precision: 'fp8' is not valid. Valid: auto, fp32"),
        ({"severty": 3}, OptionError, r"'severty' is not an argument. Did you mean 'severity'\?"),
        ({"report": "x"}, OptionError, r"report is an option of pytest alone"),
        ({"baseline_model": "a"}, OptionError, r"baseline_model does nothing without candidate"),
        ({"alpha": [0.1, {}]}, OptionError, r"alpha has a value of type list. Valid: what --robustness-alpha takes"),
        ({"models": {"a": Bright()}, "executor": "ray"}, OptionError, r"executor='ray' makes models .* Name them"),
        ({"models": 3}, OptionError, r"models has a value of type int. Valid: names, or models by name"),
        (
            {"models": {"l": Model(len)}},
            OptionError,
            r"models\['l'\] has a Model of a value of type builtin_function_or_method, which is no torch.nn.Module",
        ),
        ({"models": {"a": 3}}, OptionError, r"models\['a'\] has a value of type int. Valid: a pytest_robustness.Model"),
        ({"models": {"a\n": Bright()}}, OptionError, r"is no name of a model"),
        ({"models": "python:nets.py:no"}, RobustnessError, r"no"),
        ({"data": "folder:nowhere"}, DataError, r"nowhere does not exist"),
        ({"data": 3}, DataError, r"data is an int. Valid: "),
        ({"transforms": "vflop"}, OptionError, r"'vflop' is not a transform. Did you mean 'vflip'\?"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_valid(folder, arguments, error, words):
    with pytest.raises(error, match=words):
        evaluate(**TINY | arguments)


def test_a_model_that_fails_is_in_the_errors_and_the_others_are_judged(folder):
    found = evaluate(**TINY | {"models": [TINY["models"][0], "python:nets.py:none"]})
    assert list(found.to_frame()["model"].unique()) == [TINY["models"][0]]
    assert set(found.errors) == {f"python:nets.py:none under {name}" for name in ("control", "vflip", "hflip")}
    assert "none" in found._repr_html_()


class Damaged(Photos):
    """Some of its images cannot be read."""

    def __getitem__(self, index):
        if index % 3 == 1:
            raise OSError("gone")
        return super().__getitem__(index)


class Relabelled(Photos):
    """Its first label is wrong in ``targets``."""

    def __getitem__(self, index):
        return self.images[index], 1 - self.targets[0] if index == 0 else self.targets[index]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (Damaged, "images could not be read and were skipped: "),
        (Relabelled, "data: data has targets that differ from the labels of its items"),
    ],
)
def test_what_is_known_of_the_data_is_said_in_a_notebook_too(folder, data, words):
    model = Model(Bright(), Preprocess(mean=(0, 0, 0), std=(1, 1, 1)))
    own = {"models": {"mine": model}, "data": data(folder.path / "photos"), "on_bad_image": "skip"}
    found = evaluate(**TINY | own)
    views = {"text": repr(found), "notebook": found._repr_html_(), "notes": " ".join(found.notes)}
    assert [name for name, view in views.items() if words not in " ".join(view.split())] == []


def test_a_transform_of_the_users_own_is_judged_by_its_name(folder):
    def register(registry):
        @registry.transform("dark", version=1)
        def dark(images):
            """Halve every value."""
            return images // 2

    found = evaluate(**TINY | {"transforms": None, "register": register, "severity": 1})
    assert "dark" in set(found.to_frame()["transform"])


def test_a_candidate_is_compared_with_a_baseline_that_pytest_wrote(folder):
    folder.judge("--robustness-update-baseline")
    found = evaluate(**TINY | {"baseline": "robustness-baseline.json", "tolerance": 10})
    assert [(test.result.lost, test.result.gained) for test in found.gate_tests] == 6 * [(0, 0)]
    assert len(found.gate_tests) == 2 * 3


def elsewhere(do, *arguments, **options):
    """Call ``do`` in another thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(do, *arguments, **options).result()


def here(do, *arguments, **options):
    """Call ``do``."""
    return do(*arguments, **options)


@pytest.mark.parametrize(("made", "asked"), [(here, elsewhere), (elsewhere, here)])
def test_another_thread_asks_and_closes_an_evaluation(folder, made, asked):
    found, model = made(evaluate, **TINY), TINY["models"][0]
    assert asked(found.robustness.model_test, model, "brightness", 3).verdict.outcome in Outcome
    assert asked(found.robustness.detectable, model, "vflip").verdict.outcome in Outcome
    assert len(asked(found.to_frame, "images"))
    assert asked(found.report, "there").is_file()
    asked(found.close)
    asked(found.close)


def test_evaluations_in_several_threads_leave_the_streams_and_find_what_each_finds_alone(folder):
    before = sys.stdout, sys.stderr
    stores = [f"{number}.sqlite" for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        found = [*pool.map(lambda store: evaluate(**TINY | {"store": store}), stores)]
    assert (sys.stdout, sys.stderr) == before
    alone = evaluate(**TINY | {"store": "alone.sqlite"}).to_frame()
    for each in found:
        pd.testing.assert_frame_equal(each.to_frame(), alone)


def test_an_evaluation_of_another_thread_that_nothing_refers_to_closes_its_store(folder, monkeypatch):
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    found = elsewhere(evaluate, **TINY)
    connection = found.robustness._run._predictor.store.file.connection
    del found
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
    assert unraisable == []


def test_a_study_that_is_asked_later_is_in_the_reports(folder, evaluation):
    before = len(evaluation.findings)
    evaluation.robustness.detectable("python:nets.py:slope", "vflip")
    assert len(evaluation.findings) == before + 1
    page = evaluation.report("studied")
    assert (page.parent / "studies" / "detectable.csv").is_file()


def test_text_and_html_have_the_verdict_and_escape_names(folder):
    found = evaluate({"<b>": Model(Bright(), Preprocess(mean=(0, 0, 0), std=(1, 1, 1)))}, "folder:photos", "vflip")
    assert "-100.0" in repr(found)
    page = found._repr_html_()
    assert page.count("<td") == 2
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "fails under vflip" in found.verdict
    assert "fails under vflip" in page


@pytest.mark.parametrize("name", PYTEST_ALONE)
def test_an_option_of_pytest_alone_is_refused_with_what_there_is_instead(name):
    with pytest.raises(OptionError, match=f"^{name} is an option of pytest alone. ") as caught:
        evaluate(**{name: "a"})
    instead = str(caught.value).partition("alone. ")[2]
    for method in re.findall(r"found\.robustness\.(\w+)", instead):
        assert callable(getattr(RobustnessSession, method))
    for attribute in re.findall(r"found\.(\w+)", instead):
        assert hasattr(Evaluation, attribute) or attribute == "robustness"
    for command in re.findall(r"pytest-robustness (\w+)", instead):
        assert command in cli.commands


@pytest.mark.parametrize("page", ["options.md", "python.md"])
def test_the_pages_name_the_options_that_are_no_arguments(page):
    text = (Path(__file__).parents[3] / "docs" / page).read_text(encoding="utf-8").partition("<!-- options")[0]
    (named,) = re.findall(r"(?:except for|instead:)((?:(?:,| and)?\s+`[a-z_-]+`)+)", text)
    assert sorted(word.replace("-", "_") for word in re.findall(r"`(.+?)`", named)) == sorted(PYTEST_ALONE)


def test_the_arguments_are_the_options_and_editors_know_them(evaluation):
    assert set(EvaluationOptions.__annotations__) == set(ARGUMENTS) - {"models", "data", "transforms"}
    assert typing.get_type_hints(EvaluationOptions, localns=vars(typing)) != {}
    parameters = inspect.signature(evaluate).parameters
    assert set(ARGUMENTS) <= set(parameters)
    assert inspect.Parameter.VAR_KEYWORD not in {each.kind for each in parameters.values()}
    assert {"to_frame", "report", "plot", "findings", "outcome", "robustness"} <= set(dir(evaluation))


def test_every_default_is_that_of_the_command_line(folder, monkeypatch):
    asked = {}

    class Session:
        def __init__(self, options, *rest, **more):
            asked.update({name: getattr(options, name) for name in ARGUMENTS})
            raise RobustnessError("enough")

    monkeypatch.setattr("pytest_robustness.frontends.api.evaluate.RobustnessSession", Session)
    with pytest.raises(RobustnessError, match="enough"):
        evaluate()
    expected = {name: None if spec.default is None else spec.read(spec.default) for name, spec in ARGUMENTS.items()}
    assert {name: value for name, value in asked.items() if name != "store"} == {
        name: value for name, value in expected.items() if name != "store"
    }
    assert re.fullmatch(r".*\.robustness.store\.sqlite", str(asked["store"]))


TOGETHER: tuple[dict[str, Any], ...] = (
    {"models": "python:nets.py:colour", "data": "folder:photos", "transforms": "vflip,brightness", "severity": [1, 3],
     "limit": 15, "seed": 3, "alpha": 0.2, "test": "paired", "correction": "bh", "max_sensitive": 1, "margin": 60,
     "class_margin": 55, "chance_check": "warn", "on_bad_image": "skip", "outputs": "data"},
    {"labels": "none"},
    {"verdict": "article"},
    {"reference": "python:nets.py:slope", "parity_margin": 8},
    {"baseline": "known.json", "tolerance": 60, "class_tolerance": 70, "gate_correction": "bh"},
    {"baseline": "known.json", "candidate": "python:nets.py:colour", "baseline_model": "python:nets.py:slope",
     "models": None},
    {"update_baseline": True},
    {"update_baseline": True, "baseline": "mine.json"},
)  # fmt: skip
"""Arguments of one evaluation, each of which shows in what pytest writes with the same options."""
HOW_TO_COMPUTE = {
    "batch_size", "device", "precision", "runtime", "timeout", "workers", "executor", "ray_address", "store",
    "weights_dir", "trust_pickle", "clip_templates", "download", "unlabelled",
}  # fmt: skip
"""What the session does with them whoever asks; of images without labels a study must be asked for, in pytest too."""


def written(folder, place):
    """Return the tables of a report and the files of baselines, by name; the baselines' are gone then."""
    report = folder.path / place
    tables = {str(path.relative_to(report)): path.read_text() for path in report.rglob("*.csv")}
    files = [path for path in folder.path.glob("*.*") if path.name.startswith(("robustness-baseline", "mine."))]
    found = {path.name: path.read_bytes() for path in files}
    for path in files:
        path.unlink()
    return tables, found


def test_every_argument_is_among_those_that_are_compared_with_the_command_line():
    assert {name for each in TOGETHER for name in each} | HOW_TO_COMPUTE == set(ARGUMENTS)


@pytest.mark.parametrize("arguments", TOGETHER, ids=lambda each: "-".join(list(each)[-2:]))
def test_arguments_do_what_the_options_of_pytest_do(arguments, folder):
    if "baseline" in arguments and "update_baseline" not in arguments:
        folder.judge("--robustness-update-baseline", "--robustness-baseline=known.json")
    # What the folder's pytest.ini has is what `TINY` has.
    page = evaluate(**TINY | arguments).report("mine")
    assert page.is_file()
    texts = {name: ",".join(map(str, v)) if isinstance(v, list) else str(v) for name, v in arguments.items() if v}
    options = [f"--robustness-{name.replace('_', '-')}={text}" for name, text in texts.items()]
    ours = written(folder, "mine")
    folder.judge(*(option.removesuffix("=True") for option in options))
    theirs = written(folder, "reports/latest")
    assert ours[0].keys() == theirs[0].keys()
    for name, text in theirs[0].items():
        assert sorted(ours[0][name].splitlines()) == sorted(text.splitlines()), name
    assert ours[1] == theirs[1]
    assert bool(ours[1]) is ("update_baseline" in arguments)
    assert ("studies/parity.csv" in ours[0]) is ("reference" in arguments)


def test_what_a_new_baseline_changes_is_said(folder, capsys):
    models = {"net": Model(Bright(), Preprocess(mean=(0, 0, 0), std=(1, 1, 1)))}
    given = {"models": models, "data": "folder:photos", "transforms": "hflip", "update_baseline": True}
    evaluate(**given).close()
    assert "robustness: Baseline, three files to commit: robustness-baseline.json" in capsys.readouterr().err
    evaluate(**given, progress=False).close()
    assert "Baseline" not in capsys.readouterr().err
    assert len([*folder.path.glob("robustness-baseline*")]) == 3


def test_a_baseline_that_cannot_be_read_is_not_written_over(folder):
    evaluate(**TINY, update_baseline=True).close()
    path = folder.path / "robustness-baseline.json"
    path.write_text("<<<<<<< HEAD\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(BaselineError, match=r"^The baseline was left as it is, .* has merge conflict markers\. "):
        evaluate(**TINY, update_baseline=True)
    assert path.read_bytes() == before


def test_a_baseline_that_cannot_be_written_is_an_error(folder):
    broken = TINY | {"models": [TINY["models"][0], "python:nets.py:none"]}
    with pytest.raises(BaselineError, match=r"No baseline was written: python:nets.py:none has no result under "):
        evaluate(**broken, update_baseline=True)
    assert not [*folder.path.glob("robustness-baseline*")]


@pytest.mark.parametrize("spec", [spec for spec in ARGUMENTS.values() if spec.needs], ids=lambda spec: spec.field)
def test_an_argument_that_would_be_ignored_is_refused(spec):
    values = {"gate_correction": "bh", "tolerance": 3, "class_tolerance": 3, "parity_margin": 3}
    with pytest.raises(OptionError) as caught:
        evaluate(**{spec.field: values.get(spec.field, "a")})
    assert str(caught.value) == f"{spec.field} does nothing without {spec.needs}. Give both, or neither."


@pytest.mark.parametrize("edited", ["nets.py", "photos.py"])
def test_an_edited_file_is_judged_as_it_is_now(edited, folder):
    text = (folder.path / "nets.py").read_text()
    (folder.path / "photos.py").write_text(
        "from torchvision.datasets import ImageFolder\nUPSIDE = 0\n"
        "def turned():\n    made = ImageFolder('photos')\n"
        "    made.targets = [label ^ UPSIDE for label in made.targets]\n"
        "    made.samples = [(path, label ^ UPSIDE) for path, label in made.samples]\n    return made\n"
    )

    def accuracy() -> float:
        found = evaluate("python:nets.py:slope", "python:photos.py:turned", ["hflip"], progress=False, workers=0)
        return float(found.to_frame("models")["control_accuracy"].iloc[0])

    before = accuracy()
    if edited == "nets.py":
        (folder.path / edited).write_text(text.replace("[-up, up]", "[up, -up]"))
    else:
        (folder.path / edited).write_text((folder.path / edited).read_text().replace("UPSIDE = 0", "UPSIDE = 1"))
    assert accuracy() == pytest.approx(100 - before)
    assert before != 50


def test_an_image_in_several_classes_is_a_warning_that_names_its_files(folder):
    photos = folder.path / "photos"
    (photos / "up" / "copy.png").write_bytes(sorted((photos / "down").iterdir())[3].read_bytes())
    first = sorted((photos / "down").iterdir())[3]
    found = [warning for warning in evaluate(**TINY).warnings if "several classes" in warning]
    assert len(found) == 1
    assert found[0].startswith("1 image stands in several classes, 2 times in all: ")
    assert f"{first} (down), {photos / 'up' / 'copy.png'} (up)." in found[0]


class Dropping(Bright):
    """Drops with functional dropout, which `eval` does not turn off."""

    def forward(self, images):
        return super().forward(torch.nn.functional.dropout(images, 0.01))


def test_a_model_that_draws_random_numbers_is_refused_in_words_each_time(folder):
    for seed in range(3):
        torch.manual_seed(seed)
        with pytest.raises(
            RobustnessError, match=r"^drops draws random numbers when it answers, from PyTorch's generator: "
        ):
            evaluate({"drops": Model(Dropping(), classes=["down", "up"])}, Photos(folder.path / "photos"), ["vflip"])
