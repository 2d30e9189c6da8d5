"""``--robustness-studies`` and ``--robustness-suspects``: which questions beyond sensitivity a run asks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_robustness.analysis.studies import STUDIES
from pytest_robustness.core.errors import OptionError
from pytest_robustness.frontends.plugin import asked
from pytest_robustness.frontends.session.options import studies


@pytest.mark.parametrize(
    ("named", "suspects", "asked"),
    [
        ((), None, ()),
        (("detectable", "breaking_point"), None, ("breaking_point", "detectable")),
        (("all",), None, tuple(STUDIES)),
        ((), 10, ("turned_images", "label_errors")),
        (("breaking_point",), 10, ("breaking_point", "turned_images", "label_errors")),
    ],
)
def test_the_options_name_studies_and_a_number_of_suspects_asks_for_their_lists(named, suspects, asked):
    assert studies.asked_for(SimpleNamespace(studies=named, suspects=suspects, reference=None)) == asked


@pytest.mark.parametrize(
    ("keyword", "mark", "named"),
    [
        ("", "", ()),
        ("vflip", "", ()),
        ("breaking_point", "", ("breaking_point",)),
        ("breaking and resnet18", "", ("breaking_point",)),
        ("", "detectable", ("detectable",)),
        ("Turned_Images or label_errors", "", ("turned_images", "label_errors")),
        ("test_detectable_by_all", "", ("detectable",)),
        ("test_no_turned_images and not resnet18", "", ("turned_images",)),
        # Three letters are part of too many names.
        ("ect", "", ()),
    ],
)
def test_an_expression_that_names_a_study_asks_for_it(monkeypatch, keyword, mark, named):
    monkeypatch.setattr(
        asked, "resolve_options", lambda config: SimpleNamespace(studies=(), suspects=None, reference=None)
    )
    config = SimpleNamespace(getoption=lambda name, default: {"keyword": keyword, "markexpr": mark}[name])
    assert tuple(name for name in STUDIES if asked.asks_study(config, name)) == named


def test_a_study_that_does_not_exist_is_named_with_the_closest():
    with pytest.raises(OptionError, match="breaking_point"):
        studies.require_study("breaking_points")


def test_a_reference_asks_for_parity_with_it():
    options = SimpleNamespace(studies=("detectable",), suspects=None, reference="resnet18")
    assert studies.asked_for(options) == ("detectable", "parity")
