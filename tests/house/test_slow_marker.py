"""Slow tests run with ``--slow``, with ``-m``, and where a file or a test is named."""

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
        ([], {"test_short"}, 1),
        (["."], {"test_short"}, 1),
        (["--slow"], {"test_long", "test_short"}, 0),
        (["-m", "slow"], {"test_long"}, 1),
        (["-m", "not slow"], {"test_short"}, 1),
        (["test_it.py"], {"test_long", "test_short"}, 0),
        (["test_it.py::test_long"], {"test_long"}, 0),
    ],
)
def test_slow_tests_run_where_they_are_asked_for(pytester, arguments, ran, deselected):
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers = slow: takes long")
    pytester.makepyfile(test_it=TESTS)
    result = pytester.runpytest_inprocess("-v", "-p", "no:hypothesispytest", "-p", "no:cacheprovider", *arguments)
    result.assert_outcomes(passed=len(ran), deselected=deselected)
    assert {line.split("::")[1].split()[0] for line in result.outlines if " PASSED" in line} == ran
    hint = "slow tests are left out: --slow, -m, or naming a file runs them"
    assert (hint in result.outlines) is (arguments in ([], ["."]))
