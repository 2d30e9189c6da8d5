"""``--robustness-reference`` and ``--robustness-parity-margin``: what exports are compared with, and how strictly."""

from __future__ import annotations

import pytest

from pytest_robustness.frontends.session.options.values import read_percent


@pytest.mark.parametrize(("text", "value"), [("1", 1.0), ("0.25", 0.25), ("99.9", 99.9)])
def test_a_margin_is_a_share_in_percent(text, value):
    assert read_percent(text) == value


@pytest.mark.parametrize("text", ["0", "-1", "100", "one", "nan", "inf", ""])
def test_another_margin_names_what_is_valid(text):
    with pytest.raises(ValueError, match="a share in percent above 0 and below 100, such as 1"):
        read_percent(text)


def test_the_margin_decides(project):
    models = ("--robustness-models=python:nets.py:tilt", "--robustness-reference=python:nets.py:slope", "-k", "parity")
    project.judge(*models, "--robustness-transforms=hflip").assert_outcomes(skipped=2)
    project.judge(*models, "--robustness-transforms=hflip", "--robustness-parity-margin=8").assert_outcomes(passed=2)
