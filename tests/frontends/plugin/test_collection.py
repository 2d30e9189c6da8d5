"""Tests are run over the cells of their marker or of the options, under ids that say which."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_robustness.core import CONTROL, Cell, Condition, Panel
from pytest_robustness.core.errors import OptionError
from pytest_robustness.frontends.plugin import collection
from pytest_robustness.frontends.session.requests import Requests
from pytest_robustness.models import ModelZoo
from pytest_robustness.transforms import builtin

VFLIP, ZOOM3, ZOOM5 = Condition("vflip"), Condition("zoom", 3), Condition("zoom", 5)


class Node:
    """A test function with or without the marker, which pytest would give."""

    nodeid = "test_mine.py::test_mine"

    def __init__(self, *args: object, **wishes: object) -> None:
        self.own_markers = [pytest.mark.robustness(*args, **wishes).mark] if args or wishes else []

    def listchain(self):
        return [self]


class Metafunc:
    """Keeps what a test is parametrized with: for each fixture the values by id."""

    def __init__(self, node, *fixtures):
        self.definition = node
        self.fixturenames = ("tmp_path", *fixtures)
        self.found = {}

    def parametrize(self, fixture, values, *, ids, indirect):
        assert indirect
        self.found[fixture] = dict(zip(ids, values, strict=True))


def session(models=("resnet18", "vgg16"), transforms=("vflip", "zoom"), severity=(3,)):
    options = SimpleNamespace(
        data="imagenet:/data", models=models, candidate=None, transforms=transforms, severity=severity
    )
    return SimpleNamespace(options=options, requests=Requests(options, ModelZoo(), builtin()))


def parametrized(node, fixture, **options):
    metafunc = Metafunc(node, fixture)
    collection.parametrize(metafunc, session(**options), {fixture})
    assert set(metafunc.found) <= {fixture}
    return metafunc.found.get(fixture)


def test_a_cell_is_each_model_under_each_condition_of_the_options():
    assert parametrized(Node(), collection.CELL) == {
        "vflip-resnet18": Cell("resnet18", VFLIP),
        "vflip-vgg16": Cell("vgg16", VFLIP),
        "zoom-resnet18": Cell("resnet18", ZOOM3),
        "zoom-vgg16": Cell("vgg16", ZOOM3),
    }


def test_a_comparison_has_control_too_and_first():
    found = parametrized(Node(), collection.GATE_CELL, models=("vgg16",))
    assert list(found.items()) == [
        ("control-vgg16", Cell("vgg16", CONTROL)),
        ("vflip-vgg16", Cell("vgg16", VFLIP)),
        ("zoom-vgg16", Cell("vgg16", ZOOM3)),
    ]


def test_a_condition_comes_with_all_models():
    both = ("resnet18", "vgg16")
    assert parametrized(Node(), collection.PANEL) == {"vflip": Panel(VFLIP, both), "zoom": Panel(ZOOM3, both)}


def test_ids_name_the_severity_among_several_and_the_source_among_models_of_one_name():
    found = parametrized(Node(), collection.CELL, models=("resnet18", "timm:resnet18"), severity=(3, 5))
    assert list(found) == [
        *("vflip-resnet18", "vflip-timm:resnet18"),
        *("zoom-resnet18-s3", "zoom-timm:resnet18-s3", "zoom-resnet18-s5", "zoom-timm:resnet18-s5"),
    ]
    assert list(parametrized(Node(), collection.PANEL, severity=(3, 5))) == ["vflip", "zoom-s3", "zoom-s5"]


def test_a_marker_replaces_what_it_names_and_the_options_give_the_rest():
    assert parametrized(Node(models=["vgg19"]), collection.PANEL, transforms=("vflip",)) == {
        "vflip": Panel(VFLIP, ("vgg19",))
    }
    assert parametrized(Node(transforms=["zoom"]), collection.CELL, models=("vgg16",), severity=(5,)) == {
        "zoom-vgg16": Cell("vgg16", ZOOM5)
    }


def test_a_test_without_such_a_fixture_runs_once():
    assert parametrized(Node(models=["vgg19"]), "robustness") is None


@pytest.mark.parametrize("node", [Node(classes=["cat"]), Node("vgg16")])
def test_a_marker_with_anything_else_is_refused(node):
    with pytest.raises(OptionError) as caught:
        parametrized(node, collection.CELL)
    assert str(caught.value) == (
        "@pytest.mark.robustness takes models=[...] and transforms=[...] and nothing else; see test_mine.py::test_mine."
    )


TESTS = """
import pytest

@pytest.mark.parametrize("what", [1])
@pytest.mark.robustness(models=["vgg19"], transforms=["vflip", "zoom"])
def test_marked(what): pass

@pytest.mark.robustness
def test_bare(): pass

def test_plain(): pass
"""


def test_what_a_test_needs_is_its_own_parameter_else_what_its_marker_names(pytester):
    items = {item.originalname: item for item in pytester.getitems(TESTS)}
    own = session()
    assert collection.requests(items["test_marked"], own) == [Panel(VFLIP, ("vgg19",)), Panel(ZOOM3, ("vgg19",))]
    assert collection.requests(items["test_bare"], own) == []
    assert collection.requests(items["test_plain"], own) == []
    items["test_marked"].callspec.params[collection.CELL] = Cell("vgg16", VFLIP)
    assert collection.requests(items["test_marked"], own) == [Cell("vgg16", VFLIP)]


LAYERS = """
import pytest

pytestmark = pytest.mark.robustness(transforms=["zoom"])

def test_file(): pass

@pytest.mark.robustness(models=["vgg16"])
@pytest.mark.robustness(models=["vgg19"], transforms=["vflip"])
def test_stacked(): pass

@pytest.mark.robustness(models=["vgg16"])
class TestBase:
    @pytest.mark.robustness(transforms=["vflip"])
    def test_method(self): pass

    @pytest.mark.robustness
    def test_bare(self): pass

@pytest.mark.robustness(models=["vgg19"])
class TestDerived(TestBase):
    @pytest.mark.robustness(models=["resnet18"])
    def test_model(self): pass
"""


@pytest.mark.parametrize(
    ("test", "wanted"),
    [
        ("test_file", [Panel(ZOOM3, ("resnet18", "vgg16"))]),
        ("test_stacked", [Panel(VFLIP, ("vgg19",))]),
        ("TestBase::test_method", [Panel(VFLIP, ("vgg16",))]),
        ("TestBase::test_bare", [Panel(ZOOM3, ("vgg16",))]),
        ("TestDerived::test_method", [Panel(VFLIP, ("vgg19",))]),
        ("TestDerived::test_model", [Panel(ZOOM3, ("resnet18",))]),
    ],
)
def test_each_argument_is_that_of_the_closest_marker_that_names_it(pytester, test, wanted):
    items = {item.nodeid.partition("::")[2]: item for item in pytester.getitems(LAYERS)}
    assert collection.requests(items[test], session()) == wanted


def test_no_marker_of_several_may_hold_anything_else(pytester):
    (item,) = pytester.getitems(
        """
        import pytest

        @pytest.mark.robustness(classes=["cat"])
        class TestMine:
            @pytest.mark.robustness(models=["vgg16"])
            def test_it(self): pass
        """
    )
    with pytest.raises(OptionError, match=r"takes models=\[...\] and transforms=\[...\] and nothing else"):
        collection.requests(item, session())
