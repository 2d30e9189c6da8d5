"""One model's fault is its own: what it does to the process changes no other model's figures, and ends no run."""

from __future__ import annotations

import signal

import pytest

RUDE = """

class Rude(Slope):
    def forward(self, images):
        return super().forward(images.float())


def rude():
    import os, sys
    sys.path.insert(0, "/nowhere")
    sys.argv.append("--surprise")
    os.chdir("/")
    torch.set_default_dtype(torch.float64)
    torch.autocast("cpu", dtype=torch.bfloat16).__enter__()
    torch.nn.modules.module.register_module_forward_hook(lambda module, args, output: -output)
    sys.stdout.close()
    os.close(1)
    return Model(Rude(), classes=["down", "up"])
"""
DEADLY = """

class Deadly(Slope):
    calls = 0

    def forward(self, images):
        self.calls += 1
        if self.calls > 6:
            {deed}
        return super().forward(images)


def deadly():
    return Model(Deadly(), classes=["down", "up"])
"""
SEGFAULT = "import ctypes; ctypes.string_at(0)"


def add(project, code):
    project.write("nets.py", (project.path / "nets.py").read_text(encoding="utf-8") + code)


@pytest.mark.slow
@pytest.mark.parametrize("order", ["rude colour", "colour rude"])
def test_a_rude_factory_changes_no_other_models_figures_and_is_named(project, order):
    names = " ".join(f"python:nets.py:{name}" for name in order.split())
    project.configure(robustness_models="python:nets.py:colour", robustness_store="alone.sqlite")
    project.judge_apart("--robustness-report=alone")
    add(project, RUDE)
    project.configure(robustness_models=names)
    result = project.judge_apart("--robustness-report=together")
    alone = {cell["transform"]: cell for cell in cells(project, "alone")}
    together = {cell["transform"]: cell for cell in cells(project, "together") if cell["model"].endswith("colour")}
    assert len(alone) == 3
    assert {name: cell["correct"] for name, cell in together.items()} == {
        name: cell["correct"] for name, cell in alone.items()
    }
    text = " ".join(result.stdout.str().split())
    assert "python:nets.py:rude changed the process: " in text
    for change in ("sys.argv", "sys.path", "the current directory", "autocast", "file descriptor 1", "hooks of all"):
        assert change in text


def cells(project, folder):
    return project.results(folder)["cells"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a segmentation fault reads otherwise here")
def test_after_a_crash_the_next_run_names_what_was_running(project):
    add(project, DEADLY.format(deed=SEGFAULT))
    project.configure(robustness_models="python:nets.py:colour python:nets.py:deadly")
    crashed = project.judge_apart()
    assert crashed.ret == -signal.SIGSEGV
    project.configure(robustness_models="python:nets.py:colour")
    text = " ".join(project.judge_apart().stdout.str().split())
    assert "an earlier run ended without a word while python:nets.py:deadly under" in text
    assert "it may be to blame" in text
    assert "earlier run" not in project.judge_apart().stdout.str()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a segmentation fault reads otherwise here")
def test_with_xdist_one_worker_is_lost_and_the_others_finish(project):
    add(project, DEADLY.format(deed=SEGFAULT))
    project.configure(robustness_models="python:nets.py:colour python:nets.py:deadly")
    text = " ".join(project.judge_apart("-n", "2").stdout.str().split())
    assert "was running when two processes of this run died" in text
    assert {cell["model"] for cell in cells(project, "reports/latest")} >= {"python:nets.py:colour"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("import os; os._exit(0)", "tried to end the process: ExitError: os._exit(0)"),
        ("raise SystemExit", "tried to end the process: SystemExit"),
        ("while True: pass", "took longer than --robustness-timeout=1 s for one batch, and is given up"),
    ],
)
def test_a_model_that_ends_or_holds_the_process_leaves_the_others_alone(project, deed, said):
    add(project, DEADLY.format(deed=deed))
    project.configure(robustness_models="python:nets.py:colour python:nets.py:deadly", robustness_timeout="1")
    result = project.judge_apart()
    assert said in " ".join(result.stdout.str().split())
    assert result.ret == 1
    assert {cell["model"] for cell in cells(project, "reports/latest")} == {"python:nets.py:colour"}


