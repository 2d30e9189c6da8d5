"""Findings as text: how bad one is, its headline, and the lines of a failure, for each kind of finding.

One file because every kind of finding has its words here, and they are to agree.
"""

from __future__ import annotations

import dataclasses
import math
from enum import StrEnum
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_robustness.analysis.falls_alone import in_single_models
from pytest_robustness.analysis.findings import ClassTest, GateTest, ImageTest, ModelTest
from pytest_robustness.analysis.lost_images import MOST
from pytest_robustness.analysis.study_finding import StudyFinding
from pytest_robustness.analysis.test_result import Outcome
from pytest_robustness.analysis.verdicts import points_in_words
from pytest_robustness.core.files import short_path
from pytest_robustness.core.naming import condition_text
from pytest_robustness.core.text import counted, grouped
from pytest_robustness.report.class_test_words import words_of
from pytest_robustness.report.gate_text import by_classes
from pytest_robustness.report.number_text import cut, p_text, points_text

if TYPE_CHECKING:
    from pytest_robustness.analysis.findings import ClassFinding, Finding, LostImage
    from pytest_robustness.analysis.test_result import ImageChange, TestResult, TTestResult, Verdict

_SEVERE_POINTS = 10.0
_MOST_CLASSES = 10
_MOST_IMAGES = 10
_NONE = "not defined"
UNSHOWN = "?"
"""The sign of a class that fell while no test shows it."""


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

    The grade of a failure goes by size alone. It is `Grade.SEVERE` where accuracy changed by 10 points or more; of a
    class test, where that of a class did which is sensitive or beyond the margin; of a comparison with a baseline,
    where accuracy fell by as much or some class fails the comparison by itself. Else it is `Grade.MILD`. An undecided
    comparison is `Grade.INCONCLUSIVE`, whatever ``--robustness-inconclusive`` makes of it.

    The headline of a failure begins with its size, ``-12.3 points (SEVERE): ``, of a class test with that of the class
    that changed most, ``-98.9 points (SEVERE) in class 7: ``, beside which a larger fall that no test shows stands in
    brackets; of a comparison with a baseline without the grade. That
    of an inconclusive finding begins ``INCONCLUSIVE: ``, that of a pass with its subject.
    """
    raise TypeError(f"{finding!r} is not a finding")


def finding_lines(finding: Finding) -> list[str]:
    """Return a finding as the lines of a failure: the headline, an empty line, the details."""
    _, headline, details = text_of(finding)
    return [headline, "", *details]


@text_of.register(ModelTest)
def _(finding: ModelTest) -> FindingText:
    size = finding.change.difference
    grade = _grade(finding.verdict, size)
    return FindingText(grade, _headline(grade, f"{points_in_words(size)} ({grade})", finding), _model_lines(finding))


@text_of.register(ImageTest)
def _(finding: ImageTest) -> FindingText:
    result = finding.result
    grade = _grade(finding.verdict, result.difference)
    images = counted(result.n, "image")
    details = [
        f"  top-1 accuracy      {result.control:.1f} % -> {result.treated:.1f} % on the same {images}",
        f"  change              {_change_text(result)}",
        *_image_lines(finding.change),
    ]
    return FindingText(grade, _headline(grade, f"{points_in_words(result.difference)} ({grade})", finding), details)


@text_of.register(ClassTest)
def _(finding: ClassTest) -> FindingText:
    # One that got worse than the baseline alone may have no failing class.
    classes = finding.failing or finding.classes
    largest = max(classes, key=lambda found: abs(found.measured_change), default=None)
    grade = _grade(finding.verdict, 0.0 if largest is None else largest.measured_change)
    size = "" if largest is None else f"{points_in_words(largest.measured_change)} ({grade}) in class {largest.name}"
    more = "" if largest is None else _larger_unshown(finding, largest)
    if finding.alone and largest is not None and -finding.alone[0].difference > abs(largest.measured_change):
        fall = finding.alone[0]
        grade, more = _grade(finding.verdict, fall.difference), ""
        size = f"{points_in_words(fall.difference)} ({grade}) in class {fall.name} of {fall.model} alone"
    return FindingText(grade, _headline(grade, f"{size}{more}" or grade, finding), _class_lines(finding))


def _larger_unshown(finding: ClassTest, largest: ClassFinding) -> str:
    """Return the largest fall that no test shows, where it exceeds the largest change of a class that fails."""
    larger = [one for one in finding.unshown if -one.measured_change > abs(largest.measured_change)]
    if not larger or largest not in finding.failing:
        return ""
    worst = min(larger, key=lambda one: one.measured_change)
    more = f" and {counted(len(larger) - 1, 'other')}" if len(larger) > 1 else ""
    return f" [{points_text(worst.measured_change)} in class {worst.name}{more}, which no test shows]"


@text_of.register(GateTest)
def _(finding: GateTest) -> FindingText:
    fell = -finding.result.difference
    grade = _grade(finding.verdict, _SEVERE_POINTS if finding.broken else max(fell, 0.0))
    grade = Grade.INCONCLUSIVE if finding.undecided else grade
    # The grade says it already.
    verdict = finding.verdict._replace(reason=finding.verdict.reason.removeprefix("inconclusive: "))
    shown = dataclasses.replace(finding, verdict=verdict)
    classes = "" if finding.fell else by_classes(finding)  # else the total says why, and the reason names the classes
    size = ", ".join(filter(None, [f"{-fell:+.2f} points", classes]))
    return FindingText(grade, _headline(grade, size, shown), _gate_lines(finding))


@text_of.register(StudyFinding)
def _(finding: StudyFinding) -> FindingText:
    outcome = finding.verdict.outcome
    grade = Grade.MILD if outcome is Outcome.FAIL else Grade(outcome.value)
    start = "INCONCLUSIVE: " if grade is Grade.INCONCLUSIVE else ""
    return FindingText(grade, f"{start}{finding.headline}", [*reason_beyond_headline(finding), *finding.details])


def reason_beyond_headline(finding: StudyFinding) -> list[str]:
    """Return the reason of a study's verdict, unless the headline has it already."""
    return [] if finding.verdict.reason in finding.headline else [finding.verdict.reason]


