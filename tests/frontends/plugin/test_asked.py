"""A study is asked for where an expression selects tests because it names the study, and not where it excludes it."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_robustness.analysis.studies import STUDIES
from pytest_robustness.frontends.plugin import asked


@pytest.fixture(autouse=True)
def no_options(monkeypatch):
    options = SimpleNamespace(studies=(), suspects=None, reference=None)
    monkeypatch.setattr(asked, "resolve_options", lambda config: options)


def studies(keyword, mark):
    config = SimpleNamespace(getoption=lambda name, default: {"keyword": keyword, "markexpr": mark}[name])
    return {name for name in STUDIES if asked.asks_study(config, name)}


@pytest.mark.parametrize(
    ("keyword", "mark", "named"),
    [
        *[("", f"not {word}", set()) for word in ("images", "accuracy", "errors", "table", *STUDIES)],
        *[(f"not {word}", "", set()) for word in ("images", "accuracy", "errors", "table", *STUDIES)],
        *[(word, "", {word}) for word in STUDIES],
        *[("", word, {word}) for word in STUDIES],
        ("images", "", {"turned_images"}),
        # -m knows markers by their whole names.
        ("", "images", set()),
        ("", "not (slow or images)", set()),
        ("vflip and not turned_images", "", set()),
        ("not (not turned_images)", "", {"turned_images"}),
        ("(turned_images or vflip) and not label_errors", "", {"turned_images"}),
        ("turned_images or not turned_images", "", set()),
        ("vflip and (images and not accuracy)", "not slow", {"turned_images"}),
        ("test_no_turned_images[vflip-resnet18]", "", {"turned_images"}),
        ("not images", "turned_images", {"turned_images"}),
        ("", 'device(serial="a") or parity', {"parity"}),
        ("", "parity(size=3)", {"parity"}),
        # pytest says what is wrong.
        ("turned_images and", "", set()),
        ("(turned_images", "", set()),
        (" or ".join(["vflip", *(f"class{number}" for number in range(60)), "parity"]), "", {"parity"}),
    ],
)
def test_what_is_excluded_is_not_asked_for(keyword, mark, named):
    assert studies(keyword, mark) == named


def grown(words):
    return st.one_of(
        words.map("not {}".format),
        st.tuples(words, st.sampled_from(["and", "or"]), words).map(lambda parts: "({} {} {})".format(*parts)),
    )


@given(st.recursive(st.sampled_from(["parity", "OTHER"]), grown, max_leaves=7))
def test_a_study_is_asked_for_where_a_test_is_selected_for_being_one_of_it(expression):
    others = expression.count("OTHER")
    for number in range(others):
        expression = expression.replace("OTHER", f"w{number}", 1)
    differs = any(
        eval(expression, {"parity": True, **given}) and not eval(expression, {"parity": False, **given})
        for values in itertools.product([False, True], repeat=others)
        for given in [{f"w{number}": value for number, value in enumerate(values)}]
    )
    assert ("parity" in studies("", expression)) == differs
