"""The baseline: the answers of models in an earlier run, and the comparison of later runs with them (the gate).

`read` and `write` keep it in three files, `require_comparable` refuses one that
a run cannot be compared with, `rule`
decides on one comparison, `comparison` applies it to a run, `known_findings` judges a test by its outcome in the
baseline, and `update` makes a new one.
"""

from pytest_robustness.analysis.answers import ImageSet, Overlap, RunProtocol
from pytest_robustness.analysis.baseline.baseline import Baseline, BaselineModel
from pytest_robustness.analysis.baseline.comparable import differences, require_comparable
from pytest_robustness.analysis.baseline.files import answers_path, classes_path, read, require_writable, write

__all__ = [
    "Baseline",
    "BaselineModel",
    "ImageSet",
    "Overlap",
    "RunProtocol",
    "answers_path",
    "classes_path",
    "differences",
    "read",
    "require_comparable",
    "require_writable",
    "write",
]
