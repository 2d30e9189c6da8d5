"""Bad input is told by name: before any test where it can be known then, else by the tests that it concerns."""

from __future__ import annotations

import sqlite3

import pytest
from pytest import ExitCode  # noqa: PT013

from pytest_robustness.data.decoding.formats import readable

MORE_NETS = """

class Broken(torch.nn.Module):
    def __init__(self, error, bad):
        super().__init__()
        self.error, self.bad = error, bad

    def forward(self, images):
        logits = Slope()(images)
        if len(images) > 4:  # more than it is asked before it is judged
            if self.error:
                raise RuntimeError("the net is torn")
            logits[2, 0] = self.bad
        return logits


def torn():
    return Model(Broken(True, 0.0), classes=["down", "up"])


def nan():
    return Model(Broken(False, float("nan")), classes=["down", "up"])


def inf():
    return Model(Broken(False, float("inf")), classes=["down", "up"])


def absent():
    raise FileNotFoundError("no weights here")


def five():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 5))


def numbered():
    return Model(Slope(), classes=[0, 1])


def other_names():
    return Model(Slope(), classes=["left", "right"])


class Turned(torch.nn.Module):
    def forward(self, images):
        return -Slope()(images)


def wrong_order():
    return Model(Turned())
"""


@pytest.fixture
def broken(project):
    """The tiny project with models that are broken in several ways."""
    project.write("nets.py", (project.path / "nets.py").read_text() + MORE_NETS)
    return project


def refusal(result: pytest.RunResult) -> str:
    """Return the usage error, of a run that ran no test."""
    assert result.ret == ExitCode.USAGE_ERROR
    result.stdout.no_fnmatch_line("*sweep*")
    result.stdout.no_fnmatch_line("*PASSED*")
    return result.stderr.str().strip().removeprefix("ERROR: ")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("models=blurr", "'blurr' is not a torchvision model. Known: alexnet, "),
        (
            "models=tf:blurr",
            "'tf' is not a model source. Known: clip, digits, hf, onnx, openvino, python, timm, torchvision. ",
        ),
        ("models=digits:blurr", "'blurr' is not a digits model. Known: alexnet, mobilenet_v2, resnet101, "),
        ("models=python:gone.py:make", "'python:gone.py:make' names the file gone.py, which is not there (from "),
        ("transforms=vflip,blurr", "'blurr' is not a transform. Known: brightness, equalize, "),
        ("data=blurr", "'blurr' is not a dataset. Known: cifar10[:root], digits, folder:path, "),
        ("data=folder:", "'folder:' lacks its path. Valid: folder:path, folder:url."),
        ("device=cuda:99", "--robustness-device=cuda:99: PyTorch finds "),
    ],
)
def test_an_unknown_name_is_a_usage_error_that_names_the_valid_ones(project, argument, message):
    assert refusal(project.judge(f"--robustness-{argument}")).startswith(message)


def test_a_severity_that_a_transform_lacks_is_a_usage_error(project):
    found = refusal(project.judge("--robustness-severity=6", "--robustness-transforms=zoom"))
    assert found == "zoom has no severity 6. It has: 1, 2, 3, 4, 5."


def test_data_without_models_of_their_own_asks_for_models(project):
    project.configure(robustness_models=None)
    assert refusal(project.judge()) == (
        "Which models are to be judged on folder:photos? Name them with --robustness-models; only digits, imagenet, "
        "imagenette have models of their own."
    )


def test_a_data_folder_that_is_missing_empty_or_a_file_is_a_usage_error(project):
    for name in ("gone", "bare", "classes", "file"):
        root = project.path / name
        if name == "classes":
            (root / "down").mkdir(parents=True)
        elif name == "bare":
            root.mkdir()
        elif name == "file":
            root.touch()
        expected = {
            "gone": f"{root} does not exist. Expected {root}/<class>/<image>.",
            "bare": f"{root} holds no class folder. Expected {root}/<class>/<image>.",
            "classes": f"The class folders in {root} hold no image. Expected {root}/<class>/<image>, with one of the "
            f"extensions {', '.join(sorted(readable().extensions))}.",
            "file": f"{root} is a file, not a folder. Expected {root}/<class>/<image>.",
        }
        assert refusal(project.judge("--robustness-data", f"folder:{name}")) == expected[name]


