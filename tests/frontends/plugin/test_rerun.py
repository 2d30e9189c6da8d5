"""The command that the summary gives for a failed test runs that test, and it alone."""

from __future__ import annotations

import itertools
import shlex
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import robustness_tests
from pytest_robustness.frontends.plugin.rerun import _expanded, _program
from pytest_robustness.frontends.plugin.rerun import test_argument as argument_of

OWN = """
    import pytest
    from pytest_robustness import assert_robust

    @pytest.mark.parametrize("net", ["colour", "slope", "tilt"], ids="vflip {}".format)
    def test_model(robustness, net):
        assert_robust(robustness.model_test(f"python:nets.py:{net}", "vflip"))
"""


def command(result):
    """Return the arguments of the command that the summary of a run gives, as a shell reads it."""
    lines = result.outlines
    start = lines.index("Run the first failed test again:") + 1
    end = next(number for number in range(start, len(lines)) if not lines[number].endswith("\\"))
    # A shell takes a backslash at the end of a line out, which shlex does not.
    words = shlex.split("\n".join(lines[start : end + 1]).replace("\\\n", ""))
    return words[words.index("pytest") + 1 :]


def first_failed(result):
    """Return the name of the first test in the list of failures."""
    listed = next(line for line in result.outlines if line.startswith("FAILED "))
    return listed.split(" - ")[0].rpartition("::")[2]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--pyargs", "robustness_tests"),
        ("--pyargs", "robustness_tests", "-k", "vflip and not classes", "-x"),
        ("robustness_tests", "--pyargs", "--robustness-transforms=vflip,hflip", "--robustness-alpha", "0.01"),
        ("--pyargs", "robustness_tests.test_models"),
        ("suite",),
        ("suite/test_models.py", "suite/test_classes.py"),
        ("test_mine.py",),
        (),
    ],
    ids=" ".join,
)
def test_the_command_runs_the_first_failed_test_and_no_other(project, arguments):
    project.write("test_mine.py", OWN)
    if "--pyargs" not in arguments and arguments[:1] != ("test_mine.py",):
        # As in a checkout of the package: the suite lies below the folder of the run.
        shutil.copytree(Path(robustness_tests.__file__).parent, project.path / "suite")
    options = () if "-k" in arguments else ("-k", "vflip and not tilt")
    result = project.run(*arguments, *options)
    again = project.run(*command(result))
    again.assert_outcomes(failed=1)
    assert first_failed(again) == first_failed(result)


@pytest.mark.parametrize(
    ("typed", "program", "shown"),
    [
        (["python", "/bin/pytest", "-q"], "/bin/pytest", "pytest"),
        (["python", "-m", "pytest", "-q"], "/lib/pytest/__main__.py", "python -m pytest"),
        (["python", "-X", "dev", "-m", "pytest"], "/lib/pytest/__main__.py", "python -X dev -m pytest"),
        (["python", "-mpytest", "-k", "pytest"], "/lib/pytest/__main__.py", "python -m pytest"),
        (
            ["/opt/py", "/bin/coverage", "run", "-m", "pytest"],
            "/lib/pytest/__main__.py",
            "/opt/py /bin/coverage run -m pytest",
        ),
        ([sys.executable, "-m", "pytest"], "/lib/pytest/__main__.py", f"{Path(sys.executable).name} -m pytest"),
        (["python", "judge.py", "pytest"], "judge.py", "pytest"),
        (["python", "-m", "mine"], "/lib/mine/__main__.py", "pytest"),
    ],
)
def test_the_command_begins_as_the_run_was_started(monkeypatch, typed, program, shown):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.setattr(sys, "orig_argv", typed)
    monkeypatch.setattr(sys, "argv", [program])
    assert " ".join(_program()) == shown


@pytest.mark.parametrize(
    "added",
    [
        "--pyargs robustness_tests",
        "-p no:cacheprovider --pyargs robustness_tests.test_models",
        "--pyargs robustness_tests test_mine.py",
        "-p no:cacheprovider -ra",
    ],
)
def test_the_command_runs_one_test_where_a_configuration_file_names_the_suite(project, added):
    project.write("test_mine.py", OWN)
    project.configure(addopts=added)
    result = project.run("-k", "vflip and not tilt")
    again = project.run(*command(result))
    again.assert_outcomes(failed=1)
    assert first_failed(again) == first_failed(result)


