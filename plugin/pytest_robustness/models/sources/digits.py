"""The embedded zoo, ``digits:resnet18``: twelve small classifiers of handwritten digits, weights included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_robustness.core import Model
from pytest_robustness.core.errors import OptionError, unknown
from pytest_robustness.models import digits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_robustness.models.weights import WeightsPolicy
PUBLISHED: Final = True


def known() -> Sequence[str]:
    """Return the names of the twelve."""
    return digits.NAMES


def check(name: str, weights: str | None) -> None:
    """Raise `OptionError` unless ``name`` is one of the twelve, without weights: each has a single set."""
    if name not in digits.NAMES:
        raise OptionError(unknown("digits model", name, digits.NAMES))
    if weights is not None:
        raise OptionError(f"'digits:{name}' has one set of weights; leave '@{weights}' out.")


def load(name: str, weights: str | None, policy: WeightsPolicy) -> Model:  # noqa: ARG001 (there is one set)
    """Return the model with the weights that come with this package."""
    from safetensors import safe_open

    from pytest_robustness.models.digits.architectures import build

    module = build(name)
    prefix = f"{name}."
    with safe_open(digits.WEIGHTS, framework="pt") as file:
        keys = [key for key in file.keys() if key.startswith(prefix)]  # noqa: SIM118 (the file is not a mapping)
        module.load_state_dict({key.removeprefix(prefix): file.get_tensor(key) for key in keys})
    return Model(module, digits.PREPROCESS, digits.CLASSES)


def weights_files(name: str, weights: str | None, policy: WeightsPolicy) -> tuple[Path, ...]:  # noqa: ARG001 (one file)
    """Return the file that comes with this package."""
    return (digits.WEIGHTS,)
