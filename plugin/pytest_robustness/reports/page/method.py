"""Method and provenance: what was tested and how, in sentences, and all that the run says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_robustness.reports.page.text import counted

if TYPE_CHECKING:
    from pytest_robustness.view import View

_TESTS = {
    "independent": "Student's two-sample t-test",
    "welch": "Welch's two-sample t-test",
    "paired": "the paired t-test",
    "mcnemar": "McNemar's exact test",
}
_CORRECTIONS = {
    "none": "without correction for the number of",
    "bh": "with Benjamini and Hochberg's correction over the",
    "holm": "with Holm's correction over the",
}
_CHANCE = ": as many as chance alone would give in 95 of 100 runs"
# Shown in places of their own.
_KNOWN = ("command", "options", "models", "dataset", "packages")


def sentences(view: View) -> list[str]:
    """Return how classes and models were tested."""
    options = view.provenance.get("options", {})
    level = f"alpha {options.get('alpha')}, {_CORRECTIONS.get(str(options.get('correction')), 'over the')}"
    found = []
    for test in view.class_tests[:1]:
        kind = _TESTS[test.classes[0].result.test] if test.classes else ""
        what = (
            f"the images of the class that {view.labels[test.models[0]]} gets right"
            if len(test.models) == 1
            else f"the accuracies of {len(test.models)} models on the class"
        )
        found.append(
            f"Class test: {kind} between {what}, in control and under the transform, two-sided, at {level} "
            f"classes. A class whose p is below alpha is sensitive. The test fails when more classes are "
            f"sensitive than --robustness-max-sensitive={options.get('max_sensitive')} allows"
            f"{_CHANCE if options.get('max_sensitive') == 'chance' else ''}."
        )
    for model_test in view.model_tests[:1]:
        found.append(
            f"Model test: {_TESTS[model_test.result.test]} between the model's accuracies on "
            f"{counted(model_test.result.n, 'class', 'classes')}, in control and under the transform, two-sided, at "
            f"{level} models. A model whose p is below alpha is impacted, and fails."
        )
    return found


def environment(view: View) -> dict[str, Any]:
    """Return what the run says of itself beside its command, options, models, data and packages."""
    return {name.replace("_", " "): value for name, value in view.provenance.items() if name not in _KNOWN}
