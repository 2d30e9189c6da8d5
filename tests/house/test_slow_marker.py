"""Slow tests run with ``--slow``, with ``-m``, and where their file or test is named."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = """
import pytest

@pytest.mark.slow
def test_long(): pass

def test_short(): pass
"""


@pytest.mark.parametrize(
    ("arguments", "ran", "deselected"),
    [
        ([], {"test_short", "test_other"}, 2),
        (["."], {"test_short", "test_other"}, 2),
        (["--slow"], {"test_long", "test_short", "test_other", "test_other_long"}, 0),
        (["-m", "slow"], {"test_long", "test_other_long"}, 2),
        (["-m", "not slow"], {"test_short", "test_other"}, 2),
        (["test_it.py"], {"test_long", "test_short"}, 0),
        (["test_it.py::test_long"], {"test_long"}, 0),
        (["test_it.py", "other"], {"test_long", "test_short", "test_other"}, 1),
        (["test_it.py::test_long", "other"], {"test_long", "test_other"}, 1),
    ],
)
def test_slow_tests_run_where_they_are_asked_for(pytester, arguments, ran, deselected):
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers = slow: takes long")
    pytester.makepyfile(test_it=TESTS)
    others = TESTS.replace("test_short", "test_other").replace("test_long", "test_other_long")
    (pytester.mkdir("other") / "test_other.py").write_text(others, encoding="utf-8")
    result = pytester.runpytest_inprocess("-v", "-p", "no:hypothesispytest", "-p", "no:cacheprovider", *arguments)
    result.assert_outcomes(passed=len(ran), deselected=deselected)
    assert {line.split("::")[1].split()[0] for line in result.outlines if " PASSED" in line} == ran
    hint = "slow tests are left out: --slow, -m, or naming their file runs them"
    assert (hint in result.outlines) is not any(asked in arguments for asked in ("--slow", "-m"))
