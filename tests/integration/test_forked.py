"""A test that a plugin runs in a process of its own, as pytest-forked does, is in the reports as any other."""

from __future__ import annotations

import os

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no process"),
]

# What pytest-forked does: the reports come back as plain data, and nothing else does.
CONFTEST = """
import json, os, warnings

import pytest
from _pytest.runner import runtestprotocol

def of_child(item, nextitem):
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        os.write(write, json.dumps([one._to_json() for one in reports]).encode())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as file:
        packed = file.read()
    os.waitpid(child, 0)
    if packed:
        return [pytest.TestReport._from_json(one) for one in json.loads(packed)]
    return [pytest.TestReport(item.nodeid, item.location, {}, "failed", "it crashed", "???")]

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if item.get_closest_marker("apart") is None:
        return None
    for report in of_child(item, nextitem):
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
MINE = """
import os

import pytest
from pytest_robustness import assert_robust

{mark}
def test_slope(robustness, request):
    if {dies}:
        os._exit(7)
    assert_robust(robustness.model_test("python:nets.py:slope", "vflip"))

{other}
def test_colour(robustness):
    assert_robust(robustness.model_test("python:nets.py:colour", "vflip"))
"""
APART = "@pytest.mark.apart"


@pytest.mark.parametrize("other", [APART, ""], ids=["all", "one"])
def test_what_is_found_in_another_process_is_in_the_report(folder, other):
    folder.write("conftest.py", CONFTEST)
    found = []
    for mark, second in ((APART, other), ("", "")):
        folder.write("test_mine.py", MINE.format(mark=mark, other=second, dies=False))
        folder.pytester.runpytest_subprocess("test_mine.py", "-W", "default::pytest.PytestUnknownMarkWarning")
        found.append({name: folder.results()[name] for name in ("outcome", "unfinished", "model_tests", "cells")})
    assert found[0] == found[1]
    assert found[0]["outcome"] == "FAIL"
    assert len(found[0]["model_tests"]) == 2


def test_a_test_whose_process_dies_is_told(folder):
    folder.write("conftest.py", CONFTEST)
    folder.write("test_mine.py", MINE.format(mark=APART, other="", dies=True))
    folder.pytester.runpytest_subprocess("test_mine.py", "-W", "default::pytest.PytestUnknownMarkWarning")
    found = folder.results()
    assert found["outcome"] == "INCONCLUSIVE"
    assert found["unfinished"] == [{"test": "test_mine.py::test_slope", "ending": "did not end: it crashed"}]
