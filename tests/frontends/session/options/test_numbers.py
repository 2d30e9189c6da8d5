"""Every place that takes a level or a size in points admits the same ones, and says so in the same words."""

from __future__ import annotations

import math

import pytest

import pytest_robustness
from pytest_robustness.analysis.limits import require_alpha, require_points
from pytest_robustness.core.errors import OptionError
from pytest_robustness.frontends.session.options.values import read_alpha, read_points

NUMBERS = [-math.inf, -1.0, -0.0, 0.0, 5e-324, 0.05, 0.999, 1.0, 1.5, 99.9, 100.0, 100.1, math.inf, math.nan]


def doctor(**arguments: float) -> None:
    try:
        pytest_robustness.doctor("python:nowhere.py:make", **arguments)
    except OptionError as error:
        if str(error).startswith(tuple(arguments)):
            raise
    except pytest_robustness.core.errors.RobustnessError:
        pass


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize(
    ("read", "takers", "fits"),
    [
        (read_alpha, [require_alpha, lambda alpha: doctor(alpha=alpha)], lambda x: 0 < x < 1),
        (
            read_points,
            [lambda points: require_points("margin", points), lambda margin: doctor(margin=margin)],
            lambda x: 0 < x <= 100,
        ),
    ],
    ids=["alpha", "points"],
)
def test_a_number_is_taken_everywhere_or_nowhere(read, takers, fits, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if fits(value):
        assert read(repr(value)) == value
        for take in takers:
            take(value)
        return
    with pytest.raises(ValueError, match="above 0") as refused:
        read(repr(value))
    words = str(refused.value).partition(", such")[0]
    for take in takers:
        with pytest.raises(OptionError, match=words):
            take(value)
