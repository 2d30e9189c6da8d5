"""The options: declared in one table, read once, into one frozen object."""

from pytest_robustness.frontends.session.options.spec import PREFIX
from pytest_robustness.frontends.session.options.table import DOCTOR_FIELDS, SPECS, Options, RunMode

__all__ = ["DOCTOR_FIELDS", "PREFIX", "SPECS", "Options", "RunMode"]