@singledispatch
def subject_text(finding: Finding) -> str:
    """Return what a finding is about: ``resnet18 under vflip``, for a class test the condition alone.

    A comparison with a baseline names both models, or says that the other is the baseline's of the same name.
    """
    raise TypeError(f"{finding!r} is not a finding")


@subject_text.register(ModelTest)
@subject_text.register(ImageTest)
def _(finding: ModelTest | ImageTest) -> str:
    return f"{finding.model} under {condition_text(finding.condition)}"


@subject_text.register(ClassTest)
def _(finding: ClassTest) -> str:
    return condition_text(finding.condition)


@subject_text.register(GateTest)
def _(finding: GateTest) -> str:
    other = "the baseline" if finding.counterpart == finding.model else finding.counterpart
    return f"{finding.model} against {other} under {condition_text(finding.condition)}"


def expected_text(finding: ClassFinding) -> str:
    """Return the 90 % interval of the change to expect on other images; empty where it was not estimated."""
    pooled = None if finding.images is None else finding.images.pooled
    return "" if pooled is None else f"{points_text(pooled.low)} to {points_text(pooled.high)}"


def _grade(verdict: Verdict, size: float) -> Grade:
    if verdict.outcome is Outcome.FAIL:
        return Grade.SEVERE if abs(size) >= _SEVERE_POINTS else Grade.MILD
    return Grade(verdict.outcome.value)


def _headline(grade: Grade, failed: str, finding: Finding) -> str:
    """Return the headline, which begins with ``failed`` where the finding fails."""
    text = f"{subject_text(finding)}: {finding.verdict.reason}"
    if grade is Grade.PASS:
        return text
    return f"{grade if grade is Grade.INCONCLUSIVE else failed}: {text}"


def _model_lines(finding: ModelTest) -> list[str]:
    result, accuracy = finding.result, finding.accuracy
    lines = [
        f"  top-1 accuracy      {accuracy.control:.1f} % -> {accuracy.treated:.1f} % over all images",
        f"  mean over classes   {result.control:.1f} % -> {result.treated:.1f} %, {_classes(result.n)}",
        *_image_lines(finding.change),
        f"  over classes        {_change_text(result)}",
        f"  {result.test:<19} {_statistic_text(result)}",
        *_adjusted_lines(result),
        *_effect_lines(result),
    ]
    if finding.worst:
        lines += ["", f"  {'class that fell most':<32} {'control':>8} {'treated':>8} {'points':>7}"]
        lines += [
            f"  {cut(change.name, 32):<32} {change.control:>7.1f}% {change.treated:>7.1f}% "
            f"{points_text(change.treated - change.control):>7}"
            for change in finding.worst
        ]
    return lines


def _image_lines(change: ImageChange) -> list[str]:
    """Return what the images show, with the interval that decides."""
    interval = f"{change.level:g} % interval {points_text(change.low)} to {points_text(change.high)}"
    mean = ", mean over classes" * change.over_classes
    return [
        f"  over {counted(change.n, 'image')}".ljust(22) + f"{points_in_words(change.difference)}{mean} ({interval})",
        f"  changed images      {change.lost:,} lost, {change.gained:,} gained, p = {p_text(change.p_value)} (McNemar)",
    ]


def _statistic_text(result: TTestResult) -> str:
    p = f"p = {p_text(result.p_value)}"
    if math.isfinite(result.statistic):
        return f"t = {result.statistic:.2f}, df = {result.df:.1f}, {p}"
    return f"no t: the classes are alike; {p} of the images" if result.constant else f"t = {_NONE}, {p}"