def test_a_store_that_cannot_be_used_is_a_usage_error_and_is_left_alone(project):
    project.judge("-k", "vflip")
    store = project.path / ".robustness" / "store.sqlite"
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = store.read_bytes()
    assert refusal(project.judge()).startswith(f"{store} was written by a newer pytest-robustness (store schema 99; ")
    assert store.read_bytes() == before
    damaged = project.write("damaged.sqlite", "no database at all " * 100)
    found = refusal(project.judge("--robustness-store", "damaged.sqlite"))
    assert found == (
        f"{damaged} is damaged, or is no store (file is not a database). Name another file (in a run with "
        f"--robustness-store=FILE), or move this one away; it was left as it is."
    )
    assert damaged.read_text() == "no database at all " * 100
    found = refusal(project.judge("--robustness-store", "nets.py/store.sqlite"))
    assert found.startswith(f"{project.path}/nets.py/store.sqlite cannot be written (")
    assert refusal(project.judge("--robustness-store=photos")) == (
        f"{project.path}/photos is a folder, and a store is a file. Name one (in a run with "
        f"--robustness-store=FILE), such as {project.path}/photos/store.sqlite."
    )


def test_a_report_folder_that_cannot_be_written_is_told_and_nothing_is_lost(project):
    project.write("taken", "a file in the way")
    result = project.judge("-k", "hflip", "--robustness-report", "taken/report")
    result.assert_outcomes(passed=3, deselected=3)
    assert result.ret == ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            (
                f"The report cannot be written to {project.path}/taken/report: Not a directory. Name another folder "
                "with --robustness-report=DIR; nothing has to be computed again."
            )
        ]
    )
    stored = project.stored()
    result = project.judge("-k", "hflip")
    assert result.ret == ExitCode.OK
    result.stdout.no_fnmatch_line("*sweep*")
    assert project.stored() == stored


@pytest.mark.parametrize("blocked", ["the report", "the baseline", "the summary"])
def test_what_can_be_written_is_written_where_another_thing_cannot(project, monkeypatch, blocked):
    project.write("taken", "a file in the way")
    places = {"the report": "report", "the baseline": "new.json", "the summary": "step.md"}
    places[blocked] = f"taken/{places[blocked]}"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / places["the summary"]))
    result = project.judge(
        f"--robustness-report={places['the report']}", f"--robustness-baseline={places['the baseline']}",
        "--robustness-update-baseline", "--robustness-models=python:nets.py:slope",
    )  # fmt: skip
    assert result.ret == ExitCode.TESTS_FAILED
    assert f"{project.path}/taken" in result.stdout.str().replace("\n", "")
    for what, place in places.items():
        assert (project.path / place).exists() == (what != blocked), what


def test_without_a_terminal_a_finding_fails_its_test_alone(project):
    result = project.judge("-p", "no:terminal", "--junitxml=j.xml")
    assert result.ret == ExitCode.TESTS_FAILED
    found = (project.path / "j.xml").read_text()
    assert 'errors="0"' in found
    assert "points (" in found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torn", "python:nets.py:torn failed during the sweep: RuntimeError: the net is torn (nets.py:*)"),
        (
            "absent",
            "The model 'python:nets.py:absent' could not be loaded: FileNotFoundError: no weights here (nets.py:*)",
        ),
        ("none", "'none' is not a function of nets.py.* Known: *"),
        (
            "nan",
            (
                "python:nets.py:nan under * returned logits that give no answer, first for */photos/down/02.png: one "
                "is NaN or plus infinity, or none is finite. Its accuracy would mean nothing."
            ),
        ),
        (
            "inf",
            "python:nets.py:inf under * returned logits that give no answer, first for */photos/down/02.png: one *",
        ),
        (
            "five",
            (
                "python:nets.py:five has 5 outputs and no class list, and the data has 2 classes, so that they cannot "
                "be matched by position. *"
            ),
        ),
        (
            "numbered",
            (
                "The model 'python:nets.py:numbered' could not be loaded: TypeError: classes must be names or WordNet "
                "ids, as texts; got 0. Write str(...) of each. (nets.py:*)"
            ),
        ),
        ("other_names", "2 of 2 classes of the data have no output of python:nets.py:other_names to themselves: *"),
        (
            "wrong_order",
            (
                "python:nets.py:wrong_order is right on 0 of 40 images without any transform, where guessing is right "
                "on 20: no better than chance for 2 classes. Class order? *"
            ),
        ),
    ],
)
def test_a_model_that_cannot_be_judged_errors_its_own_tests_and_no_class_test_passes(broken, name, message):
    broken.configure(robustness_models=f"python:nets.py:slope python:nets.py:{name} python:nets.py:colour")
    result = broken.judge("-v", "-rs")
    # hflip moves neither of the other models, vflip turns one of two round: every class falls by half.
    result.assert_outcomes(failed=2, passed=3, errors=2, skipped=1)
    result.stdout.fnmatch_lines(
        [
            f"*test_model_is_robust[[]vflip-{name}[]] ERROR*",
            f"*test_model_is_robust[[]hflip-{name}[]] ERROR*",
            "*= ERRORS =*",
            message,
            f"*SKIPPED*hflip: no class shown to change by more than 10 *; but python:nets.py:{name} could not be *",
            f"{name} *error *error",
            f"error: {message.split()[0]} *",
        ]
    )
    errors = broken.results()["errors"]
    assert {(error["model"], error["transform"]) for error in errors} == {
        (f"python:nets.py:{name}", transform) for transform in ("control", "vflip", "hflip")
    }
    assert set(broken.table("accuracy.csv").model) == {"python:nets.py:slope", "python:nets.py:colour"}


