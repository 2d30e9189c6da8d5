"""The comparison of two runs: of any models, under the conditions and on the images that both have.

`reading` takes a report or a baseline, `matching` finds what both runs have, `comparison` compares it.
"""

from pytest_robustness.analysis.comparing.comparison import compare_runs
from pytest_robustness.analysis.comparing.figures import CellComparison, Figures, RunComparison
from pytest_robustness.analysis.comparing.reading import read
from pytest_robustness.analysis.comparing.recorded_run import RecordedRun

__all__ = ["CellComparison", "Figures", "RecordedRun", "RunComparison", "compare_runs", "read"]
