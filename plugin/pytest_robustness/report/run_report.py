"""The one view of a run that every report is built from; a report computes nothing itself."""

from __future__ import annotations

import dataclasses
import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pytest_robustness.analysis.findings import ClassTest, Counts, Finding, ImageTest, ModelTest
from pytest_robustness.analysis.test_result import Equivalence, Outcome, TestResult
from pytest_robustness.core import CONTROL, Cell, Condition, EngineUsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_robustness.analysis.baseline.gate import GateTest
    from pytest_robustness.report.confusions import FallenClass
    from pytest_robustness.report.gallery import Exhibit

_SEVERE_POINTS = 10.0
_SEVERE_SHARE = 0.5


@dataclasses.dataclass(frozen=True)
class View:
    """Everything that a report may show.

    ``labels`` gives each model's short name; ``counts`` the images by class of every finished cell, control included;
    ``errors`` what kept a cell from being computed; ``skipped`` the images that could not be read; ``changes`` the
    change of top-1 accuracy under each condition, averaged over the models; ``fallen`` the classes that fell most in
    each cell; ``gallery`` images to show, and ``gallery_note`` what kept them from being read again; ``gate_tests``
    the comparisons with a baseline; ``engines`` what computed each cell.
    """

    models: tuple[str, ...]
    labels: Mapping[str, str]
    classes: tuple[str, ...]
    conditions: tuple[Condition, ...]
    model_tests: tuple[ModelTest, ...]
    class_tests: tuple[ClassTest, ...]
    counts: Mapping[Cell, Counts]
    errors: Mapping[Cell, str]
    skipped: tuple[str, ...]
    provenance: Mapping[str, Any]
    changes: Mapping[Condition, TestResult] = dataclasses.field(default_factory=dict)
    fallen: Mapping[Cell, tuple[FallenClass, ...]] = dataclasses.field(default_factory=dict)
    gallery: tuple[Exhibit, ...] = ()
    gallery_note: str = ""
    gate_tests: tuple[GateTest, ...] = ()
    engines: Mapping[Cell, tuple[EngineUsed, ...]] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def condition_label(self, condition: Condition) -> str:
        """Return the shortest name that is unambiguous here: without the severity where there is but one."""
        severities = {other.severity for other in self.conditions} - {None}
        return condition.transform if len(severities) == 1 else str(condition)

    def change(self, cell: Cell) -> float | None:
        """Return the change of top-1 accuracy against control in points; ``None`` where either was not computed."""
        control, treated = self.counts.get(Cell(cell.model, CONTROL)), self.counts.get(cell)
        if control is None or treated is None:
            return None
        return _top1(treated) - _top1(control)

    @property
    def margin(self) -> float | None:
        """The points within which the model tests are to show that a model stays; ``None``: they look for a change."""
        found: float | None = self.provenance.get("options", {}).get("equivalence")
        return found

    def model_word(self, test: ModelTest) -> str:
        """Return what a model test found, in a word or two, whatever is made of it."""
        if test.impacted:
            return self.impacted_word + (", known" if test.known else "")
        if test.found is Outcome.INCONCLUSIVE:
            return "inconclusive"
        return "no change shown" if self.margin is None else f"within {self.margin_text}"

    @property
    def margin_text(self) -> str:
        """The margin with its unit; empty without one."""
        return "" if self.margin is None else f"{self.margin:g} {'point' if self.margin == 1 else 'points'}"

    @property
    def impacted_word(self) -> str:
        """What an impacted model is called here."""
        return "impacted" if self.margin is None else f"beyond {self.margin_text}"

    @property
    def model_conditions(self) -> tuple[Condition, ...]:
        """The conditions under which some model was tested or failed to run, in the order of the run."""
        tested = {test.condition for test in self.model_tests} | {cell.condition for cell in self.errors}
        return tuple(condition for condition in self.conditions if condition in tested)


def p_text(p: float) -> str:
    """Return a p-value as people write it.

    Examples
    --------
    >>> p_text(0.0432), p_text(3.2e-7), p_text(0.0), p_text(math.nan)
    ('0.043', '3.2e-07', '0', 'not defined')
    """
    return "not defined" if math.isnan(p) else f"{p:.2g}"


def points_text(points: float) -> str:
    """Return a difference in points with its sign.

    Examples
    --------
    >>> points_text(-3.14159), points_text(0.0)
    ('-3.1', '+0.0')
    """
    return f"{points:+.1f}"


def fitted(text: str, width: int) -> str:
    """Return ``text`` cut to ``width`` characters, the last of which then is an ellipsis.

    Examples
    --------
    >>> fitted("owl", 10), fitted("great white shark", 10)
    ('owl', 'great whi…')
    """
    return text if len(text) <= width else text[: width - 1] + "…"


def condition_text(condition: Condition) -> str:
    """Return a condition as a sentence has it.

    Examples
    --------
    >>> condition_text(Condition("zoom", 3)), condition_text(Condition("vflip"))
    ('zoom (severity 3)', 'vflip')
    """
    return (
        condition.transform if condition.severity is None else f"{condition.transform} (severity {condition.severity})"
    )


class Grade(StrEnum):
    """How bad a finding is: the word that its headline begins with, so that tools can sort by it."""

    PASS = "PASS"  # noqa: S105 (no password)
    MILD = "MILD"
    SEVERE = "SEVERE"
    INCONCLUSIVE = "INCONCLUSIVE"


