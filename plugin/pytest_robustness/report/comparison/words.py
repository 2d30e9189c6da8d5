"""Say in words what a comparison of two runs says: for the terminal, the page, and a pull request."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.core.naming import short_names
from pytest_robustness.core.text import counted, grouped, printable
from pytest_robustness.report.number_text import fine_points, or_dash, p_value

if TYPE_CHECKING:
    from pytest_robustness.analysis.comparing import CellComparison, RunComparison
    from pytest_robustness.core import Condition


class WorseClass(NamedTuple):
    """A class of which the accuracy fell significantly: the comparison that it is of, and its place."""

    cell: CellComparison
    place: int


def verdict(found: RunComparison) -> str:
    """Return the verdict in a sentence or two."""
    if found.cells and not any(cell.decides for cell in found.cells):
        return "Nothing is called better or worse: without labels each model has right answers of its own."
    if found.cells and found.too_few == len(found.cells):
        few = "No comparison has images enough for a result: not even the loss of all of them would be significant."
        return f"{few} {churn_sentence(found)}".strip()
    worse, better = (sum(getattr(cell, name) for cell in found.cells) for name in ("worse", "better"))
    classes, of_all = len(worse_classes(found)), counted(len(found.cells), "comparison")
    parts = [f"{grouped(worse) if worse else 'None'} of {of_all} {'is' if worse < 2 else 'are'} significantly worse"]
    parts += [f"{grouped(better)} {'is' if better == 1 else 'are'} significantly better"] if better else []
    text = ", ".join(parts)
    if classes:
        single = "class is" if classes == 1 else "classes are"
        text += f"; {grouped(classes)} {single} significantly worse under some condition"
    if found.too_few:
        text += f"; {counted(found.too_few, 'comparison')} could show nothing, with so few images"
    if found.apart:
        what = "is not compared: one run lacks it" if found.apart == 1 else "are not compared: one run lacks them"
        text += f". {counted(found.apart, 'cell')} {what}, or has another transform"
    return f"{text}. {churn_sentence(found)}".strip()


def churn_sentence(found: RunComparison) -> str:
    """Return how many answers changed over all comparisons; empty where that is not known."""
    known = [cell.churn for cell in found.cells if cell.churn is not None]
    if not known:
        return ""
    n, harmful, beneficial, other = (
        sum(getattr(churn, name) for churn in known) for name in ("n", "harmful", "beneficial", "other_wrong")
    )
    changed = harmful + beneficial + other
    if not changed:
        return f"None of {counted(n, 'answer')} changed."
    return (
        f"{grouped(changed)} of {counted(n, 'answer')} changed ({100 * changed / n:.1f} %): {grouped(harmful)} from "
        f"right to wrong, {grouped(beneficial)} from wrong to right, {grouped(other)} from one wrong class to another."
    )


def differences(found: RunComparison) -> str:
    """Return in which circumstances the runs differ; empty where they do not, or where nothing says so."""
    listed = "; ".join(f"{one.name} {one.before} → {one.now}" for one in found.differences)
    return f"Computed otherwise: {listed}." if listed else ""


def rule(found: RunComparison) -> str:
    """Return what decides."""
    paired = any(cell.paired for cell in found.cells)
    test = "McNemar's exact test of the images that both runs have" if paired else "Fisher's exact test of the counts"
    return (
        f"What decides: {test}, two-sided at alpha {found.alpha:g}, corrected by Holm's method over all comparisons, "
        f"and for the classes over all classes of all comparisons. Each of the two finds something where nothing "
        f"changed in at most {100 * found.alpha:g} of 100 comparisons of runs. Answers that went from one wrong class "
        f"to another are counted and decide nothing."
    )


def mark(cell: CellComparison) -> str:
    """Return a comparison in a word; empty where it shows nothing."""
    if cell.worse:
        return "worse"
    if cell.worse_classes:
        return "worse classes"
    return "better" if cell.better else ""


def worse_classes(found: RunComparison) -> list[WorseClass]:
    """Return the classes that fell significantly, the largest fall first."""
    every = [WorseClass(cell, index) for cell in found.cells for index in cell.worse_classes]
    return sorted(every, key=lambda one: float(one.cell.classes.difference[one.place]) if one.cell.classes else 0.0)


def model_labels(found: RunComparison) -> dict[tuple[str, str], str]:
    """Return the short name of each pair of models: one name where both runs have it."""
    olds, news = (short_names(tuple(pair[i] for pair in found.models)) for i in range(2))
    return {
        (old, new): printable(news[new] if old == new else f"{olds[old]} → {news[new]}") for old, new in found.models
    }


def condition_label(found: RunComparison, condition: Condition) -> str:
    """Return the shortest name that is unambiguous: without the severity where there is but one."""
    severities = {other.severity for other in found.conditions} - {None}
    return printable(condition.transform if len(severities) == 1 else str(condition))


def fine_percent_or_dash(value: float) -> str:
    """Return an accuracy to the hundredth, a dash where there is none."""
    return or_dash(value, lambda known: f"{known:.2f}")


def fine_points_or_dash(value: float) -> str:
    """Return a change in hundredths of a point, a dash where there is none."""
    return or_dash(value, fine_points)


def fine_interval_or_dash(low: float, high: float) -> str:
    """Return an interval in hundredths of a point, a dash where there is none."""
    return "–" if math.isnan(low) or math.isnan(high) else f"{fine_points(low)} to {fine_points(high)}"


def p_value_or_dash(value: float) -> str:
    """Return a p-value, a dash where there is none."""
    return or_dash(value, p_value)
