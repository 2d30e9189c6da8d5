"""Take models and data that a program has already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.defaults import UNNAMED_DATA
from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.text import is_printable, quoted
from pytest_robustness.data.map_style.dataset import adapt
from pytest_robustness.frontends.session.session import Given
from pytest_robustness.models.objects import as_model, kind_of

if TYPE_CHECKING:
    from pytest_robustness.core import Model
    from pytest_robustness.frontends.session.options import Options


def given(models: object, data: Any) -> Given:
    """Return those of the models and the data that are objects, not names.

    Raises
    ------
    OptionError
        On a model that is none, or has no name.
    DataError
        On data that is neither a source nor a dataset as torchvision has them.
    """
    return Given(_models(models), None if data is None or isinstance(data, str) else adapt(UNNAMED_DATA, data))


def require_names(found: Given, options: Options) -> None:
    """Raise `OptionError` where other machines are to make what exists in this process alone."""
    if options.executor != "local" and (found.models or found.data is not None):
        raise OptionError(
            f"executor={options.executor!r} makes models and opens data on every node, and these are objects of this "
            f"process. Name them: python:FILE:FACTORY."
        )


def _models(models: object) -> dict[str, Model]:
    if models is None or isinstance(models, str):
        return {}
    if isinstance(models, Mapping):
        return {name: _model(name, model) for name, model in models.items()}
    if isinstance(models, list | tuple) and all(isinstance(name, str) for name in models):
        return {}
    raise OptionError(
        f"models has a value of type {type(models).__name__}. Valid: names, or models by name, which reports then call "
        f"them, such as models={{'mine': net}}."
    )


def _model(name: object, found: object) -> Model:
    if not isinstance(name, str) or not name.strip() or not is_printable(name):
        raise OptionError(f"{quoted(str(name))} is no name of a model. Valid: a text without control characters.")
    model = as_model(found)
    if model is None:
        raise OptionError(
            f"models[{quoted(name)}] has {kind_of(found)}. Valid: a pytest_robustness.Model or a torch.nn.Module."
        )
    return model
