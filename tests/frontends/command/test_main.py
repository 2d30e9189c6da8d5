"""The command hands options to pytest without their prefix, explains and completes them, and exits as pytest does."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import click
import pytest
from click.shell_completion import BashComplete

from pytest_robustness import __version__
from pytest_robustness.frontends.command import run as run_module
from pytest_robustness.frontends.command.main import cli, main
from pytest_robustness.frontends.session.options import SPECS


class StartedError(BaseException):
    """Raised in place of what would end this process."""


@pytest.fixture
def started(monkeypatch):
    """Return what starts the command, and returns the arguments that pytest gets."""

    def execute(program, command):
        assert program == sys.executable
        raise StartedError(command)

    monkeypatch.setattr(run_module.os, "name", "posix")
    monkeypatch.setattr(run_module.os, "execv", execute)

    def start(*arguments: str) -> list[str]:
        with pytest.raises(StartedError) as stopped:
            main(arguments)
        command = stopped.value.args[0]
        assert command[:5] == [sys.executable, "-m", "pytest", "--pyargs", "robustness_tests"]
        return command[5:]

    return start


def test_options_lose_their_prefix_and_the_rest_goes_to_pytest(started):
    assert started("run") == []
    assert started("run", "--limit=5", "-k", "vflip and not hflip", "--severity", "1-3", "-n", "2", "-q") == [
        "--robustness-severity=1-3",
        "--robustness-limit=5",
        *("-k", "vflip and not hflip", "-n", "2", "-q"),
    ]
    assert started("run", "--trust-pickle", "--models", "a b,c") == [
        "--robustness-models=a b,c",
        "--robustness-trust-pickle",
    ]


def test_an_option_that_may_stand_alone_does(started):
    assert started("run", "--allure-report", "--seed=1") == ["--robustness-seed=1", "--robustness-allure-report"]
    assert started("run", "--allure-report=out") == ["--robustness-allure-report=out"]
    assert started("run", "--allure-report", "-k", "vflip") == ["--robustness-allure-report", "-k", "vflip"]


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("value", ["no", "-1", "-0.5", "--odd", "-", ""])
def test_a_value_that_is_not_valid_is_left_to_pytest_to_refuse(started, command, value):
    specs = [spec for spec in SPECS if spec.kind != "switch"]
    plan = ["--robustness-plan"] * (command == "plan")
    # Of an option that may stand alone, an empty value is none.
    expected = [spec.flag if spec.alone and not value else f"{spec.flag}={value}" for spec in specs]
    assert started(command, *(f"--{spec.name}={value}" for spec in specs)) == plan + expected
    # And what begins with a dash is another option where it follows one.
    specs = [spec for spec in specs if not (spec.alone and value.startswith("-"))]
    expected = [text for text in expected if text.partition("=")[0] in {spec.flag for spec in specs}]
    assert started(command, *(text for spec in specs for text in (f"--{spec.name}", value))) == plan + expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("--lmit=3", "--limit"),
        ("--transfroms=vflip", "--transforms"),
        ("--modls", "--models"),
        ("--batchsize=4", "--batch-size"),
    ],
)
def test_an_option_that_is_misspelled_is_named_with_the_closest(argument, meant, capsys):
    assert main(["run", argument]) == pytest.ExitCode.USAGE_ERROR
    shown = " ".join(capsys.readouterr().err.replace("│", "").split())
    assert re.search(rf"No such option:? '?{argument.partition('=')[0]}\b.* '?{meant}\b", shown)


@pytest.mark.parametrize("command", ["list", "plan"])
@pytest.mark.parametrize("within", ["run", "plan"])
def test_an_option_that_is_a_command_here_is_told_so(within, command, capsys):
    assert main([within, f"--{command}"]) == 4
    assert f"--{command} is a command of its own: pytest-robustness {command}." in capsys.readouterr().err


@pytest.mark.parametrize("argument", ["--lf", "--maxfail=1", "-x", "--durations=3", "--pdb", "test_mine.py"])
def test_what_is_like_no_option_goes_to_pytest(started, argument):
    assert started("run", argument) == [argument]


def test_an_option_without_its_value_is_refused_by_its_name(capsys):
    assert main(["run", "--margin"]) == pytest.ExitCode.USAGE_ERROR
    assert "'--margin' requires an argument" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named", "valid"),
    [
        (["doctor", "resnet18", "--seed=-1"], "--seed", "a whole number from 0"),
        (["doctor", "resnet18", "--images", "-1"], "--images", "x>=2"),
        (["doctor", "resnet18", "--margin=-1"], "margin", "above 0, up to 100"),
        (["compare", "a", "b", "--alpha", "-1"], "alpha", "above 0 and below 1"),
    ],
)
def test_a_negative_value_is_refused_by_the_name_of_its_option(arguments, named, valid, capsys):
    assert main(arguments) == pytest.ExitCode.USAGE_ERROR
    shown = " ".join(capsys.readouterr().err.split())
    assert all(text in shown for text in (named, "-1", valid)), shown


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.name not in ("list", "plan")], ids=lambda s: s.name)
def test_every_option_is_one_of_run_and_is_explained(spec, started):
    option = next(each for each in cli.commands["run"].params if each.name == spec.field)
    assert option.help == spec.help
    value = [] if spec.kind == "switch" else ["value"]
    assert started("run", f"--{spec.name}", *value) == ["=".join([spec.flag, *value])]


def test_help_teaches(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in cli.commands)
    assert main(["run", "-h"]) == 0
    # The areas of the table of options.
    shown = capsys.readouterr().out
    assert [area for area in dict.fromkeys(spec.area for spec in SPECS) if area not in shown] == []
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.split()[-1] == __version__


def test_a_command_that_does_not_exist_is_named_with_the_closest(capsys):
    assert main(["lst"]) == pytest.ExitCode.USAGE_ERROR
    assert "No such command 'lst'. Did you mean 'list'?" in capsys.readouterr().err


def test_list_prints_models_transforms_and_data(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("digits12", "equalize_zoom_brightness", "folder:path"))


@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        (["run", "--precision"], "b", ["bf16"]),
        (["run", "--precision"], "", ["auto", "fp32", "tf32", "bf16", "fp16"]),
        (["run"], "--class-", ["--class-margin", "--class-tolerance"]),
        ([], "l", ["list"]),
    ],
)
def test_a_shell_completes_commands_options_and_words(words, incomplete, expected):
    completion = BashComplete(cli, {}, "pytest-robustness", "_PYTEST_ROBUSTNESS_COMPLETE")
    assert [item.value for item in completion.get_completions(words, incomplete)] == expected


def test_where_a_process_cannot_be_replaced_another_is_waited_for(monkeypatch):
    ran = []

    class Process:
        def __init__(self, command):
            ran.append(command)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return False

        def wait(self):
            return 5

    monkeypatch.setattr(run_module.os, "name", "nt")
    monkeypatch.setattr(run_module.subprocess, "Popen", Process)
    monkeypatch.setattr(run_module.signal, "signal", lambda *_: None)
    assert main(["run", "-k", "nothing"]) == 5
    assert ran == [[sys.executable, "-m", "pytest", "--pyargs", "robustness_tests", "-k", "nothing"]]


def test_an_interrupt_at_a_prompt_is_pytests_code_of_one(monkeypatch):
    def abort(*_, **__):
        raise click.Abort

    monkeypatch.setattr(cli, "main", abort)
    assert main([]) == pytest.ExitCode.INTERRUPTED


@pytest.mark.slow
@pytest.mark.parametrize("command", [[sys.executable, "-m", "pytest_robustness"]], ids=["module"])
def test_a_run_is_that_of_pytest(folder, command):
    options = [f"--{name}" for name in ("data=folder:photos", "models=python:nets.py:slope", "transforms=vflip")]
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run([*command, "run", *options, "-q"], cwd=folder.path, env=environment, capture_output=True)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    found = (folder.path / "reports/latest/tests.csv").read_bytes()
    folder.judge(*(f"--robustness-{name.removeprefix('--')}" for name in options))
    assert found == (folder.path / "reports/latest/tests.csv").read_bytes()
    wrong = subprocess.run([*command, "run", "--limit=0"], cwd=folder.path, env=environment, capture_output=True)
    assert wrong.returncode == pytest.ExitCode.USAGE_ERROR
