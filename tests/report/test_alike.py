"""Reasons that differ in their figures alone are said once."""

from __future__ import annotations

import pytest

from pytest_robustness.report.alike import said_once

NONE = "none of which needs more images"


def few(where, images, change="+0.00"):
    return f"net against the baseline under {where}: 40 images are too few: {change}; compare on about {images} images"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], []),
        ([few("a", 1), few("b", 2)], [few("a", 1), few("b", 2)]),
        (
            [few("a", 900), few("b", "1,200", "-1.50"), few("c-s3", 3)],
            [f"{few('b', '1,200', '-1.50')} (2 more alike, {NONE}: net against the baseline under a, c-s3)"],
        ),
        (
            ["x under a: at 1", "y under b: at 2", "x under c: at 3"],
            ["x under a: at 1 (2 more alike: y under b; x under c)"],
        ),
        (
            [few("a", 1), "net under a: other", few("b", 5), few("c", 3), "the classes under d: other"],
            [
                f"{few('b', 5)} (2 more alike, none of which needs more images: net against the baseline under a, c)",
                "net under a: other",
                "the classes under d: other",
            ],
        ),
    ],
)
def test_three_alike_are_one_line_of_which_the_largest_need_counts(lines, expected):
    assert said_once(lines) == expected
