"""``--robustness-severity``: how strong transforms are."""

from __future__ import annotations

import pytest

from pytest_robustness import evaluate
from pytest_robustness.core.errors import OptionError


def test_each_severity_is_a_condition_for_transforms_that_have_it(project):
    project.configure(robustness_severity="5", robustness_transforms="brightness vflip")
    result = project.judge("--robustness-severity=1,4-5", "-k", "slope")
    assert sum(result.parseoutcomes()[name] for name in ("passed", "failed") if name in result.parseoutcomes()) == 4
    assert {(transform, severity) for _, transform, severity in project.stored()} == {
        ("control", None),
        ("brightness", 1),
        ("brightness", 4),
        ("brightness", 5),
        ("vflip", None),
    }


def test_a_stronger_transform_changes_more(project):
    project.write(
        "conftest.py",
        """
        def pytest_robustness_register(registry):
            @registry.transform("swap", levels=(0.0, 0.5, 1.0))
            def swap(images, level):
                half = images.shape[-2] // 2
                upper, lower = (part.float().mean((1, 2, 3)) for part in images.split(half, -2))
                share = (upper > lower).float() / 2  # half of the images are of either class
                return images.flip(-2).where((share < level)[:, None, None, None], images)
        """,
    )
    project.judge("--robustness-transforms=swap", "--robustness-severity=1-3", "--rootdir=.", "--confcutdir=.")
    table = project.table("accuracy.csv")
    correct = table[table.model.str.endswith("slope")].groupby("severity").correct.sum()
    assert correct.to_dict() == {1: 40, 2: 20, 3: 0}


SEVEN = """
def pytest_robustness_register(registry):
    @registry.transform("swap", levels=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    def swap(images, level):
        return images
"""


@pytest.mark.parametrize(
    ("severity", "own", "refused"),
    [
        ("5", "", None),
        ("7", "", "No transform has severity 7. They have: 1, 2, 3, 4, 5."),
        ("3,6", "", "No transform has severity 6. They have: 1, 2, 3, 4, 5."),
        ("7", SEVEN, None),
        ("8", SEVEN, "No transform has severity 8. They have: 1, 2, 3, 4, 5, 6, 7."),
    ],
)
@pytest.mark.parametrize("transforms", ["vflip", "rotation:12"])
def test_a_severity_that_no_transform_has_is_refused_where_those_of_the_run_have_none(
    project, severity, own, refused, transforms
):
    project.write("conftest.py", own)
    result = project.judge(
        f"--robustness-severity={severity}", f"--robustness-transforms={transforms}", "-k=slope", "--confcutdir=."
    )
    assert (result.ret == pytest.ExitCode.USAGE_ERROR) is bool(refused)
    assert [line for line in result.errlines if line.startswith("ERROR")] == [f"ERROR: {refused}"] * bool(refused)
    assert (project.path / ".robustness").exists() is not bool(refused)


def test_a_transform_that_lacks_the_severity_is_named_where_the_run_has_one(project):
    result = project.judge("--robustness-severity=6", "--robustness-transforms=vflip,zoom")
    assert "ERROR: zoom has no severity 6. It has: 1, 2, 3, 4, 5." in result.errlines


@pytest.mark.parametrize("levels", [(1, 2, 3, 4, 5, 6, 7), ()])
def test_an_evaluation_refuses_it_too(levels):
    def register(registry):
        if levels:
            registry.transform("swap", levels=levels)(lambda images, level: images)

    valid = ", ".join(map(str, levels or range(1, 6)))
    with pytest.raises(OptionError, match=f"^No transform has severity 8. They have: {valid}.$"):
        evaluate("digits:resnet18", "digits", "vflip", severity=8, register=register, progress=False)