@pytest.mark.parametrize("added", ["", "-m robustness robustness"])
def test_a_word_that_is_the_value_of_an_option_stays(project, added):
    project.configure(addopts=added)
    (project.path / "robustness").mkdir()
    project.write("robustness/test_mine.py", OWN)
    arguments = () if added else ("robustness", "-m", "robustness", "-k", "vflip", "-k", "robustness")
    result = project.run(*arguments)
    given = command(result)
    assert [*itertools.pairwise(given)].count(("-m", "robustness")) == (0 if added else 1)
    again = project.run(*given)
    again.assert_outcomes(failed=1)
    assert first_failed(again) == first_failed(result)


@pytest.mark.parametrize(
    "arguments", [(), ("a", "b"), ("b", "a"), pytest.param(("-n", "1"), marks=pytest.mark.slow)], ids=" ".join
)
def test_a_transform_that_a_folder_beside_the_test_registers_is_found_again(project, arguments):
    for folder in ("a", "b"):
        (project.path / folder).mkdir()
    project.write("conftest.py", "")
    project.write("a/conftest.py", "")
    project.write(
        "a/test_a.py",
        OWN.replace('"vflip")', '"turn")')
        .replace("def test", "@MARK\n    def test")
        .replace("MARK", 'pytest.mark.robustness(models=["python:nets.py:slope"], transforms=["turn"])')
        .replace("(robustness, net)", "(robustness, cell, net)"),
    )
    project.write("b/test_b.py", "def test_b():\n    assert False\n")
    project.write(
        "b/conftest.py",
        """
        def pytest_robustness_register(registry):
            @registry.transform("turn")
            def turn(images):
                return images.flip(2)
        """,
    )
    result = project.run(*arguments, "-k", "test_model")
    again = project.run(*command(result))
    again.assert_outcomes(failed=1)
    assert first_failed(again) == first_failed(result)


# As pytest-split, pytest-shard and pytest-test-groups do, each by two options: one part of several is left.
DIVIDING = """
    PAIRS = [("--splits", "--group"), ("--num-shards", "--shard-id"), ("--test-group-count", "--test-group")]

    def pytest_addoption(parser):
        for name in sum(PAIRS, ()):
            parser.addoption(name, type=int, default=0, dest=name)

    def pytest_collection_modifyitems(config, items):
        for number, part in PAIRS:
            if config.getoption(number):
                items[:] = items[config.getoption(part)::config.getoption(number)]
"""


@pytest.mark.parametrize("where", ["typed", "addopts", "PYTEST_ADDOPTS", "@file"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("--splits", "2", "--group", "1"),
        ("--num-shards=2", "--shard-id=1"),
        ("--test-group-count", "2", "--test-group=1"),
        ("--lf", "--lfnf=none"),
        ("--sw", "-rf"),
    ],
    ids=" ".join,
)
def test_what_chooses_a_part_of_the_tests_leaves_the_named_one(project, where, arguments, monkeypatch):
    project.write("conftest.py", DIVIDING)
    project.write("test_mine.py", OWN)
    named = ("test_mine.py", "-k", "slope or tilt")
    project.configure(addopts="")
    if "--lf" in arguments:
        project.run(*named)
    project.configure(addopts=shlex.join(arguments) if where == "addopts" else "")
    if where == "PYTEST_ADDOPTS":
        monkeypatch.setenv(where, shlex.join([*arguments, named[0]]))
    if where == "@file":
        project.write("options.txt", "\n".join([*arguments, "@more.txt"]))
        project.write("more.txt", named[0])
    given = {"typed": (*arguments, *named), "addopts": named, "PYTEST_ADDOPTS": named[1:]}
    result = project.run(*given.get(where, ("@options.txt", *named[1:])))
    words = command(result)
    assert not any(word.startswith("@") for word in words)
    if "--lf" in arguments:  # as of a test that passed meanwhile
        shutil.rmtree(project.path / ".pytest_cache")
    # As in another place, and as where the variable is still set: the command unsets it.
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    assert ("PYTEST_ADDOPTS= " in result.stdout.str()) == (where == "PYTEST_ADDOPTS")
    again = project.run(*words)
    again.assert_outcomes(failed=1)
    assert first_failed(again) == first_failed(result)


