"""Models from the user's own code: ``python:package.module:factory`` and ``python:path/to/file.py:factory``.

The factory takes no argument and returns a `pytest_robustness.Model`, or a bare ``torch.nn.Module``. That gets images
in [0, 1] at the size that the data has, and reports say so; one of timm is preprocessed as its ``pretrained_cfg`` says.
Modules and paths are found from the directory in which the run started, as ``python -m`` does.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_robustness.core.errors import ModelError, OptionError
from pytest_robustness.core.opened_files import opened_at_import, recorded
from pytest_robustness.core.source_code import text_of
from pytest_robustness.core.user_code import FORMS, FunctionName, UserModule, parse
from pytest_robustness.models.objects import as_model, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from pytest_robustness.core import Model
    from pytest_robustness.models.weights import WeightsPolicy
PUBLISHED: Final = False


def known() -> Sequence[str]:
    """Return the two forms of a name."""
    return FORMS


def check(name: str, weights: str | None) -> None:
    """Raise `OptionError` on a malformed name or a missing file; no code of the user runs."""
    if weights is not None:
        raise OptionError(f"'python:{name}' loads its own weights; leave '@{weights}' out.")
    target = _parse(name).target
    file = UserModule(target).file
    if file is not None and not file.is_file():
        raise OptionError(f"'python:{name}' names the file {target}, which is not there (from {Path.cwd()}).")


def load(name: str, weights: str | None, policy: WeightsPolicy) -> Model:  # noqa: ARG001 (the user's code loads them)
    """Import the factory, call it, and return its model; the fingerprint covers the factory's file and all it reads."""
    from pytest_robustness.models.fingerprint import files_digest, identified

    target, function = _parse(name)
    module = UserModule(target)
    with module.importable():
        with recorded() as opened:
            factory = module.function(function, ModelError)
            returned = factory()
            model = as_model(returned)
        if model is None:
            raise ModelError(
                f"The factory {name} returned {kind_of(returned)}. Return a "
                f"pytest_robustness.Model or a torch.nn.Module."
            )
        loaded = module.load(ModelError)
        files = files_digest([*opened, *opened_at_import(loaded)], policy.hashes)
        return identified(model, _source(factory, loaded) + files, hashes=policy.hashes)


def _parse(name: str) -> FunctionName:
    named = parse(name)
    if named is None:
        raise OptionError(f"'python:{name}' does not name a factory. Write python:{' or python:'.join(FORMS)}.")
    return named


def _source(factory: Callable[[], Any], module: ModuleType) -> bytes:
    """Return the content of the file that defines the factory; nothing if there is none."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(factory))
    except TypeError:
        file = getattr(module, "__file__", None)
    return b"" if file is None else text_of(file)
