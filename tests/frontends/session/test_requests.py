"""Names of models and transforms become cells and panels, or an error that says which name is wrong."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.core.errors import OptionError
from pytest_robustness.frontends.session.requests import Requests, require_transform
from pytest_robustness.models import ModelZoo
from pytest_robustness.transforms import builtin

# The twelve models of the article, as the README's table lists them.
ARTICLE = (
    *("alexnet", "squeezenet1_0", "squeezenet1_1", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
    *("mobilenet_v2", "resnet18", "resnet34", "resnet50", "resnet101"),
)
NINE = (
    *("rotation", "brightness", "translate", "zoom", "perspective", "equalize", "hflip", "vflip"),
    "equalize_zoom_brightness",
)


def requests(baseline=(), **chosen):
    """Return the requests of a run on ImageNet, unless the options say otherwise."""
    plain = {"data": "imagenet:/data", "models": None, "candidate": None, "transforms": None, "severity": None}
    return Requests(SimpleNamespace(**plain | chosen), ModelZoo(), builtin(), lambda: baseline)


@pytest.mark.parametrize(
    ("data", "models"),
    [
        ("imagenet:/data", ARTICLE),
        ("imagenette", ARTICLE),
        ("digits", tuple(f"digits:{name}" for name in ARTICLE)),
        ("folder:photos", ()),
        ("cifar10", ()),
    ],
)
def test_the_data_decides_which_models_are_the_default(data, models):
    assert requests(data=data).models == models


def test_the_options_models_replace_the_default_and_a_candidate_replaces_those():
    assert requests(models=("vgg16", "resnet18", "vgg16")).models == ("vgg16", "resnet18")
    assert requests(models=("vgg16",), candidate="resnet50").models == ("resnet50",)


def test_a_run_without_models_asks_for_them():
    with pytest.raises(OptionError) as caught:
        requests(data="folder:photos").require_models()
    assert str(caught.value) == (
        "Which models are to be judged on folder:photos? Name them with --robustness-models; only digits, imagenet, "
        "imagenette have models of their own."
    )


def test_every_transform_is_taken_at_every_severity_that_it_has():
    found = requests(transforms=("zoom", "vflip"), severity=(1, 5)).conditions
    assert found == (Condition("zoom", 1), Condition("zoom", 5), Condition("vflip"))
    # Of the nine, the article's, six have levels.
    assert sum(condition.severity == 3 for condition in requests().conditions) == 6
    assert {condition.transform for condition in requests().conditions} == {*NINE}


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({}, [("zoom", 1), ("vflip", None), ("zoom", 5), ("rotation", 2)]),
        ({"severity": (2, 4)}, [("zoom", 2), ("zoom", 4), ("vflip", None), ("rotation", 2), ("rotation", 4)]),
        ({"transforms": ("zoom", "hflip")}, [("zoom", 3), ("hflip", None)]),
        ({"transforms": ("zoom",), "severity": (1,)}, [("zoom", 1)]),
    ],
)
def test_a_candidate_has_the_conditions_of_the_baseline_as_far_as_the_options_name_none(named, expected):
    baseline = [Condition("zoom", 1), Condition("vflip"), Condition("zoom", 5), Condition("rotation", 2)]
    assert requests(baseline, **named).conditions == tuple(Condition(*one) for one in expected)


@pytest.mark.parametrize(
    ("options", "severity", "expected"), [((3,), None, 3), ((5,), None, 5), ((1, 2), None, 3), ((5,), 2, 2)]
)
def test_a_condition_without_a_severity_has_the_one_of_the_options_or_three(options, severity, expected):
    assert requests(severity=options).condition("zoom", severity) == Condition("zoom", expected)


@pytest.mark.parametrize(
    ("transform", "levels"),
    [
        ("zoom", True),
        ("rotation+vflip", True),
        ("vflip", False),
        ("zoom:1.5", False),
        ("worst(zoom,k=2)", False),
        ("control", False),
    ],
)
def test_what_has_magnitudes_has_levels(transform, levels):
    assert requests().has_levels(Condition(transform)) is levels


def test_conditions_cells_and_panels_stay_as_they_are():
    asked, zoom = requests(), Condition("zoom", 5)
    cell, panel = Cell("anything", zoom), Panel(zoom, ("any", "thing"))
    assert asked.condition(zoom) is zoom
    assert asked.condition("control") is CONTROL
    assert asked.cell(cell, "", None) is cell
    assert asked.panel(panel, None, None) is panel


def test_a_cell_has_one_model_and_a_panel_those_of_the_options_or_its_own():
    asked = requests(models=("vgg16", "resnet18"))
    vflip = Condition("vflip")
    assert asked.cell("resnet50", "vflip", None) == Cell("resnet50", vflip)
    assert asked.panel("vflip", None, None) == Panel(vflip, ("vgg16", "resnet18"))
    assert asked.panel("vflip", None, "resnet50") == Panel(vflip, ("resnet50",))
    assert asked.panel("vflip", None, ["imagenet12"]) == Panel(vflip, ARTICLE)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda asked: asked.cell("imagenet12", "vflip", None), "'imagenet12' is a preset of 12 models; name one"),
        (
            lambda asked: asked.cell("resnet19", "vflip", None),
            "'resnet19' is not a torchvision model",
        ),
        (lambda asked: asked.cell("resnet18", "blurr", None), "'blurr' is not a transform"),
        (lambda asked: asked.cell("resnet18", "zoom", 9), "zoom has no severity 9. It has: 1, 2, 3, 4, 5."),
        (lambda asked: asked.panel("vflip", None, []), r"models=\[\] names none. Name at least one, or leave models"),
        (lambda asked: asked.expand_conditions([]), r"transforms=\[\] names none. Name at least one, or leave tran"),
        (lambda _: require_transform(CONTROL), "control is what transforms are compared with. Name a transform."),
    ],
)
def test_a_name_that_means_nothing_here_is_refused(ask, message):
    with pytest.raises(OptionError, match=message):
        ask(requests())


def test_imagenets_model_on_the_digits_is_refused_with_the_name_that_was_meant():
    with pytest.raises(OptionError) as caught:
        requests(data="digits", models=("resnet18",))
    assert str(caught.value) == (
        "'resnet18' is torchvision's model, for ImageNet. On the embedded digits say 'digits:resnet18'."
    )
    # A model that the digits do not have is nobody's mistake.
    assert requests(data="digits", models=("wide_resnet50_2",)).models == ("wide_resnet50_2",)