@pytest.mark.parametrize(
    ("keys", "arguments"),
    [
        ({}, ("--robustness-update-baseline",)),
        ({}, ("--robustness-update-baseline", "--robustness-baseline=prod.json")),
        ({}, ("--robustness-baseline", "prod.json", "--robustness-update-baseline", "--robustness-expect=baseline")),
        ({"robustness_update_baseline": "true"}, ()),
        ({"robustness_update_baseline": "true", "robustness_expect": "baseline"}, ("--robustness-baseline=prod.json",)),
        ({"robustness_baseline": "prod.json", "robustness_expect": "baseline"}, ("--robustness-update-baseline",)),
    ],
)
def test_the_command_writes_no_baseline(project, keys, arguments):
    project.configure(**keys)
    result = project.judge(*arguments)
    written = {path: path.read_bytes() for path in project.path.glob("*.json")}
    assert len(written) == 2
    again = project.run(*command(result))
    again.assert_outcomes(failed=1)
    assert first_failed(again) == first_failed(result)
    assert {path: path.read_bytes() for path in project.path.glob("*.json")} == written
    assert not any(line.startswith("Baseline") for line in again.outlines)


def test_a_file_of_the_same_name_beside_the_run_is_not_taken_for_the_installed_one(project):
    project.write("test_models.py", OWN)
    result = project.judge("-k", "vflip and slope and robust")
    assert command(result)[-1] == "robustness_tests.test_models::test_model_is_robust[vflip-slope]"
    project.run(*command(result)).assert_outcomes(failed=1)


def test_nothing_is_said_where_no_robustness_test_failed(project):
    project.write("test_mine.py", "def test_other():\n    assert False\n")
    result = project.judge("test_mine.py", "-k", "other or vflip and colour", "--robustness-margin=50")
    result.assert_outcomes(failed=1, passed=1, deselected=5)
    assert "Run the first failed test again:" not in result.outlines


def started_in(folder: str) -> SimpleNamespace:
    """Return of a configuration what tells how a test is named from ``folder``."""
    return SimpleNamespace(
        rootpath=Path("/project"),
        invocation_params=SimpleNamespace(dir=Path(folder)),
        option=SimpleNamespace(pyargs=False),
    )


@pytest.mark.parametrize(
    ("here", "nodeid", "expected"),
    [
        ("/project", "tests/test_a.py::test_b[x::y]", "tests/test_a.py::test_b[x::y]"),
        ("/project/tests", "tests/test_a.py::test_b", "test_a.py::test_b"),
        ("/project/docs", "tests/test_a.py::Test::test_b", "../tests/test_a.py::Test::test_b"),
    ],
)
def test_a_path_is_given_as_from_where_the_run_was_started(here, nodeid, expected):
    report = SimpleNamespace(nodeid=nodeid, location=("tests/test_a.py", 3, "test_b"))
    assert argument_of(started_in(here), report) == (False, expected)


@pytest.mark.parametrize(
    ("name", "nodeid", "expected"),
    [
        ("test_b", "a.py::test_b@one", "a.py::test_b"),
        ("test_b[x@y]", "a.py::test_b[x@y]@one", "a.py::test_b[x@y]"),
        ("test_b[x@y]", "a.py::test_b[x@y]", "a.py::test_b[x@y]"),
        ("Test.test_b", "a.py::Test::test_b@one_two", "a.py::Test::test_b"),
        ("test_b", "lab@home/a.py::test_b", "lab@home/a.py::test_b"),
    ],
)
def test_the_group_that_xdist_adds_to_a_name_is_left_out(name, nodeid, expected):
    report = SimpleNamespace(nodeid=nodeid, location=(nodeid.partition("::")[0], 3, name))
    assert argument_of(started_in("/project"), report) == (False, expected)


@pytest.mark.slow
def test_a_test_of_a_group_is_found_again(project):
    project.write("test_mine.py", OWN.replace("def test", "@pytest.mark.xdist_group('one')\n    def test"))
    arguments = ("-n", "1", "--dist", "loadgroup", "-k", "slope")
    result = project.pytester.runpytest_subprocess("test_mine.py", *arguments)
    again = project.pytester.runpytest_subprocess(*command(result))
    again.assert_outcomes(failed=1)


def test_a_file_of_arguments_in_another_encoding_is_read_as_argparse_reads_it(tmp_path):
    (tmp_path / "options.txt").write_bytes(b"-k\ncaf\xe9\n@none.txt\n")
    assert _expanded(["-q", "@options.txt"], tmp_path) == ["-q", "-k", "caf\udce9", "@none.txt"]
