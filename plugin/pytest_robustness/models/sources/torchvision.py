"""Models of torchvision: each of its image classifiers, with the weights that it publishes.

``resnet50``, ``resnet50@IMAGENET1K_V2``. Without ``@weights`` the article's are loaded: ``IMAGENET1K_V1``, or
torchvision's ``DEFAULT`` for the few models that have no such weights.
"""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pytest_robustness.core import Model, Preprocess
from pytest_robustness.core.errors import OptionError, WeightsError, unknown
from pytest_robustness.models.presets import ARTICLE_MODELS, PRESETS
from pytest_robustness.models.weights import read_state_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from torchvision.models import WeightsEnum

    from pytest_robustness.models.weights import WeightsPolicy

_ARTICLE_WEIGHTS = "IMAGENET1K_V1"
_log = logging.getLogger(__name__)
PUBLISHED: Final = True


def known() -> Sequence[str]:
    """Return the names of torchvision's image classifiers."""
    import torchvision

    names: list[str] = torchvision.models.list_models(module=torchvision.models)
    return names


def check(name: str, weights: str | None) -> None:
    """Raise `OptionError` unless torchvision has the model and publishes the weights."""
    if name in ARTICLE_MODELS and weights in (None, _ARTICLE_WEIGHTS):
        return  # Known without importing torchvision, which a run of the preset would otherwise do here.
    names = known()
    if name not in names:
        raise OptionError(f"{unknown('torchvision model', name, names)} Presets: {', '.join(sorted(PRESETS))}.")
    if weights is not None and weights not in _published(name):
        raise OptionError(unknown(f"set of {name} weights", weights, _published(name)))


def load(name: str, weights: str | None, policy: WeightsPolicy) -> Model:
    """Return the model with its weights from the policy's directory, else through torchvision's download cache."""
    chosen = _chosen(name, weights)
    return Model(_build(name, chosen, _state(chosen, policy)), _preprocess(chosen), tuple(chosen.meta["categories"]))


def weights_files(name: str, weights: str | None, policy: WeightsPolicy) -> tuple[Path, ...]:
    """Return where the policy's directory, or torchvision's download cache, has the weights."""
    url = _chosen(name, weights).url
    return (_cached(url),) if policy.directory is None else _candidates(policy.directory, url)


def _chosen(name: str, weights: str | None) -> WeightsEnum:
    published = _published(name)
    return published[weights or (_ARTICLE_WEIGHTS if _ARTICLE_WEIGHTS in published else "DEFAULT")]


def _state(weights: WeightsEnum, policy: WeightsPolicy) -> dict[str, Tensor]:
    if policy.directory is None:
        return _download(weights)
    path = _find(policy.directory, weights.url)
    if path.suffix != ".safetensors":
        _verify(path, weights.url)
    return read_state_dict(path, policy.trust_pickle)


def _published(name: str) -> dict[str, WeightsEnum]:
    from torchvision.models import get_model_weights

    return dict(get_model_weights(name).__members__)


def _build(name: str, weights: WeightsEnum, state: dict[str, Tensor]) -> Any:
    """Return torchvision's model for ``weights``, filled from ``state``.

    The builder derives details of the architecture from the enum's member (image size, auxiliary heads, renamed
    parameters), then asks it for the state dict, which would download it. A copy of the member therefore answers with
    ``state``; an enum offers no public way to copy one.
    """
    from torchvision.models import get_model

    from pytest_robustness.models.blank import BlankParameters

    stand_in = object.__new__(type(weights))
    vars(stand_in).update(vars(weights), get_state_dict=lambda **_: state)
    with BlankParameters():
        return get_model(name, weights=stand_in)


def _preprocess(weights: WeightsEnum) -> Preprocess:
    pipeline = weights.transforms()
    return Preprocess(
        resize=pipeline.resize_size[0],
        crop=pipeline.crop_size[0],
        mean=pipeline.mean,
        std=pipeline.std,
        interpolation=pipeline.interpolation.value,
        antialias=bool(pipeline.antialias),
    )


def _file_name(url: str) -> str:
    return Path(urlsplit(url).path).name


def _cached(url: str) -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / _file_name(url)


def _download(weights: WeightsEnum) -> dict[str, Tensor]:
    name = _file_name(weights.url)
    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True, map_location="cpu")
    except OSError as error:
        _log.debug("%s could not be downloaded", name, exc_info=True)
        raise WeightsError(
            f"{name} could not be downloaded from {weights.url} ({error}). "
            f"Put the file {name} into a directory DIR and pass --robustness-weights-dir=DIR."
        ) from error
    except Exception as error:
        _log.debug("%s cannot be read", name, exc_info=True)
        raise WeightsError(
            f"{name} as downloaded from {weights.url} cannot be read ({error}). Remove {_cached(weights.url)} and run "
            f"again."
        ) from error


def _candidates(directory: Path, url: str) -> tuple[Path, Path]:
    original = directory / _file_name(url)
    return original, original.with_suffix(".safetensors")


def _find(directory: Path, url: str) -> Path:
    candidates = _candidates(directory, url)
    for path in candidates:
        if path.is_file():
            return path
    raise WeightsError(
        f"{directory} holds neither {candidates[0].name} nor {candidates[1].name}. "
        f"Download {url} and put it into {directory}."
    )


def _verify(path: Path, url: str) -> None:
    """Raise `WeightsError` unless the file's SHA-256 starts as its name says: torchvision puts the start there."""
    published = re.search(r"-([0-9a-f]{8,})\.", path.name)
    if published is None:
        return
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if not actual.startswith(published[1]):
        raise WeightsError(
            f"{path} is not the published file: its SHA-256 should start with {published[1]}, "
            f"but starts with {actual[: len(published[1])]}. Download {url} again."
        )
