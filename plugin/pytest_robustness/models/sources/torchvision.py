"""Models of torchvision: every image classifier that it knows, with the weights that it publishes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_robustness.core import Model, Preprocess
from pytest_robustness.errors import OptionError, WeightsError, unknown
from pytest_robustness.models.presets import ARTICLE_MODELS, PRESETS
from pytest_robustness.models.weights import WeightsPolicy, read_state_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from torchvision.models import WeightsEnum

_ARTICLE_WEIGHTS = "IMAGENET1K_V1"


class TorchvisionSource:
    """``resnet50``, ``resnet50@IMAGENET1K_V2``: torchvision's classifiers.

    Without ``@weights`` the article's are meant: ``IMAGENET1K_V1``, or torchvision's ``DEFAULT`` for the few models
    that have no such weights.
    """

    name = "torchvision"

    def __init__(self, policy: WeightsPolicy) -> None:
        self._policy = policy

    def known(self) -> Sequence[str]:
        """Return the names of torchvision's image classifiers."""
        import torchvision

        names: list[str] = torchvision.models.list_models(module=torchvision.models)
        return names

    def check(self, name: str, weights: str | None) -> None:
        """Raise `OptionError` unless torchvision has the model and publishes the weights."""
        if name in ARTICLE_MODELS and weights in (None, _ARTICLE_WEIGHTS):
            return  # True by definition, and spares a run of the preset the import of torchvision.
        known = self.known()
        if name not in known:
            raise OptionError(f"{unknown('torchvision model', name, known)} Presets: {', '.join(sorted(PRESETS))}.")
        if weights is not None and weights not in _published(name):
            raise OptionError(unknown(f"set of {name} weights", weights, _published(name)))

    def load(self, name: str, weights: str | None) -> Model:
        """Return the model with its weights from the policy's directory, else through torchvision's download cache."""
        published = _published(name)
        chosen = published[weights or (_ARTICLE_WEIGHTS if _ARTICLE_WEIGHTS in published else "DEFAULT")]
        return Model(_build(name, chosen, self._state(chosen)), _preprocess(chosen), tuple(chosen.meta["categories"]))

    def _state(self, weights: WeightsEnum) -> dict[str, Tensor]:
        if self._policy.directory is None:
            return _download(weights)
        path = _find(self._policy.directory, weights.url)
        if path.suffix != ".safetensors":
            _verify(path, weights.url)
        return read_state_dict(path, self._policy.trust_pickle)


def _published(name: str) -> dict[str, WeightsEnum]:
    from torchvision.models import get_model_weights

    return dict(get_model_weights(name).__members__)


def _build(name: str, weights: WeightsEnum, state: dict[str, Tensor]) -> Any:
    """Return torchvision's model for ``weights``, filled from ``state``.

    The builder is given a stand-in for the enum's member: it derives details of the architecture from the member (image
    size, auxiliary heads, renamed parameters) and then asks it for the state dict, which would download it.
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


def _download(weights: WeightsEnum) -> dict[str, Tensor]:
    import torch

    name = _file_name(weights.url)
    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True, map_location="cpu")
    except OSError as error:
        raise WeightsError(
            f"{name} could not be downloaded from {weights.url} ({error}). "
            f"Put the file {name} into a directory DIR and pass --robustness-weights-dir=DIR."
        ) from error
    except Exception as error:
        cached = Path(torch.hub.get_dir()) / "checkpoints" / name
        raise WeightsError(
            f"{name} as downloaded from {weights.url} cannot be read ({error}). Remove {cached} and run again."
        ) from error


def _find(directory: Path, url: str) -> Path:
    original = directory / _file_name(url)
    candidates = (original, original.with_suffix(".safetensors"))
    for path in candidates:
        if path.is_file():
            return path
    raise WeightsError(
        f"{directory} holds neither {candidates[0].name} nor {candidates[1].name}. "
        f"Download {url} and put it into {directory}."
    )


def _verify(path: Path, url: str) -> None:
    """Compare the file with the start of its SHA-256, which torchvision puts into the name."""
    promised = re.search(r"-([0-9a-f]{8,})\.", path.name)
    if promised is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(promised[1]):
        raise WeightsError(
            f"{path} is not the published file: its SHA-256 should start with {promised[1]}, "
            f"but starts with {found[: len(promised[1])]}. Download {url} again."
        )
