"""Findings as text: how bad one is, its headline, and the lines of a failure, for each kind of finding."""

from __future__ import annotations

import math
from enum import StrEnum
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.analysis.findings import ClassTest, GateTest, ImageTest, ModelTest, worst_first
from pytest_robustness.analysis.lost_images import MOST
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.core.files import short_path
from pytest_robustness.report.number_text import condition_text, cut, p_text, points_text

if TYPE_CHECKING:
    from pytest_robustness.analysis.findings import Finding, LostImage
    from pytest_robustness.analysis.test_result import TestResult, Verdict

_SEVERE_POINTS = 10.0
_SEVERE_SHARE = 0.5
_MOST_CLASSES = 10
_MOST_IMAGES = 10


class Grade(StrEnum):
    """How bad a finding is, so that tools can sort by it."""

    PASS = "PASS"  # noqa: S105 (no password)
    MILD = "MILD"
    SEVERE = "SEVERE"
    INCONCLUSIVE = "INCONCLUSIVE"


class FindingText(NamedTuple):
    """A finding for somebody who has not seen the run.

    ``headline`` can stand alone; ``details`` are the numbers, the worst classes, and the option that decides.
    """

    grade: Grade
    headline: str
    details: list[str]


@singledispatch
def text_of(finding: Finding) -> FindingText:
    """Return a finding as text; each kind of finding has its own way.

    A failure is `Grade.SEVERE` where accuracy changed by 10 points or more; of a class test, where half of the classes
    or more are sensitive; of a comparison with a baseline, always. An undecided comparison is `Grade.INCONCLUSIVE`,
    whatever ``--robustness-inconclusive`` makes of it. The headline begins with the grade, so that tools can sort by
    it, except for a pass and for the loss against a baseline, which has one grade only.
    """
    raise TypeError(f"{finding!r} is not a finding")


def finding_lines(finding: Finding) -> list[str]:
    """Return a finding as the lines of a failure: the headline, an empty line, the details."""
    _, headline, details = text_of(finding)
    return [headline, "", *details]


@text_of.register(ModelTest)
def _(finding: ModelTest) -> FindingText:
    grade = _grade(finding.verdict, severe=abs(finding.result.difference) >= _SEVERE_POINTS)
    subject = f"{finding.model} under {condition_text(finding.condition)}"
    return FindingText(grade, _headline(grade, subject, finding.verdict), _model_lines(finding))


@text_of.register(ImageTest)
def _(finding: ImageTest) -> FindingText:
    result = finding.result
    grade = _grade(finding.verdict, severe=abs(result.difference) >= _SEVERE_POINTS)
    subject = f"{finding.model} under {condition_text(finding.condition)}"
    details = [
        f"  top-1 accuracy      {result.control:.1f} % -> {result.treated:.1f} % on the same {result.n} images",
        f"  change              {_change_text(result)}",
        f"  mcnemar             p = {p_text(result.p_value)}",
    ]
    return FindingText(grade, _headline(grade, subject, finding.verdict), details)


@text_of.register(ClassTest)
def _(finding: ClassTest) -> FindingText:
    grade = _grade(finding.verdict, severe=len(finding.sensitive) >= _SEVERE_SHARE * finding.tested)
    subject = condition_text(finding.condition)
    return FindingText(grade, _headline(grade, subject, finding.verdict), _class_lines(finding))


@text_of.register(GateTest)
def _(finding: GateTest) -> FindingText:
    grade = Grade.INCONCLUSIVE if finding.undecided else _grade(finding.verdict, severe=True)
    other = "the baseline" if finding.counterpart == finding.model else finding.counterpart
    subject = f"{finding.model} against {other} under {condition_text(finding.condition)}"
    # The grade says it already.
    verdict = finding.verdict._replace(reason=finding.verdict.reason.removeprefix("inconclusive: "))
    shown = grade if finding.undecided else Grade.PASS
    return FindingText(grade, _headline(shown, subject, verdict), _gate_lines(finding))


def _grade(verdict: Verdict, *, severe: bool) -> Grade:
    if verdict.outcome is Outcome.FAIL:
        return Grade.SEVERE if severe else Grade.MILD
    return Grade(verdict.outcome.value)


def _headline(grade: Grade, subject: str, verdict: Verdict) -> str:
    return ("" if grade is Grade.PASS else f"{grade}: ") + f"{subject}: {verdict.reason}"


