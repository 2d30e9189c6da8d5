"""Answers that outlive their run: in a baseline, and in the file ``answers.npz`` of every report.

`arrays` is the file, `recorded` what it holds, `files` reads and writes that of a report, and `images` matches the
images of two runs.
"""

from pytest_robustness.analysis.answers.comparable import RunProtocol
from pytest_robustness.analysis.answers.images import ImageSet, Overlap
from pytest_robustness.analysis.answers.recorded import RecordedAnswers, RecordedModel

__all__ = ["ImageSet", "Overlap", "RecordedAnswers", "RecordedModel", "RunProtocol"]