def grade(finding: Finding) -> Grade:
    """Return how bad a finding is.

    A failure is severe where accuracy changed by 10 points or more or, of a class test, where half of the classes or
    more are sensitive.
    """
    if finding.verdict.outcome is not Outcome.FAIL:
        return Grade(finding.verdict.outcome.value)
    if isinstance(finding, ClassTest):
        severe = len(finding.sensitive) >= _SEVERE_SHARE * finding.tested
    else:
        severe = abs(finding.result.difference) >= _SEVERE_POINTS
    return Grade.SEVERE if severe else Grade.MILD


def headline(finding: Finding) -> str:
    """Return the finding in one line that can stand alone; unless it passed, its `Grade` comes first."""
    subject = condition_text(finding.condition)
    if not isinstance(finding, ClassTest):
        subject = f"{finding.model} under {subject}"
    found = grade(finding)
    return ("" if found is Grade.PASS else f"{found}: ") + f"{subject}: {finding.verdict.reason}"


def finding_lines(finding: Finding) -> list[str]:
    """Return the finding as a stranger should read it: the numbers, the worst classes, the option that counts."""
    if isinstance(finding, ClassTest):
        return [headline(finding), "", *_class_lines(finding)]
    if isinstance(finding, ImageTest):
        return [headline(finding), "", *_image_lines(finding)]
    return [headline(finding), "", *_model_lines(finding)]


def _model_lines(finding: ModelTest) -> list[str]:
    result, accuracy = finding.result, finding.accuracy
    statistic = f"t = {result.statistic:.2f}, df = {result.df:.1f}, p = {p_text(result.p_value)}"
    lines = [
        f"  top-1 accuracy      {accuracy.control:.1f} % -> {accuracy.treated:.1f} % over all images",
        f"  mean over classes   {result.control:.1f} % -> {result.treated:.1f} %, {result.n} classes",
        f"  change              {_change_text(result)}",
        f"  {result.test:<19} {statistic}",
        *_adjusted_lines(result),
        *_equivalence_lines(finding.equivalence),
        f"  effect size         d = {result.effect_size:.2f}",
        f"  power               a drop of {result.detectable_drop:.1f} points would be seen 4 times out of 5",
    ]
    if finding.worst:
        lines += ["", f"  {'class that fell most':<32} {'control':>8} {'treated':>8} {'points':>7}"]
        lines += [
            f"  {fitted(change.name, 32):<32} {change.control:>7.1f}% {change.treated:>7.1f}% "
            f"{points_text(change.treated - change.control):>7}"
            for change in finding.worst
        ]
    return lines


def _equivalence_lines(found: Equivalence | None) -> list[str]:
    if found is None:
        return []
    low, high = map(points_text, (found.ci_low, found.ci_high))
    interval = f"{100 * (1 - 2 * found.alpha):g} % interval {low} to {high}"
    return [f"  within {found.margin:g} points".ljust(22) + f"p = {p_text(found.p_value)} ({interval})"]


def _class_lines(finding: ClassTest) -> list[str]:
    one = len(finding.models) == 1
    over = f"the images of {finding.models[0]} (McNemar)" if one else f"{len(finding.models)} models"
    lines = [
        f"  sensitive           {len(finding.sensitive)} of {finding.tested} classes (p < {finding.alpha:g})",
        f"  allowed             {finding.allowed} (--robustness-max-sensitive)",
        f"  tested over         {over}",
    ]
    if finding.left_out:
        lines.append(f"  left out            could not be run: {', '.join(finding.left_out)}")
    few, none = len(finding.classes) - finding.tested, len(finding.untested)
    lines += [f"  not tested          {_classes(few)} with too few observations"] if few else []
    lines += [f"  not tested          {_classes(none)} without an image"] if none else []
    worst = sorted(finding.sensitive, key=lambda c: (c.result.difference, c.result.p_adjusted))[:10]
    if worst:
        lines += ["", f"  {'most sensitive class':<32} {'control':>8} {'treated':>8} {'points':>7} {'p':>8}"]
        lines += [
            f"  {fitted(c.name, 32):<32} {c.result.control:>7.1f}% {c.result.treated:>7.1f}% "
            f"{points_text(c.result.difference):>7} {p_text(c.result.p_adjusted):>8}"
            for c in worst
        ]
    return lines


def _classes(count: int) -> str:
    return f"{count} class" if count == 1 else f"{count} classes"


def _image_lines(finding: ImageTest) -> list[str]:
    result = finding.result
    return [
        f"  top-1 accuracy      {result.control:.1f} % -> {result.treated:.1f} % on the same {result.n} images",
        f"  change              {_change_text(result)}",
        f"  mcnemar             p = {p_text(result.p_value)}",
    ]


def _top1(counts: Counts) -> float:
    return float(100 * counts.correct.sum() / max(1, counts.n.sum()))


def _change_text(result: TestResult) -> str:
    change, low, high = map(points_text, (result.difference, result.ci_low, result.ci_high))
    return f"{change} points (95 % interval {low} to {high})"


def _adjusted_lines(result: TestResult) -> list[str]:
    same = result.p_adjusted == result.p_value or math.isnan(result.p_value)
    return [] if same else [f"  corrected p         {p_text(result.p_adjusted)}"]
