"""``--robustness-models``: which models are judged."""

from __future__ import annotations


def test_the_models_that_are_named_are_judged(project):
    project.configure(robustness_models="python:nets.py:slope")
    result = project.judge("--robustness-models=python:nets.py:tilt,python:nets.py:colour", "-k", "vflip")
    result.assert_outcomes(failed=2, passed=1, deselected=3)
    assert {model for model, *_ in project.stored()} == {"tilt", "colour"}


def test_a_preset_stands_for_its_models(project):
    project.configure(robustness_data=None, robustness_models="digits12 digits:resnet18 python:nets.py:slope")
    ids = [line for line in project.judge("--collect-only", "-q", "-k", "hflip").outlines if "test_model_is" in line]
    assert len(ids) == 13
    assert ids[-1].endswith("[hflip-slope]")


def test_two_models_of_one_name_keep_their_sources_in_the_ids(project):
    project.configure(robustness_models="resnet18 digits:resnet18 digits:vgg16")
    result = project.judge("--collect-only", "-q", "-k", "models and hflip")
    assert [line.rpartition("::")[2] for line in result.outlines if "::" in line] == [
        "test_model_is_robust[hflip-resnet18]",
        "test_model_is_robust[hflip-digits:resnet18]",
        "test_model_is_robust[hflip-vgg16]",
    ]


def test_an_unknown_model_is_a_usage_error_that_names_the_known(project):
    result = project.judge("--robustness-models=digits:blurr")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            (
                "ERROR: 'blurr' is not a digits model. Known: alexnet, mobilenet_v2, resnet101, resnet18, resnet34, "
                "resnet50, squeezenet1_0, squeezenet1_1, vgg16, vgg16_bn, vgg19, vgg19_bn.*"
            )
        ]
    )