def _model_lines(finding: ModelTest) -> list[str]:
    result, accuracy = finding.result, finding.accuracy
    statistic = f"t = {result.statistic:.2f}, df = {result.df:.1f}, p = {p_text(result.p_value)}"
    lines = [
        f"  top-1 accuracy      {accuracy.control:.1f} % -> {accuracy.treated:.1f} % over all images",
        f"  mean over classes   {result.control:.1f} % -> {result.treated:.1f} %, {result.n} classes",
        f"  change              {_change_text(result)}",
        f"  {result.test:<19} {statistic}",
        *_adjusted_lines(result),
        f"  effect size         d = {result.effect_size:.2f}",
        f"  power               a drop of {result.detectable_drop:.1f} points would be seen 4 times out of 5",
    ]
    if finding.worst:
        lines += ["", f"  {'class that fell most':<32} {'control':>8} {'treated':>8} {'points':>7}"]
        lines += [
            f"  {cut(change.name, 32):<32} {change.control:>7.1f}% {change.treated:>7.1f}% "
            f"{points_text(change.treated - change.control):>7}"
            for change in finding.worst
        ]
    return lines


def _class_lines(finding: ClassTest) -> list[str]:
    over = f"the images of {finding.models[0]} (McNemar)" if finding.one_model else f"{len(finding.models)} models"
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
    worst = worst_first(finding.sensitive)[:_MOST_CLASSES]
    if worst:
        lines += ["", f"  {'most sensitive class':<32} {'control':>8} {'treated':>8} {'points':>7} {'p':>8}"]
        lines += [
            f"  {cut(c.name, 32):<32} {c.result.control:>7.1f}% {c.result.treated:>7.1f}% "
            f"{points_text(c.result.difference):>7} {p_text(c.result.p_adjusted):>8}"
            for c in worst
        ]
    return lines


def _gate_lines(finding: GateTest) -> list[str]:
    result = finding.result
    interval = f"95 % interval {result.ci_low:+.2f} to {result.ci_high:+.2f}"
    lines = [
        f"  top-1 accuracy      {result.control:.2f} % -> {result.treated:.2f} % on the same {result.n} images",
        f"  change              {result.difference:+.2f} points ({interval})",
        f"  mcnemar             {result.lost} images lost, {result.gained} gained, p = {p_text(result.p_value)}",
        f"  corrected p         {p_text(result.p_adjusted)}",
    ]
    if finding.beyond_control is not None:
        value, low, high = finding.beyond_control
        lines.append(f"  beyond control      {value:+.2f} points (95 % interval {low:+.2f} to {high:+.2f})")
    if finding.fallen:
        lines += ["", f"  {'class that fell':<32} {'baseline':>9} {'candidate':>9} {'points':>7} {'p':>8}"]
        lines += [
            f"  {cut(c.name, 32):<32} {c.result.control:>8.1f}% {c.result.treated:>8.1f}% "
            f"{points_text(c.result.difference):>7} {p_text(c.result.p_adjusted):>8}"
            for c in finding.fallen[:_MOST_CLASSES]
        ]
    return lines + (_lost_lines(finding) if finding.verdict.outcome is Outcome.FAIL else [])


def _lost_lines(finding: GateTest) -> list[str]:
    """Return the first images that only the baseline got right; a path ends its line, so that it is never broken."""
    shown = finding.lost_images[:_MOST_IMAGES]
    if not shown:
        return []
    lines = ["", f"  {'lost image of class':<20} {'taken for':<20} {'with':>5}  image"]
    lines += [
        f"  {cut(image.class_name, 20):<20} {cut(image.answer, 20):<20} {100 * image.probability:>4.0f}%  "
        f"{image_text(image)}"
        for image in shown
    ]
    more = finding.result.lost - len(shown)
    return lines + ([f"  {more} more: results.json lists up to {MOST} under gate"] if more > 0 else [])


def image_text(image: LostImage) -> str:
    """Return the path of a lost image as a user would type it, its other name, or its position where it has none."""
    return short_path(Path(image.file)) if image.file else f"image at position {image.position}"


def gate_word(finding: GateTest) -> str:
    """Return a comparison with the baseline in a word or two, for a table."""
    if finding.undecided:
        return "inconclusive"
    if finding.verdict.outcome is Outcome.FAIL:
        return "less robust"
    return "better" if finding.improved else "ok"


def _classes(count: int) -> str:
    return f"{count} class" if count == 1 else f"{count} classes"


def _change_text(result: TestResult) -> str:
    change, low, high = map(points_text, (result.difference, result.ci_low, result.ci_high))
    return f"{change} points (95 % interval {low} to {high})"


def _adjusted_lines(result: TestResult) -> list[str]:
    same = result.p_adjusted == result.p_value or math.isnan(result.p_value)
    return [] if same else [f"  corrected p         {p_text(result.p_adjusted)}"]
