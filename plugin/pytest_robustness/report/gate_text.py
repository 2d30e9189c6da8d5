"""Say of a comparison with a baseline what its total does not show: the classes, and why an undecided one fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.text import abridged, counted
from pytest_robustness.report.number_text import cut, fine_points, named, points_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.analysis.findings import ClassFinding, GateTest
    from pytest_robustness.report.run_report import RunReport

_MOST_NAMES: Final = 3
_LONGEST_NAME: Final = 24


def broken_classes(finding: GateTest) -> str:
    """Return the classes that fail a comparison by themselves, worst first, with their changes; empty without any."""
    return abridged(finding.broken, _MOST_NAMES, _fall)


def by_classes(finding: GateTest) -> str:
    """Return that classes fail a comparison by themselves, and which; empty without any."""
    return f"by {'a class' if len(finding.broken) == 1 else 'classes'}: {broken_classes(finding)}" * bool(
        finding.broken
    )


def gate_sentence(report: RunReport) -> str:
    """Say how many comparisons with the baseline show a loss, and how many decide nothing or could not be made."""
    tests = report.gate_tests
    if not tests:
        return ""
    undecided = sum(test.undecided for test in tests)
    worse = sum(test.verdict.outcome is Outcome.FAIL and not test.undecided for test in tests)
    made = {Cell(test.model, test.condition) for test in tests}
    asked = {test.condition for test in tests}
    missing = [cell for cell in report.errors if cell not in made and cell.condition in asked]
    show = "shows" if worse < 2 else "show"
    more = f"; {undecided} {'is' if undecided == 1 else 'are'} undecided" if undecided else ""
    if missing:
        models = sorted({report.labels[cell.model] for cell in missing})
        more += f"; {len(missing)} could not be made, of {named(models)}"
    return (
        f"{worse or 'None'} of {counted(len(tests), 'comparison')} with the baseline {show} a loss of robustness{more}."
    )


def gate_extremes_sentence(report: RunReport) -> str:
    """Say under which transform a model fell most against the baseline; empty where nothing was compared under one."""
    tests = [test for test in report.gate_tests if test.condition != CONTROL]
    if not tests:
        return ""
    several = len({test.model for test in tests}) > 1
    worst = min(tests, key=lambda test: test.result.difference)
    change, label = worst.result.difference, report.condition_label(worst.condition)
    who = f"that of {report.labels[worst.model]} " * several
    if change >= 0:
        return "Against the baseline, accuracy falls under no transform."
    return f"Against the baseline, accuracy falls most under {label} ({who}{fine_points(change)} points)."


def unshown_warning(tests: Sequence[GateTest]) -> tuple[str, ...]:
    """Return which falls of classes no comparison that did not fail excludes, in a sentence; nothing without any."""
    found = [(one, test) for test in tests if test.verdict.outcome is not Outcome.FAIL for one in test.unshown]
    if not found:
        return ()
    found.sort(key=lambda pair: pair[0].result.difference)
    more = " (unshown_classes in results.json)" * (len(found) > _MOST_NAMES)
    falls = "1 class fell" if len(found) == 1 else f"{counted(len(found), 'time')} a class fell"
    below = "by more than the class tolerance below the baseline, on too few images to show or exclude it"
    return (f"{falls} {below}: {abridged(found, _MOST_NAMES, _unshown_fall)}{more}.",)


def why_undecided_fails(tests: Sequence[GateTest], chosen: str | None) -> str:
    """Return why undecided comparisons fail, in a sentence; empty where none does.

    ``chosen`` is the value of ``--robustness-inconclusive``, ``None`` where the user has not set it.
    """
    failing = sum(test.undecided and test.verdict.outcome is Outcome.FAIL for test in tests)
    if not failing:
        return ""
    fails = "fails" if failing == 1 else "fail"
    return f"{counted(failing, 'inconclusive comparison')} with the baseline {fails} {why_no_skip(chosen)}."


def why_no_skip(chosen: str | None) -> str:
    """Return why what cannot be decided fails, as the end of a sentence; ``chosen`` as for `why_undecided_fails`."""
    if chosen is not None:
        return f"because of --robustness-inconclusive={chosen}"
    return "because the environment variable CI is set; --robustness-inconclusive=skip or pass sets another outcome"


def _fall(finding: ClassFinding) -> str:
    return f"{cut(finding.name, _LONGEST_NAME)} {points_text(finding.result.difference)}"


def _unshown_fall(pair: tuple[ClassFinding, GateTest]) -> str:
    finding, test = pair
    name, change = cut(finding.name, _LONGEST_NAME), points_text(finding.result.difference)
    return f"{name} under {test.condition} {change} ({counted(finding.result.n, 'image')})"
