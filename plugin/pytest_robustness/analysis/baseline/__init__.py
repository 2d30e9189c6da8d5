"""The baseline: what models answered once, kept to compare later runs with.

`write` and `read` keep it in two files, `require_comparable` refuses one that a run cannot be compared with.
"""

from pytest_robustness.analysis.baseline.comparable import differences, require_comparable
from pytest_robustness.analysis.baseline.files import answers_path, read, write
from pytest_robustness.analysis.baseline.values import Baseline, BaselineModel, RunProtocol

__all__ = [
    "Baseline",
    "BaselineModel",
    "RunProtocol",
    "answers_path",
    "differences",
    "read",
    "require_comparable",
    "write",
]