def test_a_class_test_that_lost_a_model_still_fails_where_the_others_make_it_fail(broken):
    names = " ".join(f"python:nets.py:{name}" for name in ("slope", "torn", "tilt"))
    broken.configure(robustness_models=names, robustness_transforms="vflip")
    result = broken.judge("-k", "classes")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["  left out            could not be judged: python:nets.py:torn"])


def test_a_class_test_that_lost_every_model_is_an_error_of_the_test(broken):
    broken.configure(robustness_models="python:nets.py:torn python:nets.py:absent")
    result = broken.judge("-k", "classes and vflip")
    assert result.ret == ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["python:nets.py:torn failed during the sweep: RuntimeError: the net is torn (nets.py:*)"]
    )
    assert "class_tests" in broken.results()
    assert broken.results()["class_tests"] == []


def test_one_broken_transform_leaves_the_others_alone(project):
    project.write(
        "conftest.py",
        """
        def pytest_robustness_register(registry):
            @registry.transform("torn")
            def torn(images):
                raise ValueError("the page is torn")
        """,
    )
    result = project.judge("--robustness-transforms=torn,hflip", "--rootdir=.", "-v")
    assert result.parseoutcomes()["passed"] == 3
    result.stdout.fnmatch_lines(["*torn failed during the sweep: ValueError: the page is torn"])


def test_a_damaged_image_is_an_error_that_names_it(project):
    image = project.image("up", 7)
    image.write_bytes(image.read_bytes()[:60])
    result = project.judge()
    result.assert_outcomes(errors=6)
    result.stdout.fnmatch_lines(
        [
            (
                f"{image} is not a readable image: *. Remove or replace it, or pass --robustness-on-bad-image=skip to "
                "leave such images out."
            )
        ]
    )


def test_damaged_images_that_are_skipped_are_counted_and_listed(project):
    empty, text, cut = project.image("down", 0), project.image("up", 7), project.image("up", 9)
    empty.write_bytes(b"")
    text.write_text("no image")
    cut.write_bytes(cut.read_bytes()[:60])
    result = project.judge("--robustness-on-bad-image=skip")
    result.assert_outcomes(failed=2, passed=4)
    result.stdout.fnmatch_lines(
        [
            f"robustness: skipped: {empty} is not a readable image: the file is empty",
            "3 images could not be read and were skipped:",
            *(f"*{path}*" for path in (empty, text, cut)),
        ]
    )
    assert project.results()["skipped_images"] == [str(path) for path in (empty, text, cut)]
    images = project.table("images.csv")
    assert set(images[images.answer.isna()].file) == {str(path) for path in (empty, text, cut)}
    assert images[images.right.isna()].equals(images[images.answer.isna()])
    seen = project.table("accuracy.csv").groupby(["model", "transform"]).n.sum()
    assert (seen == 40 - 3).all()
    # The next run, which computes nothing, counts them all the same.
    project.judge("--robustness-on-bad-image=skip")
    assert len(project.results()["skipped_images"]) == 3
