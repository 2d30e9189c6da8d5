"""Models of timm (PyTorch Image Models): its classifiers, with the weights that it publishes.

``timm:resnet50.a1_in1k`` is an architecture and, after the dot, the tag of its weights. Without a tag timm chooses.
"""

from __future__ import annotations

import contextlib
import difflib
import logging
from typing import TYPE_CHECKING, Any, Final

from pytest_robustness.core import Model
from pytest_robustness.core.errors import ModelError, OptionError, WeightsError
from pytest_robustness.models.files import require
from pytest_robustness.models.hub import asked_once
from pytest_robustness.models.pretrained_cfg import classes, preprocess
from pytest_robustness.models.weights import read_state_dict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_robustness.models.weights import WeightsPolicy

_log = logging.getLogger(__name__)
PUBLISHED: Final = True


def known() -> Sequence[str]:
    """Return the form of a name: there are too many names to list."""
    return ("architecture.tag",)


def check(name: str, weights: str | None) -> None:
    """Raise `OptionError` if timm is not installed or ``weights`` are given; timm is not imported."""
    if weights is not None:
        raise OptionError(f"timm names weights after a dot: write 'timm:{name}.{weights}' for '{name}@{weights}'.")
    require(f"timm:{name}", "timm", ("timm",))


def load(name: str, weights: str | None, policy: WeightsPolicy) -> Model:  # noqa: ARG001 (there are none)
    """Return the model with its weights from the policy's directory, else through the Hugging Face hub's cache."""
    import timm

    full = _full_name(name)
    overlay = {} if policy.directory is None else {"state_dict": _read(policy.directory, full, policy.trust_pickle)}
    hub = contextlib.nullcontext() if overlay else asked_once(f"timm/{full}")
    try:
        with hub:
            module = timm.create_model(full, pretrained=True, pretrained_cfg_overlay=overlay)
    except OSError as error:
        _log.debug("The weights of %s could not be downloaded", full, exc_info=True)
        raise WeightsError(
            f"The weights of timm's {full} could not be downloaded from the Hugging Face hub ({_cause(error)}). "
            f"Put its model.safetensors into a directory DIR as {full}.safetensors and pass "
            f"--robustness-weights-dir=DIR."
        ) from error
    if not module.num_classes:
        raise ModelError(f"timm's {full} gives features, not classes. Name a classifier.")
    return Model(module, preprocess(full, module), classes(module))


def weights_files(name: str, weights: str | None, policy: WeightsPolicy) -> tuple[Path, ...]:  # noqa: ARG001 (as above)
    """Return where the policy's directory may have the weights; without one the hub decides which they are now."""
    if policy.directory is None:
        return ()
    return tuple(policy.directory / candidate for candidate in _candidates(_full_name(name)))


def _candidates(full: str) -> tuple[str, ...]:
    return f"{full}.safetensors", f"{full}.pth", f"{full}/model.safetensors"


def _read(directory: Path, full: str, trust_pickle: bool) -> Mapping[str, Any]:
    candidates = _candidates(full)
    for path in (directory / candidate for candidate in candidates):
        if path.is_file():
            return read_state_dict(path, trust_pickle)
    raise WeightsError(
        f"{directory} holds none of {', '.join(candidates)}. Download the weights file (on the Hugging Face hub: "
        f"timm/{full}, model.safetensors) and put it there under one of these names."
    )


def _full_name(name: str) -> str:
    """Return ``name`` with the tag of its weights."""
    import timm
    from timm.models import get_pretrained_cfg, is_model_pretrained

    if not is_model_pretrained(name):
        close = difflib.get_close_matches(name, timm.list_models(pretrained=True), n=5)
        hint = f"Close to it: {', '.join(close)}. " if close else ""
        raise ModelError(
            f"{name!r} is not a timm model with published weights. {hint}timm.list_models(pretrained=True) lists all."
        )
    facts = get_pretrained_cfg(name)
    return f"{facts.architecture}.{facts.tag}" if facts.tag else str(facts.architecture)


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition('. ')[0]}"
