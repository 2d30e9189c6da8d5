"""What a model's answers under other set-ups show: which setting is wrong, if any, and what to write."""

from pytest_robustness.analysis.diagnosis.diagnosis import Diagnosis, Trial
from pytest_robustness.analysis.diagnosis.remembered import remembered_diagnosis

__all__ = ["Diagnosis", "Trial", "remembered_diagnosis"]
