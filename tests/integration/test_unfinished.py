"""A run says PASS only where every selected test of the plugin ended with its verdict."""

from __future__ import annotations

import textwrap
import xml.etree.ElementTree as ET

import pytest

MINE = """
import pytest
from pytest_robustness import assert_robust

@pytest.fixture
def device(cell):
    colour = cell.model.endswith("colour")
    if colour and {how!r} == "setup":
        raise RuntimeError("the device is lost")
    yield
    if colour and {how!r} == "teardown":
        raise RuntimeError("the device is lost")

{mark}
def test_mine(device, robustness, cell):
    colour = cell.model.endswith("colour")
    if colour and {how!r} == "skip":
        pytest.skip("no time")
    if colour and {how!r} == "interrupt":
        raise KeyboardInterrupt
    if colour and {how!r} == "exit":
        pytest.exit("enough")
    if colour and {how!r} == "raise":
        raise ValueError("out of luck")
    found = robustness.model_test(cell)
    assert_robust(found)
    assert not (colour and {how!r} == "assert"), "too slow"

def test_other():
    if {how!r} == "other-interrupt":
        raise KeyboardInterrupt
    assert {how!r} != "other"
"""
COLOUR = "test_mine.py::test_mine[hflip-colour]"
SLOPE = "test_mine.py::test_mine[hflip-slope]"


@pytest.mark.parametrize(
    ("how", "mark", "arguments", "expected"),
    [
        ("none", "", [], {}),
        ("setup", "", [], {COLOUR: "had an error in its setup: RuntimeError: the device is lost"}),
        ("assert", "", [], {COLOUR: "failed apart from its findings: AssertionError: too slow"}),
        ("skip", "", [], {COLOUR: "was skipped: no time"}),
        ("interrupt", "", [], {COLOUR: "was not run to its end"}),
        ("other", "", [], {}),
        ("raise", "", ["-k", "slope"], {}),
        *[
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("teardown", "", [], {COLOUR: "had an error in its teardown: RuntimeError: the device is lost"}),
                ("raise", "", [], {COLOUR: "failed apart from its findings: ValueError: out of luck"}),
                ("raise", "@pytest.mark.xfail(raises=ValueError)", [], {COLOUR: "failed as expected, without a find"}),
                ("none", "@pytest.mark.xfail(strict=True)", [], {SLOPE: "failed: ", COLOUR: "failed: "}),
                ("assert", "@pytest.mark.xfail(strict=False)", [], {}),
                ("none", "@pytest.mark.skipif(True, reason='!')", ["test_more.py"], {SLOPE: "was skipped: !"}),
                ("exit", "", [], {COLOUR: "was not run to its end"}),
                ("other-interrupt", "", [], {"": "was interrupted"}),
                ("raise", "", ["--deselect", COLOUR], {}),
            )
        ],
    ],
)
def test_a_run_is_no_pass_where_a_selected_test_ended_without_a_verdict(project, how, mark, arguments, expected):
    project.write("test_mine.py", MINE.format(how=how, mark=mark))
    if "test_more.py" in arguments:
        project.write(
            "test_more.py",
            """
            from pytest_robustness import assert_robust

            def test_more(robustness):
                assert_robust(robustness.model_test("python:nets.py:colour", "hflip"))
            """,
        )
    # pytester would pass an interruption on.
    result = project.print_in("utf-8", "test_mine.py", "--robustness-transforms=hflip", *arguments)
    found = project.results()
    endings = {one["test"]: one["ending"] for one in found["unfinished"]}
    assert {name: endings[name] for name in expected if endings[name].startswith(expected[name])}.keys() == (
        expected.keys()
    )
    assert bool(endings) == bool(expected)
    outcome = "INCONCLUSIVE" if expected else "PASS"
    assert found["outcome"] == outcome
    summary = (project.path / "reports/latest/summary.md").read_text(encoding="utf-8")
    assert summary.startswith(f"## Robustness: {outcome}\n")
    page = (project.path / "reports/latest/index.html").read_text(encoding="utf-8")
    text = " ".join(result.stdout.str().split())
    for shown in (summary, page, text):
        assert ("The run is not whole, and so no PASS" in shown) == bool(expected)
    tests = sum(map(bool, endings))
    assert ("### Tests without a verdict" in summary) == bool(expected)
    assert (f"{tests} selected test" in text) == bool(tests)


