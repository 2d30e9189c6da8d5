"""timm describes each module of an architecture as its published weights, whatever weights it has: that is on trust."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from pytest_robustness.core import ClassLabel, Model, Preprocess, Selection
from pytest_robustness.data.in_memory import ArraySource
from pytest_robustness.inference.loading.model_facts import ModelFacts
from pytest_robustness.inference.loading.model_loading import load_model, open_model
from pytest_robustness.inference.user_calls.calls import UserCalls
from pytest_robustness.models import ModelZoo
from pytest_robustness.models.objects import as_model
from pytest_robustness.report.assumption_text import warning

timm = pytest.importorskip("timm", reason="the extra timm is not installed")
NAME = "test_resnet"
CLASSES = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu")


def judged(made):
    """Return what is known of a model, as of one that a user's code gave."""
    classes = [ClassLabel(name, name) for name in CLASSES]
    pixels = np.random.default_rng(0).integers(0, 256, (7, 3, 80, 80), np.uint8)
    labels = np.arange(7, dtype=np.int64)
    identities = np.arange(7, dtype=np.uint64).repeat(2).view("V16")
    selection = Selection(ArraySource("photos", classes, labels, pixels), labels, labels, identities)
    zoo, calls = ModelZoo(given={"mine": as_model(made)}), UserCalls([].append)
    return ModelFacts.of_model(load_model(open_model("mine", zoo, calls), selection, calls))


def reset():
    net = timm.create_model(NAME)
    net.reset_classifier(7)
    return net


def replaced():
    net = timm.create_model(NAME)
    net.fc = nn.Linear(net.num_features, 7)  # ``net.num_classes`` goes on saying 1000
    return net


def of_a_hub():
    """Return a module whose configuration is that of its own weights, as with ``timm.create_model("hf-hub:...")``."""
    return timm.create_model(NAME, num_classes=7, pretrained_cfg_overlay={"num_classes": 7})


RETRAINED = {
    "made so": lambda: timm.create_model(NAME, num_classes=7),
    "reset": reset,
    "replaced": replaced,
    "with classes": lambda: Model(reset(), classes=CLASSES),
    "behind a background": lambda: Model(timm.create_model(NAME, num_classes=8), classes=CLASSES, output_offset=1),
}


@pytest.mark.parametrize("make", RETRAINED.values(), ids=RETRAINED)
def test_the_defaults_of_a_network_with_an_own_head_are_warned_of(make):
    facts = judged(make())
    assert set(facts.assumed) - {"classes"} == {"mean", "std", "size"}
    assert {facts.origins[name] for name in ("mean", "std", "size", "interpolation", "antialias")} == {"architecture"}
    assert "timm's defaults of the architecture (mean 0.5, 0.5, 0.5; " in warning("mine", facts)


def test_where_the_outputs_are_those_of_the_configuration_its_origin_alone_is_named():
    facts = judged(Model(of_a_hub(), classes=CLASSES))
    assert facts.assumed == ()
    assert facts.origins == dict.fromkeys(facts.origins, "architecture") | {"classes": "factory"}
    assert warning("mine", facts) is None


def test_a_preprocess_of_the_users_settles_it():
    facts = judged(Model(reset(), Preprocess(72, 64, (0, 0, 0), (1, 1, 1)), classes=CLASSES))
    assert facts.assumed == ()
    assert {facts.origins[name] for name in ("mean", "std", "size", "classes")} == {"factory"}