def _effect_lines(result: TTestResult) -> list[str]:
    lines = [f"  effect size         d = {result.effect_size:.2f}"] if math.isfinite(result.effect_size) else []
    if math.isnan(result.detectable_drop):
        return lines
    seen = f"a drop of {result.detectable_drop:.1f} points would be seen 4 times out of 5"
    if result.detectable_drop > result.control:
        seen = "not even a fall to 0 % would be seen 4 times out of 5"
    return [*lines, f"  power of the t-test {seen}"]


def _class_lines(finding: ClassTest) -> list[str]:
    over = f"the images of {finding.models[0]} (McNemar)" if finding.one_model else f"{len(finding.models)} models"
    lines = [
        f"  sensitive           {len(finding.sensitive):,} of {_classes(finding.tested)} (p < {finding.alpha:g})",
        f"  allowed             {finding.allowed:,} (--robustness-max-sensitive)",
        f"  tested over         {over}",
        f"  beyond the margin   {_classes(len(finding.beyond_anywhere))} (--robustness-class-margin), significantly",
    ]
    if finding.alone:
        lines.append(f"  in single models    {in_single_models(finding.alone)}")
    if finding.unshown_alone:
        falls = counted(len(finding.unshown_alone), "fall beyond the margin is", "falls beyond the margin are")
        lines.append(f"  in single models    {falls} not shown")
    if finding.left_out:
        lines.append(f"  left out            could not be judged: {', '.join(finding.left_out)}")
    few, none = len(finding.classes) - finding.tested, len(finding.untested)
    blind = finding.blind - none
    lines += [f"  not tested          {_classes(few)} with too few observations"] if few else []
    lines += [f"  not tested          {_classes(none)} without an image"] if none else []
    lines += (
        [f"  blind               {_classes(blind)} with too few images right in control to show a loss"]
        if blind
        else []
    )
    return lines + _worst_lines(finding)


def _worst_lines(finding: ClassTest) -> list[str]:
    """Return the table of the worst classes, by the change to expect on other images, the measured one beside it.

    Those whose fall no test shows are marked.
    """
    worst, unshown = finding.worst, {one.index for one in finding.unshown}
    if not worst:
        return []
    head = f"  {'worst class':<16} {'control':>8} {'treated':>8} {'points':>7} {'expected':>8} {'90 % interval':>16}"
    # Two to a class would not fit: that of the images is in the report.
    lines = ["", f"{head} {f'{words_of([finding]).kind} p':>9}"]
    for found in worst[:_MOST_CLASSES]:
        result, change, expected = found.result, points_text(found.measured_change), points_text(found.expected_change)
        change += (UNSHOWN if found.index in unshown else " ") * bool(unshown)
        lines.append(
            f"  {cut(found.name, 16):<16} {result.control:>7.1f}% {result.treated:>7.1f}% {change:>7} {expected:>8} "
            f"{expected_text(found):>16} {p_text(result.p_adjusted):>9}"
        )
    more = len(worst) - _MOST_CLASSES
    lines += [f"  {_classes(more)} more, in the report"] if more > 0 else []
    return lines + ([f"  {UNSHOWN} no test shows this fall"] if unshown else [])


def _gate_lines(finding: GateTest) -> list[str]:
    result, change = finding.result, finding.change
    interval = f"{change.level:g} % interval {change.low:+.2f} to {change.high:+.2f}"
    images = counted(result.n, "image")
    lines = [
        f"  top-1 accuracy      {result.control:.2f} % -> {result.treated:.2f} % on the same {images}",
        f"  change              {result.difference:+.2f} points ({interval})",
        f"  mcnemar             {result.lost:,} images lost, {result.gained:,} gained, p = {p_text(result.p_value)}",
        f"  corrected p         {p_text(result.p_adjusted)}",
        f"  beyond tolerance    p = {p_text(finding.p_worse)}, corrected",
        f"  within tolerance    p = {p_text(finding.p_kept)}",
    ]
    if finding.shared is not None and (finding.shared.only_before or finding.shared.only_now):
        both, before, now = map(grouped, finding.shared)
        lines.append(f"  images of both      {both}; {before} only in the baseline, {now} only in this run")
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
    return lines + ([f"  {more:,} more: results.json lists up to {MOST} under gate"] if more > 0 else [])


def image_text(image: LostImage) -> str:
    """Return the path of a lost image as a user would type it, its other name, or its position where it has none."""
    return short_path(Path(image.file)) if image.file else f"image at position {image.position}"


def _classes(count: int) -> str:
    return counted(count, "class", "classes")


def _change_text(result: TestResult) -> str:
    change, low, high = map(points_text, (result.difference, result.ci_low, result.ci_high))
    interval = _NONE if math.isnan(result.ci_low) else f"{low} to {high}"
    return f"{change} points (95 % interval {interval})"


def _adjusted_lines(result: TestResult) -> list[str]:
    same = result.p_adjusted == result.p_value or math.isnan(result.p_value)
    return [] if same else [f"  corrected p         {p_text(result.p_adjusted)}"]