TWO = """
import pytest
from pytest_robustness import assert_robust

@pytest.fixture
def ask(request):
    return lambda: request.getfixturevalue("robustness")

def test_first({argument}):
    assert_robust({got}.model_test("python:nets.py:colour", "hflip"))

def test_stop():
    if {how!r} == "exit":
        pytest.exit("enough")
    if {how!r} == "interrupt":
        raise KeyboardInterrupt

def test_second({argument}):
    if {how!r} == "before":
        raise OSError("the lab is closed")
    if {how!r} == "skip":
        pytest.skip("no time")
    asked = {got}
    if {how!r} == "after":
        raise OSError("the lab is closed")
    assert_robust(asked.model_test("python:nets.py:colour", "vflip"))

def test_plain(tmp_path):
    assert {how!r} == "none"
"""
SECOND = "test_mine.py::test_second"
BY_NAME = ("robustness", "robustness")
BY_REQUEST = ("request", 'request.getfixturevalue("robustness")')
BY_FIXTURE = ("ask", "ask()")


@pytest.mark.parametrize(
    ("how", "ways", "expected"),
    [
        ("none", [BY_NAME, BY_REQUEST, BY_FIXTURE], {}),
        ("before", [BY_REQUEST, BY_FIXTURE], {SECOND: "failed apart from its findings: OSError: the lab is closed"}),
        ("after", [BY_REQUEST], {SECOND: "failed apart from its findings: OSError: the lab is closed"}),
        ("skip", [BY_REQUEST], {SECOND: "was skipped: no time"}),
        ("exit", [BY_REQUEST, BY_FIXTURE], {SECOND: "was not run to its end"}),
        ("interrupt", [BY_REQUEST], {SECOND: "was not run to its end"}),
        ("before", [BY_NAME], {SECOND: "failed apart from its findings: OSError: the lab is closed"}),
    ],
)
def test_a_test_counts_however_it_gets_the_fixture(project, how, ways, expected):
    for argument, got in ways:
        project.write("test_mine.py", TWO.format(how=how, argument=argument, got=got))
        result = project.print_in("utf-8", "test_mine.py", "--junitxml=junit.xml")
        found = project.results()
        assert {one["test"]: one["ending"] for one in found["unfinished"]} == expected
        assert found["outcome"] == ("INCONCLUSIVE" if expected else "PASS")
        # A test that failed is the plugin's once it has asked, and the first that does has its figures.
        again = how == "after" or (how == "before" and argument == "robustness")
        assert ("Run the first failed test again:" in result.outlines) == again
        cases = ET.parse(project.path / "junit.xml").iter("testcase")
        first = next(case for case in cases if case.attrib["name"] == "test_first")
        assert sum(one.attrib["name"] == "verdict" for one in first.iter("property")) == 1


# What other plugins, or a conftest.py, do with a test's report.
CHANGES = {
    "failed": """
        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            if call.when == "call":
                report.outcome, report.longrepr = "failed", "an error was logged"
            return report
        """,
    "skipped": """
        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            if call.when == "call":
                report.outcome, report.longrepr = "skipped", ("", 0, "not today")
            return report
        """,
    "passed": """
        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            report.outcome = "passed"
            return report
        """,
    # As pytest-rerunfailures does: all of the test, each time with its reports.
    "all again": """
        from _pytest.runner import runtestprotocol

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            for number in range(TIMES):
                item._initrequest()
                reports = runtestprotocol(item, nextitem=nextitem, log=False)
                last = number + 1 == TIMES or all(report.passed for report in reports)
                for report in reports:
                    if not report.passed and not last:
                        report.outcome = "rerun"
                    item.ihook.pytest_runtest_logreport(report=report)
                if last:
                    return True
        """,
    # As pytest-retry does: the call alone, while its report is made, which then has the outcome of the last.
    "call again": """
        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            for number in range(TIMES - 1):
                if call.when != "call" or report.passed:
                    break
                report.outcome = "retried"
                item.ihook.pytest_runtest_logreport(report=report)
                item.ihook.pytest_runtest_setup(item=item)
                again = pytest.CallInfo.from_call(lambda: item.ihook.pytest_runtest_call(item=item), when="call")
                report.outcome = pytest.TestReport.from_item_and_call(item, again).outcome
            return report
        """,
}
FLAKY = """
from pytest_robustness import assert_robust

TRIED = []

def test_first(robustness):
    assert_robust(robustness.model_test("python:nets.py:slope", "hflip"))

def test_mine(robustness):
    TRIED.append(1)
    if len(TRIED) <= {failures} and {when!r} == "before":
        raise OSError("the lab is closed")
    assert_robust(robustness.model_test("python:nets.py:colour", "hflip"))
    if len(TRIED) <= {failures} and {when!r} == "after":
        raise OSError("the lab is closed")
"""
CLOSED = "failed apart from its findings: OSError: the lab is closed"


