"""Describe the method in sentences, and collect the provenance of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_robustness.analysis.policy import in_points, significantly_beyond
from pytest_robustness.core import CONTROL, Cell
from pytest_robustness.core.text import counted
from pytest_robustness.report.class_test_words import words_of

if TYPE_CHECKING:
    from pytest_robustness.analysis.findings import ClassTest, ModelTest
    from pytest_robustness.report.run_report import RunReport

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
_RULES = {
    "strict": (
        "a test fails if a t-test rejects, as in the article, or if the images show a change beyond the margin (of a "
        "class: a change, which measures more than the margin). It passes only if the images rule such a change out (a "
        "model), or are enough to have shown it (classes). Otherwise it is inconclusive: too few images are no pass."
    ),
    "article": (
        "the t-tests alone decide, as in the article. A test that does not reject passes, whether or not a change "
        "could have been seen; what the images show stands beside it."
    ),
    "margin": (
        "the images alone decide. A test fails if they show a change beyond the margin (of a class: a change, which "
        "measures more than the margin). It passes if they rule such a change out (a model), or are enough to have "
        "shown it (classes), and is inconclusive otherwise. The t-tests stand beside it."
    ),
}
# These have places of their own on the page.
_KNOWN = ("command", "options", "models", "dataset", "packages", "pipeline", "transform_keys")


def sentences(report: RunReport) -> list[tuple[str, str]]:
    """Return the method of the run, as titles with a paragraph each."""
    sample = [("Sample", _SAMPLE)]
    if not report.model_tests and not report.class_tests:
        return sample if report.image_tests or report.gate_tests else []
    rule = f"By --robustness-verdict={report.policy.verdict} {_RULES[report.policy.verdict]}"
    if any(test.one_model for test in report.class_tests):
        rule += " The classes of one model have McNemar's exact test in the place of a t-test."
    found = [*sample, ("Verdict", rule)]
    for class_test in report.class_tests[:1]:
        found += [
            (f"Classes by {_title(class_test)}", _class_sentence(report, class_test)),
            ("Classes by images", _class_images_sentence(report)),
            (
                "Expected change",
                EXPECTED + " It is a normal model with partial pooling and outliers, fitted within each condition.",
            ),
        ]
    for model_test in report.model_tests[:1]:
        found += [
            ("Models by t-test", _model_sentence(report, model_test)),
            ("Models by images", _model_images_sentence(report, model_test)),
        ]
    if report.outputs_note:
        found.append(("Outputs", _OUTPUTS))
    if len({cell.model for cell in report.counts}) > 1:
        found.append(("Averages over models", _AVERAGES))
    found.append(("Number of tests", tests_sentence(report)))
    return found


_SAMPLE = (
    "The images are taken for independent draws, and copies of one in its class counted once. That they are "
    "independent is assumed, and cannot be seen. Images that belong together (several of one patient, frames of a "
    "film, crops of one photograph) count for more than they are: a PASS, a FAIL and an interval then claim more than "
    "is shown. Keep one image of each group, or judge on as many groups as a test asks for images."
)
EXPECTED = (
    "The expected change is what to expect on other images: of many classes the worst look worse than they are, so "
    "each class's own change is drawn towards that of the others, the more the fewer its images. A class that stands "
    "apart from the others is not."
)
_AVERAGES = (
    "The 95 % intervals of averages are crossed over models and images: both are taken as samples, so that they hold "
    "for other models on other images."
)


_OUTPUTS = (
    "--robustness-outputs=data: a model answers among the outputs that stand for classes of the data, as if it had no "
    "others. Probabilities are those of a softmax over these outputs, and the output that comes second and the rank of "
    "the true class are those among them."
)


def deciding(report: RunReport) -> str:
    """Return what the marks of the heat table mean for the verdict of the run, or that nothing judges its figures."""
    if not report.model_tests:
        baseline = ", not from the baseline" * bool(report.gate_tests)
        return f"The changes are from the same model's control{baseline}; no test of this run judges them."
    fails = {"strict": "Each of * and ! fails", "article": "Only * fails", "margin": "Only ! fails"}
    rule = report.policy.verdict
    passed = (
        f"the images show the change to lie within {in_points(report.policy.margin)}"
        if report.policy.uses_images
        else "no change is shown"
    )
    tested = {Cell(test.model, test.condition) for test in report.model_tests}
    untested = any(cell not in tested and cell.condition != CONTROL for cell in report.counts)
    return (
        f"{fails[rule]} a test (--robustness-verdict={rule}). No mark: {passed}{', or there was no test' * untested}."
    )


def tests_sentence(report: RunReport) -> str:
    """Return how many tests were made without correction for their number."""
    models = sum(test.result.conclusive for test in report.model_tests)
    classes = sum(test.tested for test in report.class_tests)
    intervals = counted(len(report.model_tests), "interval")
    alone = any(test.one_model for test in report.class_tests)
    kind = "test" if alone else "t-test"
    by, by_t = (f" by {words_of(report.class_tests).kind}", " by t-test") if alone else ("", "")
    kept = "The sign-flip tests are corrected over the classes of each condition, not over the conditions."
    if report.policy.correction != "none":
        over = f"{_CORRECTIONS[report.policy.correction]} tests of one condition, not over the conditions"
        return f"{counted(models + classes, kind)} {over}. The {intervals} of models are not corrected. {kept}"
    chance = report.policy.alpha * (models + classes)
    return (
        f"Without correction for their number: {counted(models + classes, kind)} ({classes:,} of classes{by}, "
        f"{models:,} of models{by_t}), "
        f"of which about {chance:,.0f} would reject at alpha {report.policy.alpha:g} if nothing "
        f"had changed, and the {intervals} of models. {kept}"
    )


def _class_sentence(report: RunReport, test: ClassTest) -> str:
    most = report.policy.max_sensitive
    kind = _TESTS[test.classes[0].result.test] if test.classes else "a test"
    what = (
        f"the images of the class that {report.labels[test.models[0]]} gets right"
        if test.one_model
        else f"the accuracies of {len(test.models)} models on the class"
    )
    limit = f"--robustness-max-sensitive={most} allows{_CHANCE if most == 'chance' else ''}"
    fails = f" The test fails when more classes are sensitive than {limit}." if report.policy.uses_t_tests else ""
    return (
        f"{kind[0].upper()}{kind[1:]} between {what}, in control and under the transform, two-sided, at "
        f"{_level(report)} classes. A class whose p is below alpha is sensitive.{fails}"
    )


def _title(test: ClassTest) -> str:
    return "McNemar's test" if test.one_model else "t-test"


def _class_images_sentence(report: RunReport) -> str:
    beyond = significantly_beyond(report.policy.class_margin)
    fails = " and fails the test by itself" if report.policy.uses_images else ""
    several = any(not test.one_model for test in report.class_tests)
    alone = f"; so {'does' if fails else 'is'} one that fell so in one model alone" if several else ""
    return (
        "The sign-flip test. On each image, the models that are right only under the transform are counted against "
        "those that are right only in control. If nothing had changed, either direction would be as likely, for all "
        "models together: p is the share of all the ways to draw the directions of the images that give a change at "
        "least as large. With one model it is McNemar's exact test. Holm's correction over the classes of a condition "
        "keeps the chance of even one false alarm among them below alpha. A class that changed "
        f"{beyond} (--robustness-class-margin={report.policy.class_margin:g}) is beyond the margin{fails}{alone}. That "
        "its true change is larger than the margin is not tested. A class is blind where so few of its images are "
        "right in control that not even the loss of all by all models would be significant."
    )


def _model_sentence(report: RunReport, test: ModelTest) -> str:
    fails = ", and fails" if report.policy.uses_t_tests else ""
    kind = _TESTS[test.result.test]
    return (
        f"{kind[0].upper()}{kind[1:]} between the model's accuracies on "
        f"{counted(test.result.n, 'class', 'classes')}, in control and under the transform, two-sided, at "
        f"{_level(report)} models. A model whose p is below alpha is impacted{fails}."
    )


def _model_images_sentence(report: RunReport, test: ModelTest) -> str:
    policy = report.policy
    margin = in_points(policy.margin)
    decides = (
        f" Beyond the margin of {margin} (--robustness-margin={policy.margin:g}): the interval lies wholly outside. "
        "Within: it lies wholly inside, which a pass needs."
        if policy.uses_images
        else f" A change is beyond {margin} where the interval lies wholly outside."
    )
    return (
        "The change is the share of images that are right only under the transform less the share right only in "
        f"control, in each class, averaged over the classes. Its {test.change.level:g} % interval comes from the "
        f"images, for other images of the same classes.{decides}"
    )


def _level(report: RunReport) -> str:
    return f"alpha {report.policy.alpha}, {_CORRECTIONS[report.policy.correction]}"


def environment(report: RunReport) -> dict[str, Any]:
    """Return the provenance that has no place of its own on the page: device, times and the like."""
    return {name.replace("_", " "): value for name, value in report.provenance.items() if name not in _KNOWN}
