"""Read weights files: safetensors, and PyTorch's own without running the code that a pickle may hold."""

from __future__ import annotations

import dataclasses
import logging
import os
import pickle
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_robustness.core.defaults import CLIP_TEMPLATES
from pytest_robustness.core.errors import WeightsError
from pytest_robustness.core.file_hashes import FileHashes

if TYPE_CHECKING:
    from torch import Tensor

    from pytest_robustness.core import ClassLabel

_WRAPPERS = ("state_dict", "model")
_PARALLEL_PREFIX = "module."
# What says where libraries keep what they download.
_CACHES = ("XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class WeightsPolicy:
    """Where to read published weights, and whether a file that needs a full pickle may be read.

    ``directory=None``: from the download cache of the library that publishes them. ``hashes`` hashes the files that a
    model consists of. ``classes`` are those of the data, and ``templates`` the sentences to put their names into, for
    models that know classes by their names alone.
    """

    directory: Path | None = None
    trust_pickle: bool = False
    hashes: FileHashes = dataclasses.field(default_factory=FileHashes)
    classes: tuple[ClassLabel, ...] = ()
    templates: str = CLIP_TEMPLATES

    @property
    def place(self) -> tuple[str, ...]:
        """Where published weights are looked for, so that in another place they are others; no library is imported."""
        if self.directory is not None:
            return (str(self.directory.resolve()),)
        # A conftest.py may have called torch.hub.set_dir.
        chosen = getattr(sys.modules.get("torch.hub"), "_hub_dir", None)
        return (str(Path("~").expanduser()), str(chosen), *(f"{name}={os.environ.get(name)}" for name in _CACHES))


def read_state_dict(path: str | Path, trust_pickle: bool = False) -> dict[str, Tensor]:
    """Return the state dict in ``path``, on the CPU, unwrapped as `unwrap` says.

    Parameters
    ----------
    path
        A ``.safetensors`` file, or one that ``torch.save`` wrote (``.pth``, ``.pt``, ``.th``).
    trust_pickle
        Also read files that hold more than tensors and plain values. Such a file can run any code: use this only for
        files whose origin you trust.

    Raises
    ------
    WeightsError
        The file is missing, damaged, holds no state dict, or needs ``trust_pickle``.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"There is no weights file {path}.")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path, trust_pickle)
    state = unwrap(content)
    if state is None:
        raise WeightsError(
            f"{path} holds a {type(content).__name__}, not a state dict. Save model.state_dict() instead."
        )
    return state


def unwrap(content: object) -> dict[str, Tensor] | None:
    """Return the state dict within what a training script saved, or ``None`` where there is none.

    Checkpoints commonly hold it under ``state_dict`` or ``model``, next to the epoch and the optimizer. A model
    that was trained in ``DataParallel`` has ``module.`` before every name.
    """
    from torch import nn

    if isinstance(content, Mapping):
        content = next((content[key] for key in _WRAPPERS if _is_state(content.get(key))), content)
    if isinstance(content, nn.Module):
        content = content.state_dict()
    if not isinstance(content, dict) or not _is_state(content):
        return None
    if not all(name.startswith(_PARALLEL_PREFIX) for name in content):
        # The same object: torch attaches the modules' versions to it, which some modules need when they load it.
        return content
    return {name.removeprefix(_PARALLEL_PREFIX): tensor for name, tensor in content.items()}


def _is_state(content: object) -> bool:
    from torch import Tensor, nn

    if isinstance(content, nn.Module):
        return True
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        return False
    return any(isinstance(value, Tensor) for value in content.values())


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:
        _log.debug("%s cannot be read as safetensors", path, exc_info=True)
        raise _damaged(path, error) from error


def _read_torch(path: Path, trust_pickle: bool) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=not trust_pickle)
    except pickle.UnpicklingError as error:
        _log.debug("%s cannot be unpickled", path, exc_info=True)
        refused = re.search(r"GLOBAL (\S+)", str(error))
        if refused is None:
            raise _damaged(path, error) from error
        raise WeightsError(
            f"{path} holds more than weights: reading it would run the code of {refused[1]}. "
            "Pass --robustness-trust-pickle only if you trust the file's origin, or save it again as .safetensors."
        ) from error
    except Exception as error:
        # A damaged file raises nearly any exception: RuntimeError, EOFError, KeyError.
        _log.debug("%s cannot be read", path, exc_info=True)
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> WeightsError:
    cause = str(error).partition("\n")[0].strip()
    return WeightsError(
        f"{path} is not a readable weights file ({type(error).__name__}: {cause}). Replace it with an undamaged copy."
    )