@pytest.mark.parametrize(
    ("change", "when", "failures", "expected"),
    [
        ("failed", "before", 0, "failed: an error was logged"),
        ("skipped", "before", 0, "was skipped: not today"),
        ("passed", "after", 9, CLOSED),
        *[
            (again, when, failures, expected)
            for again in ("all again", "call again")
            for when in ("before", "after")
            for failures, expected in ((0, ""), (1, ""), (2, ""), (3, CLOSED))
        ],
    ],
)
def test_what_counts_is_the_last_that_anybody_made_of_a_test(project, change, when, failures, expected):
    head = "import pytest\n\nTIMES = 3\n\n"
    project.write("conftest.py", head + textwrap.dedent(CHANGES[change]))
    project.write("test_mine.py", FLAKY.format(when=when, failures=failures))
    result = project.print_in("utf-8", "test_mine.py")
    found = project.results()
    assert {one["ending"] for one in found["unfinished"]} == {expected} - {""}
    assert found["outcome"] == ("INCONCLUSIVE" if expected else "PASS")
    # The last word of pytest, and that of the report, agree.
    green = result.ret == pytest.ExitCode.OK and "skipped" not in result.outlines[-1]
    assert green == (not expected) or change == "passed"


def test_subtests_that_find_something_are_no_tests_without_a_verdict(project):
    project.write(
        "test_mine.py",
        """
        from pytest_robustness import assert_robust

        def test_mine(robustness, subtests):
            for model in ("slope", "colour"):
                with subtests.test(model):
                    assert_robust(robustness.model_test(f"python:nets.py:{model}", "vflip"))
        """,
    )
    if not hasattr(pytest, "Subtests"):  # before pytest 9 another package has them
        pytest.importorskip("pytest_subtests")
    assert project.print_in("utf-8", "test_mine.py").ret == pytest.ExitCode.TESTS_FAILED
    assert (project.results()["outcome"], project.results()["unfinished"]) == ("FAIL", [])


def test_a_run_that_broke_down_after_its_tests_is_no_pass(project):
    project.write("test_mine.py", MINE.format(how="none", mark=""))
    project.write(
        "conftest.py",
        """
        def pytest_runtest_logfinish(nodeid):
            if nodeid.endswith("test_other"):
                raise RuntimeError("a plugin is broken")
        """,
    )
    arguments = ("test_mine.py", "--robustness-transforms=hflip")
    assert project.print_in("utf-8", *arguments).ret == pytest.ExitCode.INTERNAL_ERROR
    assert project.results()["outcome"] == "INCONCLUSIVE"
    assert project.results()["unfinished"] == [
        {"test": "", "ending": "ended with an internal error of pytest or a plugin"}
    ]