@pytest.mark.parametrize("folder", ["my nets", "a,b", "[x] größe"])
@pytest.mark.parametrize("where", ["option", "ini", "quoted ini", "toml"])
def test_a_blank_or_a_comma_in_a_path_works(project, folder, where):
    (project.path / folder).mkdir()
    (project.path / folder / "nets.py").write_text((project.path / "nets.py").read_text())
    name = f"python:{folder}/nets.py:colour"
    arguments = []
    if where == "option":
        arguments = [f"--robustness-models={name},python:nets.py:slope"]
    elif where == "toml":
        (project.path / "pytest.ini").unlink()
        options = {"data": "folder:photos", "workers": "0", "margin": "10"}
        lines = "".join(f'robustness_{key} = "{value}"\n' for key, value in options.items())
        listed = f'robustness_models = ["{name}", "python:nets.py:slope"]\nrobustness_transforms = ["vflip"]\n'
        project.write("pyproject.toml", f"[tool.pytest.ini_options]\n{lines}{listed}")
    else:
        project.configure(
            robustness_models=f'"{name}" python:nets.py:slope' if "quoted" in where else f"{name} python:nets.py:slope"
        )
    result = project.judge("--collect-only", "-q", *arguments)
    assert result.ret == 0
    assert "not valid" not in result.stderr.str()
    assert sum("vflip-" in line for line in result.outlines) == 2


LATE = """
def pytest_robustness_register(registry):
    @registry.transform("fog", levels=[1, 2, 3, 4, 5])
    def fog(images, level):
        return images
"""


def test_a_transform_of_a_subfolders_conftest_is_known_to_all_tests(project):
    (project.path / "late" / "inner").mkdir(parents=True)
    project.write("late/test_a.py", "def test_early(cell): pass\n")
    project.write("late/inner/conftest.py", LATE)
    project.write("late/inner/test_b.py", "def test_late(cell): pass\n")
    project.configure(robustness_transforms="fog", robustness_models="python:nets.py:colour")
    result = project.run("late", "-q")
    result.assert_outcomes(passed=2)
    project.run("late", "-q", "-k", "early").assert_outcomes(passed=1, deselected=1)
    result = project.run("late", "--robustness-transforms=fogg")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*'fogg' is not a transform. Did you mean 'fog'?*"])


def test_a_marker_may_name_a_transform_that_is_registered_later(project):
    (project.path / "late" / "inner").mkdir(parents=True)
    project.write(
        "late/test_a.py",
        """
        import pytest

        @pytest.mark.robustness(transforms=["fog"])
        class TestFog:
            def test_cell(self, cell):
                assert cell.condition.transform == "fog"

            def test_panel(self, condition):
                pass
        """,
    )
    project.write("late/inner/conftest.py", LATE)
    project.write("late/inner/test_b.py", "def test_late(cell): pass\n")
    project.configure(robustness_transforms="vflip", robustness_models="python:nets.py:colour")
    project.run("late", "-q").assert_outcomes(passed=3)


@pytest.mark.slow
def test_two_files_of_two_folders_have_their_own_siblings(project):
    for who, sign in (("one", 1), ("two", -1)):
        (project.path / who).mkdir()
        project.write(f"{who}/sibling.py", f"SIGN = {sign}\n")
        nets = (
            (project.path / "nets.py")
            .read_text()
            .replace("import torch\n", "import torch\nimport sibling\n", 1)
            .replace("up = 10 * (top", "import sibling as late; assert late is sibling; up = sibling.SIGN * 10 * (top")
        )
        (project.path / who / "nets.py").write_text(nets)
    project.configure(
        robustness_models="python:one/nets.py:slope python:two/nets.py:slope", robustness_transforms="vflip"
    )
    project.judge_apart()
    right = {(cell["model"][7:10], cell["transform"]): cell["correct"] for cell in cells(project, "reports/latest")}
    assert right["one", "control"] == 40 - right["two", "control"]
    assert right["one", "control"] > 35


TOSSING = """

class Tossing(Slope):
    def forward(self, images):
        answers = super().forward(images)
        return answers if {toss} >= 0.001 else -answers


def tossing():
    return Model(Tossing(), classes=["down", "up"])
"""


@pytest.mark.parametrize(
    ("toss", "whose"),
    [("float(torch.rand(()))", "PyTorch's"), ("__import__('random').random()", "Python's")],
)
def test_a_model_that_seldom_answers_by_chance_is_its_own_error_and_the_others_are_judged(project, toss, whose):
    add(project, TOSSING.format(toss=toss))
    project.configure(robustness_models="python:nets.py:colour python:nets.py:tossing")
    text = " ".join(project.judge().stdout.str().split())
    said = (
        f"python:nets.py:tossing draws random numbers when it answers, from {whose} generator: its logits of the same"
    )
    assert said in text
    assert "in the batch" not in text
    assert {name for name, _, _ in project.stored()} == {"colour"}
