import pytest

from pytest_robustness.analysis.baseline.apart import ClassApart
from pytest_robustness.analysis.baseline.known_findings import Expected, expect
from pytest_robustness.analysis.test_result import Outcome, Verdict

PASS, FAIL, OPEN = (
    Verdict(outcome, f"is {outcome.value}") for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE)
)


@pytest.mark.parametrize(
    ("before", "now", "gate", "kind", "outcome", "reason"),
    [
        ("PASS", PASS, None, "as expected", "PASS", "is PASS"),
        ("INCONCLUSIVE", PASS, PASS, "as expected", "PASS", "is PASS"),
        ("FAIL", FAIL, None, "as expected", "PASS", "a known finding: is FAIL"),
        ("FAIL", FAIL, OPEN, "as expected", "PASS", "a known finding: is FAIL"),
        ("FAIL", FAIL, FAIL, "worse than the baseline", "FAIL", "worse than the baseline: is FAIL"),
        ("PASS", PASS, FAIL, "worse than the baseline", "FAIL", "worse than the baseline: is FAIL"),
        ("FAIL", PASS, FAIL, "worse than the baseline", "FAIL", "worse than the baseline: is FAIL"),
        ("PASS", FAIL, None, "newly failing", "FAIL", "newly failing, PASS in the baseline: is FAIL"),
        ("INCONCLUSIVE", FAIL, FAIL, "newly failing", "FAIL", "newly failing, INCONCLUSIVE in the baseline: is FAIL"),
        ("FAIL", PASS, PASS, "now passing", "PASS",
         "now passing, FAIL in the baseline, which can be tightened: is PASS"),
        ("PASS", OPEN, None, "inconclusive", "INCONCLUSIVE", "is INCONCLUSIVE"),
        ("FAIL", OPEN, PASS, "inconclusive", "INCONCLUSIVE", "is INCONCLUSIVE"),
    ],
)  # fmt: skip
def test_a_known_finding_passes_until_it_gets_worse(before, now, gate, kind, outcome, reason):
    found = expect(Outcome(before), now, gate)
    assert found.expected is Expected(kind)
    assert found.verdict == (Outcome(outcome), reason)


def test_a_finding_is_known_as_far_as_the_baseline_has_it():
    found = expect(Outcome.FAIL, FAIL, PASS, "-10.0 -> -50.0")
    assert found == (Expected.WORSE, (Outcome.FAIL, "worse than the baseline: -10.0 -> -50.0"))
    assert expect(Outcome.FAIL, PASS, PASS, "-10.0 -> -50.0").expected is Expected.NOW_PASSING
    assert expect(Outcome.INCONCLUSIVE, FAIL, None, "more").expected is Expected.NEWLY_FAILING


@pytest.mark.parametrize(("images", "on"), [(1, "1 image"), (500, "500 images"), (12_345, "12,345 images")])
def test_a_known_finding_says_on_how_many_images_it_was_compared(images, on):
    found = expect(Outcome.FAIL, FAIL, images=images)
    assert found.verdict.reason == f"a known finding: is FAIL; compared with the baseline on {on}"


def test_a_class_that_fell_apart_is_told_with_commas():
    fell = ClassApart("ant", 12_345, 12_000, 6_789, 1_234)
    assert fell.text == "ant (1,234 of 6,789 right, 12,000 of 12,345 in the baseline)"