@pytest.mark.parametrize("workers", [[], pytest.param(["-n1"], marks=pytest.mark.slow)])
def test_a_file_that_gives_no_test_and_may_hold_some_that_ask_is_told(project, workers):
    project.write("test_mine.py", MINE.format(how="none", mark=""))
    skips = "import pytest\npytest.importorskip('lab')\n"
    project.write("test_broken.py", "import laboratory\n")
    project.write("test_skipped.py", f"{skips}\ndef test_more(robustness):\n    pass\n")
    project.write("test_unrelated.py", f"{skips}\ndef test_more():\n    pass\n")
    arguments = ("--continue-on-collection-errors", "--robustness-transforms=hflip", *workers)
    run = project.pytester.runpytest_subprocess if workers else project.run
    run(*arguments)
    found = project.results()
    assert found["outcome"] == "INCONCLUSIVE"
    assert {one["test"]: one["ending"] for one in found["unfinished"]} == {
        "test_broken.py": "could not be collected: ModuleNotFoundError: No module named 'laboratory'",
        "test_skipped.py": "was skipped: could not import 'lab': No module named 'lab'",
    }
    (project.path / "test_broken.py").unlink()
    (project.path / "test_skipped.py").unlink()
    run(*arguments)
    assert project.results()["outcome"] == "PASS"


def test_a_run_that_ended_before_tests_that_may_ask_is_not_whole(project):
    project.write("test_mine.py", TWO.format(how="none", argument=BY_NAME[0], got=BY_NAME[1]))
    project.write("test_other.py", TWO.format(how="none", argument=BY_REQUEST[0], got=BY_REQUEST[1]))
    project.write("test_more.py", "def test_more():\n    assert False\n")
    project.run("test_mine.py", "test_more.py", "test_other.py", "-x")
    assert [(one["test"], one["ending"]) for one in project.results()["unfinished"]] == [
        ("", "ended before 2 tests that may ask for a verdict, such as test_other.py::test_first")
    ]
    project.run("test_mine.py", "test_more.py", "-x")
    assert project.results()["outcome"] == "PASS"


def test_a_run_that_stops_at_the_first_failure_names_what_it_did_not_run(project):
    text = MINE.format(how="raise", mark="").replace('endswith("colour")', 'endswith("slope")')
    project.write("test_mine.py", text.replace("ValueError", "OSError"))
    project.run("test_mine.py", "--robustness-transforms=hflip vflip", "-x", "-k", "mine")
    ended = {one["test"]: one["ending"] for one in project.results()["unfinished"]}
    assert len(ended) >= 3
    assert sum(text.startswith("failed apart from its findings: OSError") for text in ended.values()) == 1
    assert sum(text == "was not run to its end" for text in ended.values()) == len(ended) - 1


def test_what_a_finding_or_an_error_of_a_model_says_is_not_said_twice(project):
    project.judge("--robustness-models=python:nets.py:slope python:nets.py:none", "--robustness-transforms=vflip")
    found = project.results()
    assert (found["outcome"], found["unfinished"]) == ("FAIL", [])
    assert found["errors"]


def test_a_run_that_writes_its_baseline_is_whole(project):
    arguments = ("--robustness-transforms=hflip", "--robustness-baseline=b.json", "-k", "colour")
    project.judge(*arguments, "--robustness-update-baseline")
    assert (project.results()["outcome"], project.results()["unfinished"]) == ("PASS", [])


@pytest.mark.slow
def test_workers_that_die_are_told_by_the_tests_that_they_ran(folder):
    text = MINE.format(how="raise", mark="").replace('raise ValueError("out of luck")', "__import__('os')._exit(9)")
    folder.write("test_mine.py", text)
    folder.pytester.runpytest_subprocess("test_mine.py", "-n2", "--robustness-transforms=hflip")
    found = folder.results()
    assert found["outcome"] == "INCONCLUSIVE"
    ((name, how),) = [(one["test"], one["ending"]) for one in found["unfinished"]]
    assert name == COLOUR
    assert how.startswith("did not end: worker")


@pytest.mark.slow
@pytest.mark.parametrize("died", ["crash", "ask"])
def test_a_worker_that_dies_takes_no_test_that_may_ask_with_it_in_silence(folder, died):
    folder.write("test_first.py", TWO.format(how="none", argument=BY_NAME[0], got=BY_NAME[1]))
    exits = "    __import__('os')._exit(9)\n"
    tests = {
        "crash": f"def test_crash():\n{exits}\ndef test_last(request):\n    request.getfixturevalue('robustness')\n",
        "ask": f"def test_last(request):\n    request.getfixturevalue('robustness')\n{exits}",
    }
    folder.write("test_second.py", tests[died])
    arguments = ("-n1", "--max-worker-restart=0", "--dist=loadfile", "--robustness-transforms=hflip")
    folder.pytester.runpytest_subprocess("test_first.py", "test_second.py", *arguments)
    found = folder.results()
    assert found["outcome"] == "INCONCLUSIVE"
    assert [(one["test"], one["ending"]) for one in found["unfinished"]] == [
        ("", "ended before 1 test that may ask for a verdict, such as test_second.py::test_last")
    ]


