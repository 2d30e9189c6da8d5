"""The comparison with a baseline, for people: lines of a failure, a table for the terminal, rows for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.report.run_report import Grade, condition_text, fitted, p_text, points_text

if TYPE_CHECKING:
    from pytest_robustness.analysis.baseline.gate import GateTest


def gate_word(test: GateTest) -> str:
    """Return the comparison in a word or two."""
    if test.undecided:
        return "inconclusive"
    if test.verdict.outcome is Outcome.FAIL:
        return "less robust"
    return "better" if test.improved else "ok"


def gate_headline(test: GateTest) -> str:
    """Return the comparison in one line that can stand alone; an undecided one begins with its `Grade`."""
    other = "the baseline" if test.counterpart == test.model else test.counterpart
    found = f"{Grade.INCONCLUSIVE}: " if test.undecided else ""
    # Else the word would stand there twice.
    reason = test.verdict.reason.removeprefix("inconclusive: ")
    return f"{found}{test.model} against {other} under {condition_text(test.condition)}: {reason}"


def gate_lines(test: GateTest) -> list[str]:
    """Return the comparison as a stranger should read it."""
    change = test.change
    interval = f"95 % interval {change.ci_low:+.2f} to {change.ci_high:+.2f}"
    lines = [
        gate_headline(test),
        "",
        f"  top-1 accuracy      {change.baseline:.2f} % -> {change.candidate:.2f} % on the same {change.n} images",
        f"  change              {change.difference:+.2f} points ({interval})",
        f"  mcnemar             {change.lost} images lost, {change.gained} gained, p = {p_text(change.p_value)}",
        f"  corrected p         {p_text(change.p_adjusted)}",
    ]
    if test.beyond_control is not None:
        value, low, high = test.beyond_control
        lines.append(f"  beyond control      {value:+.2f} points (95 % interval {low:+.2f} to {high:+.2f})")
    if test.fallen:
        lines += ["", f"  {'class that fell':<32} {'baseline':>9} {'candidate':>9} {'points':>7} {'p':>8}"]
        lines += [
            f"  {fitted(fall.name, 32):<32} {fall.change.baseline:>8.1f}% {fall.change.candidate:>8.1f}% "
            f"{points_text(fall.change.difference):>7} {p_text(fall.change.p_adjusted):>8}"
            for fall in test.fallen[:10]
        ]
    return lines


def gate_row(test: GateTest) -> dict[str, Any]:
    """Return the comparison as a row of ``results.json``."""
    change, beyond = test.change, test.beyond_control
    return {
        "model": test.model,
        "baseline_model": test.counterpart,
        "transform": test.condition.transform,
        "severity": test.condition.severity,
        "outcome": test.verdict.outcome.value,
        "reason": test.verdict.reason,
        "improved": test.improved,
        "undecided": test.undecided,
        "n": change.n,
        "baseline_accuracy": change.baseline,
        "accuracy": change.candidate,
        "difference": change.difference,
        "ci_low": change.ci_low,
        "ci_high": change.ci_high,
        "lost": change.lost,
        "gained": change.gained,
        "p_value": change.p_value,
        "p_adjusted": change.p_adjusted,
        "detectable_drop": change.detectable_drop,
        "beyond_control": None if beyond is None else beyond.value,
        "beyond_control_ci_low": None if beyond is None else beyond.low,
        "beyond_control_ci_high": None if beyond is None else beyond.high,
        "fallen_classes": [
            {"class_index": fall.index, "class_name": fall.name, "difference": fall.change.difference}
            | {"p_adjusted": fall.change.p_adjusted}
            for fall in test.fallen
        ],
    }
