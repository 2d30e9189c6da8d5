"""Prepare what Allure shows of a finding: its text, a table of failing classes, images before and after."""

from __future__ import annotations

import base64
import html
import io
import json
from typing import TYPE_CHECKING

from PIL import Image

from pytest_robustness.core.naming import condition_text
from pytest_robustness.report.csv_text import csv_text
from pytest_robustness.report.finding_text import Grade, image_text, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_robustness.analysis.findings import ClassFinding, ClassTest, Finding, LostImage
    from pytest_robustness.report.gallery import Example, LostExample

IMAGE_DIFF = "application/vnd.allure.image.diff"
SEVERITIES = ("critical", "normal", "minor")

_SMALLEST_SIDE = 192
_COLUMNS = (
    *("class_index", "class_name", "n", "control_accuracy", "accuracy", "difference"),
    *("expected_change", "expected_low", "expected_high"),
    *("p_adjusted", "sensitive", "images_p_adjusted", "beyond", "alone"),
)
_SEVERITY = {Grade.SEVERE: "critical", Grade.MILD: "normal", Grade.PASS: "minor", Grade.INCONCLUSIVE: "minor"}


def severity(finding: Finding) -> str:
    """Return Allure's severity for the size of the effect: critical, normal, or minor where none was shown.

    A comparison with a baseline is graded as the others are. An inconclusive one is minor, regardless of
    ``--robustness-inconclusive``.
    """
    return _SEVERITY[text_of(finding).grade]


def description(finding: Finding) -> str:
    """Return the result line, the numbers and the ten worst classes as HTML, everything in it escaped."""
    _, headline, details = text_of(finding)
    # A middle brown keeps a contrast of 4.5 on white and on black.
    known = '<strong style="color: #96700a">KNOWN FINDING</strong> ' if getattr(finding, "known", False) else ""
    return f"<p>{known}<strong>{html.escape(headline)}</strong></p><pre>{html.escape(chr(10).join(details))}</pre>"


def classes_csv(classes: ClassTest, most: int | None = None) -> str:
    """Return the failing classes as CSV, worst first, to three significant digits; accuracies in percent.

    These are the classes that are sensitive by their test, or beyond the margin by their images, be it in one model.

    Parameters
    ----------
    classes
        The test of every class.
    most
        How many classes at most; ``None`` for all.
    """
    sensitive, beyond = ({c.index for c in found} for found in (classes.sensitive, classes.beyond_anywhere))
    rows = [
        (
            *(c.index, c.name, c.result.n, c.result.control, c.result.treated, c.result.difference),
            *_expected(c),
            *(c.result.p_adjusted, c.index in sensitive),
            *(None if c.images is None else c.images.p_adjusted, c.index in beyond),
            "; ".join(fall.model for fall in classes.alone if fall.index == c.index),
        )
        for c in classes.failing[:most]
    ]
    return csv_text(_COLUMNS, rows, float_format=".3g")


def _expected(finding: ClassFinding) -> tuple[float | None, ...]:
    """Return the change to expect on other images and its 90 % interval, where there is one."""
    return (None,) * 3 if finding.images is None else finding.images.pooled


def image_pairs(examples: Iterable[Example]) -> list[tuple[str, str]]:
    """Return a name and an image comparison (JSON of `IMAGE_DIFF`) for each image that could be shown."""
    return [
        (_caption(example), _comparison(example.thumbnails.control, example.thumbnails.treated))
        for example in examples
        if example.thumbnails is not None
    ]


def lost_pictures(examples: Iterable[LostExample]) -> list[tuple[str, str | bytes, str, str]]:
    """Return name, content, type and file ending of an attachment for each lost image that could be shown.

    It is an image comparison, before and after the transform; of a comparison under control, the picture itself.
    """
    found: list[tuple[str, str | bytes, str, str]] = []
    for example in examples:
        if example.thumbnails is None:
            continue
        control, treated, _ = example.thumbnails
        name = _lost_caption(example.image)
        if treated:
            found.append((name, _comparison(control, treated), IMAGE_DIFF, "imagediff"))
        else:
            kind, _, content = _enlarged(control).removeprefix("data:").partition(";base64,")
            found.append((name, base64.b64decode(content), kind, kind.partition("/")[2]))
    return found


def _lost_caption(image: LostImage) -> str:
    return f"lost: {image_text(image)}, {image.class_name}, taken for {image.answer} ({100 * image.probability:.0f} %)"


def _caption(example: Example) -> str:
    right = [sum(getattr(answer, side) for answer in example.answers) for side in ("right_control", "right_treated")]
    found = [word for word, there in (("sensitive", example.sensitive), ("beyond the margin", example.beyond)) if there]
    verdict = ", ".join(found) or "neither sensitive nor beyond the margin"
    if len(example.answers) == 1:
        answer = example.answers[0]
        answers = f"taken for {answer.control}, then for {answer.treated}"
    else:
        answers = f"{right[0]} of {len(example.answers)} models right, then {right[1]}"
    return f"{example.finding.name} ({verdict}) before and after {condition_text(example.condition)}: {answers}"


def _comparison(control: str, treated: str) -> str:
    # Without Allure's third image, the difference of pixels: it means nothing for an image that was rotated.
    return json.dumps({"expected": _enlarged(control), "actual": _enlarged(treated)})


def _enlarged(uri: str) -> str:
    """Enlarge a picture of a few pixels, which Allure would show at its own size; return others unchanged."""
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    side = max(image.size)
    if 2 * side >= _SMALLEST_SIDE:
        return uri
    times = _SMALLEST_SIDE // side
    file = io.BytesIO()
    image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST).save(file, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
