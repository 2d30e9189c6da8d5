"""``--robustness-margin``: the change of a model that counts as none."""

from __future__ import annotations

import pytest

from tests.frontends.session.options.test_verdict import ARGUMENTS, SOME


# Of 40 images 12 are lost, 30 points: the 90 % interval goes from -44.2 to -15.8.
@pytest.mark.parametrize(("margin", "outcome"), [("15", "failed"), ("30", "skipped"), ("50", "passed")])
def test_a_model_is_judged_by_where_its_interval_lies(project, margin, outcome):
    project.write("conftest.py", SOME)
    project.configure(robustness_margin=margin)
    project.judge(*ARGUMENTS).assert_outcomes(**{outcome: 1}, deselected=2)
