"""Tests get their cells when all other hooks have run and all transforms are known, and what comes later is refused."""

from __future__ import annotations

import textwrap

import pytest

OURS = ("cell", "gate_cell", "levelled_cell", "control_cell", "exported_cell", "condition")
HOOK = """
def pytest_generate_tests(metafunc):
    for name in {ours}:
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, ["A1", "B2"])
"""
# A test of each argument, one of a fixture that needs it, and one of a class.
TESTS = """
import pytest

def test_{name}({name}):
    assert {name} in ("A1", "B2")

@pytest.fixture
def of_{name}({name}):
    return {name}

class TestOf{name}:
    def test_it(self, of_{name}):
        assert of_{name} in ("A1", "B2")
"""


@pytest.mark.parametrize(
    ("file", "text", "arguments"),
    [
        ("conftest.py", HOOK, ()),
        ("test_mine.py", HOOK, ()),
        ("early.py", HOOK, ("-p", "early")),
        ("conftest.py", HOOK.replace("def ", "import pytest\n\n@pytest.hookimpl(trylast=True)\ndef "), ()),
    ],
    ids=["conftest", "module", "plugin", "trylast"],
)
def test_arguments_that_a_project_gives_values_are_its_own(pytester, file, text, arguments):
    pytester.syspathinsert()
    files = {"test_mine.py": "".join(TESTS.format(name=name) for name in OURS)}
    files[file] = textwrap.dedent(text.format(ours=OURS)) + files.get(file, "")
    for name, content in files.items():
        (pytester.path / name).write_text(content, encoding="utf-8")
    # Of images without any that the options would name, and without a model.
    arguments = (*arguments, "-v", "-p", "no:cacheprovider", "-o", "robustness_data=folder:nowhere")
    with_plugin = pytester.runpytest_inprocess(*arguments)
    with_plugin.assert_outcomes(passed=24)
    without = pytester.runpytest_inprocess("-p", "no:robustness", "-W", "ignore", *arguments[:-2])
    assert ids(with_plugin) == ids(without)


def ids(result):
    return [line.split()[0] for line in result.outlines if "::" in line]


MARK = 'pytest.mark.robustness(models=["python:nets.py:colour"], transforms=["vflip"])'
TOO_LATE = {
    "parameter": (f'@pytest.mark.parametrize("floor", [1, pytest.param(2, marks={MARK})])', "2-vflip-slope", ""),
    "hook": (
        '@pytest.mark.parametrize("floor", [1])',
        "1-vflip-slope",
        f"def pytest_itemcollected(item):\n    item.add_marker({MARK})\n",
    ),
    "last hook": (
        '@pytest.mark.parametrize("floor", [1])',
        "1-vflip-slope",
        f"def pytest_collection_modifyitems(items):\n    [item.add_marker({MARK}) for item in items]\n",
    ),
    "generated": (
        "",
        "3-vflip-slope",
        f"def pytest_generate_tests(metafunc):\n    metafunc.parametrize('floor', [pytest.param(3, marks={MARK})])\n",
    ),
}


@pytest.mark.parametrize("fixture", ["cell", "condition"])
@pytest.mark.parametrize("how", TOO_LATE)
def test_a_marker_that_comes_too_late_is_refused(project, how, fixture):
    decorator, first, hook = TOO_LATE[how]
    project.write("conftest.py", f"import pytest\n\n{hook}")
    test = f"{decorator}\ndef test_mine(robustness, {fixture}, floor): pass\n"
    project.write("test_mine.py", f"import pytest\n\n{test}")
    result = project.run("test_mine.py", "--collect-only")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    first = first if fixture == "cell" else first.removesuffix("-slope")
    (line,) = [line for line in result.errlines if line.startswith("ERROR")]
    assert line == (
        "ERROR: @pytest.mark.robustness(models=['python:nets.py:colour'], transforms=['vflip']) came too late for "
        f"test_mine.py::test_mine[{first}]: the mark of a pytest.param, or of a hook, changes nothing of what the test "
        "runs over. Put it on the test, its class or its file."
    )


@pytest.mark.parametrize(
    ("text", "hook"),
    [
        (f"@{MARK}\ndef test_mine(cell): pass", ""),
        (f"@{MARK}\nclass TestMine:\n    def test_mine(self, cell): pass", ""),
        (f"pytestmark = {MARK}\ndef test_mine(cell): pass", ""),
        ("def test_mine(cell): pass", f"def pytest_generate_tests(metafunc): metafunc.definition.add_marker({MARK})"),
        # One that says the same again, or nothing.
        (f"@{MARK}\ndef test_mine(cell): pass", f"def pytest_itemcollected(item): item.add_marker({MARK})"),
        (f"@{MARK}\ndef test_mine(cell): pass", "def pytest_itemcollected(item): item.add_marker('robustness')"),
    ],
)
def test_a_marker_that_is_there_in_time_counts(project, text, hook):
    project.write("conftest.py", f"import pytest\n\n{hook}\n")
    project.write("test_mine.py", f"import pytest\n\n{text}\n")
    result = project.run("test_mine.py", "--collect-only", "-q")
    assert [line.rpartition("::")[2] for line in ids(result)] == ["test_mine[vflip-colour]"]


REGISTERS = """
def pytest_robustness_register(registry):
    @registry.transform("same")
    def same(images):
        return images
"""
WAITING = """
import pytest

pytestmark = pytest.mark.robustness(models=["python:nets.py:colour"], transforms=["same"])

@pytest.fixture(params=["x", "y"])
def letter(request):
    return request.param

@pytest.fixture
def number():
    return 0

def test_plain(cell):
    assert cell.condition.transform == "same"

@pytest.mark.parametrize("floor", [-95, -99])
def test_parameter(condition, floor):
    assert condition.condition.transform == "same" and floor < 0

def test_fixture(letter, cell):
    assert letter in "xy"

class TestMine:
    started = []

    @pytest.fixture
    def number(self, number):
        return number + 1

    def setup_method(self):
        self.started.append(self)

    @pytest.mark.parametrize("floor", [-95, -99])
    def test_method(self, cell, floor, number):
        assert number == 1
        assert self.started == [self]
        self.started.clear()

class TestOuter:
    class TestInner:
        @pytest.mark.parametrize("floor", [-95])
        def test_inner(self, cell, floor):
            pass
"""


def test_a_test_waits_for_a_transform_whatever_other_parameters_it_has(project):
    (project.path / "a").mkdir()
    (project.path / "b").mkdir()
    project.write("a/test_a.py", WAITING)
    project.write("b/test_b.py", "def test_b(): pass\n")
    project.write("conftest.py", REGISTERS)
    at_once = ids(project.run("a", "b", "-v"))
    (project.path / "conftest.py").rename(project.path / "b/conftest.py")
    result = project.run("a", "b", "-v")
    result.assert_outcomes(passed=9)
    assert ids(result) == at_once
