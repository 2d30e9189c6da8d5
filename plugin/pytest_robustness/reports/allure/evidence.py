"""What Allure shows of a finding: its text, the sensitive classes as a table, images before and after."""

from __future__ import annotations

import base64
import html
import io
import json
from typing import TYPE_CHECKING

import pandas as pd
from PIL import Image, ImageChops

from pytest_robustness.view import Grade, condition_text, finding_lines, grade

if TYPE_CHECKING:
    from pytest_robustness.gallery import Exhibit
    from pytest_robustness.records import ClassFinding, ClassTest, Finding

IMAGE_DIFF = "application/vnd.allure.image.diff"
SEVERITIES = ("critical", "normal", "minor")

_SMALLEST_SIDE = 192
_SEVERITY = {Grade.SEVERE: "critical", Grade.MILD: "normal", Grade.PASS: "minor", Grade.INCONCLUSIVE: "minor"}


def severity(finding: Finding) -> str:
    """Return Allure's severity for the size of the effect: critical, normal, or minor where none was shown."""
    return _SEVERITY[grade(finding)]


def description(finding: Finding) -> str:
    """Return the result line, the numbers and the ten worst classes as HTML, everything in it escaped."""
    headline, *rest = finding_lines(finding)
    return f"<p><strong>{html.escape(headline)}</strong></p><pre>{html.escape(chr(10).join(rest)).strip(chr(10))}</pre>"


def classes_csv(classes: ClassTest) -> str:
    """Return the sensitive classes, worst first, as CSV at three significant digits; accuracies in percent."""
    rows = [_row(c) for c in sorted(classes.sensitive, key=lambda c: (c.result.difference, c.index))]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    return table.to_csv(index=False, lineterminator="\n", float_format="%.3g")


_COLUMNS = (
    "class_index",
    "class_name",
    "n",
    "control_accuracy",
    "accuracy",
    "difference",
    "ci_low",
    "ci_high",
    "effect_size",
    "p_value",
    "p_adjusted",
)


def _row(found: ClassFinding) -> tuple[object, ...]:
    r = found.result
    numbers = (r.control, r.treated, r.difference, r.ci_low, r.ci_high, r.effect_size, r.p_value, r.p_adjusted)
    return (found.index, found.name, r.n, *map(float, numbers))


def image_pairs(exhibits: tuple[Exhibit, ...]) -> list[tuple[str, str]]:
    """Return a name and an image comparison (JSON of `IMAGE_DIFF`) for each image that could be shown."""
    return [
        (_caption(exhibit), _comparison(exhibit.thumbnails.control, exhibit.thumbnails.treated))
        for exhibit in exhibits
        if exhibit.thumbnails is not None
    ]


def _caption(exhibit: Exhibit) -> str:
    right = [sum(getattr(answer, side) for answer in exhibit.answers) for side in ("right_control", "right_treated")]
    verdict = "sensitive" if exhibit.sensitive else "not sensitive"
    if len(exhibit.answers) == 1:
        answer = exhibit.answers[0]
        told = f"taken for {answer.control}, then for {answer.treated}"
    else:
        told = f"{right[0]} of {len(exhibit.answers)} models right, then {right[1]}"
    return f"{exhibit.finding.name} ({verdict}) before and after {condition_text(exhibit.condition)}: {told}"


def _comparison(control: str, treated: str) -> str:
    before, after = _decode(control), _decode(treated)
    images = {"expected": before, "actual": after, "diff": ImageChops.difference(before, after)}
    return json.dumps({name: _encode(image) for name, image in images.items()})


def _decode(uri: str) -> Image.Image:
    """Read a ``data:`` URI; a picture of a few pixels is enlarged, because Allure shows it as large as it is."""
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")
    side = max(image.size)
    times = _SMALLEST_SIDE // side if 2 * side < _SMALLEST_SIDE else 1
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)


def _encode(image: Image.Image) -> str:
    # A few flat squares are smaller as PNG, photographs as JPEG.
    tries = {}
    for kind in ("png", "jpeg"):
        file = io.BytesIO()
        image.save(file, kind, quality=80, optimize=True)
        tries[kind] = file.getvalue()
    kind = min(tries, key=lambda kind: len(tries[kind]))
    return f"data:image/{kind};base64,{base64.b64encode(tries[kind]).decode()}"
