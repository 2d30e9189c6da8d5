"""Name the test that decides which classes are sensitive: a t-test over the models, or McNemar's over the images."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.analysis.policy import significantly_beyond

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_robustness.analysis.findings import ClassFinding, ClassTest


class ClassTestWords(NamedTuple):
    """How a report names the tests of the classes: in a word, by what they are over, and in the singular."""

    kind: str
    over: str
    one: str


_MODELS = ClassTestWords("t-test", "models", "the t-test over the models")
_IMAGES = ClassTestWords("McNemar", "images (McNemar)", "McNemar's exact test over the images")
_BOTH = ClassTestWords(
    "t-test or McNemar",
    "models, with one model over its images (McNemar)",
    "the t-test over the models, with one model McNemar's exact test over its images,",
)


def words_of(tests: Iterable[ClassTest]) -> ClassTestWords:
    """Return how to name the tests of the classes; class tests of one model are over its images."""
    alone = {test.one_model for test in tests}
    if len(alone) > 1:
        return _BOTH
    return _IMAGES if True in alone else _MODELS


def beyond_words(tests: Sequence[ClassTest], margin: float) -> str:
    """Return what it is for a class to be beyond the margin, as every report counts and marks it.

    Examples
    --------
    >>> beyond_words([], 10.0)
    'changed significantly and by more than 10 measured points'
    """
    alone = ", over all models or in one alone" if any(not test.one_model for test in tests) else ""
    return f"changed {significantly_beyond(margin)}{alone}"


def kind_of(finding: ClassFinding) -> str:
    """Return the test of one class in a word."""
    return (_IMAGES if finding.result.test == "mcnemar" else _MODELS).kind
