"""``--robustness-transforms``: what is done to the images."""

from __future__ import annotations


def test_the_transforms_that_are_named_are_applied(project):
    result = project.judge("--robustness-transforms=equalize,vflip+hflip+vflip", "-k", "slope")
    result.assert_outcomes(passed=2, deselected=4)
    assert {name[1] for name in project.stored()} == {"control", "equalize", "vflip+hflip+vflip"}


WRITTEN = ("rotation:17.5", "turn90", "equalize+zoom:0.25", "worst(rotation+translate,k=3)")


def test_magnitudes_turns_and_worst_draws_are_conditions_like_any_other(project):
    named = "rotation:17.5, turn90,equalize+zoom:0.25 worst( rotation+translate, k = 3 )"
    chosen = "slope and (rotation:17.5 or turn90 or zoom:0.25 or worst)"
    result = project.judge(f"--robustness-transforms={named}", "-k", chosen, "-v")
    assert {name[1] for name in project.stored()} == {"control", *WRITTEN}
    ids = [f"test_model_is_robust[{name}-slope]" for name in WRITTEN]
    assert [name for name in ids if name in result.stdout.str()] == ids


def test_without_a_word_all_that_are_known_are_applied(project):
    project.configure(robustness_transforms=None)
    project.write(
        "conftest.py",
        "def pytest_robustness_register(registry):\n    registry.transform('mine', version=1)(lambda images: images)\n",
    )
    result = project.judge("--collect-only", "-q", "-k", "classes", "--rootdir=.", "--confcutdir=.")
    assert len([line for line in result.outlines if "::" in line]) == 10


def test_an_unknown_transform_is_a_usage_error_that_names_the_known(project):
    result = project.judge("--robustness-transforms=vflip+blurr")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            (
                "ERROR: 'blurr' is not a transform. Known: brightness, equalize, equalize_zoom_brightness, exif, "
                "hflip, perspective, rotation, translate, turn180, turn270, turn90, vflip, zoom."
            )
        ]
    )
