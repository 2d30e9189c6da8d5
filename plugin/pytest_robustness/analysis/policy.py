"""How a run tests, and when a test fails."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from pytest_robustness.analysis.limits import require_points

if TYPE_CHECKING:
    from pytest_robustness.analysis.statistics import GroupTest
    from pytest_robustness.analysis.test_result import Correction, MaxSensitive, VerdictRule


@dataclasses.dataclass(frozen=True)
class TestPolicy:
    """How a run tests, and when a test fails.

    Parameters
    ----------
    test
        Which t-test compares accuracies.
    alpha
        The level of every test.
    correction
        Over the classes, or the models, of a condition.
    max_sensitive
        How many sensitive classes a class test allows: see `verdicts.allowed_sensitive`.
    verdict
        What decides: the t-tests and the images (``strict``), or either alone (``article``, ``margin``).
    margin
        The change of a model's accuracy, in points, within which it counts as unchanged.
    class_margin
        The change of a class's accuracy, in points, beyond which a class fails its test, if the images show it.
    guessing_passes
        Whether a model may pass that is no better than guessing on untouched images.

    Raises
    ------
    OptionError
        If a margin is not above 0 and at most 100.
    """

    __test__: ClassVar[bool] = False

    test: GroupTest = "independent"
    alpha: float = 0.05
    correction: Correction = "none"
    max_sensitive: MaxSensitive = "chance"
    verdict: VerdictRule = "strict"
    margin: float = 2.0
    class_margin: float = 10.0
    guessing_passes: bool = False

    def __post_init__(self) -> None:
        for name in ("margin", "class_margin"):
            require_points(name.replace("_", "-"), getattr(self, name))

    @property
    def uses_t_tests(self) -> bool:
        """Whether a t-test that rejects fails its test."""
        return self.verdict != "margin"

    @property
    def uses_images(self) -> bool:
        """Whether the images decide, and a PASS must be shown."""
        return self.verdict != "article"


def steady(value: float) -> float:
    """Return a figure without the noise of its last bits, so that equal ones are printed alike however computed.

    Examples
    --------
    >>> f"{100 * (9 - 12) / 80:+.1f}", f"{100 * 9 / 80 - 100 * 12 / 80:+.1f}", f"{-3.7499999999999996:+.1f}"
    ('-3.8', '-3.8', '-3.7')
    >>> f"{steady(-3.7499999999999996):+.1f}"
    '-3.8'
    """
    return round(value, 9)


def in_points(size: float) -> str:
    """Return a size in points, without a sign.

    Examples
    --------
    >>> in_points(2.0), in_points(1.0), in_points(0.5)
    ('2 points', '1 point', '0.5 points')
    """
    return f"{size:g} {'point' if size == 1 else 'points'}"


def significantly_beyond(points: float) -> str:
    """Say how a class changed that fails by the class margin, or fell below a baseline by the class tolerance.

    A test shows that the class changed at all. By how much is measured: that the true change is as large is not tested.

    Examples
    --------
    >>> significantly_beyond(10.0), significantly_beyond(1.0)
    ('significantly and by more than 10 measured points', 'significantly and by more than 1 measured point')
    """
    return f"significantly and by more than {points:g} measured {'point' if points == 1 else 'points'}"