NOTHING = """
import pytest

{head}

def test_mine(robustness):
    {body}
"""


@pytest.mark.parametrize(
    ("head", "body", "arguments", "ending"),
    [
        ("", 'pytest.skip("no time")', [], "1 selected test did not end with a verdict: {} was skipped: no time."),
        ("pytestmark = pytest.mark.skip('!')", "pass", [], "1 selected test did not end with a verdict: {} was skip"),
        ("def test_other(): assert 0", "pass", ["-x"], "1 selected test did not end with a verdict: {} was not run to"),
        ("", "pass", [], "no test asked for a verdict."),
        pytest.param("pytestmark = pytest.mark.skip('!')", "pass", ["-n1"], "1 selected test", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("writes", [False, True])
def test_a_run_that_judges_nothing_says_so(project, head, body, arguments, ending, writes):
    project.write(
        "test_mine.py", "def test_mine(robustness):\n    robustness.model_test('python:nets.py:slope', 'hflip')"
    )
    project.run("test_mine.py")
    assert project.results()["outcome"] == "PASS"
    project.write("test_mine.py", NOTHING.format(head=head, body=body))
    run = project.pytester.runpytest_subprocess if "-n1" in arguments else project.run
    result = run("test_mine.py", *arguments, *["--robustness-update-baseline"][: int(writes)])
    text = f"Nothing was judged, and there is no report: {ending.format('test_mine.py::test_mine')}"
    assert sum(line.startswith(text) for line in result.outlines) == 1
    assert ("The baseline was not written." in result.outlines) == writes
    assert not (project.path / "reports/latest/results.json").exists()
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if writes or "-x" in arguments else pytest.ExitCode.OK)


def test_on_github_the_page_of_a_run_that_judges_nothing_says_so(project, monkeypatch):
    page = project.path / "page.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    project.write("test_mine.py", NOTHING.format(head="", body='pytest.skip("no <b>time</b>")'))
    result = project.run("test_mine.py")
    assert result.ret == pytest.ExitCode.OK
    said = "## Robustness: no verdict\n\nNothing was judged, and there is no report: 1 selected test did not end with a"
    how = "test_mine.py::test_mine was skipped: no &lt;b>time&lt;/b>."
    assert page.read_text(encoding="utf-8") == f"{said} verdict: {how}\n\n"
    page.unlink()
    page.mkdir()
    result = project.run("test_mine.py")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert any(line.startswith("Nothing was judged") for line in result.outlines)
    assert any("cannot be appended" in line for line in result.outlines)


@pytest.mark.parametrize(
    ("ci", "arguments", "fails", "why"),
    [
        ("true", [], True, "the environment variable CI is set; --robustness-inconclusive=skip or pass sets another"),
        ("true", ["--robustness-inconclusive=skip"], False, ""),
        ("", [], False, ""),
        ("", ["--robustness-inconclusive=fail"], True, "of --robustness-inconclusive=fail."),
    ],
)
def test_a_candidate_that_nothing_compares_passes_no_gate(project, monkeypatch, ci, arguments, fails, why):
    project.judge("--robustness-update-baseline")
    monkeypatch.setenv("CI", ci)
    skipped = """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.skip(reason="no time"))
    """
    project.write("conftest.py", skipped)
    gate = ["--robustness-candidate=python:nets.py:slope", "--robustness-baseline=robustness-baseline.json"]
    result = project.judge(*gate, *arguments)
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if fails else pytest.ExitCode.OK)
    line = f"The candidate was not compared with the baseline, which fails because {why}"
    assert any(shown.startswith(line) for shown in result.outlines) == fails
